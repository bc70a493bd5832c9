"""Merge plugins into an image."""
