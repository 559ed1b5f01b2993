"""Train CNNs whose kernels obey a symmetry, and measure their loss landscape."""

__version__ = "0.1.0"

import os

# Idle threads of torch's operations would spin for milliseconds, on cores that the threads of
# `layers.workers` compute on. Read by libgomp when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
