"""What a page says becomes packets for a process, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from microgpt_tui.serving.packets import fitting, for_process


def test_typed_text_is_carried_as_it_is() -> None:
    assert for_process('["stdin", "n가"]') == b"D\x00\x00\x00\x04n\xea\xb0\x80"


@pytest.mark.parametrize(
    ("said", "carried"),
    [
        (["resize", {"width": 120, "height": 36}], {"type": "resize", "width": 120, "height": 36}),
        (["resize", {"width": 10**12, "height": -1}], {"type": "resize", "width": 500, "height": 5}),
        (["focus"], {"type": "focus"}),
        (["blur"], {"type": "blur"}),
    ],
)
def test_what_is_said_about_the_terminal(said: Any, carried: dict[str, Any]) -> None:
    packet = for_process(json.dumps(said))
    assert packet is not None
    assert packet[:1] == b"M"
    assert int.from_bytes(packet[1:5], "big") == len(packet) - 5
    assert json.loads(packet[5:]) == carried


@pytest.mark.parametrize(
    "said",
    [
        *("", "{", "3", "[]", "[[]]", "null", '["quit"]', '["ping", "1"]', '["stdin"]', '["stdin", 3]', "[" * 10**5),
        *('["stdin", "\\ud800"]', '["resize", {}]', '["resize", {"width": "wide", "height": 1}]'),
        *('["resize", {"width": null, "height": 1}]', '["resize", {"width": 1e999, "height": 1}]'),
        '["resize", {"width": NaN, "height": 1}]',
    ],
)
def test_what_cannot_be_understood_says_nothing(said: str) -> None:
    assert for_process(said) is None


def test_no_size() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        fitting("wide", "3")
