"""Figures drawn from the result files of runs; this room computes nothing of substance."""
