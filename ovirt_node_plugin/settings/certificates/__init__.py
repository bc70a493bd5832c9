"""CA certificates with the trust store made from them, and those of keys for kernel modules."""
