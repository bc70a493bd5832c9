"""Files of configuration in the drop-in folders of programs."""
