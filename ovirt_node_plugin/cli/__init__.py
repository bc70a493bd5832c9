"""Both commands: parse, call, print."""
