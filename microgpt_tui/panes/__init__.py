"""One file a pane: a function from a frame to a picture. Must not import dialogs or screens."""
