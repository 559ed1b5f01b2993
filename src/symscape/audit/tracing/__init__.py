"""One pass through a network that notes where it samples its image, and with which kernels."""
