"""Tests of the room cli on a root."""
