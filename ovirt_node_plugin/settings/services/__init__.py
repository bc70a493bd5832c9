"""Units of systemd, enabled and running."""
