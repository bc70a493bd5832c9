"""What a merge writes into the root besides plugins, and what it removes there."""
