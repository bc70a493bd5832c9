"""What a user asks for, put together from packages, settings and the registry."""
