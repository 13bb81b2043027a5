"""Widgets that know nothing of the model, and fixes of Textual. Must not import panes or screens."""
