"""`Explainer`: what a run says of single scalars at one moment, and the data that it says it in."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from engine.immutable import immutable, immutable_by_identity
from engine.timeline.events import PLACE_NAMES

PACKAGE = Path(__file__).resolve().parent.parent

Place = tuple[int | None, int | None, int | None]
"""Position, layer and head, as far as there are any."""
Piece = str | int
"""A piece of a formula: a sign, or the row of a scalar, to be shown by its name or by its number."""


@immutable
class Term:
    """One term of a gradient: at backward tick `tick`, `user` handed on `product` = `local` * its own `grad`.

    `before` and `after` are the receiver's gradient around it. `local` is d user / d receiver.
    """

    tick: int
    user: int
    local: float
    grad: float
    product: float
    before: float
    after: float


@immutable_by_identity
class CodeText:
    """The code of a file as it was read, and what its lines are called: by their numbers, unless there are `labels`."""

    text: str
    labels: tuple[str, ...] = ()

    def label(self, line: int) -> str:
        """A line by its number, or as in "cell 3, line 5"."""
        return self.labels[line - 1] if self.labels else str(line)


@immutable
class SourceLine:
    """A file of the engine, of the model or of the user, the line that is at work in it, and all that took part.

    `columns` are the characters of the line, from and up to, in which the expression at work stands; where it goes on
    in later lines, up to the end of the line. `callers` are the lines that called for it, the nearest first, `called`
    the one that it called to do the work. Without a `text` the file is read.
    """

    path: Path
    line: int
    ran: frozenset[int]
    columns: tuple[int, int] | None = None
    function: str = ""
    callers: tuple[SourceLine, ...] = ()
    called: SourceLine | None = None
    text: CodeText | None = None

    def seen_from(self, line: int) -> SourceLine:
        """The line of this number that called for this one, with this one as what it called; itself if none did."""
        for i, caller in enumerate(self.callers):
            if caller.line == line:
                return replace(caller, ran=caller.ran, callers=self.callers[i + 1 :], called=replace(self, callers=()))
        return self

    @property
    def label(self) -> str:
        """Such as engine/model/gpt.py:61."""
        inside = self.path.is_relative_to(PACKAGE)
        name = self.path.relative_to(PACKAGE.parent).as_posix() if inside else self.path.name
        line = str(self.line) if self.text is None else self.text.label(self.line)
        return f"{name}:{line}" if line.isdecimal() else f"{name}, {line}"


class Explainer(Protocol):
    """Explains scalars of one view by their names, formulas and gradients."""

    place_names: Mapping[str, str] = PLACE_NAMES
    told_alone: Container[str] = ("pos", "head")
    """Those of a place that a formula tells of an operand although the row that is made has none."""

    def name(self, row: int) -> str:
        """A name such as q[3], wte[12,5], or what it is on the way to: "term 4 of q[3]"."""

    def part_of(self, row: int) -> str:
        """The name of the sum that a row is a term or the beginning of; empty for what is neither."""
        del row
        return ""

    def is_named(self, row: int) -> bool:
        """Whether a row is a parameter or has a name of its own, and is not just on the way to something."""

    def goal(self, row: int) -> int:
        """The scalar with a name that a row is on the way to; the row itself, if it has a name or leads to none."""
        while not self.is_named(row) and self.users(row):
            row = self.users(row)[0]
        return row

    def formula(self, row: int) -> list[Piece]:
        """How the row is made, in one line: sums are written out, products in them too; empty for what is not made."""
        terms = self.terms(row)
        if not terms:
            return self.operation_formula(row)
        return [piece for term in terms for piece in (" + ", *self.term_formula(term))][1:]

    def operation_formula(self, row: int) -> list[Piece]:
        """The operation that made a row, with its operands as they are; empty for parameters and constants."""

    def term_formula(self, row: int) -> list[Piece]:
        """A term of a sum, as it stands in the formula of the sum."""
        return [row]

    def names_in_formula(self, row: int) -> list[tuple[str, int | None]]:
        """The pieces of the formula of a row as text, each with the row that it names, None for signs.

        A scalar of another position, layer or head than the row's own says of which it is: v[3]@pos=0.
        """
        found: list[tuple[str, int | None]] = []
        pieces, own = self.formula(row), self.place(row)
        for i, piece in enumerate(pieces):
            if isinstance(piece, str):
                found.append((piece, None))
                continue
            enclosed = len(pieces) == 1 or (i > 0 and str(pieces[i - 1]).endswith(("(", ", ")))
            name = self.name(piece) if enclosed else self.factor_name(piece)
            other = self.place(piece)
            found.append((name if other is None or other == own else name + self._elsewhere(own, other), piece))
        return found

    def factor_name(self, row: int) -> str:
        """Its name as it stands beside the sign of an operation: in parentheses if it could be misread there."""
        name = self.name(row)
        return f"({name})" if " " in name else name

    def place(self, row: int) -> Place | None:
        """Position, layer and head of the tensor in whose making a row is made; None for parameters and constants."""
        del row
        return None

    def _elsewhere(self, own: Place | None, other: Place) -> str:
        """What tells a scalar of another place from one of the same name in its own, such as @pos=0,head=1."""
        if own is None:
            return ""
        places = [
            f"{name}={there}"
            for (what, name), here, there in zip(self.place_names.items(), own, other, strict=True)
            if there is not None and there != here and (here is not None or what in self.told_alone)
        ]
        return f"@{','.join(places)}" if places else ""

    def children(self, row: int) -> list[int]:
        """The rows that a row was made from, any number of them."""

    def users(self, row: int) -> Sequence[int]:
        """The rows of this document's graph that use a row, in the order in which they are made."""

    def terms(self, row: int) -> list[int]:
        """The rows that a running sum has added so far, first to last; empty for what is no such sum."""
        del row
        return []

    def gradient(self, row: int) -> list[Term]:
        """The terms that have made the gradient of a row so far, in the order in which they were added."""

    def local_gradient(self, user: int, child: int) -> float | None:
        """d user / d child, each time that `child` stands in `user`; None while unknown or where no gradient flows."""

    def operation(self, row: int) -> str:
        """The sign of what made a row, such as +, ×, exp; empty for parameters and constants."""
        del row
        return ""

    def planned(self, row: int) -> int:
        """How many terms the gradient of a row will have when it is complete."""
