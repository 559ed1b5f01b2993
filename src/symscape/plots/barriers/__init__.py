"""Barriers of a study: curves, matrices, and barriers at equal train loss."""
