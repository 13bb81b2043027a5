"""Screens drawn without a terminal: svg, html, text, films, handouts. May not import commands or the web server."""
