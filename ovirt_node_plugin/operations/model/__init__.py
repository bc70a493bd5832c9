"""The data that the steps of a change pass to one another."""
