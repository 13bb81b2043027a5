"""`ScriptTokenizer`: what the tokens of a script are called, as far as its variables tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.model.tokenizer import Tokenizer

MARK = "BOS"


class ScriptTokenizer(Tokenizer):
    """Tokens by their numbers. `names` are characters, or the numbers themselves where a script has none."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names) or ["0"]
        self.uchars = [name for name in self.names if name != MARK]
        self.vocab_size = len(self.names)
        self.bos = self.names.index(MARK) if MARK in self.names else -1
        self._ids = {name: i for i, name in enumerate(self.names)}

    @classmethod
    def of(cls, settings: Mapping[str, Any], sizes: Sequence[int]) -> ScriptTokenizer:
        """From the variables of a script, and the first sizes of its matrices, of which one counts tokens.

        A list of characters fits as it is, or with one token more, which marks beginnings and ends.
        """
        for value in settings.values():
            names = _characters(value)
            if names and len(names) in sizes:
                return cls(names)
            if names and len(names) + 1 in sizes:
                return cls([*names, MARK])
        return cls([str(i) for i in range(max(sizes, default=1))])

    def encode(self, doc: str) -> list[int]:
        """The characters of a text; KeyError for one that is no token."""
        return [self._ids[char] for char in doc]

    def decode(self, ids: Iterable[int]) -> str:
        """The names of tokens, one after the other."""
        return "".join(self.names[i] for i in ids)

    def name(self, token_id: int) -> str:
        """How a token is shown."""
        return self.names[token_id] if 0 <= token_id < len(self.names) else str(token_id)


def _characters(value: Any) -> list[str]:
    """The tokens that a variable lists: single characters, or a table from these to numbers, either way round."""
    if isinstance(value, dict):
        pairs = sorted((number, name) for name, number in value.items() if isinstance(number, int))
        value = [name for _, name in pairs] if [number for number, _ in pairs] == list(range(len(value))) else []
    if not isinstance(value, list) or len(value) < 2:
        return []
    names = [each for each in value if isinstance(each, str) and len(each) == 1]
    return names if len(names) == len(value) == len(set(names)) else []
