"""What a change writes."""
