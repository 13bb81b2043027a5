"""`SavedSession`: where the user was, as JSON in the state folder, with the run itself in a file beside it.

The run only saves time: without it the moment is reached by training again, to the same bits. The files of the session
before the last one have names that begin with `earlier-`.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, field, fields
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import CHECKS, CheckpointError, Config
from engine.atomic_write import read_whole, write_whole
from engine.checkpoint import validate
from engine.errors import system_says
from engine.immutable import immutable
from engine.model.dataset import Origin
from engine.text import shortened_repr
from engine.timeline.events import Moment
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.drawing.terminal_text import shell_word
from microgpt_tui.storage.paths import state_folder
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where a run is read or saved: the first frame needs none
    from engine.checkpoint.checkpoint import Checkpoint

VERSION = 1
MAX_BYTES = 2**24  # of the JSON file, which usually has some thousands
JsonObject = dict[str, Any]


@immutable
class SavedSession:
    """A run's hyperparameters and documents, the moment and focus, and the user's annotations and layout.

    `zoomed` is the pane that filled the screen, `pane` the focused one, `branch` the branch of the run on the screen.
    """

    config: Config
    origin: Origin
    where: Focus
    zoomed: str | None = None
    pane: str | None = None
    breakpoints: list[JsonObject] = field(default_factory=list)
    watches: list[JsonObject] = field(default_factory=list)
    marks: dict[str, JsonObject] = field(default_factory=dict)
    checks: list[str] = field(default_factory=lambda: sorted(CHECKS))
    branch: str | None = None

    @property
    def moment(self) -> Moment:
        """The moment that the run stood at."""
        return self.where.moment


def session_file(earlier: bool = False) -> Path:
    """The file of the last session, or of the one before it."""
    return state_folder() / ("earlier-desk.json" if earlier else "desk.json")


def run_file(earlier: bool = False) -> Path:
    """The file of that session's run."""
    return state_folder() / ("earlier-run.safetensors" if earlier else "run.safetensors")


def run_file_stamp() -> tuple[int, int, int] | None:
    """Changes whenever any debugger writes the file of the last run; None without such a file."""
    try:
        about = run_file().stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ino, about.st_size


def write_session(session: SavedSession, run: Checkpoint | None = None, displace: bool = False) -> bool:
    """Write the session, and its run if given; each file whole or not at all. Raises CheckpointError.

    `displace` renames the files that exist to those of the earlier session; the result is whether there were any.
    """
    contents = {}
    if run is not None:
        from engine.checkpoint.checkpoint import as_bytes

        contents[run_file()] = as_bytes(run)
    contents[session_file()] = json.dumps({"version": VERSION} | asdict(session)).encode()
    try:
        state_folder().mkdir(parents=True, exist_ok=True)
        if displace:
            return _displace(contents)
        for path, content in contents.items():
            write_whole(path, content)
    except OSError as error:
        raise CheckpointError(
            say("storage.saved_session.where_you_cannot_be", session_file=session_file(), strerror=system_says(error))
        ) from None
    return False


def _displace(contents: dict[Path, bytes]) -> bool:
    """Write all contents under temporary names before any file is renamed, so that an error changes nothing."""
    new = {path: path.with_name(f"new-{path.name}") for path in contents}
    try:
        for path, content in contents.items():
            write_whole(new[path], content)
        displaced = session_file().is_file()
        for file in (run_file, session_file):
            if file().is_file():
                os.replace(file(), file(earlier=True))
        for path in contents:
            os.replace(new[path], path)
    finally:
        for path in new.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return displaced


def load_session(earlier: bool = False) -> SavedSession:
    """The last session, or the one before it. Raises CheckpointError if there is none.

    Raises it for a damaged file too, after renaming that.
    """
    path, run = session_file(earlier), run_file(earlier)
    try:
        return _parse(json.loads(read_whole(path, MAX_BYTES)))
    except FileNotFoundError:
        if earlier:
            raise CheckpointError(say("storage.saved_session.there_no_earlier_session")) from None
        raise CheckpointError(say("storage.saved_session.nothing_has_been_left")) from None
    except OSError as error:
        raise CheckpointError(
            say("storage.saved_session.cannot_be_read_open", path=path, strerror=system_says(error))
        ) from None
    except (validate.Unfit, ValueError, RecursionError) as error:
        why = error if isinstance(error, validate.Unfit) else say("storage.saved_session.cut_off_or_no")
        rest = (
            say("storage.saved_session.microgpt_tui_open_opens", run=shell_word(run))
            if run.is_file()
            else say("storage.saved_session.open_debugger_anew")
        )
        raise CheckpointError(
            say("storage.saved_session.where_you_were_cannot", why=why, path=_set_aside(path), rest=rest)
        ) from None


def load_run(session: SavedSession, earlier: bool = False) -> tuple[Checkpoint | None, str | None]:
    """The saved run if it belongs to the session; for a damaged file, which is renamed, a sentence instead."""
    from engine.checkpoint.checkpoint import load

    path = run_file(earlier)
    if not path.is_file():
        return None, None
    try:
        run = load(path)
    except CheckpointError as error:
        return None, say("storage.saved_session.run_was_trained_anew", error=error, path=_set_aside(path))
    fits = run.config == session.config and run.origin.sha256 == session.origin.sha256
    return (run if fits else None), None


def _set_aside(path: Path) -> str:
    """Rename a damaged file; a sentence with its new name."""
    aside = next(p for n in count(1) if not (p := path.with_name(f"damaged-{n}-{path.name}")).exists())
    try:
        os.replace(path, aside)
    except OSError as error:
        return say("storage.saved_session.could_not_be_renamed", path=path, strerror=system_says(error))
    return say("storage.saved_session.file_now", aside=aside)


def _parse(value: Any) -> SavedSession:
    """Raises `validate.Unfit`. A file of the version before also has a digest, which is ignored."""
    described = validate.described(value, VERSION, {f.name for f in fields(SavedSession)})
    values: JsonObject = {f.name: described.get(f.name) for f in fields(SavedSession)}
    for name, kind in (("breakpoints", list), ("watches", list), ("marks", dict), ("checks", list)):
        if not isinstance(values[name], kind):
            raise validate.Unfit(
                say("storage.saved_session.wrong_entry", name=name, value=shortened_repr(values[name]))
            )
    if not all(isinstance(values[name], str | None) for name in ("zoomed", "pane", "branch")):
        raise validate.Unfit(say("storage.saved_session.its_panes_have_no"))
    for name, parse in (("config", validate.config), ("origin", validate.origin), ("where", _focus)):
        values[name] = parse(values[name])
    return SavedSession(**values)


def _focus(value: Any) -> Focus:
    """Raises `validate.Unfit`. Files of earlier versions do not speak of digits, folding and weights that are kept."""
    value = {"digits": False, "folding": None, "kept": []} | value if isinstance(value, dict) else value
    if isinstance(value, dict) and set(value) == {f.name for f in fields(Focus)}:
        numbers = [value[name] for name in ("row", "cell", "layer", "head", "folding")]
        kept = value["kept"] if isinstance(value["kept"], list) else [-1]
        names_fit = isinstance(value["matrix"], str | None) and isinstance(value["digits"], bool)
        fit = all(isinstance(n, int | None) and (n or 0) >= 0 for n in numbers)
        if names_fit and fit and all(isinstance(n, int) and n >= 0 for n in kept):
            return Focus(**value | {"moment": validate.moment(value["moment"]), "kept": tuple(kept)})
    raise validate.Unfit(say("storage.saved_session.does_not_say_what"))
