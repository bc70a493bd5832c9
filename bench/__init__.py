"""What the project costs beside plain dnf."""
