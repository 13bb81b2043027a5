"""A document far longer than the context: keys cost what they cost with a short one."""

from __future__ import annotations

import pytest

from engine import Config, Session
from engine.model.tokenizer import Tokenizer
from tests.support.harness import debugger, text

LONG = "abcdefgh" * 50_000


async def test_no_key_reads_more_of_a_document_than_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = Tokenizer.encode

    def counted(self: Tokenizer, doc: str) -> list[int]:
        encoded.append(len(doc))
        return encode(self, doc)

    monkeypatch.setattr(Tokenizer, "encode", counted)
    session = Session(Config(n_embd=4, n_head=2, block_size=5, num_steps=10), [LONG])
    async with debugger((120, 36), session) as pilot:
        for key in ("n", "n", "t", "s", "f", "n", "f", "n", "]", "p", "[", "1", "z"):
            await pilot.press(key)
            await pilot.pause()
        assert "a" in text(pilot)
    assert encoded
    assert max(encoded) < 200
