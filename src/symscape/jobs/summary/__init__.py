"""A study as tables: its runs, and means over seeds."""
