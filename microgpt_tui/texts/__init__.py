"""What the program says, as data, and its languages. Must not import panes or screens."""
