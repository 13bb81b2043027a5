"""The debugger without widgets: focus, frame, navigation. Must not import panes, dialogs or screens."""
