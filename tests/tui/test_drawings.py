"""The drawings of the operations: their size, one scale, marks and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from rich.segment import Segment
from rich.style import Style

from engine import Config, Session
from engine.autograd.tape import Rows
from engine.run.step_copy import StepCopy
from engine.timeline.events import PHASES, Event, Moment, Phase
from microgpt_tui.debugger.frame import Context, Focus, Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heat
from microgpt_tui.drawing.numbers import exponent, number, percent, plain, scaled
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.operations import attention, registry
from microgpt_tui.operations.registry import draw, legend_of
from microgpt_tui.operations.row_labels import labels_of
from microgpt_tui.panes.explanation import Explanation

ROOMS = [(54, 26), (78, 16), (88, 18), (70, 20), (106, 36)]
CONFIGS = {
    "usual": (Config(n_layer=1, n_embd=16, n_head=4, block_size=16, num_steps=50, seed=3), "bill"),
    "deep": (Config(n_layer=4, n_embd=8, n_head=1, block_size=8, num_steps=50, seed=3), "anna"),
    "heads": (Config(n_layer=1, n_embd=64, n_head=8, block_size=32, num_steps=50, seed=3), "micro"),
    "wide": (Config(n_layer=2, n_embd=16, n_head=8, block_size=16, num_steps=50, seed=3), "가나a다라b마바사c가나a다"),
    "flat": (Config(n_layer=0, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3), "anna"),
}
LARGE = "".join(chr(ord("가") + 7 * i) for i in range(90))


@cache
def run_of(which: str) -> tuple[Session, StepCopy]:
    if which == "vocabulary":
        run = Session(Config(n_layer=1, n_embd=4, n_head=2, block_size=8, num_steps=50, seed=3), [LARGE[:5], LARGE])
    else:
        config, doc = CONFIGS[which]
        run = Session(config, [doc, "abcdefghijklmnopqrstuvwxyz"] if which == "usual" else [doc])
    return run, StepCopy(run)


def frame_at(which: str, moment: Moment, row: int | None = None, digits: bool = False) -> Frame:
    run, copy = run_of(which)
    run.seek(moment)
    return Frame(run.view(), Focus(run.moment, row, digits=digits), Context(copy=copy))


def event_of(which: str, phase: Phase, name: str, pos: int | None = None, head: int | None = None) -> Event:
    run, _ = run_of(which)
    run.seek(Moment(0, phase))
    events = [e for e in run.program.events(phase) if e.name == name and head in (None, e.head)]
    return next(e for e in events if pos in (None, e.pos))


def at(which: str, phase: Phase, name: str, pos: int | None = None, head: int | None = None, inside: int = 0) -> Frame:
    """The end of an event, or so many ticks after its beginning."""
    event = event_of(which, phase, name, pos, head)
    return frame_at(which, Moment(0, phase, event.first + inside if inside else event.last))


def style_at(picture: Picture, y: int, x: int) -> tuple[str, Style | None]:
    """One character and its style."""
    text, style, _ = list(Segment.divide(picture.lines[y].segments, [x, x + 1]))[1][0]
    return text, style


def looks(picture: Picture, row: int) -> list[tuple[str, Style | None]]:
    """Every character that stands for a scalar."""
    return [
        style_at(picture, spot.y, x) for spot in picture.spots() if spot.target == row for x in range(spot.x, spot.end)
    ]


def background(style: Style | None) -> str | None:
    return None if style is None or style.bgcolor is None else style.bgcolor.name


# Room.


def events_of(which: str) -> Iterator[tuple[Phase, Event]]:
    """One event of each name, layer apart, in the middle of the document."""
    run, _ = run_of(which)
    for phase in PHASES:
        run.seek(Moment(0, phase))
        by_name: dict[str, list[Event]] = {}
        for event in run.program.events(phase):
            by_name.setdefault(event.name, []).append(event)
        yield from ((phase, events[len(events) // 2]) for events in by_name.values())


@pytest.mark.parametrize("which", [*CONFIGS, "vocabulary"])
def test_every_drawing_fits_its_room_and_cuts_no_words(which: str) -> None:
    for phase, event in list(events_of(which)):
        for tick in ((event.first + event.last) // 2, event.last):
            frame = frame_at(which, Moment(0, phase, tick), digits=tick < event.last)
            for width, height in ROOMS if tick == event.last else ROOMS[:1]:
                picture = draw(frame, width, height)
                where = (phase, event.name, tick, width, height)
                assert picture.width <= width, where
                assert picture.height <= height, (where, picture.text())
                words = picture.text().replace("+ …", "").replace(", …)", "").replace("= … =", "")
                assert "…" not in words, (where, words)


# Scale.


def cells_of(picture: Picture, rows: set[int]) -> dict[tuple[int, int, int], tuple[str, str, str | None]]:
    """What stands for some scalars at each place: the character and its colours, without the mark of a fresh one."""
    found = {}
    for spot in picture.spots():
        if spot.target in rows:
            for x in range(spot.x, spot.end):
                text, style = style_at(picture, spot.y, x)
                colour = "" if style is None or style.color is None or not text.strip() else style.color.name
                if style is None or style.color != theme.NEW.color:  # the mark moves
                    found[spot.y, x, int(str(spot.target))] = (text, colour, background(style))
    return found


@pytest.mark.parametrize(
    ("phase", "name"),
    [
        (Phase.FORWARD, "embed"), (Phase.FORWARD, "attn_norm"), (Phase.FORWARD, "q"), (Phase.FORWARD, "attn_logits"),
        (Phase.FORWARD, "attn_weights"), (Phase.FORWARD, "head_out"), (Phase.FORWARD, "mlp_relu"),
        (Phase.FORWARD, "logits"), (Phase.FORWARD, "probs"), (Phase.BACKWARD, "logits"),
        (Phase.BACKWARD, "mlp_residual"), (Phase.BACKWARD, "attn_weights"), (Phase.BACKWARD, "attn_norm"),
    ],
)  # fmt: skip
def test_a_new_value_never_repaints_others(phase: Phase, name: str) -> None:
    run, _ = run_of("usual")
    event = event_of("usual", phase, name, 2)
    before: tuple[Picture, set[int], np.ndarray[tuple[int], np.dtype[np.float64]], Event] | None = None
    ticks = range(event.first + 1, min(event.last, event.first + 70))
    for tick in ticks:
        frame = frame_at("usual", Moment(0, phase, tick))
        operation = frame.operation
        rows = np.concatenate([operation.rows.ravel(), *(r.ravel() for r in operation.operands.values())])
        everything = np.arange(run.program.n_rows, dtype=np.int32)
        reading = frame.view.grad(everything) if phase is Phase.BACKWARD else frame.view.data(everything)
        picture = draw(frame, 106, 36)
        work = lit_rows(frame)
        known = {int(r) for r in rows if reading.known[r]} - {frame.selected} - work
        if before is not None and before[3].place == operation.place:
            same = {r for r in known & before[1] if reading.values[r] == before[2][r]}
            old, new = cells_of(before[0], same), cells_of(picture, same)
            assert {k: v for k, v in old.items() if k in new} == {k: v for k, v in new.items() if k in old}, tick
            assert len(old.keys() & new.keys()) >= len(same) // 2
        before = picture, known, reading.values.copy(), operation


@pytest.mark.parametrize("kind", ["usual", "wide", "flat"])
def test_a_whole_gradient_is_drawn_where_the_selected_number_got_it_from(kind: str) -> None:
    """Whichever number of the matrix is selected: its last term is one of the operation's."""
    run, _ = run_of(kind)
    whole = [event for event in run.program.events(Phase.BACKWARD) if event.is_parameter]
    assert whole
    for event in whole:
        run.seek(Moment(0, Phase.BACKWARD, event.last))
        for row in (None, *event.rows.flat[:: max(1, event.rows.size // 20)].tolist()):
            frame = Frame(run.view(), Focus(run.moment, row))
            terms = frame.explain.gradient(frame.selected)
            if terms:
                assert run.program.event_of(terms[-1].user) == frame.operation, (event.name, row)


def lit_rows(frame: Frame) -> set[int]:
    """Scalars that may change their look with what is at work: the weights of a lit row, and what is marked."""
    operation = frame.operation
    found = set(operation.operands["w"].ravel().tolist()) if "w" in operation.operands and not frame.backward else set()
    made = frame.explain.terms(frame.selected)
    row = made[-1] if made else frame.selected
    found |= {row, *frame.explain.children(row)}
    for rows in (*operation.operands.values(), operation.rows, *operation.parts.values()):
        flat = np.atleast_1d(rows).ravel()
        for i in np.flatnonzero(np.isin(flat, list(found))).tolist():  # the same index in every vector
            for other in (*operation.operands.values(), operation.rows, *operation.parts.values()):
                if np.atleast_1d(other).ravel().size == flat.size:
                    found.add(int(np.atleast_1d(other).ravel()[i]))
    return found


def test_one_added_gradient_does_not_fill_the_picture() -> None:
    event = event_of("heads", Phase.BACKWARD, "logits", 4)
    for inside in (1, 2, 3):
        frame = frame_at("heads", Moment(0, Phase.BACKWARD, event.first + inside))
        assert legend_of(frame) == legend_of(frame_at("heads", Moment(0, Phase.BACKWARD, event.first + 1)))
        assert "+0-0" not in draw(frame, 106, 36).text()


def test_was_and_this_make_now_at_every_linear_layer() -> None:
    run, _ = run_of("usual")
    run.seek(Moment(0, Phase.BACKWARD))
    checked = 0
    for event in run.program.events(Phase.BACKWARD):
        frame = frame_at("usual", Moment(0, Phase.BACKWARD, event.last))
        if frame.operation.kind != "linear" or event.pos is None or event.is_parameter:
            continue
        picture = draw(frame, 106, 36)
        lines = picture.text().splitlines()
        at_now = next(i for i, line in enumerate(lines) if line.startswith("  = now"))
        spots = [spot for spot in picture.spots() if spot.y == at_now]
        rows: Rows = np.array([spot.target for spot in spots], dtype=np.int32)
        added = frame.contributed(rows)
        now, this = frame.view.grad(rows).values, added.values
        if not added.known.all():  # only part of the layer has handed its gradient on
            continue
        scale = legend_of(frame).scale
        for y, values in ((at_now - 2, now - this), (at_now - 1, this), (at_now, now)):
            for spot, value in zip(spots, values, strict=True):
                if spot.target != frame.selected:
                    _, style = style_at(picture, y, spot.x)
                    assert background(style) == background(heat(float(value), True, scale, 4)[1])
        checked += 1
    assert checked > 20


# Softmax over tokens.


@pytest.mark.parametrize("size", [*ROOMS, (36, 10)])
@pytest.mark.parametrize("which", ["usual", "wide", "vocabulary"])
@pytest.mark.parametrize(("phase", "name"), [(Phase.FORWARD, "probs"), (Phase.BACKWARD, "logits")])
def test_the_target_is_always_visible_and_green(phase: Phase, name: str, which: str, size: tuple[int, int]) -> None:
    run, _ = run_of(which)
    run.seek(Moment(0, phase))
    for pos in range(run.program.n):
        frame = at(which, phase, name, pos)
        picture = draw(frame, *size)
        target = frame.program.targets[pos]
        (found,) = [i for i, line in enumerate(picture.text().splitlines()) if f"◎{frame.token_name(target)}" in line]
        styles = [s.style for s in picture.lines[found].segments if s.text.startswith("◎")]
        assert styles[0] == theme.TARGET
        share = frame.view.data(frame.operation.rows).values[target]
        assert percent(float(share)) in picture.text().splitlines()[found]


@pytest.mark.parametrize("which", ["usual", "wide", "vocabulary"])
def test_every_share_that_is_shown_has_its_bar(which: str) -> None:
    frame = at(which, Phase.FORWARD, "probs", 1)
    picture = draw(frame, 78, 26)
    values = dict(zip(frame.operation.rows.tolist(), frame.view.data(frame.operation.rows).values, strict=True))
    shown = {int(str(spot.target)) for spot in picture.spots() if spot.target in values}
    assert len(shown) >= min(len(values), 20)
    lengths = {row: sum(text in "█▏▎▍▌▋▊▉" for text, _ in looks(picture, row)) for row in shown}
    assert all(lengths.values())
    ordered = sorted(shown, key=lambda row: values[row])
    assert [lengths[row] for row in ordered] == sorted(lengths.values())


def test_tokens_keep_their_places_and_a_large_vocabulary_shows_the_largest_first() -> None:
    first, second = (draw(at("usual", Phase.FORWARD, "probs", pos), 78, 26) for pos in (0, 1))
    names = [re.findall(r"(?:◎|▸| )(\S+) +[+-]", p.text()) for p in (first, second)]
    assert names[0] == names[1]
    frame = at("vocabulary", Phase.FORWARD, "probs", 1)
    text = draw(frame, 54, 16).text()
    shares = np.sort(frame.view.data(frame.operation.rows).values)[::-1]
    assert percent(float(shares[0])) in text.splitlines()[1]
    left = re.search(r"largest first; (\d+) more tokens, ([\d.]+%) in all", text)
    assert left
    assert int(left[1]) < len(shares)


def test_exponentials_are_shown_as_they_are_computed() -> None:
    event = event_of("usual", Phase.FORWARD, "probs", 1)
    exps = event.parts["exp"]
    tick = run_of("usual")[0].program.tick_of(int(exps[3]))
    assert tick is not None
    for size in ROOMS:
        frame = frame_at("usual", Moment(0, Phase.FORWARD, tick + 1))
        text = draw(frame, *size).text()
        assert all(plain(float(v)) in text for v in frame.view.data(exps[:4]).values)


@pytest.mark.parametrize("size", ROOMS)
@pytest.mark.parametrize(
    ("name", "title"), [("attn_logits", "q·k/√4"), ("attn_weights", "share of 100%"), ("head_out", "value")]
)
def test_only_the_column_in_the_making_has_a_lit_title(name: str, title: str, size: tuple[int, int]) -> None:
    for inside in (1, 0):
        picture = draw(at("usual", Phase.FORWARD, name, 1, 1, inside), *size)
        lit = [s.text.strip() for s in picture.lines[1].segments if s.style == theme.NEW and s.text.strip()]
        assert lit == [title]


# The loss.


@pytest.mark.parametrize("size", ROOMS)
def test_the_loss_is_a_point_on_the_curve(size: tuple[int, int]) -> None:
    frame = at("usual", Phase.FORWARD, "loss_t", 1)
    picture, row = draw(frame, *size), int(frame.operation.rows.flat[0])
    p = frame.view.data(frame.operation.operands["probs"]).values[frame.program.targets[1]]
    columns = {spot.x for spot in picture.spots() if spot.target == row and spot.end == spot.x + 1}
    assert len(columns) == 1
    left = picture.text().splitlines()[2].index("│") + 1
    assert columns.pop() - left == int(p * (size[0] - left))
    lit = [style for text, style in looks(picture, row) if text == "█"]
    assert lit
    assert all(style == theme.HERE_BAR for style in lit)
    assert f"guessing among {frame.program.tokenizer.vocab_size}: {plain(float(np.log(27)))}" in picture.text()


@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.BACKWARD])
def test_the_mean_is_a_line_through_bars_that_start_at_0(phase: Phase) -> None:
    frame = at("usual", phase, "loss")
    picture, losses = draw(frame, 78, 26), frame.operation.operands["losses"]
    values = frame.view.data(losses).values
    lengths = [sum(t in "█▏▎▍▌▋▊▉│" for t, _ in looks(picture, int(row))) for row in losses]
    assert np.allclose(np.array(lengths) / max(lengths), values / values.max(), atol=0.1)
    assert sum(line.count("│") for line in picture.text().splitlines()) >= len(losses)
    assert f"{plain(frame.view.loss)}" in picture.text()


# Linear layers.


def test_two_rows_in_a_line_have_both_bars_and_one_number() -> None:
    frame = at("usual", Phase.FORWARD, "mlp_fc1", 1)
    picture = draw(frame, 106, 36)
    values = frame.view.data(frame.operation.rows).values
    lines = picture.text().splitlines()[2:34]
    assert len([line for line in lines if re.search(r"[+-]\d\.\d{4}", line)]) == 1
    for line, (upper, lower) in zip(lines, values.reshape(32, 2), strict=True):
        bars = line[line.rindex("│") - 12 :]
        left, right = bars[:12], bars[13:]
        assert any(c in "▀█" for c in (right if upper > 0 else left))
        assert any(c in "▄█" for c in (right if lower > 0 else left))


def test_heads_have_a_gap_and_a_name_where_there_is_room() -> None:
    lines = draw(at("usual", Phase.FORWARD, "q", 1), 106, 36).text().splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(r"h\d ", line)]
    assert [lines[i].split()[0] for i in starts] == ["h0", "h1", "h2", "h3"]
    assert all(not lines[i - 1].strip() for i in starts[1:])
    out = draw(at("usual", Phase.FORWARD, "attn_out", 1), 106, 36).text().splitlines()
    assert out[0].split() == ["head", "0", "head", "1", "head", "2", "head", "3"]


