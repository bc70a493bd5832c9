"""What is recorded of installed plugins, and how it is written and read."""
