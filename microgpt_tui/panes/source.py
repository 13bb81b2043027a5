"""The engine's own code, with the line that is at work."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane


@cache
def _highlighted(path: Path, code_theme: str) -> list[list[Segment]]:
    """The lines of a file as styled segments."""
    code = path.read_text(encoding="utf-8")
    text = Syntax(code, "python", theme=code_theme, background_color="default").highlight(code)
    console = Console(width=1000, color_system="truecolor", force_terminal=True)
    return [
        [
            Segment(s.text, Style(color=s.style.color if s.style else None))
            for s in line.render(console)
            if s.text != "\n"
        ]
        for line in text.split("\n", allow_blank=True)
    ]


class Source(Pane):
    """The file around the current line."""

    TITLE = "Source"

    def heading(self, frame: Frame) -> str:
        return f"Source ─ {frame.source.label}"

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        source = frame.source
        styles = theme.NEW, theme.FAINT, theme.WARNING
        picture = Picture(list(_quiet_lines(source.path, width, theme.CODE, styles)), focus=source.line - 1)
        segments = _highlighted(source.path, theme.CODE)
        stops = _stops(frame)
        for number in source.ran | {source.line} | stops:
            under = theme.RAN if number in source.ran else None
            here = number == source.line
            picture.lines[number - 1] = _line(number, segments[number - 1], width, under, here, number in stops)
        return picture


def _stops(frame: Frame) -> set[int]:
    """The lines, of the file that is shown, that do what a breakpoint of this phase waits for."""
    events = {stretch.name: stretch for stretch in frame.halts(frame.phase)}  # all of a name are done by one line
    return {frame.view.source(stretch).line for stretch in events.values()}


@cache
def _quiet_lines(path: Path, width: int, code_theme: str, styles: tuple[Style, ...]) -> tuple[Line, ...]:
    """The lines of a file as they look where nothing happens; `styles` are those in use, which two themes differ in."""
    del styles
    return tuple(
        _line(i, segments, width, None, False) for i, segments in enumerate(_highlighted(path, code_theme), start=1)
    )


def _line(
    number: int, segments: list[Segment], width: int, under: Style | None, here: bool, stops: bool = False
) -> Line:
    line = Line().add("▸" if here else " ", theme.NEW).add(f"{number:>4}", theme.NEW if here else theme.FAINT)
    line.add("●" if stops else " ", theme.WARNING)
    ground = theme.AT_WORK if here else under
    for segment in segments:
        line.add(segment.text, segment.style + ground if segment.style and ground else segment.style or ground)
    if here:
        line.add(" " * max(0, width - line.width), theme.AT_WORK)
    return line.cut(width)
