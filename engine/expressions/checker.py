"""Checking an expression, once, before it is ever evaluated: syntax, names, indices, kinds.

What is not expressly allowed is refused with an ExpressionError that points at it. References to the run are taken
out of the syntax tree and replaced by plain names, so what is left to evaluate is arithmetic on known values.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.expressions.functions import FUNCTIONS, Function
from engine.expressions.scope import METHODS, NAMES, Grain, Kind, Name, Quantity, Reference, Scope
from engine.expressions.source import EXAMPLE, ExpressionSource, syntax_name
from engine.model.tensors import TensorSpec
from engine.text import split, token_id

NUMBER, NUMBERS, TEXT, TRUTH = Kind
QUANTITIES: dict[str, Quantity] = {"param": "data", "grad": "grad", "m": "m", "v": "v"}
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # of floats: whole numbers could grow without end
}
CHANGES_SIGN = "changes_sign"  # takes an expression and looks one step back, so it is no row of FUNCTIONS


def known_words() -> tuple[str, ...]:
    """Every plain word that an expression can use: names, functions and quantities."""
    return (*NAMES, *FUNCTIONS, *QUANTITIES, CHANGES_SIGN)


@dataclass(frozen=True, slots=True)
class Slot:
    """A reference with the expressions of its index, standing for the plain name `id` in the checked tree."""

    id: str
    reference: Reference
    index: tuple[ast.expr, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One `changes_sign(operand)`, standing for the plain name `id` in the checked tree."""

    id: str
    operand: Checked


@dataclass(slots=True)
class Checked:
    """A checked expression: its tree over plain names, their meaning in the order in which to find it, its kind."""

    tree: ast.expr
    kind: Kind = TRUTH
    names: dict[str, Name] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def spoken_of(self) -> list[Name | Reference]:
        """All that it speaks of."""
        return [*self.names.values(), *(slot.reference for slot in self.slots)]


def check_expression(source: ExpressionSource, scope: Scope) -> Checked:
    """Check an expression. Raises ExpressionError for what is not expressly allowed."""
    return _Checker(source, scope).checked()


@dataclass(frozen=True, slots=True)
class _Chain:
    """A tensor or matrix as written: what it is of, and all that stands in brackets after it."""

    quantity: Quantity
    spec: TensorSpec
    index: tuple[ast.expr, ...] = ()


