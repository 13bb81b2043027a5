"""The desk: what is written is read back; what is damaged is set aside, with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import CheckpointError, Config, DataError, Moment, Phase, Session, load_docs
from engine.checkpoint import checkpoint
from engine.model.dataset import Origin, checksum
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.storage import saved_session as desks
from microgpt_tui.storage.saved_session import SavedSession
from microgpt_tui.storage.startup import from_desk
from tests.support.harness import DOCS, SMALL

BUNDLED = Origin(checksum(load_docs()))
MOMENT = Moment(3, Phase.BACKWARD, 17)
FULL = SavedSession(
    SMALL, BUNDLED, Focus(MOMENT, row=5, cell=1, layer=0, head=1, matrix="wpe"), "qkv", "stage",
    [{"name": "q", "hits": 2}], [{"text": "loss"}], {"a": {"step": 1}},
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return desks.session_folder()


@pytest.fixture
def run() -> Session:
    session = Session(SMALL, load_docs())
    session.seek(MOMENT)
    return session


@pytest.mark.parametrize("desk", [FULL, SavedSession(Config(), Origin("0", "/tmp/names.txt"), Focus(Moment()))])
def test_what_is_kept_is_what_was_left(desk: SavedSession) -> None:
    desks.keep(desk)
    assert desks.left() == desk
    assert desks.left().moment == desk.where.moment


def test_the_run_lies_beside_it(run: Session) -> None:
    desks.keep(FULL, checkpoint.snapshot(run))
    start = from_desk(None)
    assert (start.config, start.docs, start.path, start.desk, start.notice) == (SMALL, load_docs(), None, FULL, None)
    assert start.run is not None
    assert start.run.moment == MOMENT
    desks.keep(FULL)
    assert from_desk(None).run is not None  # it is still there


def test_the_run_of_another_desk_is_left_alone() -> None:
    desks.keep(FULL, checkpoint.snapshot(Session(SMALL, DOCS)))
    start = from_desk(None)
    assert (start.run, start.notice) == (None, None)
    assert desks.run_file().is_file()


def test_nothing_was_left() -> None:
    with pytest.raises(CheckpointError, match="nothing has been left"):
        desks.left()


def test_the_documents_are_not_what_they_were(tmp_path: Path) -> None:
    desks.keep(SavedSession(SMALL, Origin(checksum(DOCS), str(tmp_path / "gone")), Focus(MOMENT)))
    with pytest.raises(DataError, match="is not there any more"):
        from_desk(None)
    (tmp_path / "moved").write_text("\n".join(DOCS))
    assert from_desk(tmp_path / "moved").docs == DOCS
    assert desks.desk_file().is_file()


# Damage.


def set_aside(content: bytes) -> str:
    """What is said of a desk with this content; it is not lost."""
    desks.keep(FULL)
    desks.desk_file().write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        desks.left()
    assert not desks.desk_file().exists()
    said = str(caught.value)
    aside = [path for path in desks.session_folder().glob("damaged-*.json") if f"{path};" in said]
    assert [path.read_bytes() for path in aside] == [content]
    return said


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_one_that_is_cut_off(share: float) -> None:
    desks.keep(FULL)
    content = desks.desk_file().read_bytes()
    assert "cut off" in set_aside(content[: int(len(content) * share)])


def test_one_with_a_flipped_bit_somewhere() -> None:
    desks.keep(FULL)
    content = desks.desk_file().read_bytes()
    for i in range(0, len(content), 37):
        said = set_aside(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        assert said.startswith("where you were cannot be read: ")


CHANGES: list[tuple[str, Callable[[Any], object]]] = [
    ("version 7", lambda about: about.update(version=7)),
    ("hyperparameters", lambda about: about["config"].pop("seed")),
    ("n_head 3", lambda about: about["config"].update(n_head=3)),
    ("tick is -1", lambda about: about["where"]["moment"].update(tick=-1)),
    ("what was looked at", lambda about: about["where"].update(row="5")),
    ("what was looked at", lambda about: about["where"].update(layer=-1)),
    ("what was looked at", lambda about: about["where"].pop("cell")),
    ("breakpoints are None", lambda about: about.pop("breakpoints")),
    ("panes have no names", lambda about: about.update(pane=3)),
    ("trained on", lambda about: about.update(origin=[])),
]


@pytest.mark.parametrize(("says", "change"), CHANGES)
def test_one_that_says_something_else(says: str, change: Callable[[Any], object]) -> None:
    desks.keep(FULL)
    about = json.loads(desks.desk_file().read_bytes())
    change(about)
    about["sha256"] = desks.validate.digest(about)
    assert says in set_aside(json.dumps(about).encode())


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b"[" * 100_000, b"\xff"])
def test_one_that_is_something_else(content: bytes) -> None:
    assert set_aside(content).startswith("where you were cannot be read")


def test_a_damaged_desk_says_that_the_run_is_still_there(
    run: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my state"))
    desks.keep(FULL, checkpoint.snapshot(run))
    assert f"microgpt-tui open '{desks.run_file()}' opens the run" in set_aside(b"{")


def test_a_damaged_run_is_trained_anew(run: Session) -> None:
    desks.keep(FULL, checkpoint.snapshot(run))
    desks.run_file().write_bytes(desks.run_file().read_bytes()[:-9])
    start = from_desk(None)
    assert (start.desk, start.run) == (FULL, None)
    assert start.notice is not None
    assert "is damaged" in start.notice
    assert (desks.session_folder() / "damaged-1-run.safetensors").is_file()


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(CheckpointError, match="where you are cannot be kept"):
        desks.keep(FULL)
