"""Data sets that are known by name: downloaded, built in, or drawn."""
