"""Boot configurations as text: a parser for each boot loader, and edits of arguments."""
