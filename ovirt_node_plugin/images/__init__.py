"""The containers that a root lies in: squashfs, filesystem image, ISO, one in the other."""
