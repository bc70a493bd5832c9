"""Checks that the input of a merge is the image that was published."""
