"""Files that change between two runs of the program: documents, the saved session, the layout, the notes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import CheckpointError, Config, EngineError, Moment, Session, load_docs
from engine.checkpoint import checkpoint, validate
from engine.model.dataset import Origin
from microgpt_tui.debugger.annotations import restored
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.lectures.speaker_notes import FILES, Audience, Notes, SharedNotes, StoredNotes, newest
from microgpt_tui.panes.arrangement import FILE, Arrangement
from microgpt_tui.storage import saved_session
from microgpt_tui.storage.saved_session import SavedSession
from microgpt_tui.storage.startup import from_saved_session
from tests.support.commands import error_of, invoke
from tests.support.damaged_runs import GONE, STRANGE, changed, places, written

CONFIG = Config(n_embd=4, n_head=2, block_size=4, num_steps=20)
NOTES = Notes("en", "A", "B", 0, 1, "C", "", "D", False, False, "next", "", Audience.PAGE, 1.0)
NAMES = b"anna\nben\ncarla\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    saved_session.state_folder().mkdir(parents=True)
    return saved_session.state_folder()


# The documents.

FATES: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda path: path.write_bytes(b"anna\nben\ncarlo\n"), "holds other documents now"),
    "longer": (lambda path: path.write_bytes(NAMES + b"dora\n"), "holds other documents now"),
    "in another order": (lambda path: path.write_bytes(b"ben\nanna\ncarla\n"), "holds other documents now"),
    "cut off": (lambda path: path.write_bytes(NAMES[:7]), "holds other documents now"),
    "empty": (lambda path: path.write_bytes(b""), "has no usable line"),
    "binary": (lambda path: path.write_bytes(bytes(10)), "is a binary file"),
    "gone": (lambda path: path.unlink(), "is not there any more"),
    "gone with its folder": (lambda path: (path.unlink(), path.parent.rmdir()), "is not there any more"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is not there any more"),
    "a FIFO": (lambda path: (path.unlink(), os.mkfifo(path)), "is not there any more"),
}


@pytest.mark.parametrize("fate", FATES)
def test_the_documents_of_a_run_have_changed(fate: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data, file = written(tmp_path / "data" / "names.txt", NAMES), tmp_path / "run.safetensors"
    session = Session(CONFIG, load_docs(data))
    session.run(2)
    change, says = FATES[fate]
    change(data)
    session.run(5)  # a run has read its documents
    branch = session.branch([validate.parse("wte[0, 0] = 1", validate.Scope(CONFIG, session.tokenizer))])
    branch.run(5)
    checkpoint.save(session, file, str(data))
    saved_session.write_session(
        SavedSession(CONFIG, Origin(session.checksum, str(data)), Focus(Moment(2))), checkpoint.load(file)
    )
    for command in (("open", file), ("--resume",), ("export", "--run", file)):
        assert says in error_of(invoke(*command))
    assert invoke("sample", file, "-n", "1").exit_code == 0  # this command needs no documents
    moved = written(tmp_path / "moved.txt", NAMES)
    assert invoke("export", "--run", file, "--data", moved, "--format", "txt").exit_code == 0
    assert from_saved_session(moved).run is not None
    if data.is_fifo():
        return
    lecture = written(tmp_path / "own.md", f"---\ndata: {data}\nmoment: step 0\n---\n# A\n".encode())
    result = invoke("lecture", "--check", lecture)
    assert result.exit_code == (0 if "other documents" in says else 2)


# The saved session.

WHERE = Focus(Moment(1), row=5, cell=1, layer=0, head=1, matrix="wpe")
SESSION = SavedSession(
    CONFIG, Origin("0" * 64, "names.txt"), WHERE, "qkv", "stage",
    [{"id": "q", "condition": "loss < 1", "count": 2, "enabled": True}],
    [{"text": "loss"}], {"a": {"step": 1, "phase": "forward", "tick": 3}}, branch="branch 1",
)  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_a_value_of_the_saved_session_is_invalid(name: str) -> None:
    saved_session.write_session(SESSION)
    whole = json.loads(saved_session.session_file().read_bytes())
    scope = validate.Scope(CONFIG, Session(CONFIG, ["ab"]).tokenizer)
    for place in places(whole):
        about = changed(whole, place, STRANGE[name])
        saved_session.session_file().write_text(json.dumps(about))
        try:
            session = saved_session.load_session()
            fitting, sentences = restored(
                {part: getattr(session, part) for part in ("breakpoints", "watches", "marks", "checks")}, scope
            )
            assert all(len(sentence) < 500 for sentence in sentences), (place, sentences)
            assert json.dumps(fitting.as_dict())
        except CheckpointError as error:
            assert len(str(error)) < 800, place  # noqa: PT017
            next(saved_session.state_folder().glob("damaged-*.json")).unlink()


OTHERS: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a folder": lambda path: path.mkdir(),
    "huge": lambda path: path.open("wb").truncate(10**12),
    "zeros": lambda path: path.write_bytes(bytes(1000)),
    "nested": lambda path: path.write_bytes(b"[" * 60_000),
    "no UTF-8": lambda path: path.write_bytes(b'{"pinned": "\xff"}'),
    "a long number": lambda path: path.write_bytes(b"9" * 4500),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("what", OTHERS)
def test_other_kinds_of_files_in_place_of_state_files(what: str) -> None:
    for path in (
        saved_session.session_file(),
        saved_session.state_folder() / FILES.replace("*", "1"),
        saved_session.run_file(),
    ):
        OTHERS[what](path)
    layout = Path(os.environ["XDG_CONFIG_HOME"]) / "microgpt-tui" / FILE
    layout.parent.mkdir(parents=True)
    OTHERS[what](layout)
    assert Arrangement.load() == Arrangement()
    assert newest(saved_session.state_folder()) is None
    assert error_of(invoke("--resume")).isprintable()
    run, _ = saved_session.load_run(SESSION)
    assert run is None


@pytest.mark.parametrize("name", STRANGE)
def test_a_value_of_the_layout_or_of_the_notes_is_invalid(name: str) -> None:
    Arrangement(("qkv", "stage"), (("qkv", "stage"),)).save()
    shared = SharedNotes(saved_session.state_folder())
    shared.open()
    shared.share(NOTES)
    notes = next(saved_session.state_folder().glob(FILES))
    layout = next(Path(os.environ["XDG_CONFIG_HOME"]).rglob(FILE))
    for file, read in ((layout, Arrangement.load), (notes, lambda: newest(saved_session.state_folder()))):
        whole: Any = json.loads(file.read_bytes())
        for place in places(whole):
            file.write_text(json.dumps(changed(whole, place, STRANGE[name])))
            found: object = read()
            assert found is None or isinstance(found, Arrangement | StoredNotes)


def test_a_missing_value_is_not_null() -> None:
    assert changed({"a": {"b": 1}}, ("a", "b"), GONE) == {"a": {}}
    assert issubclass(CheckpointError, EngineError)
