"""Characters to ids and back. One special token, BOS, stands on both sides of every document."""

from __future__ import annotations

from collections.abc import Iterable


class Tokenizer:
    """One token a character, numbered in sorted order; `bos` is the last id.

    `uchars` is the sorted alphabet, `vocab_size` counts it and BOS.
    """

    def __init__(self, docs: Iterable[str]) -> None:
        self.uchars: list[str] = sorted(set("".join(docs)))
        self.bos = len(self.uchars)
        self.vocab_size = len(self.uchars) + 1
        self._ids = {char: i for i, char in enumerate(self.uchars)}

    def encode(self, doc: str) -> list[int]:
        """`doc` as ids with BOS before and after; KeyError for a character outside the alphabet."""
        return [self.bos, *(self._ids[char] for char in doc), self.bos]

    def first(self, doc: str, count: int) -> list[int]:
        """The first `count` ids of a document, or all."""
        return self.encode(doc[:count])[:count]

    def decode(self, ids: Iterable[int]) -> str:
        """The characters of `ids`, which must not hold BOS."""
        return "".join(self.uchars[i] for i in ids)

    def name(self, token_id: int) -> str:
        """How a token is shown: its character, or BOS."""
        return "BOS" if token_id == self.bos else self.uchars[token_id]
