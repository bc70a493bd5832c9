"""The logical settings of a plugin: planned, switched on, checked, and undone."""
