"""One head of attention at one position: its scores, the shares that softmax makes of them, and the mix of values."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from rich.cells import cell_len

from engine.autograd.tape import Rows
from engine.immutable import immutable_by_identity
from engine.timeline.events import Event, EventKey, Phase, StepProgram
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import NUMBER, bar, diverging, edges, heat_row, heat_under, window
from microgpt_tui.drawing.numbers import exponent, number, percent, plain, scaled
from microgpt_tui.drawing.picture import Line
from microgpt_tui.operations.canvas import Board, Legend, first_fitting
from microgpt_tui.texts.say import say

SHARE = 7  # characters of a share in percent
LEAST_BAR, MOST_BAR = 5, 24
NARROW = 54  # characters of a picture below which its arithmetic goes without words
MOST_TERMS = 4  # products that are written out
SCORES, SHARES, MIX = "scores", "softmax", "weighted_sum"
KINDS = frozenset((SCORES, SHARES, MIX))  # the operations of a head that are drawn here


@immutable_by_identity
class Head:
    """The three operations of a head at one position, and their vectors: (keys, head_dim) or (keys,)."""

    scores: Event
    shares: Event
    mix: Event
    query: Rows
    keys: Rows
    values: Rows

    @property
    def exps(self) -> Rows:
        """The exponentials of the scores, less the largest."""
        return np.atleast_1d(self.shares.parts["exp"])

    @property
    def total(self) -> int:
        """The sum of the exponentials."""
        return int(self.shares.parts["total"])


def head_of(frame: Frame) -> Head | None:
    """The head that the operation on the stage belongs to; None if it is none of a head's three."""
    event, known = frame.operation, _HEADS.setdefault(frame.program, {})
    if event.head is None:
        return None
    if event.place not in known:
        known[event.place] = _head_of(frame.program, event)
    return known[event.place]


_HEADS: WeakKeyDictionary[StepProgram, dict[EventKey, Head | None]] = WeakKeyDictionary()


def _head_of(program: StepProgram, event: Event) -> Head | None:
    place = event.pos, event.layer, event.head
    own = {e.kind: e for e in program.events(Phase.FORWARD) if (e.pos, e.layer, e.head) == place}
    if not own.keys() >= KINDS or event.kind not in KINDS:
        return None
    scores, shares, mix = own[SCORES], own[SHARES], own[MIX]
    if not np.array_equal(shares.operands["logits"].ravel(), scores.rows.ravel()):
        return None
    keys, values = scores.operands["keys"], mix.operands["values"]
    return Head(scores, shares, mix, scores.operands["q"], keys, values)


def head_legend(frame: Frame) -> Legend:
    """Colours are queries, keys and values, or their gradients, on one scale."""
    head = head_of(frame)
    if head is None:
        return Legend(frame.scale(frame.operation.rows, frame.backward, frame.operation.name))
    scale = max(frame.scale(rows, frame.backward) for rows in (head.query, head.keys, head.values))
    if frame.backward:
        return Legend(scale, (say("operations.attention.legend.gradients"),))
    return Legend(scale, (say("operations.attention.legend.bars"), say("operations.attention.legend.value_next")))


def draw_head(board: Board) -> None:
    """Query, keys, scores, shares and values, a line a key; below, how the chosen number came about."""
    head = head_of(board.frame)
    assert head is not None
    picture = _Picture(board, head)
    picture.query()
    picture.table()
    picture.result()
    picture.arithmetic()
    picture.heads()


