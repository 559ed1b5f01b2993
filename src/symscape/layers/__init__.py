"""Convolutions whose kernels obey a symmetry, and the plain network that equals them."""
