"""The parameter matrices in the update: moved, at work, to come, and how large each step is beside the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from rich.style import Style

from engine.timeline.events import Event, Moment, Phase
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.cells import bar
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line, Picture, squeezed
from microgpt_tui.panes.tokens import DONE, TO_COME
from microgpt_tui.texts.say import say

AT_WORK = "▸"
SHARE, FIGURE = 7, 10  # columns of a share in percent, of a norm


def matrices(frame: Frame, width: int, height: int) -> Picture:
    """Every matrix on a line of its own, those of a layer below its number."""
    picture, events = Picture(), frame.program.events(Phase.UPDATE)
    shares = _step_shares(frame)
    scale = _round_scale(shares.values())
    layers = {s.layer for s in events if _is_layered(s)}
    gaps = height >= 2 * (len(events) + len(layers)) + 3
    names = min(max(len(_short(s)) for s in events), max(width - 1 - len(f" {AT_WORK} ") - SHARE, 1))
    layer: int | None = None
    for event in events:
        if gaps:
            picture.line()
        own = event.layer if _is_layered(event) else None
        if own not in (layer, None):
            picture.line().add(f"   {frame.called('layer', own or 0)}", theme.DIM)
            if gaps:
                picture.line()
        layer = own
        if event is frame.stage_event:
            picture.focus = picture.height
        line = picture.line(" ")
        _name(frame, line, event, squeezed(_short(event), names), names)
        _share(line, shares.get(event.name), scale, width - 1)
    if height >= picture.height + 3:
        picture.lines += [Line() for _ in range(height - picture.height - 2)]
        picture.line().most(f" {say('panes.map_update.step_share')}", width, theme.DIM)
        picture.line().add(f" {say('panes.map_update.click')}", theme.DIM)
    return picture


def whole_update(frame: Frame, width: int, height: int) -> Picture:
    """The same with shapes, and the norms of the gradient, of the step and of the weights before it."""
    picture, events = Picture(), frame.program.events(Phase.UPDATE)
    shares = _step_shares(frame)
    scale = _round_scale(shares.values())
    names = max(len(s.name) for s in events)
    head = picture.line(" ").fit("", names + 3).fit(say("panes.map_update.shape"), FIGURE, theme.DIM, right=True)
    for column in ("gradient", "step", "weight"):
        head.fit(say(f"panes.map_update.norm.{column}"), FIGURE + 1, theme.DIM, right=True)
    head.add(f"  {say('panes.map_update.step_by_weight')}", theme.DIM)
    gaps = height >= 2 * len(events) + 3
    for event in events:
        if gaps:
            picture.line()
        if event is frame.stage_event:
            picture.focus = picture.height
        line = picture.line(" ")
        _name(frame, line, event, event.name, names)
        line.fit("×".join(map(str, event.shape)), FIGURE, theme.DIM, right=True)
        norms = frame.view.norms(event.name)
        for figure in (None, None, None) if norms is None else (norms.gradient, norms.update, norms.weight):
            style = theme.FAINT if figure is None else theme.TEXT
            line.fit(plain(figure), FIGURE + 1, style, right=True)
        _share(line, shares.get(event.name), scale, width - 1)
    picture.line()
    moved = sum(s.rows.size for s in events if s.last <= frame.moment.tick)
    total = frame.program.n_params
    rate = frame.view.learning_rate
    said = say("panes.map_update.moved", moved=moved, total=total)
    if rate is not None:
        said = say("panes.map_update.moved_at_rate", moved=moved, total=total, rate=rate)
    picture.line(" ").add(said, theme.DIM)
    return picture


def _step_shares(frame: Frame) -> dict[str, float]:
    """The norm of the step as a share of that of the weights before it, for every matrix that is moved, in percent."""
    found = {}
    for event in frame.program.events(Phase.UPDATE):
        norms = frame.view.norms(event.name) if event.last <= frame.moment.tick else None
        if norms is not None:
            with np.errstate(all="ignore"):
                found[event.name] = float(np.float64(100 * norms.update) / norms.weight)
    return found


def _round_scale(shares: Iterable[float]) -> float:
    """1, 2 or 5 times a power of ten that no share exceeds: a new share seldom changes the bars of others."""
    largest = max((share for share in shares if math.isfinite(share)), default=0.0)
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest)


def _short(event: Event) -> str:
    """The name of a matrix without the layer that it stands below."""
    return f"  {event.name.split('.')[-1]}" if _is_layered(event) else event.name


def _is_layered(event: Event) -> bool:
    """Whether the name of a matrix begins with its layer, as in layer0.attn_wq."""
    return event.layer is not None and event.name.startswith(f"layer{event.layer}.")


def _state(frame: Frame, event: Event) -> tuple[str, Style, Style]:
    """The mark of a matrix, its style, and that of its name."""
    if event is frame.stage_event:
        return AT_WORK, theme.NEW, theme.NOW
    if event.last <= frame.moment.tick:
        return DONE, theme.PHASE_TEXT[Phase.UPDATE], theme.TEXT
    return TO_COME, theme.DIM, theme.DIM


def _name(frame: Frame, line: Line, event: Event, name: str, width: int) -> None:
    """The mark and the name of a matrix, which lead to it."""
    mark, style, name_style = _state(frame, event)
    target = Moment(frame.moment.step, Phase.UPDATE, event.last)
    text = name.lstrip()
    line.add(mark, style, target).add(" " + " " * (len(name) - len(text))).add(text, name_style, target)
    line.add(" " * (width - len(name) + 1))


def _share(line: Line, share: float | None, scale: float, width: int) -> None:
    """A share in percent and its bar, up to a column."""
    text = "·" if share is None else say("panes.map_update.from_0") if math.isinf(share) else f"{share:.2f}%"
    line.fit(text, SHARE, theme.FAINT if share is None else theme.TEXT, right=True).add(" ")
    if share is not None and line.width < width:
        line.add(bar(share, scale, width - line.width), theme.PHASE_TEXT[Phase.UPDATE])
