"""Curvature of runs."""
