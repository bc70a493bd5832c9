"""A squashfs: its form, and what may stand behind it in its file."""
