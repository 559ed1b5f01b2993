"""Losses of plain networks, and what lies between two of them."""
