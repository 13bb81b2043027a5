"""The terminal app and the command line of microgpt-tui. Draws; computes nothing about the model."""
