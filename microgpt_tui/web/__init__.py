"""The debugger in a browser: server, access, one process a client. Must not import the commands."""