class _Picture:
    """The picture of one head in the making."""

    def __init__(self, board: Board, head: Head) -> None:
        self.board, self.head, self.frame = board, head, board.frame
        self.n, self.dims = int(head.keys.shape[0]), int(head.keys.shape[1])
        self.kind = board.operation.kind
        self.key = self._key()
        frame, n_pos = self.frame, len(head.keys)
        self.labels = [frame.numbered_token(t) for t in range(n_pos)]
        self.asker = say("operations.attention.query") if board.width >= NARROW else "q"
        queries = [cell_len(f"∂{self.asker} {frame.token(t)} ") for t in range(frame.program.n)]
        self.margin = max(*queries, *(cell_len(label) + 2 for label in self.labels))
        self.score_power, self.share_power = (self._power(event) for event in (head.scores, head.shares))
        self.score_title = _in_powers(f"{'∂' if frame.backward else ''}q·k{self.divisor()}", self.score_power)
        self.score = max(NUMBER, len(self.score_title))
        fixed = self.margin + 1 + self.score + 1 + SHARE + 1 + LEAST_BAR + 3
        self.size = max(1, min(4, (board.width - fixed) // (2 * self.dims)))
        shown = max(1, (board.width - fixed) // (2 * self.size))
        page = self._dim() // shown * shown  # so that columns move rarely
        self.columns = slice(max(0, min(page, self.dims - shown)), min(page + shown, self.dims))
        wide = (self.columns.stop - self.columns.start) * self.size
        self.bar = max(1, min(MOST_BAR, board.width - fixed + LEAST_BAR - 2 * wide))
        self.wide = wide

    def divisor(self, gap: str = "") -> str:
        """The division of scores, with a gap around its sign; empty where a change leaves it out."""
        return "" if self.head.scores.left_out else f"{gap}/{gap}√{self.dims}"

    def _power(self, event: Event) -> int:
        """The power of ten that the title of an event's column takes out of its gradients."""
        return exponent(self.frame.scale(event.rows, True, event.name)) if self.frame.backward else 0

    def _key(self) -> int:
        """The key that is spoken of: the selected scalar's, or the one at work."""
        head, selected = self.head, self.frame.selected
        for rows in (head.keys, head.values):
            found = np.argwhere(rows == selected)
            if len(found):
                return int(found[0][0])
        for rows in (head.scores.rows, head.exps, head.shares.rows):
            places = np.flatnonzero(rows == selected)
            if len(places):
                return int(places[0])
        if self.kind == MIX:
            shares = self.frame.data(head.shares.rows)
            return int(np.argmax(np.where(shares.known, shares.values, -1.0)))
        return min(self.frame.element(), self.n - 1)

    def _dim(self) -> int:
        """The dimension that is spoken of."""
        for rows in (self.head.keys, self.head.values):
            found = np.argwhere(rows == self.frame.selected)
            if len(found):
                return int(found[0][1])
        for rows in (self.head.query, self.head.mix.rows):
            places = np.flatnonzero(rows == self.frame.selected)
            if len(places):
                return int(places[0])
        return self.frame.element() if self.kind == MIX else 0

    def _tiles(self, line: Line, rows: Rows, lit: bool = True) -> None:
        cells = self.frame.shown(rows)[self.columns]
        heat_row(line, cells, self.size, self.frame.selected, self.board.scale, lit)

    def _under(self, line: Line, rows: Rows) -> None:
        """A further line of tiles."""
        heat_under(line, self.frame.shown(rows)[self.columns], self.size, self.board.scale)

    def query(self) -> None:
        """The query, and what it asks; and the titles of the columns, that of the operation at work lit."""
        frame, board = self.frame, self.board
        sign = "∂" if frame.backward else ""
        pos = self.head.scores.pos or 0
        line = board.picture.line().add(f"{sign}{self.asker} ", theme.STRONG).add(frame.token(pos), theme.NEW)
        self._tiles(line.to(self.margin), self.head.query)
        asks = say("operations.attention.gets_pushes" if frame.backward else "operations.attention.asks")
        if line.width + 2 + cell_len(asks) <= board.width:
            line.add(f"  {asks}", theme.DIM)
        line = board.picture.line()
        value = say("operations.attention.value")
        shares = say("operations.attention.share_of_100")
        if frame.backward:
            shares = _in_powers(f"∂{say('operations.attention.share')}", self.share_power)
        titles = (
            (say("operations.attention.key"), 0, False), (f"{sign}k", self.margin, False),
            (self.score_title, self.margin + self.wide + 1, self.kind == SCORES),
            (shares, self._share_column, self.kind == SHARES),
            (sign + (value if self.wide > cell_len(value) else "v"), self._value_column, self.kind == MIX),
        )  # fmt: skip
        for text, column, lit in titles:
            line.to(column)
            line.most(text, board.width - line.width, theme.NEW if lit else theme.DIM)

    @property
    def _share_column(self) -> int:
        return self.margin + self.wide + self.score + 2

    @property
    def _value_column(self) -> int:
        return self._share_column + SHARE + 1 + self.bar + 3

    def _rooms(self) -> tuple[int, int]:
        """Lines that the mix and the arithmetic need, and lines for keys."""
        below, left = 3 + (MOST_TERMS if self.kind != SHARES else 2), self.board.room
        room = max(left - below, min(self.n, left - 4))
        if left <= below:  # the arithmetic is cut in any case: keys come first
            room = max(1, min(self.n, left - 1))
        return below, room - (self.n > room > 1)  # a line says which keys are drawn

    def table(self) -> None:
        """A line a key, or several and a gap where there is room."""
        frame, board, head = self.frame, self.board, self.head
        below, room = self._rooms()
        after = (
            MOST_TERMS + 5 + (self.n + 3 if self._heads_width else 0)
        )  # the most that stands below in any of the three
        tall = next((tall for tall in (4, 3, 2) if self.n * (tall + 1) + after <= board.room), 1)
        spread = 2 * self.n + 1 <= room
        first, last = window(self.n, room, self.key)
        scores, shares = frame.shown(head.scores.rows), frame.shown(head.shares.rows)
        full = frame.final_gradient(head.shares.rows) if frame.backward else self._largest_share()
        for t in range(first, last):
            here = t == self.key
            line = board.picture.line().fit(self.labels[t], self.margin - 2, theme.NEW if here else theme.TEXT)
            line.add("▸ " if here else "  ", theme.NEW)
            if here:
                board.picture.focus = board.picture.height - 1
            self._tiles(line, head.keys[t])
            begin, between = edges(scores.fresh[t])
            score, known, target = float(scores.values[t]), bool(scores.known[t]), int(scores.targets[t])
            self._figure(line.add(begin, scores.edge), score, known, target, self.score, self.score_power)
            begin, end = edges(shares.fresh[t])
            between = begin if shares.fresh[t] else between
            known, value, target = bool(shares.known[t]), float(shares.values[t]), int(shares.targets[t])
            style = board.style(target, theme.STRONG if known else theme.FAINT)
            text, half = bar(value, full, self.bar) if known else "", (self.bar - 1) // 2
            if frame.backward:
                self._figure(line.add(between, shares.edge), value, known, target, NUMBER, self.share_power)
                diverging(line.add(end, shares.edge), value, known, full, half, target)
            else:
                line.add(between, shares.edge)
                line.fit(percent(value if known else None), SHARE, style, target, right=True).add(end, shares.edge)
                line.add(text, theme.HERE_BAR if here else theme.PLUS, target)
            line.to(self._value_column - 2).add("× ", theme.DIM)
            self._tiles(line, head.values[t])
            for _ in range(tall - 1):
                under = board.picture.line().to(self.margin)
                self._under(under, head.keys[t])
                under.to(self._share_column + SHARE + 1)
                if frame.backward:
                    diverging(under, value, known, full, half, target)
                else:
                    under.add(text, theme.HERE_BAR if here else theme.PLUS, target)
                self._under(under.to(self._value_column), head.values[t])
            if spread:
                board.picture.line()
        if (first, last) != (0, self.n):
            board.say(say("operations.attention.keys", first=first, last=last - 1, count=self.n))
        pos = (head.scores.pos or 0) + 1
        if pos < frame.program.n and board.room > below + 1:
            line = board.picture.line().fit(frame.numbered_token(pos), self.margin, theme.FAINT)
            line.add(say("operations.attention.future"), theme.DIM)

    def _largest_share(self) -> float:
        """What fills a bar: the share of the largest score."""
        total = self.frame.value(self.head.total)
        return 1 / total if total else 1.0

    def _figure(self, line: Line, value: float, known: bool, target: int, width: int, power: int) -> None:
        style = theme.signed(value) if known else theme.FAINT
        text = scaled(value if known else None, power)
        line.fit(text, width, self.board.style(target, style), target, right=True)

    def result(self) -> None:
        """The mix: the sum of the values, each times its share."""
        name = ("∂" if self.frame.backward else "") + self.head.mix.name
        line = self.board.picture.line()
        title = f"{name} ="
        line.to(self._value_column - len(title) - 1).add(title, theme.NEW if self.kind == MIX else theme.DIM).add(" ")
        self._tiles(line, self.head.mix.rows)

    def arithmetic(self) -> None:
        """How the chosen number of the operation came about, in numbers."""
        board = self.board
        if board.room > 6:
            board.picture.line()
        if self.frame.backward:
            board.latest()
        elif self.kind == SCORES:
            self._score()
        elif self.kind == SHARES:
            self._share()
        else:
            self._mixed()

    def _how(self, text: str, short: str) -> None:
        """The title of the arithmetic."""
        fits = cell_len(text) <= self.board.width
        self.board.say((text if fits else short, theme.TEXT))

    def _score(self) -> None:
        frame, board, t = self.frame, self.board, self.key
        out = int(self.head.scores.rows[t])
        key = self.labels[t]
        self._how(say("operations.attention.how.score", key=key), say("operations.attention.score_of", key=key))
        plain_sum = frame.explain.children(out)[0]
        terms = frame.explain.terms(plain_sum)
        pairs = [(int(self.head.query[j]), int(self.head.keys[t, j])) for j in range(self.dims)]
        products = [(a, b, row) for (a, b), row in zip(pairs, terms, strict=False)]
        self._products([("q", a, b, row) for a, b, row in products])
        done = frame.value(plain_sum)
        if done is None:
            board.say(f"  Σ q·k{self.divisor(' ')}: {say('operations.attention.not_yet')}")
            return
        line = (
            board.picture.line()
            .add("  Σ q·k ", theme.DIM)
            .add(number(done), board.style(plain_sum, theme.STRONG), plain_sum)
        )
        line.add(f"{self.divisor(' ')} = ", theme.DIM).add(number(frame.value(out)), board.style(out, theme.NEW), out)

    def _products(self, products: list[tuple[str, int, int, int]]) -> None:
        """Products, a line each, as many as are made and have room; the largest, if not all have."""
        frame, board = self.frame, self.board
        made = [p for p in products if frame.value(p[3]) is not None]
        room = max(1, min(len(made), board.room - 2))
        chosen = sorted(made, key=lambda p: -abs(frame.value(p[3]) or 0.0))[:room]
        for _, a, b, row in (p for p in made if p in chosen):
            name = f"{frame.explain.name(a)} · {frame.explain.name(b)}"
            line = board.picture.line().add("  ")
            if board.width >= NARROW:
                line.fit(name, min(24, board.width - 31), theme.DIM)
            line.add(f"  {number(frame.value(a))} · {number(frame.value(b))} = ", theme.TEXT)
            product = frame.value(row) or 0.0
            line.add(number(product), board.style(row, theme.signed(product)), row)
        if len(chosen) < len(made):
            board.say(f"  {say('operations.attention.more', count=len(made) - len(chosen))}")

    def _share(self) -> None:
        frame, board, t, head = self.frame, self.board, self.key, self.head
        exp, share = int(head.exps[t]), int(head.shares.rows[t])
        shifted = frame.explain.children(exp)[0]
        key = self.labels[t]
        self._how(say("operations.attention.how.share", key=key), say("operations.attention.share_of", key=key))
        score, less = frame.value(int(head.scores.rows[t])), frame.value(shifted)
        largest = _largest(frame, head)
        if board.width < NARROW:
            line = board.picture.line().add(f"  exp({number(score)} − {number(largest)}) = ", theme.DIM)
            line.add(plain(frame.value(exp)), board.style(exp, theme.STRONG), exp)
            line = board.picture.line("  ").add(plain(frame.value(exp)), board.style(exp, theme.STRONG), exp)
            line.add(f" / {plain(frame.value(head.total))}", board.style(head.total, theme.TEXT), head.total).add(
                " = ", theme.DIM
            )
            line.add(percent(frame.value(share)), board.style(share, theme.NEW), share)
            return
        difference = say("operations.attention.score_less_max", score=number(score), largest=number(largest))
        line = board.picture.line().add(f"  {difference} = ", theme.DIM)
        line.add(number(less), board.style(shifted, theme.TEXT), shifted)
        line.add(first_fitting(board.width - line.width - 6, "   exp → ", " exp → ") or " exp ", theme.DIM)
        line.most(plain(frame.value(exp)), board.width - line.width, board.style(exp, theme.STRONG), exp)
        line = board.picture.line().add("  ").add(plain(frame.value(exp)), board.style(exp, theme.STRONG), exp)
        line.add(f" / {plain(frame.value(head.total))}", board.style(head.total, theme.TEXT), head.total)
        words = f" {say('operations.attention.sum_of_exps', count=self.n)} = "
        line.add(words if line.width + cell_len(words) + SHARE <= board.width else " = ", theme.DIM)
        line.add(percent(frame.value(share)), board.style(share, theme.NEW), share)

    def _mixed(self) -> None:
        frame, board, j = self.frame, self.board, self._dim()
        out = int(self.head.mix.rows[j])
        name = frame.explain.name(out)
        self._how(say("operations.attention.how.mix", name=name), name)
        terms = frame.explain.terms(out)
        pairs = [(int(self.head.shares.rows[t]), int(self.head.values[t, j])) for t in range(self.n)]
        self._products([("w", a, b, row) for (a, b), row in zip(pairs, terms, strict=False)])
        line = board.picture.line().add("  Σ = ", theme.DIM)
        line.add(number(frame.value(out)), board.style(out, theme.NEW), out)

    @property
    def _heads_width(self) -> int:
        """The columns of a head in the table of all heads; 0 where there is none."""
        count = self.frame.heads
        width = min(MOST_BAR, (self.board.width - self.margin) // count)
        return width if count > 1 and width >= 5 else 0

    def heads(self) -> None:
        """The shares of all heads at this position."""
        frame, board, event = self.frame, self.board, self.head.shares
        count = frame.heads
        width = self._heads_width
        if not width or board.room < self.n + 3:
            return
        board.picture.line()
        title = say("operations.attention.shares" if frame.backward else "operations.attention.heads")
        line = board.picture.line().fit(title, self.margin, theme.TEXT)
        for h in range(count):
            name = frame.called_head(h, event.name, None if width > 7 else 0)
            line.fit(name, width, theme.NEW if h == event.head else theme.DIM)
        rows = [frame.tensor(event.name, event.pos or 0, event.layer, h) for h in range(count)]
        for t in range(self.n):
            line = board.picture.line().fit(f"  {self.labels[t]}", self.margin, theme.TEXT)
            for h, each in enumerate(rows):
                share = None if each is None else frame.value(int(each[t]))
                figure = "·" if share is None else f"{100 * share:.0f}%"
                line.fit(figure, 4, theme.TEXT, None if each is None else int(each[t]), right=True)
                text = bar(share or 0.0, 1.0, width - 6) if width > 6 else ""
                line.add(" ").fit(text, width - 5, theme.HERE_BAR if h == event.head else theme.PLUS)


def _largest(frame: Frame, head: Head) -> float | None:
    """The largest score: what is taken from all of them before exp."""
    values = [frame.value(int(row)) for row in head.scores.rows]
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _in_powers(title: str, power: int) -> str:
    """The title of a column whose numbers are in powers of ten."""
    return f"{title} ×1e{power}" if power else title
