"""The run as a whole: loss and gradient norm of every step, and where in it we are."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from engine.numerics import mean
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import SameEvent
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.curve import MARGIN, MARK, curve, sparkline
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.drawing.wrapped_text import wrapped
from microgpt_tui.explanations.sentences import pane_title
from microgpt_tui.panes.base import Pane, says
from microgpt_tui.panes.gradients import known_norm
from microgpt_tui.texts.say import say

LEAST_CURVE = 4  # lines
WITH_NAMES = 12  # lines from which names that were sampled are shown
WITH_REMARK = 8  # those from which there is a sentence on a step that is not as others
Figure = tuple[str, str, Style]


class Training(Pane):
    """Loss curve and figures up to this moment; steps that were run before going back have places, not figures."""

    TITLE = pane_title("training")
    draggable = SameEvent

    def heading(self, frame: Frame) -> str:
        losses = frame.view.losses_so_far
        if not losses:
            return self.TITLE
        return f"{self.TITLE} ─ {say('panes.training.at_step', loss=plain(losses[-1]), step=len(losses) - 1)}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        view, step, done = frame.view, frame.moment.step, max(len(frame.view.losses), frame.moment.step)
        picture, figures = Picture(), _figures(frame, width, max(1 + (height > LEAST_CURVE), height // 4))
        norm = known_norm(frame.grad(np.arange(view.program.n_params, dtype=np.int32))) if _whole(frame) else None
        losses, norms = view.losses_so_far, _norms(frame, norm)
        if not losses:
            text = say("panes.training.no_step_yet")
            return says(picture, text, width, height)

        places = max(done, len(losses))  # so that a step stands in the same column of everything below one another

        def target(i: int) -> Hashable:
            return frame.in_step(i)

        names = _names(frame, width) if height >= WITH_NAMES else Picture()
        if view.remark and height >= WITH_REMARK:
            for text in wrapped(view.remark, width):
                figures.line(text, theme.WARNING)
        room = height - figures.height - names.height
        second = room // 3 if room >= 3 * LEAST_CURVE else int(room > LEAST_CURVE + 1)
        marks = {at: found.loss for at, found in view.validations.items()}
        title = say("panes.training.loss") if room > LEAST_CURVE else ""
        if marks:
            title = say("panes.training.loss_marked", mark=MARK)
        high = room - (second if norms else 0)
        picture.below(curve(title, losses, width, high, step, target, places - len(losses), marks))
        if norms and second > 1:
            title = say("panes.training.gradient_norm")
            picture.below(curve(title, norms, width, second, step, target, places - len(norms)))
        elif norms and second:
            line = picture.line().fit("|g|", MARGIN - 1, theme.DIM, right=True).add(" ")
            sparkline(line, norms, width - MARGIN - 1, target, places - len(norms), unsigned=True)
        return picture.below(figures).below(names)


def _names(frame: Frame, width: int) -> Picture:
    """The names that were sampled last on the way here, and what they were sampled from."""
    picture = Picture()
    step = max((s for s in frame.around.names if s <= frame.moment.step), default=None)
    if step is not None:
        picture.line().most(say("panes.training.sampled", step=step), width, theme.DIM)
        for text in wrapped(", ".join(frame.around.names[step]), width)[:3]:
            picture.line().most(text, width, theme.TEXT)
    return picture


def _norms(frame: Frame, now: float | None) -> list[float | None]:
    """The gradient norms as `losses_so_far`; None for steps of which the run has kept no gradients."""
    found = frame.view.grad_norms[: frame.moment.step] + ([] if now is None else [now])
    losses = frame.view.losses_so_far
    lost = [math.isnan(norm) and i < len(losses) and math.isfinite(losses[i]) for i, norm in enumerate(found)]
    return [None if missing else norm for norm, missing in zip(found, lost, strict=True)]


def _whole(frame: Frame) -> bool:
    """Whether the backward phase is over."""
    return frame.phase is Phase.UPDATE or (frame.backward and frame.moment.tick == frame.program.ticks(Phase.BACKWARD))


def _figures(frame: Frame, width: int, lines: int) -> Picture:
    """The numbers of the moment, as many as fit into so many lines."""
    view = frame.view
    losses, last = view.losses_so_far, view.recent_losses
    parts: list[Figure] = []
    if len(last) > 1:
        parts.append((say("panes.training.mean", count=len(last)), plain(mean(last)), theme.STRONG))
    if view.learning_rate is not None:
        parts.append((say("panes.training.rate"), plain(view.learning_rate), theme.TEXT))
    norm = known_norm(frame.grad(np.arange(view.program.n_params, dtype=np.int32))) if _whole(frame) else None
    norms = _norms(frame, norm)
    if norms and norms[-1] is not None:
        words = say("panes.training.gradient_norm")
        if len(norms) != len(losses):
            words = say("panes.training.gradient_norm_of", step=len(norms) - 1)
        parts.append((words, plain(norms[-1]), theme.TEXT))
    parts += _held_out(frame)
    picture = Picture()
    line = picture.line()
    for words, figure, style in parts:
        if line.width and line.width + cell_len(words) + len(figure) + 4 > width:
            if picture.height == lines:
                break
            line = picture.line()
        line.add("   " if line.width else "").add(f"{words} ", theme.DIM).add(figure, style)
    return picture


def _held_out(frame: Frame) -> list[Figure]:
    """What documents that are kept aside say of the model, and how many they are; nothing if there are none."""
    found, split = frame.view.validations, frame.around.split
    if not split:
        return []
    parts: list[Figure] = []
    if found:
        at = max(found)
        parts.append((f"{MARK} {say('panes.training.kept_aside', step=at)}", plain(found[at].loss), theme.TARGET))
        parts.append((say("panes.training.perplexity"), plain(found[at].perplexity, 2), theme.TARGET))
    parts.append((say("panes.training.documents", trained=split[0], aside=split[1]), "", theme.TEXT))
    return parts
