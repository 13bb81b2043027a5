"""Names of two cells a character: every column stands where it stands for narrow names, counted in cells."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from rich.cells import cell_len
from rich.segment import Segment

from engine import Config, Session
from engine.hangul import letters
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.attention import Attention
from microgpt_tui.panes.prediction import Prediction
from microgpt_tui.panes.program import Program
from microgpt_tui.panes.qkv import QKV
from microgpt_tui.panes.tokens import Tokens

DOCS = ["가나a다라b마바사c", "ㄱㅏㄴaㄷㅣㄹbㅁㅠc"]  # wide and narrow names in one column
both = pytest.mark.parametrize("doc", DOCS, ids=["syllables", "letters"])


@cache
def run(doc: str) -> Session:
    return Session(Config(n_layer=1, n_embd=8, n_head=2, block_size=16, num_steps=5, seed=3), [doc])


def frame(doc: str, phase: Phase, name: str) -> Frame:
    """The last event of this name and place, at the end of it."""
    run(doc).seek(Moment())
    found = [s for s in run(doc).program.events(phase) if s.name == name]
    last = max(found, key=lambda s: s.pos or 0)
    run(doc).seek(Moment(0, phase, last.last))
    return Frame(run(doc).view(), Focus(run(doc).moment))


def rows_with_names(doc: str, picture: Picture) -> list[list[tuple[int, int]]]:
    """Where the scalars stand on each line that begins with a token: their columns, in cells."""
    names, found = [run(doc).program.tokenizer.name(i) for i in set(run(doc).program.tokens)], []
    for line, text in zip(picture.lines, picture.text().splitlines(), strict=True):
        columns = [(x, end) for x, end, target in line.spots if isinstance(target, int)]
        words = text.replace("▸", " ").replace("◎", " ").split()[:3]
        if columns and any(word in names for word in words):
            found.append(columns)
    return found


def cut(picture: Picture, y: int, x: int, end: int) -> str:
    """What stands in these cells of a line."""
    parts = list(Segment.divide(picture.lines[y].segments, [x, end]))
    return "".join(segment.text for segment in parts[1])


@both
@pytest.mark.parametrize(
    ("phase", "name"),
    [
        *((Phase.FORWARD, name) for name in ("attn_logits", "attn_weights", "head_out", "logits", "probs", "loss")),
        *((Phase.BACKWARD, name) for name in ("mlp_residual", "attn_logits", "attn_weights", "logits", "loss")),
    ],
)
def test_columns_of_the_stage_line_up(doc: str, phase: Phase, name: str) -> None:
    picture = draw(frame(doc, phase, name), 100, 40)
    rows = rows_with_names(doc, picture)
    assert len(rows) >= 10
    first = Counter(x for columns in rows for x, _ in columns)
    assert {min(columns)[0] for columns in rows} == {min(first)}
    for y, line in enumerate(picture.lines):
        assert line.width == cell_len("".join(s.text for s in line.segments))
        for x, end, target in line.spots:
            if isinstance(target, int):
                assert cell_len(cut(picture, y, x, end)) == end - x, "a spot begins or ends inside a character"


@both
def test_columns_of_the_panes_line_up(doc: str) -> None:
    forward = frame(doc, Phase.FORWARD, "loss")
    attention = rows_with_names(doc, Attention("x").draw(forward, 80, 16))
    assert len(attention) == forward.program.n
    assert len({columns[0] for columns in attention}) == 1
    kept = rows_with_names(doc, QKV("x").draw(forward, 80, 24))
    assert len({tuple(columns) for columns in kept}) == 1
    prediction = rows_with_names(doc, Prediction("x").draw(forward, 60, 9))[:-1]
    assert len({columns[0][0] for columns in prediction}) == 1


@both
def test_tokens_take_their_cells_and_arrows_of_the_outline_below_each_other(doc: str) -> None:
    at = frame(doc, Phase.FORWARD, "embed")
    (tokens,) = Tokens("x").draw(at, 120, 1).lines
    spots = [(x, end) for x, end, _ in tokens.spots][: at.program.n]
    assert [end - x - 2 for x, end in spots] == [cell_len(at.token_name(t)) for t in at.program.inputs]
    assert all(end == x for (_, end), (x, _) in pairwise(spots))
    outline = Program("x").draw(at, 40, 40)
    lines = [line for line in outline.text().splitlines() if "→" in line]
    assert len(lines) == at.program.n
    assert all(line.width <= 40 for line in outline.lines)
    whole = {line.width for line in outline.lines}
    assert len(whole) == 1, "every line is padded to the same width, counted in cells"


def test_letters_stand_beside_the_syllables_that_they_make_where_there_is_room() -> None:
    doc = letters("하늘빛")
    at = frame(doc, Phase.FORWARD, "embed")
    shown = {}
    for width in range(40, 160):
        (line,) = Tokens("x").draw(at, width, 1).lines
        assert line.width == sum(segment.cell_length for segment in line.segments) <= width
        words = "".join(segment.text for segment in line.segments)
        assert all(letter in words for letter in doc) or "…" in words
        assert ("BOS   하늘빛" in words) == ("하늘빛" in words)
        shown[width] = "하늘빛" in words
    assert (shown[40], shown[80], shown[120]) == (False, True, True)
    assert "하늘" not in Tokens("x").draw(frame("하늘", Phase.FORWARD, "embed"), 120, 1).text()


def test_a_line_that_is_cut_says_so_whatever_its_letters_width() -> None:
    for text in ("가나다라마바사", "abcdefghijklmn"):
        for width in range(1, 14):
            cut_line = Line().add(text).cut(width)
            assert cut_line.width <= width
            assert "".join(segment.text for segment in cut_line.segments).endswith("…")
        assert Line().add(text + "   ").cut(14).segments[0].text == text
