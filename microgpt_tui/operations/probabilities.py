"""Softmax over many scores, such as the vocabulary's: each one's share of 100%, and how it came about."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.autograd.tape import Rows
from engine.immutable import immutable_by_identity
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import NUMBER, bar, diverging
from microgpt_tui.drawing.numbers import UNKNOWN, number, percent, plain
from microgpt_tui.drawing.picture import Line
from microgpt_tui.drawing.styled_text import marked, styled
from microgpt_tui.operations.canvas import LEAVES, Board, Legend, first_fitting
from microgpt_tui.texts.say import say

SHARE = 6  # characters of a share in percent
GAP = 2  # characters between two columns of tokens
LEAST_BAR, MOST_BAR = 7, 40  # characters of a bar
LEAST_HALF, MOST_HALF = 3, 30  # on either side of a gradient's bar
MOST_COLUMNS = 4
ROOMY = 20  # lines from which on the picture has room between its parts


@immutable_by_identity
class Softmax:
    """The operation on the stage: its scores, their exponentials less the largest, the shares, and the target."""

    scores: Rows
    exps: Rows
    shares: Rows
    total: int
    target: int | None

    @staticmethod
    def of(frame: Frame) -> Softmax:
        """The softmax that a frame's operation is."""
        event = frame.operation
        shares = event.rows.ravel()
        spec = frame.program.specs.get(event.name)
        over_tokens = spec is not None and spec.tokens and event.pos is not None
        return Softmax(
            event.operands["logits"].ravel(), np.atleast_1d(event.parts["exp"]), shares, int(event.parts["total"]),
            frame.target_id(event.pos) if over_tokens else None,
        )  # fmt: skip


def share_legend(frame: Frame) -> Legend:
    """Bars are shares, or gradients of the scores; a full one is the largest of the step."""
    softmax = Softmax.of(frame)
    if frame.backward:
        scale = frame.scale(softmax.scores, True)
        return Legend(
            scale, (say("operations.probabilities.legend.left"), say("operations.probabilities.legend.target"))
        )
    scale = frame.scale(softmax.shares, name=frame.operation.name)
    return Legend(scale, (say("operations.probabilities.legend.target"),), f"{percent(scale)}")


def draw_shares(board: Board) -> None:
    """A line a token, in as many columns as it takes; below, the arithmetic of the chosen one."""
    softmax = Softmax.of(board.frame)
    picture = _Picture(board, softmax)
    picture.table()
    if board.frame.backward:
        picture.gradient()
    else:
        picture.arithmetic()


