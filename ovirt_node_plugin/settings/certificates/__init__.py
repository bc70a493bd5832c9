"""CA certificates, and the trust store made from them."""
