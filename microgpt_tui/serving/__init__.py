"""The debugger in a browser: a web server that gives each visitor a process of their own. Needs the extra `serve`."""
