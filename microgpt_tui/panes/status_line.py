"""One line that says where we are: step, loss, phase, position, layer, head, tensor, event and scalar."""

from __future__ import annotations

from rich.style import Style

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.numbers import plain
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane

COUNTED = {"forward": "scalar", "backward": "gradient term", "update": "parameter"}


class StatusLine(Pane, can_focus=False):
    """The line of place."""

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        forms = (_line(frame, f" of {frame.config.num_steps}", " ▸ "), _line(frame, "", " ▸ "), _line(frame, "", "▸"))
        line = next((form for form in forms if form.width <= width), forms[-1]).cut(width)
        events = len(frame.program.stretches(frame.phase))
        event = f"event {frame.event.index + 1}/{events}"
        ticks = f"{COUNTED[frame.phase]} {frame.moment.tick:,}/{frame.program.ticks(frame.phase):,}"
        short = ticks if frame.stepping_inside else event
        for right in (f"{event} · {ticks}", short, short.partition("/")[0]):
            if line.width + len(right) + 2 <= width:
                line.to(width - len(right) - 1).add(right, theme.DIM)
                break
        return Picture([line])


def _line(frame: Frame, of: str, joint: str) -> Line:
    """Step, loss, phase and path; `of` says how many steps there are, `joint` stands between the parts of the path."""
    line = Line()
    if frame.around.branch is not None:
        line.add(" ").most(frame.around.branch, 16, theme.WARNING)
    line.add(f" step {frame.moment.step}", theme.STRONG).add(f"{of}  ", theme.DIM)
    loss = frame.view.loss
    line.add("loss ", theme.DIM).add(plain(loss) if loss is not None else "-", theme.STRONG).add("  ")
    line.add(f" {frame.phase.upper()} ", theme.PHASES[frame.phase]).add(" ")
    for i, (part, style) in enumerate(_path(frame)):
        line.add(joint if i else "", theme.FAINT).add(part, style)
    return line


def _path(frame: Frame) -> list[tuple[str, Style]]:
    stretch = frame.stretch
    parts: list[tuple[str, Style]] = []
    if stretch.pos is not None:
        parts.append((f"pos {stretch.pos} '{frame.token(stretch.pos)}'", theme.TEXT))
    if stretch.layer is not None and not stretch.is_parameter:
        parts.append((f"layer {stretch.layer}", theme.TEXT))
    if stretch.head is not None:
        parts.append((f"head {stretch.head}", theme.TEXT))
    return [*parts, (stretch.name, theme.NEW)]
