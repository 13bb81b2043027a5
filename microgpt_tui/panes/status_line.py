"""One line that says where we are: step, phase, position, layer, head, tensor, event and scalar."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from rich.cells import cell_len
from rich.style import Style

from engine.immutable import immutable
from engine.timeline.events import Phase
from engine.timeline.run import ENDLESS
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.navigation import MODULE, has_own_words
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane
from microgpt_tui.texts.say import say

WAYS = {Phase.FORWARD: "▲", Phase.BACKWARD: "▼", Phase.UPDATE: "▲"}  # as the map has it: up to the loss, and back down


@immutable
class _Form:
    """How much of the line is spelt out."""

    layer: str | None = None
    block: bool = True  # whether the function is named that made the tensor


FORMS = (_Form(), _Form(block=False), _Form("L", block=False))
MOST_NAME = 16  # characters for a branch


class StatusLine(Pane, can_focus=False):
    """The line of place."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        line = None
        for branch in _branches(frame):
            for count, form in product(_counts(frame), FORMS):
                line = _line(frame, form, branch)
                if line.width + cell_len(count) + 3 <= width:
                    return Picture([line.to(width - cell_len(count) - 1).add(count, theme.DIM)])
        return Picture([line.cut(width)] if line else [])


def _counts(frame: Frame) -> Iterator[str]:
    """How far the phase is, from the fullest form to the shortest."""
    phase = frame.phase
    index = f"{frame.event.index + 1}/{len(frame.program.events(phase))}"
    event = f"{say(f'panes.status_line.event.{phase}')} {index}"
    ticks = f"{say(f'panes.status_line.tick.{phase}')} {frame.moment.tick:,}/{frame.program.ticks(phase):,}"
    yield f"{event} · {ticks}"
    yield from (ticks, ticks.partition("/")[0]) if frame.stepping_inside else (event, index)


def _branches(frame: Frame) -> Iterator[str]:
    """What is said after a branch: what is changed in it, else nothing."""
    if frame.around.branch is not None and frame.around.changes:
        yield f" ({frame.around.changes})"
    yield ""


def _line(frame: Frame, form: _Form, changes: str) -> Line:
    """Branch, step, phase and path."""
    line = Line()
    if frame.around.branch is not None:
        line.add(" ").most(frame.around.branch, MOST_NAME, theme.WARNING).add(changes, theme.WARNING)
    steps = frame.config.num_steps
    of = f"/{steps:,}" if steps < ENDLESS else ""
    line.add(f" {say('panes.status_line.step', step=f'{frame.moment.step:,}')}", theme.STRONG).add(f"{of} ", theme.DIM)
    phase = say(f"explanations.phase.{frame.phase}").upper()
    line.add(f" {phase} {WAYS[frame.phase]} ", theme.PHASES[frame.phase]).add(" ")
    for i, (part, style) in enumerate(_path(frame, form)):
        line.add(" › " if i else "", theme.FAINT).add(part, style)
    return line


def _path(frame: Frame, form: _Form) -> list[tuple[str, Style]]:
    event = frame.stage_event
    if event.is_parameter:
        shape = "×".join(map(str, event.shape)) or say("panes.status_line.one_number")
        return [(event.name, theme.NEW), (shape, theme.TEXT)]
    parts: list[str] = []
    if event.pos is not None:
        known = event.pos < len(frame.program.inputs)
        token = f" '{frame.token(event.pos)}'" if known else ""
        parts.append(f"{frame.called('pos', event.pos)}{token}")
    if has_own_words(frame.program) and form.block and event.block not in ("", MODULE):
        parts.append(event.block)
    if event.layer is not None:
        parts.append(frame.called("layer", event.layer, form.layer))
    if event.head is not None:
        parts.append(frame.called_head(event.head, event.name))
    elif form.block and event.layer is not None and not has_own_words(frame.program):
        parts.append(event.block)
    return [*((part, theme.TEXT) for part in parts), (event.name, theme.NEW)]
