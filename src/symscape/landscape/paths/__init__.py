"""Paths between two networks that bend where a trained point pulls them."""
