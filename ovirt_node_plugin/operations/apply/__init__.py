"""Carry out a change; writes to the root."""
