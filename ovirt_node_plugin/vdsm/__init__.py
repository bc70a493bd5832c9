"""What VDSM and the Engine see of plugins; imports little, as VDSM waits for it."""
