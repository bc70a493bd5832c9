"""What every kind of setting is made of."""
