"""Tools for those who make plugins; they need neither a root nor the superuser."""
