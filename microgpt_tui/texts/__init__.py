"""What the program says, as data: a folder for each language. Must not import anything else of the program."""
