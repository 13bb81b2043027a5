"""Shared by the commands that run the engine: opening a run, going to a step, ctrl+c between steps."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError
from engine.model.config import Config
from microgpt_tui.cli._exit import print_notice
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.run.session import Session
    from engine.script.source_file import ScriptFile

READING = say("cli.session.reading_documents")
LARGE = 5_000_000  # scalars of a model whose recording takes so long that it is announced
PACE = 400_000  # scalars that a usual computer records in a second


def compile_loops() -> None:
    """Compile the loops or load them from their cache, with progress."""
    from engine.autograd.jit import can_compile, take_warning
    from engine.run.compilation import mark_compiled, warm_up
    from microgpt_tui.storage.paths import compiled_mark

    with Waiting(say("cli.session.compiling")):
        warm_up()
    if can_compile():
        mark_compiled(compiled_mark())
    warning = take_warning()
    if warning is not None:
        print_notice(say("cli.session.warning", warning=warning))


def read_docs(path: Path | None, split: str) -> list[str]:
    """The documents of a file, with progress. Raises DataError."""
    from engine.model.dataset import load_docs

    with Waiting(READING):
        return load_docs(path, split)


def read_script(path: Path) -> ScriptFile:
    """A user's script; of a notebook, a notice tells each line that is left out. Raises ScriptError."""
    from engine.script.source_file import ScriptFile

    script = ScriptFile.read(path)
    for note in script.notes:
        print_notice(f"{path.name}, {note}")
    return script


def open_session(config: Config, docs: Sequence[str]) -> Session:
    """A run at its start, with progress while it is recorded. Raises ConfigError, DataError."""
    from engine.model.recording import check_size
    from engine.model.tokenizer import Tokenizer
    from engine.run.session import Session

    vocab_size = Tokenizer(docs).vocab_size
    check_size(config, vocab_size)  # before the time is spent on compiling
    say_size(config, vocab_size)
    compile_loops()
    with Waiting(say("cli.session.shuffling"), total=1.0) as waiting:
        return Session(config, docs, progress=waiting.share)


def say_size(config: Config, vocab_size: int) -> None:
    """Announce the time and memory that recording a large model takes."""
    from engine.model.recording import count_rows, memory_of

    rows = count_rows(config, vocab_size)
    if rows >= LARGE:
        minutes = max(1, round(rows / PACE / 60))
        time = say("cli.session.minutes", n=minutes)
        print_notice(say("cli.session.large", rows=rows, time=time, memory=memory_of(rows)))


def check_step(step: int, config: Config) -> None:
    """Raise ConfigError for a training step, counted from 0, that the schedule does not have."""
    if step >= config.num_steps:
        raise ConfigError(say("cli.session.step_too_large", step=step, last=config.num_steps - 1))


def check_until(until: int, config: Config) -> None:
    """Raise ConfigError for more training steps than the schedule has."""
    if until > config.num_steps:
        raise ConfigError(say("cli.session.until_too_large", until=until, num_steps=config.num_steps))


def session_at(config: Config, data: Path | None, split: str, step: int) -> Session:
    """A run at the start of a step, with progress. Raises EngineError."""
    check_step(step, config)
    session = open_session(config, read_docs(data, split))
    go_to(session, step)
    return session


def go_to(session: Session, step: int) -> None:
    """Go to the start of a step, with progress. Raises NumericFault."""
    from engine.timeline.events import Moment

    with Waiting(say("cli.session.training", step=step), total=step) as waiting:
        session.seek(Moment(step), lambda done, loss: waiting.update(done + 1, say("cli.session.loss", loss=loss)))


ENDING = {"SIGINT": "ctrl+c", "SIGTERM": "SIGTERM", "SIGHUP": say("cli.session.lost_terminal")}


class Interrupt:
    """A context in which ctrl+c and signals that end a process only set `signal`, for a loop that polls it.

    `signal` is the number of the first one, 0 before it.
    """

    def __init__(self) -> None:
        self.signal = 0

    @property
    def status(self) -> int:
        """The exit status of a process that was stopped."""
        return 128 + self.signal

    @property
    def who(self) -> str:
        """The source of the signal, for a sentence."""
        return ENDING[signal.Signals(self.signal).name]

    def __enter__(self) -> Interrupt:
        numbers = [number for number in signal.Signals if number.name in ENDING]
        self._before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
        for number, before in self._before.items():
            if before is not signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self.signal and os.isatty(2):
            with suppress(OSError):  # past Python's buffers, which may be in use at this instant
                os.write(2, f"\n{say('cli.session.stopping')}\n".encode(errors="replace"))
        self.signal = self.signal or number
