"""How tied kernels cost less: their taps share multiplications."""
