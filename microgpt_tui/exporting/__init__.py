"""Pictures of the screen in files: screens are drawn without a terminal, and written as SVG, HTML or plain text."""
