"""The report of a study: what was found, each claim with its verdict, in one file."""
