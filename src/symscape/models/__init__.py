"""Networks, each built from a conv factory so that every symmetry fits every network."""
