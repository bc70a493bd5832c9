"""The subcommands: packages, settings and the registry combined."""
