"""An ISO: its files, boot records, boot configurations and lists of checksums."""
