"""The text of an expression, parsed as Python's syntax and never run, with errors that point into it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable

from engine.errors import ExpressionError
from engine.language.say import say

LONGEST = 500  # characters; all work is bounded by the length
DEEPEST = 50  # levels of the syntax tree
EXAMPLE = say("expressions.source.write_example_loss")
QUOTED = r"\"[^\"]*\"|'[^']*'"
BRACKETS = rf"(?:\s*\[(?:[^\[\]\"']|{QUOTED})*\])+"
"""One or more indices in brackets, as a regular expression: `[0, 3]` or `[0][3]`; a token may stand in quotes."""


def check_length(text: str, kind: Callable[[str], Exception]) -> None:
    """Raise a `kind` for a text that is too long to parse."""
    if len(text) > LONGEST:
        raise kind(say("expressions.source.has_characters_write_at", n_text=len(text), longest=LONGEST))


def split_indices(brackets: str) -> list[str]:
    """The indices in brackets, as written: `[0, 3]` and `[0][3]` are the same cell."""
    found = []
    for inside in re.findall(rf"\[((?:[^\[\]\"']|{QUOTED})*)\]", brackets):
        found += [part.strip() for part in re.findall(rf"(?:^|,)((?:[^,\"']|{QUOTED})*)", inside)]
    return found


class ExpressionSource:
    """One line of text and its syntax tree. Raises ExpressionError if it has none, or is too long or too deep."""

    def __init__(self, text: str) -> None:
        self.text = "".join(" " if c.isspace() else c for c in text).strip()
        if not self.text:
            raise ExpressionError(say("expressions.source.there_nothing_ask", example=EXAMPLE))
        check_length(self.text, ExpressionError)
        self.tree = self._tree()
        if _depth(self.tree) > DEEPEST:
            raise self.fault(self.tree, say("expressions.source.nested_too_deeply_write"))
        self._refuse_disguises()

    def _tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            first = error.offset - 1 if error.offset else len(self.text)
            hint = say("expressions.source.compare_write") if self.text[first : first + 1] == "=" else EXAMPLE
            last = (error.end_offset or 0) - 1
            raise ExpressionError(say("expressions.source.cannot_be_read", hint=hint), self.text, first, last) from None
        except (ValueError, RecursionError, MemoryError):
            raise ExpressionError(say("expressions.source.cannot_be_read_write"), self.text) from None

    def _refuse_disguises(self) -> None:
        """Refuse letters that Python takes for others (by NFKC) and that a person does not."""
        for node in ast.walk(self.tree):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if not self.written(node).endswith(name):
                raise self.fault(node, say("expressions.source.other_letters", name=name))

    def written(self, node: ast.AST) -> str:
        """A piece of it as it is written."""
        return ast.get_source_segment(self.text, node) or say("expressions.source.this")

    def fault(self, node: ast.AST, reason: str) -> ExpressionError:
        """The error that points at a node."""
        line = self.text.encode()

        def column(offset: int) -> int:
            return len(line[:offset].decode(errors="ignore"))  # the tree counts bytes

        first, last = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None)
        return ExpressionError(reason, self.text, column(first), column(len(line) if last is None else last))


def _depth(tree: ast.AST) -> int:
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def syntax_name(node: ast.AST) -> str:
    """What a person calls a piece of syntax that is not allowed."""
    names = {
        "Lambda": say("expressions.source.lambda"),
        "JoinedStr": say("expressions.source.f_string"),
        "IfExp": say("expressions.source.if_with_else"),
        "NamedExpr": ":=",
        "Tuple": say("expressions.source.tuple"),
        "List": say("expressions.source.list"),
        "Dict": say("expressions.source.dictionary"),
        "Set": say("expressions.source.set"),
        "Starred": say("expressions.source.star"),
        "ListComp": say("expressions.source.comprehension"),
        "SetComp": say("expressions.source.comprehension"),
        "DictComp": say("expressions.source.comprehension"),
        "GeneratorExp": say("expressions.source.comprehension"),
        "BinOp": say("expressions.source.sign"),
        "UnaryOp": "~",
    }
    return names.get(type(node).__name__, say("expressions.source.this"))
