"""Compare two images."""
