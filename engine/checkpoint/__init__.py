"""A run in a file. Must not import verify."""
