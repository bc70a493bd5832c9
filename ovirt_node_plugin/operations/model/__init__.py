"""What the steps of a change hand to one another."""
