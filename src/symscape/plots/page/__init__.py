"""The page of a report: interactive pictures and tables in one file."""
