"""The desk: where the user was, in a small file of the user's state folder, with the run itself beside it.

The run only saves time: without it the moment is reached by training anew, to the same bits.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from itertools import count
from pathlib import Path
from typing import Any

from engine import CHECKS, CheckpointError, Config, stored
from engine.checkpoint import Checkpoint, as_bytes, load
from engine.dataset import Origin
from engine.events import Moment
from engine.files import read_whole, write_whole
from engine.quoting import told
from microgpt_tui.frame import Where
from microgpt_tui.place import state_folder

VERSION = 1
LARGEST = 2**24  # bytes of a desk; it has some thousands
Plain = dict[str, Any]
"""What JSON can hold, as `Breakpoint` and its like turn themselves into and are made from."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A run's hyperparameters and documents, the moment and focus, and all that the user has laid out around it.

    `zoomed` and `pane` name the pane that had all the room and the one that was chosen, `branch` the one of the run
    that the user was in.
    """

    config: Config
    origin: Origin
    where: Where
    zoomed: str | None = None
    pane: str | None = None
    breakpoints: list[Plain] = field(default_factory=list)
    watches: list[Plain] = field(default_factory=list)
    marks: dict[str, Plain] = field(default_factory=dict)
    checks: list[str] = field(default_factory=lambda: sorted(CHECKS))
    branch: str | None = None

    @property
    def moment(self) -> Moment:
        """Where in time the user was."""
        return self.where.moment

    def owns(self, run: Checkpoint) -> bool:
        """Whether a saved run is this desk's."""
        return run.config == self.config and run.origin.sha256 == self.origin.sha256


def folder() -> Path:
    """Where desks are kept."""
    return state_folder()


def desk_file() -> Path:
    """The file of the desk that was left last."""
    return folder() / "desk.json"


def run_file() -> Path:
    """The file of its run."""
    return folder() / "run.safetensors"


def written_run() -> tuple[int, int, int] | None:
    """What tells one writing of the run's file from another, by whichever debugger; None if it is not there."""
    try:
        about = run_file().stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ino, about.st_size


# Writing.


def keep(desk: Desk, run: Checkpoint | None = None) -> None:
    """Write the desk, and its run if given; each whole or not at all. Raises CheckpointError if it cannot be done."""
    about: Plain = {"version": VERSION} | {f.name: _plain(getattr(desk, f.name)) for f in fields(Desk)}
    about[stored.SHA] = stored.digest(about)
    try:
        folder().mkdir(parents=True, exist_ok=True)
        if run is not None:
            write_whole(run_file(), as_bytes(run))
        write_whole(desk_file(), json.dumps(about).encode())
    except OSError as error:
        raise CheckpointError(
            f"where you are cannot be kept: {desk_file()} cannot be written ({error.strerror}); "
            "make room or give yourself the right to write there"
        ) from None


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Config | Origin | Where) else value


# Reading.


def left() -> Desk:
    """The desk that was left last.

    Raises CheckpointError if there is none, or if it is damaged; a damaged one is set aside.
    """
    path = desk_file()
    try:
        return _read(json.loads(read_whole(path, LARGEST)))
    except FileNotFoundError:
        raise CheckpointError("nothing has been left to return to; open the debugger without --resume") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); open the debugger without --resume") from None
    except (stored.Unfit, ValueError, RecursionError) as error:
        why = error if isinstance(error, stored.Unfit) else "it is cut off or no JSON"
        rest = f"microgpt-tui open {run_file()} opens the run" if run_file().is_file() else "open the debugger anew"
        raise CheckpointError(f"where you were cannot be read: {why}; {_set_aside(path)}; {rest}") from None


def left_run(desk: Desk) -> tuple[Checkpoint | None, str | None]:
    """The desk's run, if it is there and belongs to it; for a damaged one, set aside, a sentence instead."""
    path = run_file()
    if not path.is_file():
        return None, None
    try:
        run = load(path)
    except CheckpointError as error:
        return None, f"The run was trained anew: {error}; {_set_aside(path)}."
    return (run if desk.owns(run) else None), None


def _set_aside(path: Path) -> str:
    """Give a damaged file another name, and say which."""
    aside = next(p for n in count(1) if not (p := path.with_name(f"damaged-{n}-{path.name}")).exists())
    try:
        os.replace(path, aside)
    except OSError as error:
        return f"{path} could not be renamed ({error.strerror})"
    return f"the file is now {aside}"


def _read(about: Any) -> Desk:
    about = stored.described(about, VERSION, {f.name for f in fields(Desk)})
    if about.get(stored.SHA) != stored.digest(about):
        raise stored.Unfit("it is damaged, it does not say what was written")
    said: Plain = {f.name: about.get(f.name) for f in fields(Desk)}
    for name, kind in (("breakpoints", list), ("watches", list), ("marks", dict), ("checks", list)):
        if not isinstance(said[name], kind):
            raise stored.Unfit(f"its {name} are {told(said[name])}")
    if not all(isinstance(said[name], str | None) for name in ("zoomed", "pane", "branch")):
        raise stored.Unfit("its panes have no names")
    for name, made in (("config", stored.config), ("origin", stored.origin), ("where", _where)):
        said[name] = made(said[name])
    return Desk(**said)


def _where(said: Any) -> Where:
    if not isinstance(said, dict) or set(said) != {f.name for f in fields(Where)}:
        raise stored.Unfit("it does not say what was looked at")
    matrix, numbers = said["matrix"], [said[name] for name in ("row", "cell", "layer", "head")]
    if not (isinstance(matrix, str | None) and all(isinstance(n, int | None) and (n or 0) >= 0 for n in numbers)):
        raise stored.Unfit("it does not say what was looked at")
    return Where(**said | {"moment": stored.moment(said["moment"])})
