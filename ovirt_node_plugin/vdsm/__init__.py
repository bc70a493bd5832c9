"""What VDSM and the Engine are told of plugins; imports next to nothing."""
