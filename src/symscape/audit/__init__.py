"""How symmetric a network is: its kernels, its padding, its answers."""
