"""Plugins into images and out of them, and what is in an image: what the program does."""
