"""The debugger in a browser, one process a client; a lecture for an audience. Must not import the commands."""
