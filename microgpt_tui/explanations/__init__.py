"""What is said of an event: sentences filled in with the numbers of a frame. Must not import panes or screens."""
