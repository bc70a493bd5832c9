"""SELinux booleans, file contexts, ports and policy modules."""
