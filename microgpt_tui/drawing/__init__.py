"""Pictures as styled text, and the theme. Pure functions; must not import widgets, panes or screens."""
