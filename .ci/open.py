"""Run a shell command that opens the debugger, in a terminal of its own, and leave the debugger when it is there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios

THERE = b"FORWARD"  # on the debugger's screen


class Opened:
    """What the command has written so far, and whether the key to leave was pressed."""

    def __init__(self) -> None:
        self.screen, self.left = b"", False

    def look(self, terminal: int) -> bytes:
        """More of what the command writes; the debugger is left once it is there."""
        written = os.read(terminal, 2**16)
        if not self.screen:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.screen += written
        if THERE in self.screen and not self.left:
            self.left = True
            os.write(terminal, b"q")
        return written


opened = Opened()
status = os.waitstatus_to_exitcode(pty.spawn(["bash", "-ec", sys.argv[1]], opened.look))
sys.exit(status or not opened.left)
