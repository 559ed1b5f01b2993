"""Pictures of networks on groups: what they keep of a motion, their kernels and maps."""
