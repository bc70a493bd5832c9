"""Settings planned, checked, switched on, verified and undone, whatever their kind."""
