"""`microgpt-tui train`: the training loop without the debugger, with a log and a checkpoint."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import rich_click as click
from click.exceptions import Exit

from engine.errors import ConfigError, EngineError, ExpressionError, system_says
from engine.model.config import Config
from microgpt_tui.cli._exit import Failure, discard_output, print_notice
from microgpt_tui.cli._json import json_text
from microgpt_tui.cli._options import (
    check_targets,
    data_option,
    examples,
    file_option,
    hyperparameters,
    split_option,
    until_option,
)
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import Interrupt, check_until, open_session, read_docs
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from engine.run.session import Session
    from engine.run.stops import Stop, Stops

STOPPING = say("cli.panel.stopping")
HEALTH_CHECKS = ("nan", "zero-grad", "dead-relu", "grad-norm")  # a fault always stops training, and is an error


@click.command(
    help=say("cli.train.help"),
    epilog=examples(
        "microgpt-tui train --save names.safetensors",
        "microgpt-tui train --until 300 --n-layer 2 --log run.jsonl",
        "microgpt-tui train --break 'loss < 2 and step > 100' --save there.safetensors",
        "microgpt-tui train --until 50 | tail -1",
    ),
)
@until_option(say("cli.train.until"))
@data_option
@split_option
@file_option("--log", say("cli.train.log"))
@file_option("--save", say("cli.train.save"))
@click.option("--break", "breaks", multiple=True, metavar="CONDITION", help=say("cli.train.break"), panel=STOPPING)
@click.option("--break-at", multiple=True, metavar="EVENT", help=say("cli.train.break_at"), panel=STOPPING)
@click.option("--health", is_flag=True, help=say("cli.train.health"), panel=STOPPING)
@click.option(
    "--no-stop",
    multiple=True,
    type=click.Choice(HEALTH_CHECKS),
    help=say("cli.train.no_stop"),
    panel=STOPPING,
)
@hyperparameters
def train(
    config: Config,
    until: int | None,
    data: Path | None,
    split: str,
    log: Path | None,
    save: Path | None,
    breaks: tuple[str, ...],
    break_at: tuple[str, ...],
    health: bool,
    no_stop: tuple[str, ...],
) -> None:
    """`microgpt-tui train`; its help is the text cli.train.help."""
    if no_stop and not health:
        raise ConfigError(say("cli.train.no_health"))
    checks = [check for check in HEALTH_CHECKS if check not in no_stop] if health else []
    until = config.num_steps if until is None else until
    check_until(until, config)
    check_targets({"--data": data}, {"--log": log, "--save": save}, replaced={"--save"})
    docs = read_docs(data, split)
    stops = _stops(config, docs, breaks, break_at, checks)
    session = open_session(config, docs)
    opened = _open_log(log)  # while ctrl+c breaks off: opening a pipe waits for its reader
    with Interrupt() as interrupt:
        reason = _run(session, until, stops, opened, interrupt, carry_on=bool(log or save))
        conditions = " or ".join((*breaks, *break_at))
        missed = [say("cli.train.nowhere", conditions=conditions)] if conditions else []
        missed += [say("cli.train.healthy")] if checks else []
        _finish(session, until, data, split, save, reason, interrupt, "; ".join(missed))
    if session.step < until and reason is None:
        raise Exit(interrupt.status)


def _stops(
    config: Config, docs: Sequence[str], conditions: Sequence[str], events: Sequence[str], checks: Sequence[str]
) -> Stops | None:
    """The breakpoints and health checks; None without any. Raises Failure."""
    if not (conditions or events or checks):
        return None
    from engine.expressions.breakpoint import Breakpoint, EventPattern
    from engine.expressions.scope import Scope
    from engine.model.tokenizer import Tokenizer
    from engine.run.stops import Stops

    try:
        breakpoints = [Breakpoint(f"break {i}", condition=text) for i, text in enumerate(conditions)]
        breakpoints += [Breakpoint(f"at {i}", EventPattern.parse(text)) for i, text in enumerate(events)]
        return Stops(Scope(config, Tokenizer(docs)), breakpoints, checks)
    except ExpressionError as error:
        from microgpt_tui.drawing.error_pointer import pointer

        for line in pointer(error).splitlines():
            print_notice(line)
        raise Failure(f"--break: {error.reason}") from error
    except EngineError as error:
        raise Failure(f"--break-at: {error}") from error


def _open_log(path: Path | None) -> TextIO | None:
    try:
        return path.open("w", encoding="utf-8") if path else None
    except OSError as error:
        raise Failure(say("cli.train.log_unwritable", path=path, strerror=system_says(error))) from None


class _StepReporter:
    """Reports each finished step: a line, the log, the progress."""

    def __init__(self, session: Session, until: int, log: TextIO | None, waiting: Waiting, carry_on: bool) -> None:
        self.session, self.until, self.log, self.waiting, self.carry_on = session, until, log, waiting, carry_on
        self.printing = True
        self.start = time.monotonic()

    def report(self, step: int, loss: float) -> None:
        """`step` counts from 0, as in the engine; lines and logs count from 1, as the original's output does."""
        number, config, history = step + 1, self.session.config, self.session.history
        held_out = history.validations.get(number)
        if self.log is not None:
            entry = {"step": number, "loss": loss, "loss_hex": loss.hex(), "lr": config.learning_rate_at(step)}
            entry["grad_norm"] = history.grad_norms[step]
            if held_out is not None:
                entry |= {"val_loss": held_out.loss, "val_perplexity": held_out.perplexity}
            self._write(self.log, json_text(entry))
        if self.printing:
            done = {"number": number, "num_steps": config.num_steps, "loss": loss}
            if held_out is not None:
                aside = {"held_out": held_out.loss, "perplexity": held_out.perplexity}
                self._print(say("cli.train.line_held_out", **done, **aside))
            else:
                self._print(say("cli.train.line", **done))
        pace = number / max(time.monotonic() - self.start, 1e-9)
        self.waiting.update(number, say("cli.train.progress", number=number, until=self.until, loss=loss, pace=pace))

    def _print(self, line: str) -> None:
        try:
            self.waiting.print(line)
        except OSError:
            if not self.carry_on:
                raise
            discard_output()
            self.printing = False  # the output is closed, or the disk full, but there is a file to be written

    def _write(self, log: TextIO, line: str) -> None:
        try:
            log.write(line + "\n")
            log.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(say("cli.train.log_broke_off", name=log.name, strerror=system_says(error))) from None


