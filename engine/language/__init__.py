"""The language that the program speaks, and the texts of each language, read from files."""
