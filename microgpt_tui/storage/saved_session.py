"""`SavedSession`: where the user was, in a small file of the state folder, with the run itself beside it.

The run only saves time: without it the moment is reached by training anew, to the same bits. The desk and the run of
the session before are there too, under other names: a new session does not overwrite them.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from itertools import count
from pathlib import Path
from typing import Any

from engine import CHECKS, CheckpointError, Config
from engine.atomic_write import read_whole, write_whole
from engine.checkpoint import validate
from engine.checkpoint.checkpoint import Checkpoint, as_bytes, load
from engine.model.dataset import Origin
from engine.text import told
from engine.timeline.events import Moment
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.drawing.terminal_text import shell_word
from microgpt_tui.storage.paths import state_folder

VERSION = 1
LARGEST = 2**24  # bytes of a desk; it has some thousands
Plain = dict[str, Any]
"""What JSON can hold, as `Breakpoint` and its like turn themselves into and are made from."""


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A run's hyperparameters and documents, the moment and focus, and all that the user has laid out around it.

    `zoomed` and `pane` name the pane that had all the room and the one that was chosen, `branch` the one of the run
    that the user was in.
    """

    config: Config
    origin: Origin
    where: Focus
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


def session_folder() -> Path:
    """Where desks are kept."""
    return state_folder()


def desk_file() -> Path:
    """The file of the desk that was left last."""
    return session_folder() / "desk.json"


def run_file() -> Path:
    """The file of its run."""
    return session_folder() / "run.safetensors"


def earlier(path: Path) -> Path:
    """Where the desk or the run of the session before is, by where that of the last one is."""
    return path.with_name(f"earlier-{path.name}")


def written_run() -> tuple[int, int, int] | None:
    """What tells one writing of the run's file from another, by whichever debugger; None if it is not there."""
    try:
        about = run_file().stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ino, about.st_size


# Writing.


def keep(desk: SavedSession, run: Checkpoint | None = None, displace: bool = False) -> bool:
    """Write the desk, and its run if given; each whole or not at all. Raises CheckpointError if it cannot be done.

    To `displace` is to move the desk and the run that are there to where `earlier` says; whether there were any.
    """
    about: Plain = {"version": VERSION} | {f.name: _plain(getattr(desk, f.name)) for f in fields(SavedSession)}
    about[validate.SHA] = validate.digest(about)
    contents = {} if run is None else {run_file(): as_bytes(run)}
    contents[desk_file()] = json.dumps(about).encode()
    try:
        session_folder().mkdir(parents=True, exist_ok=True)
        if displace:
            return _displace(contents)
        for path, content in contents.items():
            write_whole(path, content)
    except OSError as error:
        raise CheckpointError(
            f"where you are cannot be kept: {desk_file()} cannot be written ({error.strerror}); "
            "make room or give yourself the right to write there"
        ) from None

    return False


def _displace(contents: dict[Path, bytes]) -> bool:
    """Write files in the place of those that are moved away; nothing is moved before all of them are written."""
    new = {path: path.with_name(f"new-{path.name}") for path in contents}
    try:
        for path, content in contents.items():
            write_whole(new[path], content)
        displaced = desk_file().is_file()
        for path in (run_file(), desk_file()):
            if path.is_file():
                os.replace(path, earlier(path))
        for path in contents:
            os.replace(new[path], path)
    finally:
        for path in new.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return displaced


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Config | Origin | Focus) else value


# Reading.


def left(before: bool = False) -> SavedSession:
    """The desk that was left last, or the one `before` it.

    Raises CheckpointError if there is none, or if it is damaged; a damaged one is set aside.
    """
    path, run = (earlier(desk_file()), earlier(run_file())) if before else (desk_file(), run_file())
    try:
        return _read(json.loads(read_whole(path, LARGEST)))
    except FileNotFoundError:
        if before:
            raise CheckpointError(
                "there is no earlier session to return to; microgpt-tui --resume returns to the last one"
            ) from None
        raise CheckpointError("nothing has been left to return to; open the debugger without --resume") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); open the debugger without --resume") from None
    except (validate.Unfit, ValueError, RecursionError) as error:
        why = error if isinstance(error, validate.Unfit) else "it is cut off or no JSON"
        rest = f"microgpt-tui open {shell_word(run)} opens the run" if run.is_file() else "open the debugger anew"
        raise CheckpointError(f"where you were cannot be read: {why}; {_set_aside(path)}; {rest}") from None


def left_run(desk: SavedSession, before: bool = False) -> tuple[Checkpoint | None, str | None]:
    """The desk's run, if it is there and belongs to it; for a damaged one, set aside, a sentence instead.

    `before` is whether the desk is the one before the last.
    """
    path = earlier(run_file()) if before else run_file()
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


def _read(about: Any) -> SavedSession:
    about = validate.described(about, VERSION, {f.name for f in fields(SavedSession)})
    if about.get(validate.SHA) != validate.digest(about):
        raise validate.Unfit("it is damaged, it does not say what was written")
    said: Plain = {f.name: about.get(f.name) for f in fields(SavedSession)}
    for name, kind in (("breakpoints", list), ("watches", list), ("marks", dict), ("checks", list)):
        if not isinstance(said[name], kind):
            raise validate.Unfit(f"its {name} are {told(said[name])}")
    if not all(isinstance(said[name], str | None) for name in ("zoomed", "pane", "branch")):
        raise validate.Unfit("its panes have no names")
    for name, made in (("config", validate.config), ("origin", validate.origin), ("where", _where)):
        said[name] = made(said[name])
    return SavedSession(**said)


def _where(said: Any) -> Focus:
    if not isinstance(said, dict) or set(said) != {f.name for f in fields(Focus)}:
        raise validate.Unfit("it does not say what was looked at")
    matrix, numbers = said["matrix"], [said[name] for name in ("row", "cell", "layer", "head")]
    if not (isinstance(matrix, str | None) and all(isinstance(n, int | None) and (n or 0) >= 0 for n in numbers)):
        raise validate.Unfit("it does not say what was looked at")
    return Focus(**said | {"moment": validate.moment(said["moment"])})
