"""`ScriptExplainer`: what single scalars of a script are, in the names of the script."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.language.say import say
from engine.script.kinds import SIGNS
from engine.script.step import RecordedStep
from engine.timeline.explainer import Explainer, Piece, Place, Term
from engine.timeline.view import View

SHOWN = {"+": "+", "*": "×", "-": "−", "r-": "−", "/": "/", "r/": "/", "neg": "−"}
BETWEEN = {"+": " + ", "*": " · ", "-": " - ", "/": " / ", "^": " ^ "}
MOST_WRITTEN_OUT = 2  # operations in the name of a scalar


class ScriptExplainer(Explainer):
    """Explains scalars of one moment, which the view shows, of a recorded step."""

    told_alone = ("pos",)

    def __init__(self, step: RecordedStep, view: View) -> None:
        self.view, self.program = view, step.program
        self._tape, self._gradients = step.tape, step.gradients
        self.place_names = step.program.place_names

    # Names.

    def _sign(self, row: int) -> str:
        name = self._tape.ops[int(self._tape.op[row])]
        return SIGNS.get(name, name) if self.program.computed[row] else ""

    def _extra(self, row: int) -> float | None:
        value = float(self._tape.extra[row])
        return None if np.isnan(value) else value

    def _label(self, row: int) -> str | None:
        """The name of a parameter, of an element of a tensor, or of what is made on the way to one with a name."""
        parameter = self.program.parameter_of(row)
        if parameter is not None:
            name, index = parameter
            return f"{name}[{','.join(map(str, index))}]" if index else name
        if not self.program.computed[row]:
            return self.program.leaves.get(row)
        return self.program.label(row)

    def name(self, row: int) -> str:
        """A name such as q[3] or wte[12,5]; what has none is called by what it is for: "term 4 of q[3]".

        What is at most two operations on what has a name is written out; beyond that it is the "intermediate 3 of
        q[1]", the third scalar without a name that is made on the way there.
        """
        label = self._label(row)
        if label is not None:
            return label
        if not self.program.computed[row]:
            return f"{float(self.program.made_values[row]):g}"
        aim = self._aim(row)
        terms = self.terms(row)
        if len(terms) > 1 or (terms and self._sums_on(row)):
            if self._sums_on(row):
                return say("script.explainer.first_terms", n_terms=len(terms), aim=aim)
            return say("script.explainer.sum", aim=aim)
        place = self._place_in_sum(row)
        if place:
            return say("script.explainer.term", place=place, aim=aim)
        if self._is_short(row):
            return "".join(text for text, _ in self.names_in_formula(row))
        event = self.program.event_of(row)
        unnamed = self.program.unnamed(event) if event is not None else {}
        return say("script.explainer.intermediate", number=unnamed.get(row, 1), aim=aim)

    def part_of(self, row: int) -> str:
        if self._label(row) is not None or not self.program.computed[row]:
            return ""
        is_part = self._sums_on(row) if self.terms(row) else False
        return self._aim(row) if is_part or (len(self.terms(row)) < 2 and self._place_in_sum(row)) else ""

    def _aim(self, row: int) -> str:
        """What a row without a name is on the way to, by its name."""
        goal = self.goal(row)
        named = self._label(goal)
        if named is not None and goal != row:
            return named
        event = self.program.event_of(row)
        return event.name if event is not None else say("script.explainer.loss")

    def is_named(self, row: int) -> bool:
        """Whether a row is a parameter or has a name of its own, and is not just on the way to something."""
        return self._label(row) is not None

    def goal(self, row: int) -> int:
        """The scalar with a name that a row is on the way to; the row itself, if it has a name or leads to none."""
        at = row
        while self._label(at) is None:
            users = self.users(at)
            if not len(users):
                return row
            at = int(users[0])
        return at

    def _is_short(self, row: int) -> bool:
        """Whether a row is few enough operations on what has a name to be written out."""
        count, waiting = 0, [row]
        while waiting and count <= MOST_WRITTEN_OUT:
            at = waiting.pop()
            kids = self.children(at)
            if len(kids) > MOST_WRITTEN_OUT:
                return False
            waiting += [kid for kid in kids if self.program.computed[kid] and self._label(kid) is None]
            count += 1
        return count <= MOST_WRITTEN_OUT

    # Formulas.

    def terms(self, row: int) -> list[int]:
        """The rows that a running sum has added so far, first to last; empty for what is no such sum."""
        found: list[int] = []
        at = row
        while self._sign(at) == "+" and (at == row or self._label(at) is None):
            kids = self.children(at)
            if len(kids) != 2:
                return []
            for zero, other in (kids, kids[::-1]):
                if not self.program.computed[zero] and zero >= self.program.n_params and not self._value(zero):
                    return [other, *reversed(found)]
            found.append(kids[1])
            at = kids[0]
        return [at, *reversed(found)] if len(found) >= 2 else []

    def _value(self, row: int) -> float:
        return float(self.program.passed_values[row])

    def _sums_on(self, row: int) -> bool:
        """Whether what adds to a row goes on with the same sum."""
        return any(self.children(user)[:1] == [row] and self._sign(user) == "+" for user in map(int, self.users(row)))

    def _place_in_sum(self, row: int) -> int:
        """Which term of a running sum the row is, from 1; 0 if it is none."""
        for user in map(int, self.users(row)):
            terms = self.terms(user)
            if row in terms[-1:] or row in terms[:1]:
                return terms.index(row) + 1
        return 0

    def operation_formula(self, row: int) -> list[Piece]:
        sign, extra = self._sign(row), self._extra(row)
        parts: list[Piece] = [*self.children(row)]
        if not parts:
            return []
        if extra is not None and len(parts) < 2:
            parts.append(_written(extra))
        if sign in ("r-", "r/", "r^"):
            parts, sign = parts[::-1], sign[1:]
        if sign == "neg" and len(parts) == 1:
            return ["-", parts[0]]
        if sign in BETWEEN and len(parts) == 2:
            return [parts[0], BETWEEN[sign], parts[1]]
        opening = "max(0, " if sign == "relu" and len(parts) == 1 else f"{sign.strip('_')}("
        return [opening, *[piece for part in parts for piece in (part, ", ")][:-1], ")"]

    def term_formula(self, row: int) -> list[Piece]:
        if self._sign(row) == "*" and self._label(row) is None and self._extra(row) is None:
            a, b = self.children(row)
            return [a, " · ", b]
        return [row]

    def place(self, row: int) -> Place | None:
        event = self.program.event_of(row)
        return None if event is None else (event.pos, event.layer, event.head)

    def operation(self, row: int) -> str:
        """The sign of what made a row, such as +, ×, exp; ^ with the exponent for a power; empty for others."""
        sign, extra = self._sign(row), self._extra(row)
        if sign == "^" and extra is not None:
            return f"^{extra:g}"
        return SHOWN.get(sign, sign.strip("_"))

    # The graph.

    def children(self, row: int) -> list[int]:
        """The rows that a row was made from, in the operator's order."""
        return self.program.children(row)

    def users(self, row: int) -> Sequence[int]:
        """The rows that use a row, each once, in the order in which they are made."""
        parents, starts = self.program.users
        return list(dict.fromkeys(parents[starts[row] : starts[row + 1]].tolist()))

    # Gradients.

    def gradient(self, row: int) -> list[Term]:
        """The terms that have made the gradient of a row so far, in the order in which they were added."""
        done, writes = self.view.backward_ticks, self._gradients
        ticks = writes.into(row)
        ticks = ticks[(ticks < done) & (writes.sources[ticks] >= 0)]
        grads, local, products, before = (each.tolist() for each in writes.terms(ticks))
        after = writes.values[ticks].tolist()
        return [
            Term(tick + 1, int(writes.sources[tick]), local[i], grads[i], products[i], before[i], after[i])
            for i, tick in enumerate(ticks.tolist())
        ]

    def local_gradient(self, user: int, child: int) -> float | None:
        """d user / d child, each time that `child` stands in `user`; None while unknown or where no gradient flows."""
        kids = self.children(user)
        if child not in kids or not self.view.data(np.array([user])).known[0]:
            return None
        writes = self._gradients
        edge = int(self.program.child_start[user]) + kids.index(child)
        local = float(writes.locals(np.array([edge]))[0])
        if not np.isnan(local):
            return local
        handed = writes.into(child)
        handed = handed[writes.sources[handed] == user]
        return float(writes.terms(handed[:1])[1][0]) if len(handed) else None

    def planned(self, row: int) -> int:
        """How many terms the gradient of a row will have when it is complete."""
        writes = self._gradients
        return int((writes.sources[writes.into(row)] >= 0).sum())


def _written(value: float) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
