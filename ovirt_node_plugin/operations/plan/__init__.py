"""Plan a change; only reads."""