@pytest.mark.parametrize("inside", [1, 2, 3, 7])
def test_the_sum_of_a_row_tells_how_far_it_is(inside: int) -> None:
    frame = at("usual", Phase.FORWARD, "q", 1, inside=inside)
    line = next(li for li in draw(frame, 106, 36).text().splitlines() if li.startswith("q[0] = "))
    assert not re.search(r"=\s+\+", line), line
    if inside > 1:
        assert f"{inside // 2} of 16" in line


# Vectors.


def test_the_mark_goes_with_the_index_at_work() -> None:
    event = event_of("usual", Phase.FORWARD, "attn_norm", 1)
    x = event.operands["x"]
    for inside, index in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2)):
        frame = frame_at("usual", Moment(0, Phase.FORWARD, event.first + inside))
        picture = draw(frame, 54, 26)
        marked = [
            i for i, row in enumerate(x.tolist())
            if any(s in (theme.NEW, theme.HANGING_HERE) for t, s in looks(picture, row) if t.strip())
        ]  # fmt: skip
        assert marked == [index]
        assert not any(background(style) for _, style in looks(picture, int(x[index])) if style != theme.CURSOR)


def test_relu_counts_only_what_is_made() -> None:
    whole = at("usual", Phase.FORWARD, "mlp_relu", 1)
    off = int(np.count_nonzero(whole.view.data(whole.operation.rows).values == 0))
    assert f"{off} of 64 are off" in draw(whole, 54, 26).text()
    part = at("usual", Phase.FORWARD, "mlp_relu", 1, inside=3)
    text = draw(part, 54, 26).text()
    assert " of 3 so far are off" in text
    assert "of 64 are off" not in text


