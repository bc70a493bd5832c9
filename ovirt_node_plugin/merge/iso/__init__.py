"""What a merge changes on the ISO around the root."""
