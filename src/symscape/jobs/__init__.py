"""What the doors call: a typed config in, a result object out."""
