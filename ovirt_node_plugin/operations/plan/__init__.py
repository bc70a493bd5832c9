"""What a change would do; reads only."""
