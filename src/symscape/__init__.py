"""Train CNNs whose kernels obey a symmetry, and measure their loss landscape."""

__version__ = "0.1.0"
