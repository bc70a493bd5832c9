"""Kernel arguments and the initramfs."""
