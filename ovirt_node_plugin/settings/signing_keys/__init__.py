"""Certificates of keys by which kernel modules are signed."""
