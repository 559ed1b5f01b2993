"""What network is trained: which one, on which group, with which kernels."""
