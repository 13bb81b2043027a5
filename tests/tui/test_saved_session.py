"""The saved session: what is written is read back; a damaged file is renamed, with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import CheckpointError, Config, DataError, Moment, Phase, Session, load_docs
from engine.checkpoint import checkpoint
from engine.model.dataset import Origin, checksum
from microgpt_tui.debugger.frame import Focus
from microgpt_tui.storage import saved_session
from microgpt_tui.storage.saved_session import SavedSession
from microgpt_tui.storage.startup import from_saved_session
from tests.support.harness import DOCS, SMALL

BUNDLED = Origin(checksum(load_docs()))
MOMENT = Moment(3, Phase.BACKWARD, 17)
FULL = SavedSession(
    SMALL, BUNDLED,
    Focus(MOMENT, row=5, cell=1, layer=0, head=1, matrix="wpe", digits=True, folding=2, kept=(7, 90)), "qkv", "stage",
    [{"name": "q", "hits": 2}], [{"text": "loss"}], {"a": {"step": 1}},
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return saved_session.state_folder()


@pytest.fixture
def run() -> Session:
    session = Session(SMALL, load_docs())
    session.seek(MOMENT)
    return session


@pytest.mark.parametrize("session", [FULL, SavedSession(Config(), Origin("0", "/tmp/names.txt"), Focus(Moment()))])
def test_a_session_is_read_back_as_it_was_written(session: SavedSession) -> None:
    saved_session.write_session(session)
    assert saved_session.load_session() == session
    assert saved_session.load_session().moment == session.where.moment


def test_a_file_without_digits_folding_and_kept_weights_is_read() -> None:
    saved_session.write_session(FULL)
    about = json.loads(saved_session.session_file().read_text())
    for name in ("digits", "folding", "kept"):
        del about["where"][name]
    saved_session.session_file().write_text(json.dumps(about))
    assert saved_session.load_session().where == replace(FULL.where, digits=False, folding=None, kept=())


def test_the_run_is_saved_beside_the_session(run: Session) -> None:
    saved_session.write_session(FULL, checkpoint.snapshot(run))
    start = from_saved_session(None)
    assert (start.config, start.docs, start.path, start.saved, start.notice) == (SMALL, load_docs(), None, FULL, None)
    assert start.run is not None
    assert start.run.moment == MOMENT
    saved_session.write_session(FULL)
    assert from_saved_session(None).run is not None  # it is still there


def test_a_run_of_another_session_is_not_loaded() -> None:
    saved_session.write_session(FULL, checkpoint.snapshot(Session(SMALL, DOCS)))
    start = from_saved_session(None)
    assert (start.run, start.notice) == (None, None)
    assert saved_session.run_file().is_file()


def test_without_a_saved_session_there_is_a_sentence() -> None:
    with pytest.raises(CheckpointError, match="nothing has been left"):
        saved_session.load_session()


def test_changed_documents_are_refused(tmp_path: Path) -> None:
    saved_session.write_session(SavedSession(SMALL, Origin(checksum(DOCS), str(tmp_path / "gone")), Focus(MOMENT)))
    with pytest.raises(DataError, match="is not there any more"):
        from_saved_session(None)
    (tmp_path / "moved").write_text("\n".join(DOCS))
    assert from_saved_session(tmp_path / "moved").docs == DOCS
    assert saved_session.session_file().is_file()


# Damage.


def set_aside(content: bytes) -> str:
    """The sentence about a file of this content, which is renamed."""
    saved_session.write_session(FULL)
    saved_session.session_file().write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        saved_session.load_session()
    assert not saved_session.session_file().exists()
    sentence = str(caught.value)
    aside = [path for path in saved_session.state_folder().glob("damaged-*.json") if f"{path};" in sentence]
    assert [path.read_bytes() for path in aside] == [content]
    return sentence


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(share: float) -> None:
    saved_session.write_session(FULL)
    content = saved_session.session_file().read_bytes()
    assert "cut off" in set_aside(content[: int(len(content) * share)])


def test_a_flipped_bit_is_refused_with_a_sentence_or_gives_another_value() -> None:
    saved_session.write_session(FULL)
    content = saved_session.session_file().read_bytes()
    for i in range(len(content)):
        saved_session.session_file().write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        try:
            assert saved_session.load_session() != FULL
        except CheckpointError as error:
            assert str(error).startswith("where you were cannot be read: ")  # noqa: PT017


def test_a_file_of_the_version_before_has_a_digest_and_opens() -> None:
    saved_session.write_session(FULL)
    values = json.loads(saved_session.session_file().read_bytes())
    saved_session.session_file().write_text(json.dumps(values | {"sha256": saved_session.validate.digest(values)}))
    assert saved_session.load_session() == FULL


CHANGES: list[tuple[str, Callable[[Any], object]]] = [
    ("version 7", lambda about: about.update(version=7)),
    ("hyperparameters", lambda about: about["config"].pop("seed")),
    ("n_head 3", lambda about: about["config"].update(n_head=3)),
    ("tick is -1", lambda about: about["where"]["moment"].update(tick=-1)),
    ("what was looked at", lambda about: about["where"].update(row="5")),
    ("what was looked at", lambda about: about["where"].update(layer=-1)),
    ("what was looked at", lambda about: about["where"].pop("cell")),
    ("what was looked at", lambda about: about["where"].update(digits=1)),
    ("what was looked at", lambda about: about["where"].update(folding=-1)),
    ("what was looked at", lambda about: about["where"].update(kept=["7"])),
    ("breakpoints are None", lambda about: about.pop("breakpoints")),
    ("panes have no names", lambda about: about.update(pane=3)),
    ("trained on", lambda about: about.update(origin=[])),
]


@pytest.mark.parametrize(("says", "change"), CHANGES)
def test_an_unfitting_value_is_refused(says: str, change: Callable[[Any], object]) -> None:
    saved_session.write_session(FULL)
    about = json.loads(saved_session.session_file().read_bytes())
    change(about)
    assert says in set_aside(json.dumps(about).encode())


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b"[" * 100_000, b"\xff"])
def test_another_kind_of_content_is_refused(content: bytes) -> None:
    assert set_aside(content).startswith("where you were cannot be read")


def test_the_sentence_about_a_damaged_session_names_its_run(
    run: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my state"))
    saved_session.write_session(FULL, checkpoint.snapshot(run))
    assert f"microgpt-tui open '{saved_session.run_file()}' opens the run" in set_aside(b"{")


def test_a_damaged_run_is_trained_again(run: Session) -> None:
    saved_session.write_session(FULL, checkpoint.snapshot(run))
    saved_session.run_file().write_bytes(saved_session.run_file().read_bytes()[:-9])
    start = from_saved_session(None)
    assert (start.saved, start.run) == (FULL, None)
    assert start.notice is not None
    assert "is damaged" in start.notice
    assert (saved_session.state_folder() / "damaged-1-run.safetensors").is_file()


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(CheckpointError, match="where you are cannot be kept"):
        saved_session.write_session(FULL)
