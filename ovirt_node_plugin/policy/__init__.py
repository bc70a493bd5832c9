"""What is core, and what is refused, whatever program asks."""
