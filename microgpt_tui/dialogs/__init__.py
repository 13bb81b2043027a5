"""What comes up over a screen and returns something. Must not import screens."""
