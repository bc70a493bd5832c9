"""This machine and names inside a root: programs, paths, files, XML."""
