"""Kernel modules that are loaded at boot, and their index."""
