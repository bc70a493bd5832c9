"""Core packages and refusals, for any program."""
