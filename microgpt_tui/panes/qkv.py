"""Queries, keys and values of one position, cut into heads, and the keys and values that are kept so far."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rich.cells import cell_len

from engine.autograd.tape import Rows
from engine.immutable import immutable
from engine.model.tensors import AttentionNames, attention_names
from engine.timeline.events import Moment, Phase
from engine.timeline.view import View
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.targets import layer_or_head
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import heat_row, size_for, window
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.operations.canvas import Board, Legend, first_fitting, names_width
from microgpt_tui.panes.base import PositionPane
from microgpt_tui.panes.gradients import known_norm
from microgpt_tui.texts.say import say

LABEL, CUT_LABEL, STATE = 4, 11, 11  # cells for a row's name, for the same if heads are cut off, for its norm
ROOMY = 50  # characters from which on norms are shown


class QKV(PositionPane):
    """q, k and v of a position as strips; in the backward phase their gradients."""

    TITLE = pane_title("qkv")
    FROZEN = say("panes.qkv.frozen")

    @classmethod
    def lacks(cls, view: View) -> str:
        return super().lacks(view) or missing_vectors(view)

    def heading(self, frame: Frame) -> str:
        layered = frame.config.n_layer > 1 and frame.phase is not Phase.UPDATE
        return super().heading(frame) + (f", {frame.called('layer', frame.layer)}" if layered else "")

    def draw_position(self, board: Board) -> None:
        names = attention_of(board, "vectors")
        if names is None:
            return
        _vectors(board, names)
        _kept_line(board, names)
        if board.room >= 4:
            _kept_strips(board, names)


def missing(view: View, what: str) -> str:
    """Why a model has nothing to show of its "attention" or its "vectors", as a sentence; empty if it has."""
    if not view.config.n_layer:
        return say(f"panes.qkv.no_layers.{what}")
    if attention_names(view.program.specs) is None:
        return say(f"panes.qkv.no_heads.{what}")
    return ""


def missing_vectors(view: View) -> str:
    """Why a model has no queries, keys and values of all heads in one vector, as a sentence; empty if it has."""
    names, specs = attention_names(view.program.specs), view.program.specs
    if names is not None and any("head" in specs[name].places for name in (names.query, names.key, names.value)):
        return say("panes.qkv.heads_alone")
    return missing(view, "vectors")


def attention_of(board: Board, what: str) -> AttentionNames | None:
    """What the model calls the tensors of attention; if it has none, the pane says that it cannot show `what`."""
    sentence = missing(board.frame.view, what)
    if sentence:
        board.note(sentence)
    return board.frame.attention


def called_head(frame: Frame, head: int) -> str:
    """What a head of attention is called."""
    return frame.called_head(head, frame.attention.weights if frame.attention else "")


def head_name(frame: Frame, head: int, width: int) -> str:
    """The name of a head, as long as `width` allows."""
    return first_fitting(width, called_head(frame, head), f"h{head}") or f"{head}"


def other_heads(line: Line, frame: Frame, first: int, last: int, words: str = "") -> Line:
    """Arrows to the heads that are cut off on either side, around some words."""
    before, after = first > 0, last < frame.heads
    line.add("‹" if before else " ", theme.STRONG, layer_or_head(frame, head=first - 1) if before else None)
    line.add(words, theme.DIM)
    return line.add("›" if after else " ", theme.STRONG, layer_or_head(frame, head=last) if after else None)


def say_cut(board: Board, pieces: list[tuple[str, str]]) -> None:
    """A line that says what is cut off, if anything is: each piece in full, or all in short if they must."""
    full, short = (", ".join(forms) for forms in zip(*pieces, strict=True)) if pieces else ("", "")
    if pieces:
        board.say(full if cell_len(full) <= board.width else short)


def chosen_head(frame: Frame) -> int:
    """The head that a pane with room for one shows: the current one, else the first."""
    return frame.attention_head or 0


@immutable
class _Columns:
    """Heads `first` to `last`, elements `left` to `right` of each, `size` cells an element, `width` cells a head."""

    first: int
    last: int
    left: int
    right: int
    size: int
    width: int


def _columns(frame: Frame, room: int, head: int, element: int) -> _Columns:
    heads, dim = frame.heads, frame.head_dim
    size = next((s for s in (3, 2) if heads * (dim * s + 1) - 1 <= room), 1)
    width = max(dim * size + 1, 3)
    shown = min(heads, max(1, (room + 1) // width))
    first, last = window(heads, shown, head)
    left, right = window(dim, max(1, room), element)
    return _Columns(first, last, left, right, size, max(min(width, room + 1), min(9, (room + 1) // shown)))


def _vectors(board: Board, names: AttentionNames) -> None:
    """The names of the heads, and below them a strip each for q, k and v."""
    frame, heads, dim = board.frame, board.frame.heads, board.frame.head_dim
    each = (names.query, names.key, names.value)
    vectors = [(name, rows) for name in each if (rows := frame.tensor(name, frame.pos, frame.layer)) is not None]
    here = [int(i) for _, rows in vectors for i in np.flatnonzero(rows == frame.selected)]
    head, element = divmod(here[0], dim) if here else (chosen_head(frame), 0)
    label, state = _label(each), STATE if board.width >= ROOMY else 0
    at = _columns(frame, board.width - label - state, head, element)
    if at.last - at.first < heads or at.right - at.left < dim:
        label = CUT_LABEL
        at = _columns(frame, board.width - label - state, head, element)
    line = board.picture.line()
    if label == CUT_LABEL:
        cut = (at.first, at.last, heads)
        if at.right - at.left < dim:
            cut = (at.left, at.right, dim)
        words = f"{cut[0]}-{cut[1] - 1}/{cut[2]}" if cut[1] - cut[0] > 1 else f"{cut[0]}/{cut[2]}"
        other_heads(line, frame, at.first, at.last, words)
    line.to(label)
    for h in range(at.first, at.last):
        room = at.width - 1
        style = theme.NEW if h == frame.attention_head else theme.TEXT
        line.fit(head_name(frame, h, room), room, style, layer_or_head(frame, head=h))
        line.to(min(line.width + 1, board.width))
    scale = _scale(frame, names)
    for name, rows in vectors:
        _vector(board, name, rows, at, label, scale)


def _label(names: Iterable[str]) -> int:
    """Cells for the name of a vector, the marks before it and a space."""
    return min(max(LABEL, *(cell_len(name) + 3 for name in names)), CUT_LABEL - 1)


def _vector(board: Board, name: str, rows: Rows, at: _Columns, label: int, scale: float) -> None:
    """One strip, with a gap between heads, and its norm where there is room."""
    frame, dim = board.frame, board.frame.head_dim
    cells, now = frame.shown(rows), rows is frame.stage_event.rows
    line = board.picture.line()
    sign = "∂" if frame.backward else ""
    line.fit(f"{'▸' if now else ' '}{sign}{name}", label, theme.NEW if now else theme.TEXT)
    for h in range(at.first, at.last):
        lit = frame.attention_head in (None, h)
        heat_row(line, cells[h * dim + at.left : h * dim + at.right], at.size, frame.selected, scale, lit)
        line.to(min(label + (h - at.first + 1) * at.width, board.width))
    norm = known_norm(cells) if cells.known.all() else None
    growing = frame.backward and norm is not None and not frame.view.complete(rows).all()
    text = ("∂" if frame.backward else name).join("||") + f" {plain(norm)}"
    for words in (f"{text} {say('panes.qkv.so_far')}" if growing else text, text, f"{plain(norm)}"):
        if line.width + cell_len(words) <= board.width and (norm is not None or frame.backward):
            line.add(words, theme.DIM)
            break


def qkv_legend(frame: Frame) -> Legend:
    """One scale for queries, keys and values."""
    names = frame.attention
    return Legend(0.0 if names is None else _scale(frame, names))


def _scale(frame: Frame, names: AttentionNames) -> float:
    """What fills a cell: the largest magnitude of all queries, keys and values."""
    each = (names.query, names.key, names.value)
    found = ((name, frame.tensor(name, frame.pos, frame.layer)) for name in each)
    return max((frame.scale(rows, frame.backward, name) for name, rows in found if rows is not None), default=0.0)


def _there(frame: Frame, name: str) -> list[int]:
    """The positions whose key or value is made; in the backward phase, whose gradient is whole."""
    found = []
    for t in range(frame.program.n):
        rows = frame.tensor(name, t, frame.layer)
        if rows is not None and (frame.view.complete(rows) if frame.backward else frame.data(rows).known).all():
            found.append(t)
    return found


def _kept_line(board: Board, names: AttentionNames) -> None:
    """Which keys and values there are at this moment: each on its own if they fit on one line, else together."""
    if board.room < 1:
        return
    frame, to = board.frame, board.frame.ends
    k, v = names.key, names.value
    there = {name: _there(frame, name) for name in (k, v)}
    if frame.backward:
        words = {name: say("panes.qkv.whole", names=f"∂{name}") for name in (k, v)}
    else:
        words = {k: say("panes.qkv.kept_keys"), v: say("panes.qkv.kept_values")}
    sizes = {name: cell_len(words[name]) + _size(frame, there[name] or [0]) for name in words}
    line = board.picture.line()
    if sum(sizes.values()) + 2 <= board.width:
        for name, gap in ((k, "  "), (v, "")):
            _tokens(
                line,
                frame,
                words[name],
                there[name],
                sizes[name],
                {t: to[name, t, frame.layer, None] for t in there[name]},
            )
            line.add(gap)
        return
    same = there[k] == there[v]
    whole = say("panes.qkv.whole", names=f"∂{k}, ∂{v}") if frame.backward else say("panes.qkv.kept_both")
    both = {k: whole} if same else words
    for i, (name, text) in enumerate(both.items()):
        if i and board.room:
            line = board.picture.line()
        elif i:
            line.add("  ")
        room = board.width - line.width if same or board.room or i else (board.width - 2) // 2
        _tokens(line, frame, text, there[name], room, {t: to[name, t, frame.layer, None] for t in there[name]})


def _size(frame: Frame, positions: list[int]) -> int:
    """Cells for the tokens at these positions, a space before each."""
    return sum(cell_len(frame.token(t)) + 1 for t in positions)


def _tokens(line: Line, frame: Frame, words: str, positions: list[int], room: int, to: dict[int, Moment]) -> None:
    """The tokens at these positions, the latest of them if not all fit, then with their count."""
    shown = list(positions)
    if cell_len(words) + _size(frame, shown) > room:
        words = f"{words.removesuffix(':')} ({len(positions)}): …"
        while shown and cell_len(words) + _size(frame, shown) > room:
            shown = shown[1:]
    line.most(words, room, theme.DIM)
    if not positions:
        line.most(" -", room - cell_len(words), theme.FAINT)
    for t in shown:
        line.add(" ").add(frame.token(t), theme.STRONG if t == frame.pos else theme.TEXT, to[t])


def _kept_strips(board: Board, names: AttentionNames) -> None:
    """One line a position: its key and its value in the current head."""
    frame, dim, head = board.frame, board.frame.head_dim, chosen_head(board.frame)
    count = frame.program.n if frame.backward else frame.pos + 1
    label = min(names_width([frame.token(t) for t in range(count)]) + 1, 8)
    each = max(1, (board.width - label - 2) // 2)
    size = size_for(dim, each)
    left, right = window(dim, each, 0)
    width = max((right - left) * size, min(each, 18))
    sign = "∂" if frame.backward else ""
    cut = f" {left}-{right - 1}/{dim}" if right - left < dim else ""
    line = board.picture.line().fit("", label)
    keys = say("panes.qkv.keys", head=called_head(frame, head))
    for text in (f"{sign}{keys}{cut}", f"{sign}{say('panes.qkv.values')}{cut}"):
        line.fit(text, min(width, board.width - line.width), theme.TEXT).to(min(label + width + 2, board.width))
    first, last = window(count, board.room if count <= board.room else board.room - 1, frame.pos)
    vectors = {
        (name, t): frame.shown(rows)[head * dim : (head + 1) * dim]
        for name in (names.key, names.value)
        for t in range(count)
        if (rows := frame.tensor(name, t, frame.layer)) is not None
    }
    to, scale = frame.ends, max(_scale(frame, names), *(cells.scale for cells in vectors.values()))
    for t in range(first, last):
        now = t == frame.pos
        line = board.picture.line().fit(
            f"{'▸' if now else ' '}{frame.token(t)}",
            label,
            theme.NEW if now else theme.TEXT,
            to[names.key, t, frame.layer, None],
        )
        for name in (names.key, names.value):
            heat_row(line, vectors[name, t][left:right], size, frame.selected, scale, now)
            line.to(min(label + width + 2, board.width))
    if (first, last) != (0, count):
        board.say(say("panes.qkv.positions", first=first, last=last - 1, count=count))
