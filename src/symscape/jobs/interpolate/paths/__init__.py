"""Paths with a trained middle between the runs of a study, beside the lines."""
