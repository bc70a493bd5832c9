"""Plugins into an image."""
