"""The code that is at work, the engine's or the user's: the line, the expression in it, and what called it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import takewhile
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from engine.timeline.explainer import CodeText, SourceLine
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.highlighted_code import CodeStyles, highlighted
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.explanations.sentences import left_out_of, pane_title
from microgpt_tui.panes.base import Pane, says, top_of
from microgpt_tui.texts.say import say

AROUND = 4  # lines before and after the one at work that are seen with it
ROOMY = 70  # cells from which the code stands as far to the right as in its file
TAB = 8  # columns, as Python counts them
GAP = "…"
CALLER, CALLED = "▴", "▾"
MOST_CALLERS = 2

HANGING = 2  # cells that the later rows of a line stand to the right
ATOM = r"""(?:"[^"]*"|'[^']*'|[^\s,(\[])"""
"""A string, or a character that no row ends after."""
WORD = re.compile(rf"{ATOM}*[\s,(\[]+|{ATOM}+")
CLOSING = ")]},: "

Column = tuple[int, int]
"""Characters of a line, from and up to."""
Piece = tuple[Segment, bool]
"""A piece of a line, and whether it belongs to the expression at work."""


def code_of(source: SourceLine) -> CodeText:
    """The code that a line stands in, as it was read when it ran; without that, the file's."""
    return source.text or _read(source.path)


@cache
def _read(path: Path) -> CodeText:
    return CodeText(path.read_text(encoding="utf-8"))


@lru_cache(32)
def _lines(code: CodeText) -> list[str]:
    """The lines of a code, without tabs."""
    return [line.expandtabs(TAB) for line in code.text.split("\n")]


def columns_of(source: SourceLine) -> Column | None:
    """The expression at work, as columns of its line without tabs; None for a whole line."""
    if source.columns is None:
        return None
    line = code_of(source).text.split("\n")[source.line - 1]
    first, last = (len(line[:column].expandtabs(TAB)) for column in source.columns)
    return (first, last) if first < last else None


@lru_cache(64)
def _highlighted(code: CodeText, styles: CodeStyles) -> list[list[Segment]]:
    """The lines of a code as styled segments."""
    return highlighted("\n".join(_lines(code)), styles)


@lru_cache(1024)
def _function(code: CodeText, line: int) -> tuple[str, int]:
    """The function that a line of a code stands in, and how far its lines around this one are indented at least."""
    lines = _lines(code)
    head = _head(lines, line)
    outer = len(head[1]) if head else -1
    inside = list(takewhile(lambda text: not text or _indentation(text) > outer, lines[line - 1 :]))
    seen = (*lines[max(0, line - AROUND) : line], *inside[:AROUND])
    least = min((_indentation(text) for text in seen if text.strip() and _indentation(text) > outer), default=0)
    return (f"{head[2]}()", least) if head else ("", 0)


def _head(lines: list[str], line: int) -> re.Match[str] | None:
    """The head of the function that a line stands in; None for a line of the module's own, in a loop or not."""
    outer = _indentation(lines[line - 1])
    for text in reversed(lines[: line - 1]):
        if text.strip() and _indentation(text) < outer and text.lstrip()[0] not in ")]}":  # which end a long head
            found = re.match(r"( *)(?:async )?def (\w+)", text)
            if found:
                return found
            outer = _indentation(text)
    return None


