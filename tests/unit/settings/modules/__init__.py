"""Tests of kernel modules and their index."""
