"""Small models that are recorded as large ones are, whose memory is given back wherever it can be."""

from __future__ import annotations

import pytest

from engine import Session
from engine.model.recording import record
from tests.support.float_bits import DOCS, tiny


def pack_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, record every model as a large one is; recordings that tests share are not.

    Memory is given back to the last number, as that of whole pages is.
    """
    monkeypatch.setattr("engine.model.recording.LARGE", 0)
    for module in ("recording", "packed_graph"):
        monkeypatch.setattr(f"engine.model.{module}.give_back", lambda numbers: numbers.fill(0))
    monkeypatch.setattr("engine.run.session.record", record)
    assert Session(tiny(), DOCS).recording.packed is not None
