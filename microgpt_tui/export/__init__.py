"""Screens drawn without a terminal: svg, html, text, handouts. Must not import the commands or the web server."""
