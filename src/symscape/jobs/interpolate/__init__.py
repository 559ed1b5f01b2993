"""Barriers between runs, and the paths of their training."""
