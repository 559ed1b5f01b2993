"""A run on disk: identity, manifest, weights, metrics; writing, finding and loading runs."""
