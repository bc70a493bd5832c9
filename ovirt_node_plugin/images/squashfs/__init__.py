"""A squashfs: its form, and the data that may be behind it in its file."""
