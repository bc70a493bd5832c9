"""An RPM that contains an image: read, and written again with another one."""