# Names of rows.


@pytest.mark.parametrize("size", [(78, 30), (110, 36), (190, 56)])
def test_rows_of_maps_carry_tokens_positions_and_heads(size: tuple[int, int]) -> None:
    for name, expected in (
        ("wte", ["a", "b", "y", "z", "BOS"]), ("lm_head", ["a", "b", "z", "BOS"]), ("wpe", ["pos 0", "pos 15"]),
        ("layer0.attn_wq", ["h0 0", "h1 4", "h3 12"]),
    ):  # fmt: skip
        frame = at("usual", Phase.UPDATE, name)
        text = draw(frame, *size).text()
        labels = labels_of(frame, name)
        assert set(expected) <= set(labels)
        starts = [line[:10].replace("▸", " ") for line in text.splitlines()]
        assert all(any(re.search(rf"(?<!\S){re.escape(e)}(?!\S)", start) for start in starts) for e in expected), text


@pytest.mark.parametrize("size", [(54, 26), (106, 36), (190, 56)])
def test_the_rows_of_the_last_layer_carry_their_tokens(size: tuple[int, int]) -> None:
    text = draw(at("usual", Phase.FORWARD, "logits", 1), *size).text()
    starts = " ".join(line[:7].replace("▸", " ") for line in text.splitlines()[2:])
    assert {"c", "d", "m", "z", "BOS"} <= set(starts.split())


