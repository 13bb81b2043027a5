"""What an audience gets of a lecture: the screen as frames, the page as text, its questions. Knows no web server."""
