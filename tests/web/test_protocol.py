"""Messages of a page are translated to packets for a process; bad ones are ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from microgpt_tui.web.driver import BoundedInput
from microgpt_tui.web.protocol import PasteLimit, Unpacker, bounded_size, for_process, packet


def test_typed_text_is_passed_on_unchanged() -> None:
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
def test_resize_and_focus_become_packets(said: Any, carried: dict[str, Any]) -> None:
    made = for_process(json.dumps(said))
    assert made is not None
    assert made[:1] == b"M"
    assert int.from_bytes(made[1:5], "big") == len(made) - 5
    assert json.loads(made[5:]) == carried


@pytest.mark.parametrize(
    "said",
    [
        *("", "{", "3", "[]", "[[]]", "null", '["quit"]', '["ping", "1"]', '["stdin"]', '["stdin", 3]', "[" * 10**5),
        *('["stdin", "\\ud800"]', '["resize", {}]', '["resize", {"width": "wide", "height": 1}]'),
        *('["resize", {"width": null, "height": 1}]', '["resize", {"width": 1e999, "height": 1}]'),
        '["resize", {"width": NaN, "height": 1}]',
    ],
)
def test_a_message_that_cannot_be_parsed_gives_no_packet(said: str) -> None:
    assert for_process(said) is None


def test_sizes_that_are_ignored() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        bounded_size("wide", "3")


@pytest.mark.parametrize("size", [1, 2, 5, 7, 1000])
def test_packets_are_read_from_pieces(size: int) -> None:
    stream, unpacker = packet(b"D", b"abc") + packet(b"M", b"") + packet(b"D", b"x" * 300), Unpacker()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    read = [found for piece in pieces for found in unpacker.feed(piece)]
    assert read == [(b"D", b"abc"), (b"M", b""), (b"D", b"x" * 300)]


BEGIN, END = PasteLimit.BEGIN, PasteLimit.END
PASTES = {
    "none": ("n\x1b[A:wte\x1b[201~", "n\x1b[A:wte\x1b[201~", 0),
    "short": ("a" + BEGIN + "12345" + END + "", "a" + BEGIN + "12345" + END + "", 0),
    "long": ("a" + BEGIN + "123456" + END + "", "a" + BEGIN + "12345" + END + "", 1),
    "two": (2 * (BEGIN + "123456789" + END), 2 * (BEGIN + "12345" + END), 2),
    "unfinished": (BEGIN + "1" * 500, BEGIN + "1" * 5 + END, 1),
    "with what is nearly its end": (BEGIN + "\x1b[20\x1b[201" + END, BEGIN + "\x1b[20\x1b" + END, 1),
    "with its end in pieces": (BEGIN + "1\x1b\x1b[201~", BEGIN + "1\x1b\x1b[201~", 0),
    "of any characters": (BEGIN + "가나다라é2" + END, BEGIN + "가나다라é" + END, 1),
    "begun twice": (BEGIN + BEGIN + END + "", BEGIN + BEGIN[:5] + END + "", 1),
}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 1000])
@pytest.mark.parametrize(("typed", "passed", "times"), PASTES.values(), ids=PASTES.keys())
def test_a_paste_is_cut(typed: str, passed: str, times: int, size: int) -> None:
    cuts: list[None] = []
    limit = PasteLimit(5, lambda: cuts.append(None))
    pieces = [limit.feed(typed[start : start + size]) for start in range(0, len(typed), size)]
    assert "".join(pieces) == passed
    assert len(cuts) == times


def test_the_end_of_a_paste_is_passed_on_at_once() -> None:
    """With a pause in the middle of it, it would be a part of the paste."""
    limit = PasteLimit(100, pytest.fail)
    assert limit.feed(BEGIN + "a" + END[:4]) == BEGIN + "a"
    assert limit.feed(END[4:] + "c") == END + "c"


def test_no_more_is_read_than_the_app_can_take() -> None:
    waits: list[int] = []
    reader = [packet(b"D", b"n" * 2500) + packet(b"M", b"{}"), b"", packet(b"D", b"x")]
    sizes: list[int] = []
    bounded = BoundedInput(reader, lambda: waits.append(0), pytest.fail)
    sizes.extend(map(len, bounded))
    assert sizes == [1029, 1029, 457, 7, 0, 6]
    assert len(waits) == 5  # after each that was not empty