def test_two_rows_in_a_line_of_an_update_carry_both_tokens() -> None:
    lines = draw(at("usual", Phase.UPDATE, "wte"), 78, 20).text().splitlines()
    assert any(line.startswith("c d ") for line in lines)


@pytest.mark.parametrize(("phase", "name"), [(Phase.FORWARD, "q"), (Phase.UPDATE, "layer0.attn_wq")])
def test_the_lower_row_of_a_line_has_the_name_of_the_head_that_the_line_begins_with(phase: Phase, name: str) -> None:
    event = event_of("usual", phase, name, None if phase is Phase.UPDATE else 1)
    rows = event.rows if phase is Phase.UPDATE else event.operands["w"]
    frame = frame_at("usual", Moment(0, phase, event.last), int(rows[9, 3]))
    starts = [line.partition("▸")[0].split() for line in draw(frame, 78, 14).text().splitlines() if "▸" in line[:9]]
    assert starts == [["h2", "9"]]


# Attention.


def test_columns_of_a_head_stay_where_they_are_from_event_to_event() -> None:
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        columns = set()
        for name in ("attn_logits", "attn_weights", "head_out"):
            if phase is Phase.BACKWARD and name == "head_out":
                continue  # its gradient comes through the next layer
            text = draw(at("usual", phase, name, 3, head=1), 106, 36).text().splitlines()[1]
            columns.add(tuple(text.index(word) for word in ("k", "q·k", "share", "value")))
        assert len(columns) == 1


