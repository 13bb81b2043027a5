"""What a single scalar is: its name, its formula, what it was made from, who uses it, what made its gradient."""

from __future__ import annotations

from collections import Counter
from weakref import WeakKeyDictionary

import numpy as np

from engine.autograd import kernels
from engine.autograd.kernels import ADD, LEAF, LOG, MUL, NEG_MAX, POW, RELU
from engine.autograd.tape import Tensor
from engine.language.say import say
from engine.model.recording import Floats, Recording, Workspace
from engine.timeline.explainer import Explainer, Piece, Place, Term
from engine.timeline.view import TapeView

OP_NAMES = {op: name.lower() for name, op in vars(kernels).items() if name.isupper() and isinstance(op, int)}
SIGNS = OP_NAMES | {LEAF: "", ADD: "+", MUL: "×", NEG_MAX: "−max"}
FUNCTIONS = {op: f"{name}(" for op, name in OP_NAMES.items()} | {RELU: "max(0, "}  # the start of a formula
MOST_WRITTEN_OUT = 2  # operations in the name of a scalar
SEVERAL = -1  # in the place of a row


_LABELS: WeakKeyDictionary[Recording, dict[int, dict[int, str]]] = WeakKeyDictionary()  # by the tensor's first row


def handed_on(workspace: Workspace, params: Floats, edge: int, grad: float) -> float:
    """What the kernel itself adds to a gradient along an edge if the user's gradient is `grad`.

    `params` are the parameters as the step began with them; those of the workspace may have moved.
    """
    child, user = workspace.child, edge >> 1
    row, other = int(child[edge]), max(int(child[edge ^ 1]), 0)
    small = {user: grad, row: -0.0}  # the one number to which adding anything, -0.0 too, gives just that
    data = {user: workspace.made(user)}  # Python's own floats overflow silently
    data |= {r: float(params[r] if r < len(params) else workspace.data[r]) for r in (row, other)}
    kernels.backward(workspace.recording.op, child, data, small, [edge], 0, 1)
    return float(small[row])


