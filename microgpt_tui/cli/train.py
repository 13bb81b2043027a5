"""`microgpt-tui train`: the training loop without the debugger, with a log and a checkpoint."""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import rich_click as click
from click.exceptions import Exit

from engine.errors import ConfigError, EngineError
from engine.model.config import Config
from microgpt_tui.cli._exit import Failure, say, throw_output_away
from microgpt_tui.cli._options import data_option, examples, file_option, hyperparameters
from microgpt_tui.cli._output_paths import check_targets
from microgpt_tui.cli._progress import Waiting
from microgpt_tui.cli._session import Interrupt, open_session, read_docs
from microgpt_tui.cli._stop_options import Wanted, stop_options

if TYPE_CHECKING:
    from engine.run.session import Session
    from engine.run.stops import Stop, Stops


@click.command(
    epilog=examples(
        "microgpt-tui train --save names.safetensors",
        "microgpt-tui train --until 300 --n-layer 2 --log run.jsonl",
        "microgpt-tui train --break 'loss < 2 and step > 100' --save there.safetensors",
        "microgpt-tui train --until 50 | tail -1",
    )
)
@click.option(
    "--until",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many steps to train. One step is one document. Without it: all of --num-steps, as the original does. "
    "The learning rate falls to 0 over --num-steps: training until 300 of 1000 is not training all of 300.",
    panel="Training",
)
@data_option
@file_option(
    "--log",
    "One JSON object a line and step: step (1 is the first), loss, loss_hex (every bit of it), lr, grad_norm. "
    "With --val-fraction also val_loss and val_perplexity, where they were measured after that step. "
    'Numbers that JSON does not have are the strings "nan", "inf" and "-inf".',
)
@file_option("--save", "Where to leave the run when it ends, also when it is stopped: a .safetensors file for sample.")
@stop_options
@hyperparameters
def train(
    config: Config, wanted: Wanted, until: int | None, data: Path | None, log: Path | None, save: Path | None
) -> None:
    """Train, and print the loss of every step.

    Losses are in nats: -log of the probability that the model gave to the character that really came, averaged over
    the document. An untrained model is at about log(27), 3.3 for the bundled names.

    ctrl+c stops between two steps and still saves; so does the end of the terminal, and a breakpoint, which says
    where it stopped; one that never held is told at the end. What is saved is the last whole step. Exit status: 0,
    also at a breakpoint, 2 for bad input, a number out of range or a health check, 130 when stopped by ctrl+c, 143 and
    129 when ended from outside.
    """
    until = config.num_steps if until is None else until
    if until > config.num_steps:
        raise ConfigError(f"--until is {until}, beyond the schedule's {config.num_steps} steps; raise --num-steps too")
    check_targets({"--data": data}, {"--log": log, "--save": save}, replaced={"--save"})
    docs = read_docs(data)
    stops = wanted.stops(config, docs)
    session = open_session(config, docs)
    opened = _open_log(log)  # while ctrl+c breaks off: a pipe lets itself be opened when somebody reads it
    with Interrupt() as interrupt:
        reason = _run(session, until, stops, opened, interrupt, carry_on=bool(log or save))
        _finish(session, until, data, save, reason, interrupt, wanted.missed)
    if session.step < until and reason is None:
        raise Exit(interrupt.status)


def _open_log(path: Path | None) -> TextIO | None:
    try:
        return path.open("w", encoding="utf-8") if path else None
    except OSError as error:
        raise Failure(f"--log: {path} cannot be written ({error.strerror}); give another place") from None


def _number(x: float) -> float | str:
    return x if math.isfinite(x) else str(x)


class _Teller:
    """Tells of each finished step: a line, the log, the progress."""

    def __init__(self, session: Session, until: int, log: TextIO | None, waiting: Waiting, carry_on: bool) -> None:
        self.session, self.until, self.log, self.waiting, self.carry_on = session, until, log, waiting, carry_on
        self.heard = True
        self.start = time.monotonic()

    def tell(self, step: int, loss: float) -> None:
        """`step` counts from 0, as in the engine; people and logs count from 1, as the original's output does."""
        number, config = step + 1, self.session.config
        if self.log is not None:
            self._write(number, loss, config.learning_rate_at(step), self.session.history.grad_norms[step])
        if self.heard:
            found = self.session.history.validations.get(number)
            aside = f" | kept aside {found.loss:.4f}, perplexity {found.perplexity:.2f}" if found else ""
            self._print(f"step {number:4d} / {config.num_steps:4d} | loss {loss:.4f}{aside}")
        pace = number / max(time.monotonic() - self.start, 1e-9)
        self.waiting.update(number, f"step {number:,} of {self.until:,}   loss {loss:.4f}   {pace:,.0f} steps/s")

    def _print(self, line: str) -> None:
        try:
            self.waiting.print(line)
        except OSError:
            if not self.carry_on:
                raise
            throw_output_away()
            self.heard = False  # nobody reads on (or the disk is full), but there is a file to be written

    def _write(self, number: int, loss: float, lr: float, grad_norm: float) -> None:
        entry = {
            "step": number,
            "loss": _number(loss),
            "loss_hex": loss.hex(),
            "lr": lr,
            "grad_norm": _number(grad_norm),
        }
        found = self.session.history.validations.get(number)
        if found is not None:
            entry |= {"val_loss": _number(found.loss), "val_perplexity": _number(found.perplexity)}
        assert self.log is not None
        try:
            self.log.write(json.dumps(entry) + "\n")
            self.log.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(f"--log: {self.log.name} cannot be written on ({error.strerror})") from None


def _run(
    session: Session, until: int, stops: Stops | None, log: TextIO | None, interrupt: Interrupt, carry_on: bool
) -> EngineError | Failure | Stop | None:
    """Train; what went wrong or was stopped at, if anything, is returned, so that the run can still be saved."""
    with Waiting("Training", total=until, stream=sys.stdout) as waiting:
        teller = _Teller(session, until, log, waiting, carry_on)

        def on_step(step: int, loss: float) -> bool:
            teller.tell(step, loss)
            return bool(interrupt.asked)

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
                with suppress(OSError):  # every line of it was flushed, or has been complained about
                    log.close()


def _finish(
    session: Session, until: int, data: Path | None, save: Path | None, reason: EngineError | Failure | Stop | None,
    interrupt: Interrupt, missed: str,
) -> None:  # fmt: skip
    """Save, say where the run stands and what was looked for in vain (`missed`), and raise what went wrong."""
    from engine.timeline.events import Moment

    if session.moment != Moment(session.step):  # at a fault or a stop: what was good before it is the step's start
        session.seek(Moment(session.step))
    said = str(reason if isinstance(reason, EngineError | Failure) else reason.sentence) if reason else ""
    done = f"{session.step:,} of {until:,} steps are done"
    if save is not None:
        from engine.checkpoint.checkpoint import save as write

        try:
            write(session, save, str(data.absolute()) if data else None)
        except EngineError as error:
            raise Failure(f"{said} ({done}); {error}" if said else f"{error} ({done})") from error
        done += f" and saved in {save}"
    if isinstance(reason, EngineError | Failure):
        raise Failure(f"{said} ({done})") from reason
    if reason is not None and reason.check is not None:
        raise Failure(f"{said} ({done})")
    if reason is not None:
        say(f"stopped at {said} ({done})")
    elif session.step < until:
        say(f"stopped by {interrupt.who}: {done}{missed and f'; up to there, {missed}'}")
    elif save is not None or missed or sys.stdout.isatty():
        say(f"{done}{missed and f'; {missed}'}")
