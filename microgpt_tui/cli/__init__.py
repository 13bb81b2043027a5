"""The command line: the debugger, and beside it serve, train, sample, trace and verify.

Importing it is quick: numpy, numba and textual come in when a command needs them.
"""

from microgpt_tui.cli.main import cli

__all__ = ["cli"]
