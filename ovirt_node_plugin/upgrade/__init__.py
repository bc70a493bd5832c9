"""Upgrades of an installed Node: which plugins another root has too."""
