"""Korean syllables as letters and back; runs that are split into them, saved and opened again."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Config, DataError, Session, load_docs
from engine.checkpoint import checkpoint, validate
from engine.errors import ConfigError
from engine.hangul import COUNT, FIRST, JAMO, SYLLABLES, letters, syllables
from engine.model.dataset import BUNDLED, Origin, bundled_path, checksum, kept_path
from engine.model.tokenizer import Tokenizer
from engine.sampling.sampler import beginning

TINY = Config(n_embd=4, n_head=2, block_size=8, num_steps=20)
KO = bundled_path("ko")


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("민준", "ㅁㅣㄴㅈㅜㄴ"),
        ("각가", "ㄱㅏㄱㄱㅏ"),
        ("가까", "ㄱㅏㄲㅏ"),
        ("갂아", "ㄱㅏㄲㅇㅏ"),
        ("값없이", "ㄱㅏㅄㅇㅓㅄㅇㅣ"),
        ("웬일", "ㅇㅞㄴㅇㅣㄹ"),
        ("Min 민-1", "Min ㅁㅣㄴ-1"),
        ("anna", "anna"),
        ("", ""),
    ],
)
def test_a_text_and_its_letters(text: str, split: str) -> None:
    assert letters(text) == split
    assert syllables(split) == text
    assert letters(unicodedata.normalize("NFD", text)) == split


def test_letters_are_those_that_unicode_has_for_each_syllable() -> None:
    """A letter's name ends as that of the part of the decomposed syllable that it stands for."""
    for code in range(FIRST, FIRST + COUNT):
        parts = [unicodedata.name(part).split()[-1] for part in unicodedata.normalize("NFD", chr(code))]
        assert [unicodedata.name(letter).split()[-1] for letter in letters(chr(code))] == parts
        assert syllables(letters(chr(code))) == chr(code)
    assert ord("힣") == FIRST + COUNT - 1


@given(st.text(st.characters(min_codepoint=FIRST, max_codepoint=FIRST + COUNT - 1), max_size=12))
def test_letters_make_the_syllables_that_they_came_from(text: str) -> None:
    assert syllables(letters(text)) == text
    assert letters(letters(text)) == letters(text)


@pytest.mark.parametrize("text", ["ㅋㅋ", "ㅏㄱ", "ㅛㅔㅝㅢ", "ㄳㅏ", "e\u0301 é", "日本"])
def test_what_makes_no_syllable_stays(text: str) -> None:
    assert syllables(text) == text
    assert letters(text) == text


def test_the_bundled_korean_names() -> None:
    docs = load_docs(KO)
    assert docs == sorted(set(docs)), "each once, in order"
    assert len(docs) >= 500
    assert all(1 <= len(doc) <= 3 and all(FIRST <= ord(char) < FIRST + COUNT for char in doc) for doc in docs)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"{len(docs):,} Korean" in " ".join(readme.split()), "as many as are told"
    split = load_docs(KO, JAMO)
    assert [syllables(doc) for doc in split] == docs
    assert max(map(len, split)) < Config().block_size, "every name fits whole"


def test_the_letters_are_tokens_to_and_fro() -> None:
    docs = load_docs(KO, JAMO)
    tokenizer = Tokenizer(docs)
    assert set(tokenizer.uchars) == set("".join(docs))
    assert tokenizer.vocab_size < Tokenizer(load_docs(KO)).vocab_size
    for doc in docs:
        assert tokenizer.decode(tokenizer.encode(doc)[1:-1]) == doc
    assert beginning("민", tokenizer, 16) == beginning("ㅁㅣㄴ", tokenizer, 16) == tokenizer.encode("ㅁㅣㄴ")[:-1]
    with pytest.raises(ConfigError):
        beginning("x", tokenizer, 16)


def test_other_data_is_the_same_however_it_is_split() -> None:
    assert load_docs(split=JAMO) == load_docs()


@pytest.mark.parametrize("split", [SYLLABLES, JAMO])
def test_a_split_run_is_saved_and_goes_on(split: str, tmp_path: Path) -> None:
    """Its file says how it was split, so that its documents are found in the bundled file, or in another."""
    session = Session(TINY, load_docs(KO, split))
    session.run(until=3)
    file = tmp_path / "run.safetensors"
    checkpoint.save(session, file, kept_path(KO), split)
    saved = checkpoint.load(file)
    assert saved.origin == Origin(session.checksum, None, split)
    docs, origin = saved.origin.find()
    assert (docs, origin) == (load_docs(KO, split), saved.origin)
    again = checkpoint.resume(saved, docs)
    session.run(until=6)
    again.run(until=6)
    assert again.losses == session.losses
    moved = tmp_path / "moved.txt"
    moved.write_bytes(KO.read_bytes())
    assert saved.origin.find(moved) == (docs, Origin(session.checksum, str(moved), split))
    with pytest.raises(DataError, match="other documents"):
        saved.origin.find(bundled_path())
    assert Origin(session.checksum, str(tmp_path / "gone"), split).find() == (docs, saved.origin)


def test_documents_are_not_found_under_another_split() -> None:
    with pytest.raises(DataError, match="trained on other documents"):
        Origin(checksum(load_docs(KO, JAMO))).find()


def test_a_file_without_a_split_is_one_of_syllables_and_an_unknown_one_is_refused() -> None:
    assert validate.origin({"sha256": "0", "path": None}).split == SYLLABLES
    with pytest.raises(validate.Unfit):
        validate.origin({"sha256": "0", "path": None, "split": "words"})
    with pytest.raises(validate.Unfit):
        validate.origin({"sha256": "0", "path": None, "split": ["jamo"]})


@pytest.mark.parametrize("word", BUNDLED)
def test_bundled_files_are_not_kept_by_their_paths(word: str, tmp_path: Path) -> None:
    assert kept_path(bundled_path(word)) is None
    own = tmp_path / bundled_path(word).name
    assert kept_path(own) == str(own)
