"""Files that are put in a place, persistent paths and files left out."""