def _indentation(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


@lru_cache(256)
def _dedented(code: CodeText, code_styles: CodeStyles, indent: int) -> list[list[Segment]]:
    """The lines of a code as styled segments, each moved to the left by as much, or as far as it goes."""
    lines = []
    for segments in _highlighted(code, code_styles):
        left, line = indent, list(segments)
        for i, (text, style, _) in enumerate(segments if indent else ()):
            cut = min(left, _indentation(text))
            line[i] = Segment(text[cut:], style)
            if cut < len(text):
                break
            left -= cut
        lines.append(line)
    return lines


# Long lines.


def shortened_line(segments: Sequence[Segment], width: int, columns: Column | None) -> list[Piece]:
    """A line in at most `width` cells, each piece with whether it belongs to the expression in these columns.

    What is left out leaves an ellipsis in the middle of what stands before the expression, after it, or in it: its
    ends and those of the line are always seen. Without columns the middle of the line is left out.
    """
    first, last = columns or (0, sum(len(s.text) for s in segments))
    before, expression, after = (_part(segments, *ends) for ends in ((0, first), (first, last), (last, None)))
    sizes = [sum(s.cell_length for s in part) for part in (before, expression, after)]
    rooms = _rooms(sizes, width)
    cut = [_without_middle(part, room) for part, room in zip((before, expression, after), rooms, strict=True)]
    lit = columns is not None
    return [(segment, lit and i == 1) for i, part in enumerate(cut) for segment in part]


def _rooms(sizes: list[int], width: int) -> list[int]:
    """How many cells the parts of a line get: the expression what it needs, the others equal shares of the rest."""
    before, expression, after = sizes
    least = min(before, 5) + min(after, 2)
    expression = min(expression, max(width - least, 1))
    left = max(width - expression, 0)
    share = left // 2
    before = min(before, max(share, left - after))
    return [before, expression, min(after, left - before)]


def _part(segments: Sequence[Segment], first: int, last: int | None) -> list[Segment]:
    """The characters from `first` up to `last` of a line."""
    found, at = [], 0
    for text, style, _ in segments:
        piece = text[max(first - at, 0) : None if last is None else max(last - at, 0)]
        at += len(text)
        if piece:
            found.append(Segment(piece, style))
    return found


def _without_middle(segments: list[Segment], width: int) -> list[Segment]:
    """A part of a line in at most `width` cells, without what is in its middle if it has to be."""
    size = sum(s.cell_length for s in segments)
    if size <= width:
        return segments
    if width <= 0:
        return []
    head = width // 2
    tail = width - 1 - head
    first, last = _cells(segments, head), _cells(segments[::-1], tail, from_end=True)[::-1]
    return [*first, Segment(GAP, segments[0].style), *last]


def _cells(segments: Sequence[Segment], width: int, from_end: bool = False) -> list[Segment]:
    """The first `width` cells of some segments; with `from_end` the last ones, of segments in reverse order."""
    found = []
    for text, style, _ in segments:
        if width <= 0:
            break
        size = cell_len(text)
        if size > width:
            text = set_cell_size(text[::-1], width)[::-1] if from_end else set_cell_size(text, width)  # noqa: PLW2901
        found.append(Segment(text, style))
        width -= min(size, width)
    return found


def _rows(segments: Sequence[Segment], columns: Column | None, width: int, most: int) -> list[list[Piece]]:
    """A line over several rows, those after the first a little to the right; shortened where `most` are not enough."""
    whole, total = sum(s.cell_length for s in segments), width + (most - 1) * (width - HANGING)
    if whole <= width or most == 1 or width <= 2 * HANGING:
        return [shortened_line(segments, width, columns)]
    room = min(whole, total)
    while True:  # rows end with words, so less may fit than they have cells
        rows = _wrapped(shortened_line(segments, room, columns), width)
        if len(rows) <= most:
            return rows
        room -= 2


def _wrapped(pieces: Sequence[Piece], width: int) -> list[list[Piece]]:
    """Pieces of code in rows; all but the first stand a little to the right."""
    text = "".join(segment.text for segment, _ in pieces)
    starts = _row_starts(text, width)
    rows: list[list[Piece]] = []
    for start, following in zip(starts, [*starts[1:], len(text)], strict=True):
        row: list[Piece] = [(Segment(" " * HANGING), False)] if start else []
        at, end = 0, following
        if cell_len(text[start:following]) > width - HANGING * bool(start):
            end = start + len(text[start:following].rstrip())
        for segment, lit in pieces:
            part = segment.text[max(start - at, 0) : max(end - at, 0)]
            at += len(segment.text)
            if part:
                row.append((Segment(part, segment.style), lit))
        rows.append(row)
    return rows


@lru_cache(1024)
def _row_starts(text: str, width: int) -> tuple[int, ...]:
    """Where the rows of a code begin: after a blank, a comma or an opening bracket, in no word or string that fits.

    Of a word that is longer than a row, the brackets that close go to the next one.
    """
    starts, left = [0], width
    for found in WORD.finditer(text):
        word, at = found[0], found.start()
        size, bare = cell_len(word.rstrip()), cell_len(word.rstrip(CLOSING))
        if size > left and at > starts[-1] and not (size > width - HANGING and bare <= left):
            starts.append(at)
            left = width - HANGING
        while cell_len(word.rstrip()) > left:
            part = word.rstrip(CLOSING)
            if not 0 < cell_len(part) <= left:
                part = set_cell_size(word, left).rstrip()
            word, at = word[len(part) :], at + len(part)
            starts.append(at)
            left = width - HANGING
        left -= cell_len(word)
    return tuple(starts)


def _stripped(source: SourceLine) -> tuple[list[Segment], Column | None]:
    """The code of a line from its first character on, and the columns of the expression in that."""
    segments = _highlighted(code_of(source), theme.CODE)[source.line - 1]
    indent = _indentation("".join(s.text for s in segments))
    columns = columns_of(source)
    moved = None if columns is None else (max(columns[0] - indent, 0), max(columns[1] - indent, 0))
    return _part(segments, indent, None), moved


def line_at_work(frame: Frame, width: int) -> Line:
    """The line of source that is at work, and where it stands."""
    source = frame.source
    place = source.label if source.text is not None else f"{source.path.name}:{source.line}"
    segments, columns = _stripped(source)
    code = Line()
    for segment, lit in shortened_line(segments, width - cell_len(place) - 2, columns):
        code.add(segment.text, segment.style + theme.EXPRESSION if lit and segment.style else segment.style)
    return code.to(width - cell_len(place)).add(place, theme.DIM)


def lit_lines(code: CodeText, numbers: Sequence[int], width: int, rows: int) -> list[Line]:
    """These lines of a code, lit, with their numbers; each over at most so many rows, moved left as one."""
    indent = min((_indentation(text) for i in numbers if (text := _lines(code)[i - 1]).strip()), default=0)
    segments = _dedented(code, theme.CODE, indent)
    gutter = max((len(_gutter(code, i)) for i in numbers), default=0)
    found = []
    for i in numbers:
        for place, row in enumerate(_rows(segments[i - 1], None, width - gutter - 1, rows)):
            line = Line().add(f"{'' if place else _gutter(code, i):>{gutter}} ", theme.NEW)
            for segment, _ in row:
                line.add(segment.text, (segment.style or theme.TEXT) + theme.AT_WORK)
            found.append(line)
    return found


class Source(Pane):
    """The file around the current line."""

    TITLE = pane_title("source")

    def heading(self, frame: Frame) -> str:
        source = frame.source
        named = source.function and not source.function.startswith("<")
        function = f"{source.function}()" if named else _function(code_of(source), source.line)[0]
        return f"{source.path.name} ─ {function}" if function else source.path.name

    def draw(self, frame: Frame, width: int, height: int) -> Picture:
        source = frame.source
        stops, hint = frozenset(_stops(frame, code_of(source))), frame.around.lines_hint
        if part := left_out_of(frame):
            hint = " ".join(filter(None, (say(f"operations.registry.left_out.{part}"), hint)))
        lines, focus = _drawn(source, stops, hint, width, height, theme.CODE, _styles())
        return Picture(list(lines), focus)


def _styles() -> tuple[Style, ...]:
    """Those in use, besides the code's, which two themes differ in."""
    return theme.NEW, theme.FAINT, theme.WARNING, theme.RAN, theme.AT_WORK, theme.DIM


@lru_cache(256)
def _drawn(
    source: SourceLine,
    stops: frozenset[int],
    hint: str,
    width: int,
    height: int,
    code_styles: CodeStyles,
    styles: tuple[Style, ...],
) -> tuple[tuple[Line, ...], int]:
    """The lines of the picture, and its focus: the same for the same line of code, whatever its numbers are."""
    code = code_of(source)
    indent = _function(code, source.line)[1] if width < ROOMY else 0
    lines = list(_quiet_lines(code, width, code_styles, indent, styles))
    segments = _dedented(code, code_styles, indent)
    for number in source.ran | {source.line} | stops:
        under = theme.RAN if number in source.ran else None
        lines[number - 1] = _line(code, number, segments, width, under, number in stops)
    called = source.called if source.called and source.called.line != source.line else None
    below = [] if called is None else [_elsewhere(CALLED, called, width)]
    below += says(Picture(), hint, width, height // 2).lines
    lit = _lit(source, segments, width, max(1, (height + 1) // 2 - len(below)), source.line in stops, indent)
    lines[source.line - 1 : source.line] = [*lit, *below]
    focus = source.line - (called is None)  # both stay in sight
    return _with_callers(lines, focus, source, width, height)


def _with_callers(
    lines: list[Line], focus: int, source: SourceLine, width: int, height: int
) -> tuple[tuple[Line, ...], int]:
    """The lines that called for this one, above what is seen of the file; those that are seen with it are not."""
    callers = [caller for caller in source.callers if (caller.path, caller.line) != (source.path, source.line)]
    above = [_elsewhere(CALLER, caller, width) for caller in reversed(callers[:MOST_CALLERS])]
    above = above[max(0, len(above) - max(0, height // 2 - 1)) :]
    focus += len(above)
    at = min(top_of(focus, len(lines) + len(above), height), source.line - 1)
    return (*lines[:at], *above, *lines[at:]), focus


def _stops(frame: Frame, code: CodeText) -> set[int]:
    """The lines, of the code that is shown, that do what a breakpoint of this phase waits for."""
    events = {event.name: event for event in frame.halts(frame.phase)}  # all of a name are done by one line
    found = [frame.source_of(event) for event in events.values()]
    return {each.line for each in found if code_of(each) is code}


def _elsewhere(sign: str, source: SourceLine, width: int) -> Line:
    """A line of another function: its number, the function, and its code from the first character on."""
    line = Line().add(sign, theme.NEW).add(f"{_number(source):>4} ", theme.FAINT)
    if source.function and width >= 30 and not source.function.startswith("<"):
        line.most(source.function, width // 4, theme.DIM).add(" ")
    segments, columns = _stripped(source)
    for segment, lit in shortened_line(segments, width - line.width, columns):
        line.add(segment.text, segment.style + theme.FRESH if lit and segment.style else segment.style)
    return line


def _number(source: SourceLine) -> str:
    return _gutter(code_of(source), source.line)


def _gutter(code: CodeText, line: int) -> str:
    """What a line is called in front of it: its number, or those of a cell and a line."""
    return re.sub(r"\D+", ":", code.label(line)).strip(":") if code.labels else str(line)


@lru_cache(64)
def _quiet_lines(
    code: CodeText, width: int, code_styles: CodeStyles, indent: int, styles: tuple[Style, ...]
) -> tuple[Line, ...]:
    """The lines of a code as they look where nothing happens; `styles` are those in use, which two themes differ in."""
    del styles
    segments = _dedented(code, code_styles, indent)
    return tuple(_line(code, i, segments, width, None) for i in range(1, len(segments) + 1))


def _line(
    code: CodeText, number: int, segments: list[list[Segment]], width: int, under: Style | None, stops: bool = False
) -> Line:
    """A line that is not at work; it is cut where it has no more room."""
    line = Line().add(" ", theme.NEW).add(f"{_gutter(code, number):>4}", theme.FAINT)
    line.add("●" if stops else " ", theme.WARNING)
    for segment in segments[number - 1]:
        line.add(segment.text, segment.style + under if segment.style and under else segment.style or under)
    return line.cut(width)


def _lit(
    source: SourceLine, segments: list[list[Segment]], width: int, rows: int, stops: bool, indent: int
) -> list[Line]:
    """The line at work, over at most so many rows of the screen, with its expression marked."""
    code = code_of(source)
    own, columns = segments[source.line - 1], columns_of(source)
    left = min(indent, _indentation(_lines(code)[source.line - 1]))  # how far it was moved already
    first = Line().add("▸", theme.NEW).add(f"{_gutter(code, source.line):>4}", theme.NEW)
    first.add("●" if stops else " ", theme.WARNING)
    room = width - first.width
    if sum(s.cell_length for s in own) > room:  # it begins with its first character
        bare = _indentation("".join(s.text for s in own))
        own, left = _part(own, bare, None), left + bare
    if columns is not None:
        columns = max(columns[0] - left, 0), max(columns[1] - left, 0)
    parts = _rows(own, columns, room, rows)
    lines = [first, *(Line().to(width - room) for _ in parts[1:])]
    for line, part in zip(lines, parts, strict=True):
        for segment, lit in part:
            style = theme.EXPRESSION if lit else theme.AT_WORK if columns is None else theme.RAN
            line.add(segment.text, segment.style + style if segment.style else style)
        line.add(" " * max(0, width - line.width), theme.AT_WORK if columns is None else theme.RAN)
    return lines
