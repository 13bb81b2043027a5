"""Files that outlive the program: settings, saved sessions, downloads. Must not import panes or screens."""
