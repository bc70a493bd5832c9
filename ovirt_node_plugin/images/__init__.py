"""The containers of a root, which may be nested: ISO, squashfs and filesystem image."""
