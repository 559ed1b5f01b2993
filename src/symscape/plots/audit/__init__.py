"""Pictures of an audit: symmetry by depth, mean kernels, padding, consistency."""
