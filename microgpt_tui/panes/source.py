"""The engine's own code, with the line that is at work."""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from pathlib import Path

from pygments.lexers.python import PythonLexer  # by its name, it would be searched for among all
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax

from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.panes.base import Pane

AROUND = 4  # lines before and after the one at work that are seen with it
ROOMY = 70  # cells from which the code stands as far to the right as in its file


@cache
def _highlighted(path: Path, code_theme: str) -> list[list[Segment]]:
    """The lines of a file as styled segments."""
    code = path.read_text(encoding="utf-8")
    text = Syntax(code, PythonLexer(), theme=code_theme, background_color="default").highlight(code)
    console = Console(width=1000, color_system="truecolor", force_terminal=True)
    return [
        [
            Segment(s.text, Style(color=s.style.color if s.style else None))
            for s in line.render(console)
            if s.text != "\n"
        ]
        for line in text.split("\n", allow_blank=True)
    ]


@cache
def _function(path: Path, line: int) -> tuple[str, int]:
    """The function that a line of a file stands in, and how far its lines around this one are indented at least."""
    lines = path.read_text(encoding="utf-8").split("\n")
    found = (re.match(r"( *)def (\w+)", text) for text in reversed(lines[:line]))
    head = next((each for each in found if each and len(each[1]) < _indentation(lines[line - 1])), None)
    if head is None:
        return "", 0
    outer = len(head[1])
    inside = list(takewhile(lambda text: not text or _indentation(text) > outer, lines[line - 1 :]))
    seen = (*lines[max(0, line - AROUND) : line], *inside[:AROUND])
    return f"{head[2]}()", min(_indentation(text) for text in seen if _indentation(text) > outer)


def _indentation(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


@cache
def _dedented(path: Path, code_theme: str, indent: int) -> list[list[Segment]]:
    """The lines of a file as styled segments, each moved to the left by as much, or as far as it goes."""
    lines = []
    for segments in _highlighted(path, code_theme):
        left, line = indent, []
        for text, style, _ in segments:
            cut = min(left, _indentation(text))
            left = left - cut if cut == len(text) else 0
            line.append(Segment(text[cut:], style))
        lines.append(line)
    return lines


def line_at_work(frame: Frame, width: int) -> Line:
    """The line of source that is at work, and where it stands."""
    source, place = frame.source, f"{frame.source.path.name}:{frame.source.line}"
    segments = _highlighted(source.path, theme.CODE)[source.line - 1]
    code = Line()
    for text, style, _ in segments:
        code.add(text if code.width else text.lstrip(" "), style)
    return code.cut(width - len(place) - 2).to(width - len(place)).add(place, theme.DIM)


class Source(Pane):
    """The file around the current line."""

    TITLE = "Source"

    def heading(self, frame: Frame) -> str:
        source = frame.source
        function, _ = _function(source.path, source.line)
        return f"{source.path.name} ─ {function}" if function else source.path.name

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        del height
        source = frame.source
        styles = theme.NEW, theme.FAINT, theme.WARNING
        indent = _function(source.path, source.line)[1] if width < ROOMY else 0
        picture = Picture(list(_quiet_lines(source.path, width, theme.CODE, indent, styles)), focus=source.line - 1)
        segments = _dedented(source.path, theme.CODE, indent)
        stops = _stops(frame)
        for number in source.ran | {source.line} | stops:
            under = theme.RAN if number in source.ran else None
            here = number == source.line
            picture.lines[number - 1] = _line(number, segments[number - 1], width, under, here, number in stops)
        return picture


def _stops(frame: Frame) -> set[int]:
    """The lines, of the file that is shown, that do what a breakpoint of this phase waits for."""
    events = {event.name: event for event in frame.halts(frame.phase)}  # all of a name are done by one line
    return {frame.view.source(event).line for event in events.values()}


@cache
def _quiet_lines(path: Path, width: int, code_theme: str, indent: int, styles: tuple[Style, ...]) -> tuple[Line, ...]:
    """The lines of a file as they look where nothing happens; `styles` are those in use, which two themes differ in."""
    del styles
    return tuple(
        _line(i, segments, width, None, False)
        for i, segments in enumerate(_dedented(path, code_theme, indent), start=1)
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
