"""Python code in the colours of its parts: keywords, numbers, strings and so on."""

from __future__ import annotations

import builtins
import re
from keyword import kwlist

from rich.segment import Segment
from rich.style import Style

from engine.immutable import immutable

OPERATORS = frozenset(("and", "in", "is", "not", "or"))
KEYWORDS = frozenset(kwlist) - OPERATORS
BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
TOKEN = re.compile(
    r"""(?P<string>[bfrtu]{0,2}(?:'''(?:\\.|.)*?(?:'''|\Z)|\"""(?:\\.|.)*?(?:\"""|\Z)
                                 |'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?))
      | (?P<comment>\#[^\n]*)
      | (?P<number>0[box][\da-f_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[-+]?\d[\d_]*)?j?)
      | (?P<defined>(?<=\bdef\ )\w+|(?<=\bclass\ )\w+|(?m:^)[ ]*@[\w.]+)
      | (?P<word>\w+)
      | (?P<operator>[-+*/%@=<>!&|^~.]+)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


@immutable
class CodeStyles:
    """How the parts of a code look; what is `defined` is a function or a class there, or a decorator."""

    word: Style
    keyword: Style
    builtin: Style
    defined: Style
    operator: Style
    number: Style
    string: Style
    comment: Style


def highlighted(code: str, styles: CodeStyles) -> list[list[Segment]]:
    """The lines of a code as styled segments. What is no Python is coloured as far as it looks like it."""
    lines: list[list[Segment]] = [[]]
    end = 0
    for token in TOKEN.finditer(code):
        _append(lines, code[end : token.start()], styles.word)
        _append(lines, token[0], _style(token, styles))
        end = token.end()
    _append(lines, code[end:], styles.word)
    return lines


def _style(token: re.Match[str], styles: CodeStyles) -> Style:
    kind = token.lastgroup or "word"
    if kind == "word":
        text = token[0]
        kind = "keyword" if text in KEYWORDS else "operator" if text in OPERATORS else kind
        kind = "builtin" if text in BUILTINS and kind == "word" else kind
    style: Style = getattr(styles, kind)
    return style


def _append(lines: list[list[Segment]], text: str, style: Style) -> None:
    """Append a text, which may reach over several lines."""
    first, *others = text.split("\n")
    if first:
        lines[-1].append(Segment(first, style))
    lines += [[Segment(line, style)] if line else [] for line in others]