class TapeExplainer(Explainer):
    """Explains scalars of one view of the GPT, in the words of the model."""

    def __init__(self, view: TapeView) -> None:
        self.view, self.recording, self.program = view, view.recording, view.program
        self._op, self._child = self.recording.op, self.program.child
        self._users: dict[int, list[int]] = {}
        self._intermediates: dict[int, dict[int, str]] = {}  # by the first row of a tensor

    # Names.

    def tensor(self, row: int) -> Tensor | None:
        """The tensor in whose making the row was made; None for parameters and constants."""
        if row < self.recording.n_params or self._op[row] == LEAF:
            return None
        return self.recording.tensor_at(row)

    def name(self, row: int) -> str:
        """A name such as q[3], wte[12,5] or exp[2]; what has none is called by what it is for: "term 4 of q[3]".

        A sum that is then scaled, as in attn_logits[3], is the "sum in attn_logits[3]", and has terms in it. Any other
        is written out if it is at most two operations on what has a name, as in "exp(x[1] · 2)"; beyond that it is the
        "intermediate 3 of gelu[1]", the third scalar that is made on the way there.
        """
        parameter = self.recording.matrix_of(row)
        if parameter is not None:
            matrix, i, j = parameter
            return f"{matrix}[{i},{j}]"
        tensor = self.tensor(row)
        if tensor is None:
            return f"{self.recording_constant(row) + 0.0:g}"  # -0.0, which changes no sum, is 0 to the reader
        label = self._label(tensor, row)
        if label:
            return label
        if self._op[row] == NEG_MAX:
            return "−max"
        terms, goal_row = self.terms(row), self._goal_row(tensor, row)
        goal = self._label(tensor, goal_row) or tensor.name
        lies = "of" if self.terms(goal_row) else "in"  # what the sum makes is not the goal yet: it is multiplied
        if terms:
            if self._is_scaled(row, goal_row):
                return say("explain.scalar.sum", goal=goal)
            return say(f"explain.scalar.first_terms.{lies}", n=len(terms), goal=goal)
        place = self._place_in_sum(row)
        if place:
            return say(f"explain.scalar.term.{lies}", place=place, goal=goal)
        op, kids = self._op[row], self.children(row)
        if op == ADD and self._op[kids[1]] == NEG_MAX:
            return f"{self.name(kids[0])} − max"
        if not self._is_written_out(tensor, row):
            return self._names_of_intermediates(tensor)[row]
        if op == POW:
            return power_name(self.factor_name(kids[0]), self.recording_constant(kids[1]))
        if op in (ADD, MUL):
            return (" + " if op == ADD else " · ").join(self.factor_name(kid) for kid in kids)
        if op == LOG and tensor.operation.kind == "nll":
            return say("explain.scalar.log_p")
        return f"{FUNCTIONS[op]}{self.name(kids[0])})"

    def part_of(self, row: int) -> str:
        tensor = self.tensor(row)
        if tensor is None or self._label(tensor, row) or self._op[row] == NEG_MAX:
            return ""
        goal_row = self._goal_row(tensor, row)
        is_part = not self._is_scaled(row, goal_row) if self.terms(row) else bool(self._place_in_sum(row))
        return (self._label(tensor, goal_row) or tensor.name) if is_part else ""

    def _is_scaled(self, row: int, goal_row: int) -> bool:
        """Whether a running sum is complete, and what has a name is made from it by multiplying it."""
        users = self.users(row)
        return not self.terms(goal_row) and not any(self.children(u)[0] == row and self.terms(u) for u in users)

    def _is_written_out(self, tensor: Tensor, row: int) -> bool:
        """Whether a row of a tensor is few enough operations on what has a name."""
        count, waiting = 0, [row]
        while waiting and count <= MOST_WRITTEN_OUT:
            own = [kid for kid in self.children(waiting.pop()) if kid >= tensor.first and self._op[kid] != LEAF]
            waiting += [kid for kid in own if self._label(tensor, kid) is None]
            count += 1
        return count <= MOST_WRITTEN_OUT

    def _names_of_intermediates(self, tensor: Tensor) -> dict[int, str]:
        """The rows of a tensor without a name, numbered among those that are made for the same one, or for several."""
        if tensor.first not in self._intermediates:
            named, goals = self._named(tensor), dict[int, int]()
            for user in reversed(range(tensor.first, tensor.last)):
                goal = user if user in named else goals.get(user, SEVERAL)
                for kid in self.children(user):
                    goals[kid] = goal if goals.get(kid, goal) == goal else SEVERAL
            count, names = Counter[int](), {}
            for row in range(tensor.first, tensor.last):
                if row not in named and self._op[row] != LEAF:
                    goal = goals.get(row, SEVERAL)
                    count[goal] += 1
                    names[row] = say(
                        "explain.scalar.intermediate", count=count[goal], value=self._label(tensor, goal) or tensor.name
                    )
            self._intermediates[tensor.first] = names
        return self._intermediates[tensor.first]

    def factor_name(self, row: int) -> str:
        """Its name beside a sign: in parentheses if it is more than a word or a function."""
        name = self.name(row)
        return f"({name})" if " " in name and not name.startswith(FUNCTIONS[self._op[row]]) else name

    def place(self, row: int) -> Place | None:
        tensor = self.tensor(row)
        return None if tensor is None else (tensor.pos, tensor.layer, tensor.head)

    def recording_constant(self, row: int) -> float:
        """The value of a constant."""
        return float(self.view.workspace.data[row])

    def is_named(self, row: int) -> bool:
        """Whether a row is a parameter or has a name of its own, and is not just on the way to something."""
        tensor = self.tensor(row)
        return row < self.recording.n_params or (tensor is not None and self._label(tensor, row) is not None)

    def _label(self, tensor: Tensor, row: int) -> str | None:
        return self._named(tensor).get(row)

    def _named(self, tensor: Tensor) -> dict[int, str]:
        """The rows of a tensor that have a name, and their names; found once for all moments of all steps."""
        known = _LABELS.setdefault(self.recording, {})
        if tensor.first not in known:
            known[tensor.first] = labels = dict[int, str]()
            for name, rows in ((tensor.name, tensor.rows.reshape(tensor.shape)), *tensor.parts.items()):
                for i, row in enumerate(rows.ravel().tolist()):
                    labels.setdefault(row, f"{name}[{i}]" if rows.shape else name)
        return known[tensor.first]

    def goal(self, row: int) -> int:
        """The scalar with a name that a row is on the way to; the row itself, if it has a name or leads to none."""
        tensor = self.tensor(row)
        return row if tensor is None or self._label(tensor, row) is not None else self._goal_row(tensor, row)

    def _goal_row(self, tensor: Tensor, row: int) -> int:
        """The named scalar that a row is on the way to: the next one made."""
        return min(named for named in self._named(tensor) if named > row)

    # Formulas.

    def terms(self, row: int) -> list[int]:
        """The rows that a running sum has added so far, first to last; empty for what is not a `sum()`."""
        tensor, zero = self.tensor(row), 0.0
        terms: list[int] = []
        while tensor and row >= tensor.first and self._op[row] == ADD:
            a, b = self.children(row)
            if self._op[b] == LEAF and b >= self.recording.n_params and self.recording_constant(b) == zero:
                return [a, *reversed(terms)]
            terms.append(b)
            row = a
        return []

    def _place_in_sum(self, row: int) -> int:
        """Which term of a running sum the row is, from 1; 0 if it is none."""
        for user in self.users(row):
            terms = self.terms(user)
            if row in terms[-1:]:
                return len(terms)
        return 0

    def children(self, row: int) -> list[int]:
        """The rows that a row was made from."""
        return self.program.children(row)

    def users(self, row: int) -> list[int]:
        """The rows of this document's graph that use a row, in the order in which they are made."""
        if row not in self._users:
            self._users[row] = sorted({int(e) >> 1 for e in self._edges_into(row)})
        return self._users[row]

    def _edges_into(self, row: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        last = min(self.recording.positions[self.program.n - 1].last, self.recording.used_until(row))
        mean = self.program.mean
        pieces = ((row + 1, last), (max(row + 1, mean.first), mean.last))  # what uses a row is made after it
        found = [np.flatnonzero(self._child[2 * a : 2 * b] == row) + 2 * a for a, b in pieces if a < b]
        if not found:
            return np.empty(0, dtype=np.int64)
        edges = np.concatenate(found)
        makers = edges >> 1
        return edges[(self._op[makers] != LEAF) & (self._op[makers] != NEG_MAX)]  # type: ignore[no-any-return]

    def operation_formula(self, row: int) -> list[Piece]:
        kids, op = self.children(row), self._op[row]
        if op in (ADD, MUL):
            return [kids[0], " + " if op == ADD else " · ", kids[1]]
        if op == POW:
            return [kids[0], " ^ ", kids[1]]
        if op == NEG_MAX:
            return ["−max(", *[p for kid in kids for p in (kid, ", ")][:-1], ")"]
        return [FUNCTIONS[op], kids[0], ")"] if kids else []

    def term_formula(self, row: int) -> list[Piece]:
        tensor = self.tensor(row)
        if self._op[row] == MUL and tensor and self._label(tensor, row) is None:
            a, b = self.children(row)
            return [a, " · ", b]
        return [row]

    # Gradients.

    def gradient(self, row: int) -> list[Term]:
        """The terms that have made the gradient of a row so far, in the order in which they were added."""
        program, done = self.program, self.view.backward_ticks
        if not done:  # nobody asks for the way back before it is gone
            return []
        total, terms = 0.0, []
        for tick in program.ticks_into(row):
            edge = program.edge_of(tick)
            if tick > done or self._is_cut(edge >> 1):
                continue
            before, grad = total, float(self.view.workspace.grad[edge >> 1])
            product = self._along(edge, grad)
            total = before + product
            terms.append(Term(tick, edge >> 1, self._along(edge, 1.0), grad, product, before, total))
        return terms

    def operation(self, row: int) -> str:
        """The sign of what made a row: ^ with the exponent for a power; empty for parameters and constants."""
        op = int(self._op[row])
        return f"^{self.recording_constant(self.children(row)[1]):g}" if op == POW else SIGNS[op]

    def local_gradient(self, user: int, child: int) -> float | None:
        """d user / d child for each time that `child` stands in `user`; None while `user` is not known, and where no
        gradient flows: to a plain number, through a largest, and on from what is switched off.
        """
        kids = [] if self._op[user] == NEG_MAX else self.children(user)
        if child not in kids or not self.recording.live[child] or self._is_cut(user):
            return None
        if not self.view.data(np.array([user])).known[0]:
            return None
        return self._along(2 * user + kids.index(child), 1.0)

    def _along(self, edge: int, grad: float) -> float:
        return handed_on(self.view.workspace, self.view.passed_params, edge, grad)

    def _is_cut(self, row: int) -> bool:
        """Whether a row is switched off, so that no gradient flows on from it."""
        overrides = self.view.workspace.overrides
        return overrides is not None and overrides.cuts(row)

    def planned(self, row: int) -> int:
        """How many terms the gradient of a row will have when it is complete."""
        ticks, overrides = self.program.ticks_into(row), self.view.workspace.overrides
        if overrides is None:
            return len(ticks)
        return len(overrides.flowing(np.array([self.program.edge_of(tick) for tick in ticks], dtype=np.int32)))


def power_name(base: str, exponent: float) -> str:
    """How a power is written: 1/x, √x, 1/√x, x², or x^n."""
    if exponent == 2:
        return f"{base}²"
    root = {1.0: base, 0.5: f"√{base}"}.get(abs(exponent))
    if root is None:
        return f"{base}^{exponent:g}"
    return f"1/{root}" if exponent < 0 else root