def test_bars_of_a_heads_gradients_fill_their_room() -> None:
    frame = at("usual", Phase.BACKWARD, "attn_weights", 3, head=1)
    picture, rows = draw(frame, 106, 36), frame.operation.operands["weights"]
    power = exponent(frame.scale(rows, True))
    assert f"∂share ×1e{power}" in picture.text() if power else "×1e" not in picture.text()
    assert [scaled(frame.gradient(int(row)), power) in picture.text() for row in rows] == [True] * len(rows)
    bars = [sum(t in "█▏▎▍▌▋▊▉" for t, _ in looks(picture, int(row))) for row in rows]
    assert max(bars) >= 8


def test_a_tensor_without_a_drawing_shows_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "DRAWINGS", {})
    frame = at("usual", Phase.FORWARD, "mlp_relu", 1)
    text = draw(frame, 106, 36).text()
    x = frame.value(int(frame.operation.operands["x"][0]))
    assert "mlp_relu[0] = max(0, mlp_fc1[0])" in text
    assert f"= max(0, {number(x)}) = {number(frame.value(int(frame.operation.rows[0])))}" in text
    assert "= mlp_relu" in text


@pytest.mark.parametrize(("height", "lines"), [(24, 1), (30, 2), (42, 4)])
def test_keys_of_a_head_grow_with_the_room(height: int, lines: int) -> None:
    for phase in (Phase.FORWARD, Phase.BACKWARD):
        frame = at("usual", phase, "attn_weights", 3, head=1)
        picture = draw(frame, 110, height)
        assert picture.height <= height
        key = int(attention.head_of(frame).keys[1, 0])  # type: ignore[union-attr]
        tall = sum(any(target == key for _, _, target in line.spots) for line in picture.lines)
        assert tall == lines


