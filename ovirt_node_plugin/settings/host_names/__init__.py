"""Names of hosts in /etc/hosts."""
