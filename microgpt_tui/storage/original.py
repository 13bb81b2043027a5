"""The user's copy of `microgpt.py`: where it is, how it is fetched, and the kept tables of its lines.

A copy is run only if the user has named it or asked for it to be fetched, never because it lies in some folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.atomic_write import read_whole, temporary_beside, write_whole
from engine.errors import DataError, EngineError, ScriptError, Stopped, first_cause, system_says
from engine.immutable import immutable
from engine.model.dataset import bundled_path, load_docs
from engine.script.process import ScriptProcess
from engine.script.source_file import ScriptFile
from engine.script.source_table import OwnLines, SourceTable, match
from engine.timeline.explainer import CodeText
from engine.verify import NotComparable, Report, verify
from microgpt_tui.storage.download import DownloadError, download
from microgpt_tui.storage.paths import cache_folder
from microgpt_tui.texts.say import say

URL = (
    "https://gist.githubusercontent.com/karpathy/8627fe009c40f57531cb18360106ce95/raw/"
    "14fb038816c7aae0bb9342c2dbf1a51dd134a5ff/microgpt.py"
)
FILE = "microgpt.py"
LARGEST = 2**20  # bytes; the original has some thousands
STEPS = 3  # training steps over which a copy is compared with the engine
TABLES = "source-lines"  # the folder of tables in the cache
MOST_TABLE = 2**22  # bytes of a table, which usually has some thousands
GET = say("storage.original.way_fetch")
OF_FOLDER = say("storage.original.way_source")

Tell = Callable[[str, int, int], None]
"""Called with what is going on, how far it is, and how far it will go, 0 if that is not known."""


def cache() -> Path:
    """The folder of the fetched copy and of what is known of copies. It need not exist yet."""
    return cache_folder()


def fetched() -> Path:
    """The path of the copy that `fetch` keeps. It need not exist yet."""
    return cache() / FILE


# The tables.


@immutable
class Found:
    """The lines to show, if there are any; how to get some, in a line, or why they could not be had, in a sentence."""

    lines: OwnLines | None = None
    hint: str = ""
    error: str = ""


def lines_to_show(given: Path | None, tell: Tell) -> Found:
    """The lines of the copy that the user has given; without one, of a copy that has been looked at before.

    A given copy is run if that has not been done yet. `tell` may raise Stopped to end that.
    """
    if given is not None:
        try:
            return Found(kept_lines(given) or make_lines(given, tell))
        except Stopped:
            return Found()
        except EngineError as error:
            return Found(error=f"{error}.")
        except (MemoryError, OSError, RuntimeError) as error:  # the system's; the debugger goes on without
            return Found(error=say("storage.original.lines_unknown", given=given, error=first_cause(error)))
    here, lines = Path(FILE), lines_at_hand()
    if lines is not None and lines.path == here:
        return Found(lines)
    return Found(lines, OF_FOLDER if here.is_file() else "" if lines else GET)


def lines_at_hand() -> OwnLines | None:
    """The lines of a copy that has been looked at before: of the one in this folder, else of the fetched one."""
    return _lines_if_kept(Path(FILE)) or _lines_if_kept(fetched())


def _lines_if_kept(path: Path) -> OwnLines | None:
    with suppress(EngineError, OSError):
        return kept_lines(path) if path.is_file() and path.stat().st_size <= LARGEST else None
    return None


def kept_lines(path: Path) -> OwnLines | None:
    """The lines of a copy whose table is kept; None if there is none. Raises ScriptError if it cannot be read."""
    script = ScriptFile.read(path)
    with suppress(OSError, ValueError, TypeError, KeyError):
        about = json.loads(read_whole(_table_file(script), MOST_TABLE))
        table = SourceTable.from_dict(about)
        if table.last_line <= len(script.lines()):
            return _lines(table, script)
    return None


def make_lines(path: Path, tell: Tell) -> OwnLines:
    """Run a copy, compare it with the engine over its first steps, and keep the table of its lines.

    Raises EngineError with a sentence if it computes anything else, or if its lines cannot be told.
    """
    script = ScriptFile.read(path)
    report = verify(path, until=STEPS, tell=tell, samples=0)
    if report.difference is not None or report.config is None:
        raise ScriptError(say("storage.original.computes_other", path=path, found=_found(report)))
    tell(say("storage.original.recording"), 0, 0)
    with ScriptProcess(path, data=bundled_path()) as process:
        tape = process.record(0)
    tell(say("storage.original.matching"), 0, 0)
    table = match(tape, report.config, load_docs(), script)
    with suppress(OSError):  # without a place to keep it, it is made again the next time
        file = _table_file(script)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(table.as_dict()).encode())
    return _lines(table, script)


def _table_file(script: ScriptFile) -> Path:
    return cache() / TABLES / f"{hashlib.sha256(script.text.encode()).hexdigest()}.json"


def _lines(table: SourceTable, script: ScriptFile) -> OwnLines:
    labels = tuple(script.place(n) for n in range(1, script.text.count("\n") + 2)) if script.cells else ()
    return OwnLines(table, script.path, CodeText(script.text, labels))


# Fetching.


@immutable
class Fetched:
    """What was fetched: its size in bytes, and why its lines cannot be shown, in a sentence; empty if they can."""

    size: int
    error: str = ""


def fetch(tell: Tell) -> Fetched:
    """Download the original, keep it if its first steps are equal to the engine's, and make the table of its lines.

    Raises EngineError with a sentence, after which the copy that was kept before is untouched.
    """
    content, file = _download(tell), fetched()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(file) as unproven:
            unproven.write_bytes(content)
            _check(unproven, tell)
        write_whole(file, content)
    except OSError as error:
        reason = system_says(error) or say("storage.original.unwritable")
        raise DataError(
            say("storage.original.cannot_be_kept", file=FILE, parent=file.parent, reason=reason, by_hand=_by_hand())
        ) from None
    try:
        if kept_lines(file) is None:
            make_lines(file, tell)
    except EngineError as error:
        return Fetched(len(content), str(error))
    return Fetched(len(content))


def _by_hand() -> str:
    return say("storage.original.by_hand", url=URL)


def _download(tell: Tell) -> bytes:
    def report(done: int, of: int) -> None:
        if max(done, of) > LARGEST:
            raise DataError(say("storage.original.too_large", url=URL, largest=LARGEST, file=FILE))
        tell(say("storage.original.fetching"), done, of)

    try:
        return download(URL, report)
    except DownloadError as error:
        raise DataError(say("storage.original.cannot_be_fetched", file=FILE, error=error, by_hand=_by_hand())) from None


def _check(unproven: Path, tell: Tell) -> None:
    """Raise DataError for a file that is no training script, or another one than the engine's."""
    what = say("storage.original.what_url_gives", url=URL)
    try:
        report = verify(unproven, until=STEPS, tell=tell, samples=0)
    except NotComparable as error:
        raise DataError(say("storage.original.not_kept", error=str(error).replace(str(unproven), what))) from None
    if report.difference is not None:
        raise DataError(say("storage.original.fetched_computes_other", what=what, found=_found(report)))


def _found(report: Report) -> str:
    """The first difference of a copy from the engine, in a clause; empty if there is none."""
    if report.difference is None:
        return ""
    return say("storage.original.first_difference", what=report.difference.what, detail=report.difference.detail)
