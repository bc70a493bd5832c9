"""Tests, and the real things that they work on."""
