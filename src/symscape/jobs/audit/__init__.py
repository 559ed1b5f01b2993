"""The audit job: kernels, padding, invariance and consistency of any network."""
