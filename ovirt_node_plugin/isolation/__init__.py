"""Foreign code, run so that it can change a root and nothing else of this machine."""