def _run(
    session: Session, until: int, stops: Stops | None, log: TextIO | None, interrupt: Interrupt, carry_on: bool
) -> EngineError | Failure | Stop | None:
    """Train; an error or stop is returned, so that the run can still be saved."""
    with Waiting(say("cli.train.training"), total=until, stream=sys.stdout) as waiting:
        reporter = _StepReporter(session, until, log, waiting, carry_on)

        def on_step(step: int, loss: float) -> bool:
            reporter.report(step, loss)
            return bool(interrupt.signal)

        try:
            if stops is None:
                session.run(until, on_step)
                return None
            from engine.run.stops import continue_to
            from engine.timeline.events import Moment

            return continue_to(session, stops, Moment(until), on_step)
        except (EngineError, Failure) as trouble:
            return trouble
        finally:
            if log is not None:
                with suppress(OSError):  # every line was flushed, or its error reported
                    log.close()


def _finish(
    session: Session, until: int, data: Path | None, split: str, save: Path | None,
    reason: EngineError | Failure | Stop | None, interrupt: Interrupt, missed: str,
) -> None:  # fmt: skip
    """Save, say where the run is and which stops were `missed`, and raise an error if there was one."""
    from engine.timeline.events import Moment

    if session.moment != Moment(session.step):  # at a fault or a stop: the step's start is saved
        session.seek(Moment(session.step))
    error = reason if isinstance(reason, EngineError | Failure) else None
    stop = None if isinstance(reason, EngineError | Failure) else reason
    why = str(error) if error else stop.sentence if stop else ""
    done = say("cli.train.done", done=session.step, until=until)
    if save is not None:
        from engine.checkpoint.checkpoint import save as write
        from engine.model.dataset import kept_path

        try:
            write(session, save, kept_path(data), split)
        except EngineError as unsaved:
            raise Failure(f"{why} ({done}); {unsaved}" if why else f"{unsaved} ({done})") from unsaved
        done = say("cli.train.saved", done=session.step, until=until, save=save)
    if error is not None or (stop is not None and stop.check is not None):
        raise Failure(f"{why} ({done})") from error
    if stop is not None:
        print_notice(say("cli.train.stopped_at", why=why, done=done))
    elif session.step < until:
        told = {"who": interrupt.who, "done": done}
        print_notice(
            say("cli.train.stopped_missed", **told, missed=missed) if missed else say("cli.train.stopped_by", **told)
        )
    elif save is not None or missed or sys.stdout.isatty():
        print_notice(f"{done}{missed and f'; {missed}'}")
