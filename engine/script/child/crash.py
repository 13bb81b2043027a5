"""What is told of a script that has stopped with an exception: where, and with which values."""

from __future__ import annotations

import ast
import traceback
from typing import Any, Iterator

from .hooks import Sources

LONGEST = 200
MOST_FRAMES = 100  # of a traceback, half of them at either end


def crash(error: BaseException, sources: Sources, show: Any) -> dict[str, Any]:
    """The exception, its traceback within the script, and the values of the names in its last line."""
    places = [
        (frame, line, sources.files[frame.f_code.co_filename])
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename in sources.files
    ]
    frames = [[file, line, frame.f_code.co_name, sources.line(file, line)] for frame, line, file in places]
    if len(frames) > MOST_FRAMES:
        frames = frames[: MOST_FRAMES // 2] + frames[-MOST_FRAMES // 2 :]
    values: dict[str, str] = {}
    if places:
        frame, line, file = places[-1]
        for name, expression in _names(sources, file, line):
            value = _value(expression, frame)
            if value is not _value and not callable(value):
                values[name] = show(value)[:LONGEST]
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    if isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    return {"error": said, "traceback": frames, "values": values, "files": sources.paths}


def _names(sources: Sources, file: int, line: int) -> Iterator[tuple[str, ast.expr]]:
    """The names and attributes in the innermost statement at a line, each once."""
    try:
        tree = ast.parse("\n".join(sources.texts[file]))
    except (SyntaxError, ValueError):
        return
    inside = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    if not inside:
        return
    statement = min(inside, key=lambda node: (node.end_lineno or node.lineno) - node.lineno)
    below = [each for field in ("body", "orelse", "finalbody") for each in _listed(statement, field)]
    bodies = {id(each) for each in below if each not in inside}
    seen: set[str] = set()
    queue: list[ast.AST] = [statement]
    while queue:
        node = queue.pop(0)
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = ast.unparse(node)
            if name not in seen:
                seen.add(name)
                yield name, node
        queue += [each for each in ast.iter_child_nodes(node) if id(each) not in bodies]


def _listed(node: ast.AST, field: str) -> list[Any]:
    value = getattr(node, field, [])
    return value if isinstance(value, list) else []


def _value(expression: ast.expr, frame: Any) -> Any:
    """What a name or an attribute is in a frame; this function itself if it is nothing."""
    if isinstance(expression, ast.Name):
        for space in (frame.f_locals, frame.f_globals):
            if expression.id in space:
                return space[expression.id]
        return _value
    if isinstance(expression, ast.Attribute):
        value = _value(expression.value, frame)
        try:
            return _value if value is _value else getattr(value, expression.attr)
        except Exception:  # whatever the script's attribute does
            return _value
    return _value
