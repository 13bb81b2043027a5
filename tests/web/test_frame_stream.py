"""The stream of frames: whatever version a viewer has, what it gets makes its table the lecturer's."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from microgpt_tui.web.frame_stream import KEPT, FrameStream

KEYS = ["size", "page", "row/0", "row/1", "row/2", 'odd " key']
VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.tuples(st.text(), st.text()), max_size=3)
UPDATES = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), min_size=1, max_size=40)


def read(difference: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(zlib.decompress(difference))
    return message


class Table:
    """The table of one viewer."""

    def __init__(self) -> None:
        self.version = 0
        self.values: dict[str, Any] = {}

    def take(self, stream: FrameStream) -> None:
        """Get what is newer, as a page does."""
        if stream.version == self.version:
            return
        message = read(stream.difference(self.version))
        assert message["session"] == stream.session
        self.version = message["version"]
        values = {} if message["whole"] else self.values
        self.values = {key: value for key, value in (values | message["changes"]).items() if value is not None}


@given(UPDATES, st.lists(st.lists(st.integers(0, 39), max_size=4), min_size=1, max_size=5), st.integers(0, KEPT + 5))
def test_every_viewer_ends_with_the_lecturers_table(
    updates: list[dict[str, Any]], visits: list[list[int]], idle: int
) -> None:
    """Viewers look at any of the versions, and then at the last one; in between there may be signs of life alone."""
    stream, table = FrameStream(), {}
    viewers = [(Table(), set(times)) for times in visits]
    for time, changes in enumerate(updates):
        stream.update(changes)
        table = {key: value for key, value in (table | changes).items() if value is not None}
        for viewer, times in viewers:
            if time in times:
                viewer.take(stream)
                assert viewer.values == json.loads(json.dumps(table))
    for _ in range(idle):
        stream.update({})
    for viewer, _ in viewers:
        viewer.take(stream)
        assert (viewer.version, viewer.values) == (stream.version, json.loads(json.dumps(table)))


@given(st.integers(1, 3 * KEPT), st.integers(-5, 4 * KEPT))
def test_an_unknown_version_gets_everything(versions: int, after: int) -> None:
    stream = FrameStream()
    for n in range(versions):
        stream.update({"row/0": n, f"row/{n % 7 + 1}": n})
    message = read(stream.difference(after))
    known = 0 < after < versions and versions - after <= KEPT
    assert message["whole"] or known
    if message["whole"]:
        assert set(message["changes"]) == {"row/0", *(f"row/{n % 7 + 1}" for n in range(versions))}


def test_a_difference_is_encoded_once_for_all_and_there_are_few() -> None:
    """However many viewers are behind, and however far, a version is encoded a few times."""
    stream = FrameStream()
    for n in range(500):
        stream.update({"row/0": n})
    differences = [stream.difference(after) for after in range(500)]
    assert len({id(difference) for difference in differences}) <= 8
    assert stream.difference(499) is stream.difference(499)
    assert len(stream.difference(499)) < 200


def test_a_deleted_key_is_forgotten_after_a_while() -> None:
    stream = FrameStream()
    for n in range(10 * KEPT):
        stream.update({f"row/{n}": n})
        stream.update({f"row/{n}": None})
    assert read(stream.difference(0))["changes"] == {}
    assert len(stream._entries) <= KEPT


async def test_those_who_wait_are_woken_by_a_version_and_by_the_end() -> None:
    stream = FrameStream()
    waiting = [asyncio.create_task(stream.newer(0)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    stream.update({})
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await stream.newer(0)
    last = asyncio.create_task(stream.newer(1))
    await asyncio.sleep(0)
    stream.close()
    assert not await last
    assert await stream.newer(0)  # one that has not had the last version gets it
