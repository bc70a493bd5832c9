"""Ports and services of firewalld."""
