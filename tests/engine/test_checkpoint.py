"""A saved and loaded run has the same bits as one that never stopped, onward and back."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import CheckpointError, Config, DataError, Moment, NumericFault, Phase, Session, load_docs
from engine.atomic_write import write_whole
from engine.checkpoint import checkpoint
from engine.model.dataset import Origin, bundled_path, checksum
from tests.support.float_bits import DOCS, shown, tiny, words

CONFIG = tiny(n_layer=2)
STEPS = 9


def opened(session: Session, path: Path) -> Session:
    """The session, saved to a file and loaded from it."""
    checkpoint.save(session, path)
    return checkpoint.resume(checkpoint.load(path), DOCS)


def figures(session: Session) -> list[str]:
    return words([session.losses, session.history.grad_norms, session.history.norms])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.safetensors"


@pytest.mark.parametrize("step", [0, 1, 5])
def test_a_loaded_run_trains_and_samples_with_the_same_bits(file: Path, step: int) -> None:
    straight = Session(CONFIG, DOCS)
    straight.run(until=step)
    drawn = straight.sample(2)
    again = opened(straight, file)
    assert drawn
    assert shown(again) == shown(straight)
    assert figures(again) == figures(straight)
    for session in (straight, again):
        session.run(until=STEPS)
    assert shown(again) == shown(straight)
    assert figures(again) == figures(straight)
    assert again.sample(5) == straight.sample(5)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("tick", [0, 1, 7, 10**9])
def test_a_run_is_loaded_at_the_tick_it_was_saved_at(file: Path, phase: Phase, tick: int) -> None:
    straight = Session(CONFIG, DOCS)
    straight.seek(Moment(4, phase, tick))
    again = opened(straight, file)
    assert shown(again) == shown(straight)
    assert figures(again) == figures(straight)
    for moment in (Moment(4), Moment(6, Phase.BACKWARD, 3)):
        straight.seek(moment)
        again.seek(moment)
        assert shown(again) == shown(straight)


def test_a_loaded_run_seeks_before_the_step_it_was_saved_at(file: Path) -> None:
    straight = Session(CONFIG, DOCS)
    straight.run(until=7)
    again = opened(straight, file)
    for moment in (Moment(3, Phase.UPDATE, 5), Moment(0), Moment(6, Phase.FORWARD, 9), Moment(7), Moment(8)):
        straight.seek(moment)
        again.seek(moment)
        assert shown(again) == shown(straight)
        assert figures(again) == figures(straight)


def test_figures_of_later_steps_are_saved(file: Path) -> None:
    straight = Session(CONFIG, DOCS)
    straight.run(until=7)
    straight.seek(Moment(2, Phase.UPDATE, 3))
    again = opened(straight, file)
    assert len(again.losses) == 7
    assert figures(again) == figures(straight)
    again.run(until=STEPS)
    straight.run(until=STEPS)
    assert figures(again) == figures(straight)


def test_saving_does_not_change_the_run(file: Path) -> None:
    session = Session(CONFIG, DOCS)
    session.seek(Moment(3, Phase.UPDATE, 11))
    before = shown(session)
    checkpoint.save(session, file)
    assert shown(session) == before


def test_a_run_saved_and_loaded_twice_has_the_same_bits(file: Path) -> None:
    session = opened(Session(CONFIG, DOCS), file)
    session.seek(Moment(3, Phase.BACKWARD, 4))
    session = opened(session, file)
    session.run(until=STEPS)
    straight = Session(CONFIG, DOCS)
    straight.run(until=STEPS)
    assert shown(session) == shown(straight)


def test_a_run_with_a_fault_is_loaded_before_the_fault(file: Path) -> None:
    session = Session(Config(learning_rate=5.0), load_docs())
    with pytest.raises(NumericFault):
        session.run(until=5)
    checkpoint.save(session, file)
    again = checkpoint.resume(checkpoint.load(file), load_docs())
    assert again.moment == session.moment
    assert shown(again) == shown(session)
    with pytest.raises(NumericFault):
        again.run(until=5)


def test_other_documents_or_hyperparameters_are_refused(file: Path) -> None:
    session = Session(CONFIG, DOCS)
    checkpoint.save(session, file)
    run = checkpoint.load(file)
    with pytest.raises(CheckpointError, match="other documents"):
        checkpoint.resume(run, DOCS[::-1])
    with pytest.raises(CheckpointError, match="other hyperparameters"):
        checkpoint.take_up(run, Session(tiny(), DOCS))


# The documents.


def test_the_checksum_is_that_of_a_file_with_a_document_a_line() -> None:
    assert checksum(load_docs()) == hashlib.sha256(bundled_path().read_bytes()).hexdigest()
    assert checksum(["a", "b"]) != checksum(["b", "a"])
    assert checksum(["a", "b"]) != checksum(["ab"])


def test_documents_are_looked_for_at_their_old_path_at_a_given_path_and_among_the_bundled(tmp_path: Path) -> None:
    data, moved = tmp_path / "data.txt", tmp_path / "moved.txt"
    data.write_text("anna\nbo\n")
    origin = Origin(checksum(["anna", "bo"]), str(data))
    assert origin.find() == (["anna", "bo"], origin)
    data.rename(moved)
    with pytest.raises(DataError, match="is not there any more"):
        origin.find()
    assert origin.find(moved) == (["anna", "bo"], Origin(origin.sha256, str(moved)))
    data.write_text("anna\nbob\n")
    with pytest.raises(DataError, match="holds other documents now"):
        origin.find()
    with pytest.raises(DataError, match=r"data\.txt holds other documents"):
        origin.find(data)
    with pytest.raises(DataError, match="other documents than the bundled names"):
        Origin(origin.sha256).find()
    bundled = Origin(checksum(load_docs()))
    assert Origin(bundled.sha256, str(tmp_path / "copy.txt")).find() == (load_docs(), bundled)


# Writing.


class _Killed(BaseException):
    """Ends the writing as a killed process would."""


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file_whole(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def die(*_: object) -> None:
        assert path.read_bytes() == b"old"
        raise _Killed

    monkeypatch.setattr(os, call, die)
    with pytest.raises(_Killed):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_whole(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    script = """
import os, pathlib, sys
from engine import atomic_write
os.fsync = lambda _: os.kill(os.getpid(), 9)
atomic_write.write_whole(pathlib.Path(sys.argv[1]), b"new")
"""
    ended = subprocess.run([sys.executable, "-c", script, path], check=False)
    assert ended.returncode in (-9, 9)  # as POSIX and Windows count
    assert path.read_bytes() == b"old"


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a file"):
        write_whole(tmp_path, b"")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "file", b"")
