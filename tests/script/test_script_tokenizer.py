"""What tokens are called, by the variables of a script."""

from __future__ import annotations

from typing import Any

import pytest

from engine.script.script_tokenizer import ScriptTokenizer


@pytest.mark.parametrize(
    ("settings", "sizes", "names"),
    [
        ({"uchars": list("abc")}, [8, 4], ["a", "b", "c", "BOS"]),
        ({"chars": list("abc")}, [3, 8], ["a", "b", "c"]),
        ({"stoi": {".": 0, "a": 1, "b": 2}}, [3], [".", "a", "b"]),
        ({"stoi": {"b": 1, "a": 0}, "n": 5}, [2], ["a", "b"]),
        ({"grades": list("abcdef"), "chars": list("xyz")}, [4], ["x", "y", "z", "BOS"]),  # as many as there are rows
        ({"chars": list("aab"), "odd": {"a": 0, "b": 5}, "words": ["one", "two"]}, [4, 3], ["0", "1", "2", "3"]),
        ({}, [], ["0"]),
    ],
)
def test_names_of_tokens(settings: dict[str, Any], sizes: list[int], names: list[str]) -> None:
    tokenizer = ScriptTokenizer.of(settings, sizes)
    assert [tokenizer.name(i) for i in range(tokenizer.vocab_size)] == names
    assert tokenizer.name(99) == "99"
    text = "".join(names[:2])
    assert tokenizer.decode(tokenizer.encode(names[0])) == text[: len(names[0])]
    assert tokenizer.bos == (names.index("BOS") if "BOS" in names else -1)