class _Checker:
    def __init__(self, source: ExpressionSource, scope: Scope) -> None:
        self.source, self.scope = source, scope
        self._numbers = itertools.count()

    def checked(self) -> Checked:
        self.result = Checked(self.source.tree)
        self.result.tree, self.result.kind = self._check(self.source.tree)
        self._check_together()
        return self.result

    def _check_together(self) -> None:
        """Refuse what can never be known at one moment."""
        spoken = self.result.spoken_of
        if any(x.positional for x in spoken) and max(x.grain for x in spoken) is Grain.NORM:
            raise self.source.fault(
                self.source.tree,
                "this speaks of a position and of gradients that are complete only after the last one, so it would "
                "never be known; ask one of them, or the gradient of a tensor such as grad(q[0])",
            )

    # Kinds. Each method returns the checked node and its kind.

    def _check(self, node: ast.expr) -> tuple[ast.expr, Kind]:
        chain = self._chain(node)
        if chain:
            return self._slot(node, chain)
        match node:
            case ast.Constant():
                return node, self._constant(node)
            case ast.Name():
                return node, self._name(node)
            case ast.Call():
                return self._call(node)
            case ast.BoolOp():
                node.values = [self._as(TRUTH, value) for value in node.values]
                return node, TRUTH
            case ast.UnaryOp(op=ast.Not()):
                node.operand = self._as(TRUTH, node.operand)
                return node, TRUTH
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                zero = ast.copy_location(ast.Constant(-0.0), node)  # -0.0 - x is -x to the last bit, for 0 and -0 too
                sign = ast.Sub() if isinstance(node.op, ast.USub) else ast.Add()
                return self._arithmetic(ast.copy_location(ast.BinOp(zero, sign, node.operand), node)), NUMBER
            case ast.BinOp(op=op) if type(op) in OPERATORS:
                return self._arithmetic(node), NUMBER
            case ast.Compare():
                return self._compare(node), TRUTH
            case ast.Subscript():
                self._check_named(node)
                raise self.source.fault(node, "only tensors and parameters have numbers that can be picked by an index")
            case ast.Attribute():
                self._check_named(node)
                methods = ", ".join(f".{name}()" for name in sorted(METHODS))
                raise self.source.fault(
                    node, f"nothing can be read with a dot here, but after a tensor there are {methods}"
                )
        raise self.source.fault(node, f"{syntax_name(node)} is not allowed here; {EXAMPLE}")

    def _check_named(self, node: ast.expr) -> None:
        """Refuse what has an index or a dot after a name that nothing is called."""
        while isinstance(node, ast.Subscript):
            node = node.value
        match node:
            case ast.Name(id=name) if name not in known_words():
                self._name(node)
            case ast.Attribute(value=ast.Name(id=layer), attr=part):
                self._check_layers(node, f"{layer}.{part}")

    def _check_layers(self, node: ast.expr, name: str) -> None:
        """Refuse a name of a layer's in a model that has none."""
        reason = self.scope.without_layers(name)
        if reason:
            raise self.source.fault(node, f"{reason}; write for example embed, logits or wte")

    def _as(self, kind: Kind, node: ast.expr) -> ast.expr:
        """The checked node, which has to be of this kind."""
        checked, found = self._check(node)
        if found is kind:
            return checked
        written = self.source.written(node)
        if found is NUMBERS:
            raise self.source.fault(
                node, f"{written} is several numbers; say which one by an index, or take .max(), .norm(), ..."
            )
        if kind is TRUTH:
            raise self.source.fault(node, f"{written} is {found.value}, not true or false; compare it, as in loss < 2")
        raise self.source.fault(node, f"{written} is {found.value} where {kind.value} is needed; put one there")

    def _constant(self, node: ast.Constant) -> Kind:
        kinds = {bool: TRUTH, int: NUMBER, float: NUMBER, str: TEXT}
        if type(node.value) not in kinds:
            raise self.source.fault(
                node, f"{self.source.written(node)} is not allowed here; write a number or a text in quotes"
            )
        return kinds[type(node.value)]

    def _name(self, node: ast.Name) -> Kind:
        if node.id in NAMES:
            self.result.names[node.id] = NAMES[node.id]
            return NAMES[node.id].kind
        if node.id in known_words():
            raise self.source.fault(node, f"{node.id} is a function; say of what, as in {node.id}(...)")
        self._check_layers(node, node.id)
        specs = [name for name in self.scope.specs if "." not in name]
        near = difflib.get_close_matches(node.id, (*known_words(), *specs), n=1)
        quoted = f'; in quotes, "{node.id}", it is a token' if node.id in self.scope.token_ids else ""
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(NAMES)}, and every tensor{quoted}"
        raise self.source.fault(node, f"nothing is called {node.id}; {hint}")

    def _arithmetic(self, node: ast.BinOp) -> ast.expr:
        left, right = node.left, node.right = self._as(NUMBER, node.left), self._as(NUMBER, node.right)
        if not (isinstance(left, ast.Constant) and isinstance(right, ast.Constant)):
            return node
        try:
            folded = OPERATORS[type(node.op)](left.value, right.value)  # type: ignore[arg-type]
            return ast.copy_location(ast.Constant(folded), node)
        except (ArithmeticError, ValueError):
            raise self.source.fault(
                node, f"{self.source.written(node)} is no number that a float can hold; write another"
            ) from None

    def _compare(self, node: ast.Compare) -> ast.Compare:
        checked = [self._check(side) for side in (node.left, *node.comparators)]
        for i, (op, ((_, one), (_, other))) in enumerate(zip(node.ops, itertools.pairwise(checked), strict=True)):
            sides = (node.left, *node.comparators)[i : i + 2]
            if isinstance(op, ast.Is | ast.IsNot):
                raise self.source.fault(node, "is compares nothing here; write == or !=")
            texts, equality = isinstance(op, ast.In | ast.NotIn), isinstance(op, ast.Eq | ast.NotEq)
            allowed = (TEXT,) if texts else (NUMBER, TEXT) if equality else (NUMBER,)
            for side, kind in zip(sides, (one, other), strict=True):
                if kind not in allowed:
                    self._as(allowed[0], side)
            if equality and any(isinstance(side, ast.Name) and side.id in ("token", "target") for side in sides):
                for side in sides:
                    if isinstance(side, ast.Constant) and isinstance(side.value, str):
                        self._check_token(side, side.value)
            if one is not other:
                what = " and ".join(
                    f"{self.source.written(side)} is {k.value}" for side, k in zip(sides, (one, other), strict=True)
                )
                raise self.source.fault(
                    node, f"{what}, and those cannot be compared; write numbers bare and texts in quotes"
                )
        node.left, *node.comparators = [side for side, _ in checked]
        return node

    def _check_token(self, node: ast.expr, text: str) -> None:
        """Refuse a letter in the place of a token if the documents write it as several."""
        several = split(text, self.scope.token_ids)
        if several:
            raise self.source.fault(node, f"{several}; write one of these")

    # Calls.

    def _call(self, node: ast.Call) -> tuple[ast.expr, Kind]:
        if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
            raise self.source.fault(node, "functions take plain values here, without names or stars; write f(x)")
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in FUNCTIONS:
            return self._function(node, FUNCTIONS[name]), FUNCTIONS[name].gives
        if name == CHANGES_SIGN:
            return self._changes_sign(node), TRUTH
        functions = ", ".join(name for name in known_words() if name not in NAMES)
        raise self.source.fault(
            node.func, f"{self.source.written(node.func)} is no function here; there are {functions}"
        )

    def _method(self, node: ast.Call, func: ast.Attribute) -> tuple[ast.expr, Kind]:
        if func.attr not in METHODS or node.args:
            methods = ", ".join(f".{name}()" for name in sorted(METHODS))
            raise self.source.fault(
                func, f".{func.attr} is not there or takes no value; after a tensor there are {methods}"
            )
        checked, kind = self._check(func.value)
        if kind is not NUMBERS:
            raise self.source.fault(
                func.value, f"{self.source.written(func.value)} is {kind.value}, so there is no .{func.attr}() of it"
            )
        func.value = checked
        return node, NUMBER

    def _function(self, node: ast.Call, function: Function) -> ast.expr:
        """A call of one of FUNCTIONS, with arguments of the kinds that it takes."""
        name, args = function.name, node.args
        if function.variadic and len(args) > 1:
            node.args = [self._as(NUMBER, arg) for arg in args]
            return node
        if NUMBER in function.takes:
            self._check_one(node, name)
            node.args = [self._as(NUMBER, args[0])]
            return node
        if len(args) != 1:
            raise self.source.fault(node, f"{name} takes one tensor and has {len(args)} values; write {name}(probs)")
        checked, kind = self._check(args[0])
        if kind not in function.takes:
            raise self.source.fault(args[0], f"{self.source.written(args[0])} is {kind.value}; {name} takes a tensor")
        node.args = [checked]
        return node

    def _check_one(self, node: ast.Call, name: str) -> None:
        if len(node.args) != 1:
            raise self.source.fault(node, f"{name} takes one value and has {len(node.args)}; write {name}(x)")

    def _changes_sign(self, node: ast.Call) -> ast.expr:
        self._check_one(node, CHANGES_SIGN)
        outside, self.result = self.result, Checked(node)
        self.result.tree = self._as(NUMBER, node.args[0])
        inside, self.result = self.result, outside
        if any(x.positional for x in inside.spoken_of) or inside.changes:
            raise self.source.fault(
                node.args[0],
                "changes_sign looks one training step back, where the document is another; "
                "write what every step has, such as grad(wte[5, 3])",
            )
        outside.names |= inside.names
        outside.slots += inside.slots
        change = Change(self._new_name(), inside)
        outside.changes.append(change)
        return ast.copy_location(ast.Name(change.id, ast.Load()), node)

    def _new_name(self) -> str:
        return f"_{next(self._numbers)}"

    # References.

    def _chain(self, node: ast.expr) -> _Chain | None:
        """The tensor or matrix that a node speaks of, perhaps with an index; None if it speaks of none."""
        match node:
            case ast.Name(id=name):
                spec = self.scope.specs.get(name)
                return _Chain("data", spec) if spec else None
            case ast.Attribute(value=ast.Name(id=layer), attr=part):
                spec = self.scope.specs.get(f"{layer}.{part}")
                return _Chain("data", spec) if spec else None
            case ast.Call(func=ast.Name(id=name), args=[of], keywords=[]) if name in QUANTITIES:
                return self._quantity(name, of)
            case ast.Call(func=ast.Name(id=name)) if name in QUANTITIES:
                raise self.source.fault(node, f'{name} takes one tensor or parameter; write {name}("wte")')
            case ast.Subscript(value=value, slice=inside):
                chain = self._chain(value)
                more = inside.elts if isinstance(inside, ast.Tuple) else [inside]
                return _Chain(chain.quantity, chain.spec, (*chain.index, *more)) if chain else None
        return None

    def _quantity(self, name: str, of: ast.expr) -> _Chain:
        if isinstance(of, ast.Constant) and isinstance(of.value, str):
            self._check_layers(of, of.value)
            spec = self.scope.specs.get(of.value)
            chain = _Chain("data", spec) if spec else None
        else:
            chain = self._chain(of)
            if chain is None:
                self._check_named(of)
        if chain is None or chain.quantity != "data":
            near = difflib.get_close_matches(self.source.written(of).strip("\"'"), self.scope.specs, n=1)
            hint = f"did you mean {near[0]}?" if near else 'write a name such as "wte"'
            raise self.source.fault(of, f"{self.source.written(of)} is no tensor and no parameter; {hint}")
        if name != "grad" and not chain.spec.parameter:
            matrices = ", ".join(spec.name for spec in self.scope.specs.values() if spec.parameter)
            raise self.source.fault(of, f"{chain.spec.name} is no parameter; those are {matrices}")
        return _Chain(QUANTITIES[name], chain.spec, chain.index)

    def _slot(self, node: ast.expr, chain: _Chain) -> tuple[ast.expr, Kind]:
        spec, places = chain.spec, len(chain.spec.places)
        if len(chain.index) < places:
            zeros, what = ", ".join("0" * places), " and ".join(f"every {place}" for place in spec.places)
            raise self.source.fault(node, f"{what} has its own {spec.name}; say which, as in {spec.name}[{zeros}]")
        if len(chain.index) > places + len(spec.shape):
            most = places + len(spec.shape)
            raise self.source.fault(
                chain.index[most],
                f"{spec.name} takes {most} {'index' if most == 1 else 'indices'} and has {len(chain.index)}; "
                "leave out the last",
            )
        place = tuple(
            self._whole(index, f"the {what} of {spec.name}", size)
            for index, (what, size) in zip(chain.index, spec.places.items(), strict=False)
        )
        index = tuple(
            self._element(index, spec, axis, size)
            for axis, (index, size) in enumerate(zip(chain.index[places:], spec.shape, strict=False))
        )
        slot = Slot(self._new_name(), Reference(chain.quantity, spec, place), index)
        self.result.slots.append(slot)
        kind = NUMBER if len(index) == len(spec.shape) else NUMBERS
        return ast.copy_location(ast.Name(slot.id, ast.Load()), node), kind

    def _whole(self, node: ast.expr, what: str, size: int) -> int:
        if not isinstance(node, ast.Constant) or type(node.value) is not int or not 0 <= node.value < size:
            raise self.source.fault(node, f"{what} is {self.source.written(node)}; write a number from 0 to {size - 1}")
        return node.value

    def _element(self, node: ast.expr, spec: TensorSpec, axis: int, size: int) -> ast.expr:
        what = f"{'the index' if len(spec.shape) == 1 else ('the row', 'the column')[axis]} of {spec.name}"
        if isinstance(node, ast.Slice):
            raise self.source.fault(
                node, f"{what} cannot be a range; write one number, or leave it out for all of them"
            )
        tokens = spec.tokens and axis == 0
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and tokens:
            self._check_token(node, node.value)
            if token_id(node.value, self.scope.token_ids) is None:
                raise self.source.fault(
                    node, f"{node.value!r} is no token; there are {_listed(list(self.scope.token_ids))}"
                )
            return node
        if isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)):
            self._whole(node, what, size)
        checked, kind = self._check(node)
        if kind is not NUMBER and not (kind is TEXT and tokens):
            raise self.source.fault(node, f"{what} is {kind.value}; write a number from 0 to {size - 1}")
        return checked


def _listed(names: Sequence[str]) -> str:
    return " ".join(names) if len(names) <= 40 else f"{' '.join(names[:40])} and {len(names) - 40} more"
