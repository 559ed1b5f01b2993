"""Sweeps: many jobs on an engine, what became of each, and launching again."""
