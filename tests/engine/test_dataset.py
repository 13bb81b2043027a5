"""Loading documents: good files, a sentence for every bad one; characters and their ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import DataError, EngineError, Session, load_docs
from engine.model.tokenizer import Tokenizer
from tests.support.float_bits import tiny


def written(folder: Path, content: bytes) -> Path:
    path = folder / "docs.txt"
    path.write_bytes(content)
    return path


def test_bundled_names() -> None:
    docs = load_docs()
    assert len(docs) == 5163
    assert Tokenizer(docs).vocab_size == 27
    assert all(doc.islower() and doc.isascii() for doc in docs)


@pytest.mark.parametrize(
    ("content", "docs"),
    [
        (b"ab\ncd\n", ["ab", "cd"]),
        (b"ab\ncd", ["ab", "cd"]),
        (b"ab\r\ncd\r\n", ["ab", "cd"]),
        (b"ab\rcd", ["ab", "cd"]),
        (b"\n\n  ab \n \t\n\r\ncd\n\n", ["ab", "cd"]),
        ("é\n한글\n🦊 x\n".encode(), ["é", "한글", "🦊 x"]),
        ("a\u2028b\x0bc\x85d\n".encode(), ["a\u2028b\x0bc\x85d"]),  # these end no line of an open file either
        (b"ab\nab\n", ["ab", "ab"]),
    ],
)
def test_good_files(tmp_path: Path, content: bytes, docs: list[str]) -> None:
    path = written(tmp_path, content)
    assert load_docs(path) == load_docs(str(path)) == docs
    with path.open(encoding="utf-8") as file:  # read as the original reads it
        assert docs == [line.strip() for line in file.read().strip().split("\n") if line.strip()]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "has no usable line"),
        (b"\n \r\n\t\n", "has no usable line"),
        (b"ab\0cd\n", "is a binary file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a binary file"),
        ("ab\ncé\n".encode("latin-1"), r"is not UTF-8 text \(line 2\)"),
        (b"\xfea\n", r"is not UTF-8 text \(line 1\)"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, problem: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=problem) as caught:
        load_docs(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, EngineError)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "docs.txt"
    with pytest.raises(DataError, match=r"there is no file .*check the path") as caught:
        load_docs(path)
    assert str(path) in str(caught.value)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; give a text file") as caught:
        load_docs(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_no_documents() -> None:
    with pytest.raises(DataError, match="no document"):
        Session(tiny(), [])


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4))
def test_encoding_and_decoding_are_inverse(docs: list[str]) -> None:
    tokenizer = Tokenizer(docs)
    assert tokenizer.uchars == sorted(set("".join(docs)))
    assert tokenizer.bos == len(tokenizer.uchars) == tokenizer.vocab_size - 1
    assert tokenizer.name(tokenizer.bos) == "BOS"
    for doc in docs:
        ids = tokenizer.encode(doc)
        assert ids[0] == ids[-1] == tokenizer.bos
        assert tokenizer.decode(ids[1:-1]) == doc
        assert [tokenizer.name(i) for i in ids[1:-1]] == list(doc)