def test_a_wide_matrix_is_whole_in_its_three_maps_where_there_is_room() -> None:
    frame = at("usual", Phase.UPDATE, "layer0.mlp_fc2")
    rows = frame.event.rows
    picture = draw(frame, 129, 27)
    assert picture.height <= 27
    seen = [target for line in picture.lines for _, _, target in line.spots]
    assert {int(row) for row in rows[::2].flat} <= set(seen)
    assert "rows" not in picture.text()
    assert "again: loss" in picture.text() or frame.moment.tick < frame.program.ticks(Phase.UPDATE)


@pytest.mark.parametrize("name", ["layer0.attn_wq", "wpe"])
def test_maps_of_the_update_use_the_height(name: str) -> None:
    frame = at("usual", Phase.UPDATE, name)
    for height in (28, 29):
        picture = draw(frame, 128, height)
        assert height - picture.height <= len(frame.event.rows) // 2
        tall = {
            sum(any(t == row for _, _, t in line.spots) for line in picture.lines) for row in frame.event.rows[:, 0]
        }
        assert tall == {1, 2}  # the spots of a line with two rows stand for the upper one


def test_a_wide_matrix_has_its_words_beside_it_and_loses_no_line_to_them() -> None:
    frame = at("usual", Phase.UPDATE, "layer0.mlp_fc2")
    picture = draw(frame, 88, 18)
    seen = {target for line in picture.lines for _, _, target in line.spots} & {
        int(row) for row in frame.event.rows.flat
    }
    rows = {int(row) for row in frame.event.rows[:, 0]} & seen
    assert len(rows) == 6  # of two rows in a line, the upper one
    for y in (5, 11, 17):  # half a line parts each map from the next
        below = {s.style.bgcolor for s in picture.lines[y].segments if s.style and "▀" in s.text}
        assert {back.name for back in below if back} == {theme.BACKGROUND}
    labels = re.findall(r"^ *(\d+)(▸| ) ", picture.text(), re.MULTILINE)
    assert len(labels) == 18
    first = int(labels[0][0])
    assert all(int(label) == first + 2 * (i % 6) for i, (label, chosen) in enumerate(labels) if chosen != "▸")
    assert re.search(r"gradient g ±\S+$", picture.text(), re.MULTILINE)
    assert "…" not in picture.text()


def test_maps_of_the_update_move_together_where_that_makes_their_cells_larger() -> None:
    frame = at("usual", Phase.UPDATE, "lm_head")
    first = int(frame.event.rows[0, 0])

    def cell(width: int) -> int:
        line = next(line for line in draw(frame, width, 40).lines if any(t == first for _, _, t in line.spots))
        start, end, _ = next(spot for spot in line.spots if spot[2] == first)
        return end - start

    labels = max(map(len, labels_of(frame, "lm_head"))) + 2
    columns = frame.event.rows.shape[1]
    assert cell(labels + 3 * 3 * columns + 2 * 11) == 3
    assert cell(labels + 3 * 3 * columns + 9 + 7) == 3
    assert cell(labels + 3 * 3 * columns + 9 + 7 - 1) == 2


def test_the_rule_of_the_update_is_said_on_the_smallest_screen() -> None:
    frame = at("usual", Phase.UPDATE, "lm_head")
    said = Explanation("explanation").draw(frame, 80, 2).text().splitlines()
    assert len(said) == 2
    assert "gradient" in said[1]
