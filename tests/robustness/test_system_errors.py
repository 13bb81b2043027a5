"""Errors of the system: those of the output are reported otherwise than all others."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from microgpt_tui.cli import cli
from microgpt_tui.cli._exit import Failure
from tests.support.commands import ROOT, SMALL, environment, error_of, invoke

EACH = """
import os, sys
from microgpt_tui.__main__ import main
from microgpt_tui.cli import cli

def ended(output, command):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(output, 1)
        os.dup2(write, 2)
        sys.argv[1:] = command
        main()
    os.close(write)
    with os.fdopen(read) as said:
        words = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), words

full = os.open("/dev/full", os.O_WRONLY)
reader, unread = os.pipe()
os.close(reader)
for command in (["--help"], ["-h"], ["--version"], *([name, "--help"] for name in cli.commands), ["lecture", "--list"]):
    print(*command, ended(full, command), ended(unread, command), sep="|", file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
def test_help_and_version_on_a_full_disk_and_a_closed_pipe() -> None:
    command = [sys.executable, "-P", "-c", EACH]
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    full = (2, "error: the output cannot be written on (No space left on device)\n")
    told = done.stderr.splitlines()
    assert len(told) == len(cli.commands) + 4
    for line in told:
        assert line.endswith(f"|{full}|{(141, '')}"), done.stderr


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), "/etc/x cannot be used (Permission denied); "),
        (OSError(errno.EIO, "Input/output error"), "the system did not do what this needs (Input/output error); "),
        (OSError("no such device"), "the system did not do what this needs (no such device); "),
        (Failure("a sentence that says more"), "a sentence that says more"),
        (EOFError("ended early"), "the system did not do what this needs (ended early); "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "there is not enough memory for this; "),
        (ImportError("x.so: failed to map segment from shared object"), "there is not enough memory for this; "),
        (RuntimeError("can't start new thread"), "the system allows no more threads or processes; "),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "the system allows no more threads or "),
    ],
)
def test_an_error_that_is_none_of_the_output(error: Exception, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        try:
            raise OSError(errno.ENOMEM, "Cannot allocate memory") if isinstance(error, Failure) else ValueError
        except (OSError, ValueError) as cause:
            raise error from cause

    monkeypatch.setattr("microgpt_tui.cli.train.open_session", fail)
    assert error_of(invoke("train", "--until", 1, *SMALL)).startswith(says)


def test_a_bug_of_the_program_is_shown_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("microgpt_tui.cli.train.open_session", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        invoke("train", "--until", 1, *SMALL)
