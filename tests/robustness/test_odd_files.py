"""Files that are no list of names are opened, or refused at once in one sentence; none blocks."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engine import Config, DataError, Moment, Phase, Session, Stopped, load_docs
from engine.checkpoint.checkpoint import save
from engine.model.dataset import OFTEN, Origin, checksum, shuffle
from tests.support.commands import SMALL, error_of, invoke

LINES = 300_000


def written(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "odd.txt"
        path.write_bytes(content)
        return path

    return make


def made(make: Callable[[Path], object]) -> Callable[[Path], Path]:
    def at(folder: Path) -> Path:
        path = folder / "odd.txt"
        make(path)
        return path

    return at


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        os.chdir(path.parent)  # the name of a socket is short
        own.bind(path.name)


def huge(path: Path) -> None:
    """A sparse file of a terabyte."""
    with path.open("wb") as file:
        file.truncate(10**12)


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (written(b""), "has no usable line"),
    "empty lines": (written(b"\n \n\t\r\n\x0b\n\xc2\x85\n"), "has no usable line"),
    "nothing there": (lambda folder: folder / "none.txt", "there is no file"),
    "a folder": (lambda folder: folder, "is a folder"),
    "a file as a folder": (lambda folder: written(b"a")(folder) / "more", "cannot be read (Not a directory)"),
    "a FIFO": (made(os.mkfifo), "is a pipe or a device"),
    "a socket": (made(listening), "is a pipe or a device"),
    "/dev/zero": (lambda _: Path("/dev/zero"), "is a pipe or a device"),
    "a link to itself": (made(lambda path: path.symlink_to(path)), "cannot be read"),
    "a binary file": (written(b"\x7fELF\0\0"), "is a binary file"),
    "NUL": (written(b"anna\nb\0b\n"), "is a binary file"),
    "bytes that are no UTF-8": (written(b"anna\nbob\n\xff\xfe"), "is not UTF-8 text (line 3)"),
    "a lone surrogate": (written(b"anna\n\xed\xa0\x80\n"), "is not UTF-8 text (line 2)"),
    "too long an encoding": (written(b"\xc0\xaf"), "is not UTF-8 text (line 1)"),
    "UTF-16": (written("anna\nbob".encode("utf-16")), "is UTF-16 text; save it as UTF-8"),
    "UTF-16 without a mark": (written("anna\nbob".encode("utf-16-be")), "is UTF-16 text; save it as UTF-8"),
    "UTF-16 without a zero": (written("가나".encode("utf-16")), "is UTF-16 text; save it as UTF-8"),
    "UTF-32": (written("anna\nbob".encode("utf-32")), "is UTF-32 text; save it as UTF-8"),
    "Latin-1": (written("zoë".encode("latin-1")), "is not UTF-8 text (line 1)"),
    "a terabyte": (made(huge), "of memory, of which"),
    "a name with an escape": (lambda folder: folder / "evil\x1b[2J\u202e.txt", r"evil\x1b[2J\u202e.txt"),
    "a name of two lines": (lambda folder: folder / "two\nlines.txt", "there is no file"),
    "a name too long": (lambda folder: folder / ("a" * 300), "cannot be read (File name too long)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_in_one_sentence(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, says = REFUSED[what]
    sentence = error_of(invoke("train", "--until", "1", *SMALL, "--data", make(tmp_path)))
    assert says in sentence
    assert sentence.isprintable()


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", forbidden)  # root may read anything
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\); give a text file that you may read"):
        load_docs(written(b"anna")(tmp_path))


def test_an_impossible_path_is_refused() -> None:
    with pytest.raises(DataError, match="is no path of a file"):
        load_docs("a\0b")
    with pytest.raises(DataError, match="is not there any more"):
        Origin("other", "a\0b").find()


OPENED = {
    "one character": (b"a", ["a"]),
    "one document": (b"anna\n", ["anna"]),
    "no new line at the end": (b"anna\nbob", ["anna", "bob"]),
    "CRLF": (b"anna\r\nbob\r\n", ["anna", "bob"]),
    "lone CR": (b"anna\rbob\r", ["anna", "bob"]),
    "all ends of lines": (b"anna\r\n\rbob\n\r\ncy", ["anna", "bob", "cy"]),
    "empty lines between": (b"\n\nanna\n\n \n\tbob\t\n\n", ["anna", "bob"]),
    "a byte order mark": (b"\xef\xbb\xbfanna", ["\ufeffanna"]),
    "separators inside": ("a\u2028b\x85c\x1cd\x0be".encode(), ["a\u2028b\x85c\x1cd\x0be"]),
}


@pytest.mark.parametrize("what", OPENED)
def test_it_is_opened_and_trained_on_as_python_reads_it(what: str, tmp_path: Path) -> None:
    content, docs = OPENED[what]
    path = written(content)(tmp_path)
    with path.open(encoding="utf-8") as lines:
        assert load_docs(path) == docs == [line.strip() for line in lines if line.strip()]
    result = invoke("train", "--until", "3", *SMALL, "--data", path, "--save", tmp_path / "run.safetensors")
    assert result.exit_code == 0, result.output
    assert invoke("sample", tmp_path / "run.safetensors", "-n", "2").exit_code == 0


def test_a_run_goes_on_from_a_path_with_escapes(tmp_path: Path) -> None:
    path = (tmp_path / "evil\x1b]0;owned\x07\u202e").with_suffix(".txt")
    path.write_text("anna\nbob\n")
    run = Session(Config(n_embd=4, n_head=2, block_size=4), load_docs(path))
    save(run, tmp_path / "run.safetensors", str(path))
    assert invoke("export", "--run", tmp_path / "run.safetensors", "--format", "txt").exit_code == 0
    path.write_text("other\n")
    sentence = error_of(invoke("export", "--run", tmp_path / "run.safetensors"))
    assert r"evil\x1b]0;owned\x07\u202e.txt, which holds other documents now" in sentence
    assert sentence.isprintable()


# Large ones.


def test_shuffling_draws_what_pythons_own_draws() -> None:
    for size in (0, 1, 2, 3, 17, 64, 65, 1000, 32_033):
        ours, theirs = random.Random(size), random.Random(size)
        mine, other = [str(i) for i in range(size)], [str(i) for i in range(size)]
        shuffle(mine, ours)
        theirs.shuffle(other)
        assert mine == other
        assert ours.getstate() == theirs.getstate()


def test_shuffling_reports_progress_and_can_be_stopped() -> None:
    told: list[float] = []
    shuffle([""] * (3 * OFTEN), random.Random(1), told.append)
    assert told == [0.0, 1 / 3, 2 / 3]
    with pytest.raises(Stopped):
        shuffle([""] * (3 * OFTEN), random.Random(1), lambda share: share > 0)


def test_the_checksum_is_that_of_a_file_with_a_document_a_line(tmp_path: Path) -> None:
    assert checksum(["anna", "bob"]) == hashlib.sha256(b"anna\nbob\n").hexdigest()
    assert checksum([]) == hashlib.sha256(b"").hexdigest()
    assert len(checksum(["\ud800"])) == 64


def test_a_file_of_a_hundred_megabytes_opens_with_progress(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    line = b"the quick brown fox jumps over the lazy dog " * 7 + b"\n"
    path.write_bytes(line * (100_000_000 // len(line)))
    before = psutil.Process().memory_info().rss
    docs = load_docs(path)
    assert len(docs) == 100_000_000 // len(line) > LINES
    told: list[float] = []
    session = Session(
        Config(n_embd=4, n_head=2, block_size=8, num_steps=5), docs, lambda share: bool(told.append(share))
    )
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] < 1
    assert psutil.Process().memory_info().rss - before < 500_000_000  # and most of it is the documents
    session.run(2)
    session.seek(Moment(1, Phase.BACKWARD, 5))


def test_data_larger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(b"a\n" * 10_000)(tmp_path)
    free = psutil.virtual_memory()._replace(available=900_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(DataError, match=r"has 0 MB and would take 0\.0 GB of memory, of which 0\.0 GB are free"):
        load_docs(path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free._replace(available=10_000_000))
    assert len(load_docs(path)) == 10_000