class _Picture:
    """The picture of one softmax in the making."""

    def __init__(self, board: Board, softmax: Softmax) -> None:
        self.board, self.softmax, self.frame = board, softmax, board.frame
        frame, n = self.frame, len(softmax.shares)
        over_tokens = softmax.target is not None
        self.names = [frame.token_name(i) if over_tokens else str(i) for i in range(n)]
        self.chosen = self._chosen()
        self.label = max(cell_len(name) for name in self.names) + 2
        self.roomy = board.height >= ROOMY
        below = 4 if self.roomy else 2 if board.width < 60 or frame.backward else 1
        self.lines = max(1, board.height - below - 2)  # a line for the titles, one for what is left out
        least = self.label + SHARE + (2 * LEAST_HALF + 2 if frame.backward else LEAST_BAR)
        self.columns = max(1, min(MOST_COLUMNS, (board.width + GAP) // (least + GAP), -(-n // (self.lines + 1))))
        if n <= self.columns * (self.lines + 1):
            self.lines = min(self.lines + 1, -(-n // self.columns))
        self.width = (board.width + GAP) // self.columns - GAP
        self.order, self.left = self._shown()
        rest = self.width - self.label - SHARE - 1
        self.figures: list[tuple[str, Rows]] = []
        least_bar = 2 * LEAST_HALF + 2 if frame.backward else LEAST_BAR
        for figure in self._figures():
            if rest - NUMBER - 1 >= least_bar:
                self.figures.append(figure)
                rest -= NUMBER + 1
        self.figures.sort(key=lambda figure: figure[0], reverse=True)  # logit, exp, share: as they are made
        self.bar = min(rest, MOST_BAR)
        self.half = max(1, min(MOST_HALF, (rest - 2) // 2))

    def _figures(self) -> list[tuple[str, Rows]]:
        """What else there is to read of a token besides its share, what matters most first."""
        if self.frame.backward:
            return []
        found = [("logit", self.softmax.scores), ("exp", self.softmax.exps)]
        return found[::-1] if self._is_making_exps() else found

    @property
    def _exp_for_share(self) -> bool:
        """Whether exps stand where shares will: they are in the making, and have no column of their own."""
        return self._is_making_exps() and "exp" not in [title for title, _ in self.figures]

    def _is_making_exps(self) -> bool:
        return self.frame.forward and not self.frame.data(self.softmax.shares).known.any()

    def _chosen(self) -> int:
        """The token that is spoken of: the selected one, the one in the making, or the target."""
        softmax, frame = self.softmax, self.frame
        for rows in (softmax.shares, softmax.exps, softmax.scores):
            found = np.flatnonzero(rows == frame.selected)
            if len(found):
                return int(found[0])
        used = frame.explain.users(frame.selected)
        if len(used) == 1 and used[0] in softmax.exps:  # a score less the largest
            return int(np.flatnonzero(softmax.exps == used[0])[0])
        return softmax.target if softmax.target is not None else frame.element()

    def _shown(self) -> tuple[list[int], tuple[str, ...]]:
        """All in their order, so that each is always at the same place; if there is no room, the largest first."""
        n, room = len(self.softmax.shares), self.lines * self.columns
        if n <= room:
            return list(range(n)), ()
        logits = self.frame.data(self.softmax.scores)
        sizes = np.where(logits.known & np.isfinite(logits.values), -logits.values, np.inf)
        order = [int(i) for i in np.argsort(sizes, kind="stable")]
        must = [i for i in (self.softmax.target, self.chosen) if i is not None]
        shown = order[:room]
        for i in must:
            if i not in shown:
                shown[max(k for k in range(room) if k == 0 or shown[k] not in must)] = i
        hidden = [i for i in order if i not in set(shown)]
        shares = self.frame.data(self.softmax.shares)
        if not shares.known.all():
            return shown, (say("operations.probabilities.more", count=len(hidden)),)
        together = percent(float(shares.values[hidden].sum()))
        said = {"count": len(hidden), "share": together}
        return shown, (
            say("operations.probabilities.more_together", **said),
            say("operations.probabilities.more_in_short", **said),
        )

    def table(self) -> None:
        """The titles of the columns, and the tokens."""
        board, picture, count = self.board, self.board.picture, min(self.columns, -(-len(self.order) // self.lines))
        line = picture.line()
        for column in range(count):
            self._titles(line.to(column * (self.width + GAP)))
        for y in range(min(self.lines, len(self.order))):
            line = picture.line()
            for column, i in enumerate(self.order[y :: self.lines]):
                self._token(line.to(column * (self.width + GAP)), i)
                if i == self.chosen:
                    picture.focus = picture.height - 1
        if self.left:
            board.say(first_fitting(board.width, *self.left) or self.left[-1])

    def _titles(self, line: Line) -> None:
        line.add(" " * self.label)
        making, inside = self._is_making_exps(), self.frame.stepping_inside
        for title, _ in self.figures:
            style = theme.NEW if title == "exp" and inside and making else theme.DIM
            words = say("operations.probabilities.logit") if title == "logit" else title
            line.fit(words, NUMBER, style, right=True).add(" ")
        here = theme.DIM if self.frame.backward or (making and not self._exp_for_share) else theme.NEW
        share = "exp" if self._exp_for_share else say("operations.probabilities.share")
        line.fit(share, SHARE, here, right=True).add(" ")
        if self.frame.backward:
            line.most(f"∂{self._score}", self.bar, theme.PHASE_TEXT["backward"])

    @property
    def _score(self) -> str:
        """What the scores are called."""
        return self.frame.name_of(int(self.softmax.scores[0])) or say("operations.probabilities.score")

    def _token(self, line: Line, i: int) -> None:
        frame, board, softmax = self.frame, self.board, self.softmax
        start, target = line.width, i == softmax.target
        style: Style = theme.TARGET if target else theme.NEW if i == self.chosen else theme.TEXT
        line.add("◎" if target else "▸" if i == self.chosen else " ", style)
        line.fit(self.names[i], self.label - 1, style, int(softmax.shares[i]))
        for title, rows in self.figures:
            value, row = frame.value(int(rows[i])), int(rows[i])
            text = number(value) if title == "logit" else plain(value)
            quiet = theme.FAINT if value is None else theme.signed(value) if title == "logit" else theme.TEXT
            line.fit(text, NUMBER, board.style(row, quiet), row, right=True).add(" ")
        row = int(softmax.shares[i])
        share = frame.value(row)
        text = percent(share)
        if self._exp_for_share:
            row = int(softmax.exps[i])
            text = plain(frame.value(row))
        quiet = theme.FAINT if text == UNKNOWN else theme.STRONG
        line.fit(text, SHARE, board.style(row, quiet), row, right=True).add(" ")
        if frame.backward:
            score = int(softmax.scores[i])
            grad = frame.gradient(score)
            diverging(line, grad or 0.0, grad is not None, board.scale, self.half, score)
            line.spots.append((start, line.width, score))
        elif share is not None:
            line.add(bar(share, board.scale, self.bar), theme.TARGET if target else self._bar_style(i), row)

    def _bar_style(self, i: int) -> Style:
        return theme.HERE_BAR if i == self.chosen else theme.PLUS

    def arithmetic(self) -> None:
        """How the share of the chosen token came about, in numbers."""
        frame, board, softmax, i = self.frame, self.board, self.softmax, self.chosen
        exp, share, score = int(softmax.exps[i]), int(softmax.shares[i]), int(softmax.scores[i])
        logits = frame.data(softmax.scores)
        largest = float(logits.values.max()) if logits.known.all() else None
        style = theme.TARGET if i == softmax.target else theme.NEW
        total = plain(frame.value(softmax.total))
        figures = number(frame.value(score)), number(largest), plain(frame.value(exp))
        if self.roomy:
            board.picture.line()
            text = say("operations.probabilities.how", token=marked(self.names[i], 0))
            board.say(*styled(text, theme.TEXT, style))
            line = board.picture.line().add("  exp(", theme.DIM).add(figures[0], board.style(score, theme.TEXT), score)
            line.add(f" − {say('operations.probabilities.max')} ", theme.DIM).add(figures[1], theme.TEXT).add(
                ") = ", theme.DIM
            )
            line.add(figures[2], board.style(exp, theme.STRONG), exp)
            line = board.picture.line("  ").add(figures[2], board.style(exp, theme.STRONG), exp).add(" / ", theme.DIM)
            line.add(total, board.style(softmax.total, theme.TEXT), softmax.total)
            line.add(f" {say('operations.probabilities.sum_of_exps', count=len(softmax.exps))} = ", theme.DIM)
        else:
            line = board.picture.line().add(self.names[i], style)
            beginning = f" = exp({figures[0]} − {figures[1]}) / Σ exp ="
            if line.width + cell_len(beginning) <= board.width:
                line.add(" = exp(", theme.DIM).add(figures[0], board.style(score, theme.TEXT), score)
                line.add(" − ", theme.DIM).add(figures[1], theme.TEXT).add(") / Σ exp", theme.DIM)
                if board.width < 60:
                    line = board.picture.line(" ")
            line.add(" = ", theme.DIM)
            if line.width + cell_len(f"{figures[2]} / {total} = {percent(frame.value(share))}") <= board.width:
                line.add(figures[2], board.style(exp, theme.STRONG), exp).add(" / ", theme.DIM)
                line.add(total, board.style(softmax.total, theme.TEXT), softmax.total).add(" = ", theme.DIM)
        line.add(percent(frame.value(share)), board.style(share, style), share)

    def gradient(self) -> None:
        """What the score of the chosen token gets, in numbers."""
        frame, board, softmax, i = self.frame, self.board, self.softmax, self.chosen
        score, share = int(softmax.scores[i]), int(softmax.shares[i])
        grad = frame.gradient(score)
        style = theme.TARGET if i == softmax.target else theme.NEW
        if self.roomy:
            board.picture.line()
        of_loss = gets_share_less_target(frame, softmax)
        if of_loss and frame.view.complete(softmax.scores).all():
            goal, n = int(i == softmax.target), frame.program.n
            rule = say("operations.probabilities.rule", score=self._score, positions=n)
            board.say((f"{LEAVES} ▼ ", theme.PHASE_TEXT["backward"]), (rule, theme.TEXT))
            words = f"   {say('operations.probabilities.target_is')}"
            if board.width - board.picture.lines[-1].width > cell_len(words) + 1:
                board.picture.lines[-1].add(words, theme.DIM)
            line = board.picture.line().add(f"∂{self._score}[{self.names[i]}]", style, score)
            value = frame.value(share)
            figure = UNKNOWN if value is None else plain(value)
            line.add(" = (", theme.DIM).add(figure, board.style(share, theme.STRONG), share)
            line.add(f" − {goal}) / {n} = ", theme.DIM)
            line.add(number(grad), theme.signed(grad or 0.0), score)
            if self.roomy and grad:
                way = "rise" if grad < 0 else "fall"
                board.say(f"  {say(f'operations.probabilities.must.{way}')}")
        else:
            board.latest()


def gets_share_less_target(frame: Frame, softmax: Softmax) -> bool:
    """Whether the shares go into −log p of the target, whose mean is the loss, and none of this is set in a branch.

    Then the gradient of a score is its share, less 1 at the target, over the number of positions.
    """
    if softmax.target is None:
        return False
    event = frame.operation
    forward = frame.program.events(Phase.FORWARD)
    losses = [e for e in forward if e.kind == "nll" and e.pos == event.pos]
    means = [e for e in forward if e.kind == "mean"]
    if len(losses) != 1 or len(means) != 1 or not np.array_equal(losses[0].operands["probs"], softmax.shares):
        return False
    made = [frame.program.rows_between(e.first, e.last) for e in (event, losses[0], means[0])]
    return not any(np.isin(rows, frame.view.overridden).any() for rows in made)
