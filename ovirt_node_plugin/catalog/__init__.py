"""Catalogs: the plugins that a site or a vendor supports, and what they say of each."""
