"""One file a pane. A pane is a function from a frame to a picture, and sends messages up when it is clicked."""
