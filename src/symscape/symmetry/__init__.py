"""Finite groups of the square acting on kernel taps: orbits, bases, measures."""
