"""A plugin on disk: descriptor, bundle, archive, library."""
