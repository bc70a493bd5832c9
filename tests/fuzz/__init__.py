"""Every reader of files of others: with random input, and with input of growing size."""
