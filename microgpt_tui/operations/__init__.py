"""One drawing an operation of the model, for the stage. Must not import panes or screens."""
