"""A user's own images: a tree or an archive, decoded once and kept as arrays."""
