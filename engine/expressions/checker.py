"""Checking an expression, once, before it is ever evaluated: syntax, names, indices, kinds.

What is not expressly allowed is refused with an ExpressionError that points at it. Nodes that refer to the run are
listed, and their values are read before the rest of the tree, arithmetic on known values, is evaluated.
"""

from __future__ import annotations

import ast
import difflib
import itertools
from dataclasses import dataclass, field

from engine.errors import ExpressionError
from engine.expressions.functions import FUNCTIONS, METHODS, OPERATORS, Function, calculate
from engine.expressions.scope import NAMES, Grain, Kind, Name, Quantity, Reference, Scope
from engine.expressions.source import EXAMPLE, ExpressionSource, syntax_name
from engine.immutable import immutable
from engine.language.say import say
from engine.model.tensors import TensorSpec
from engine.text import split, token_id

NUMBER, NUMBERS, TEXT, TRUTH = Kind
QUANTITIES: dict[str, Quantity] = {"param": "data", "grad": "grad", "m": "m", "v": "v"}
METHOD_LIST = ", ".join(f".{name}()" for name in sorted(METHODS))
CHANGES_SIGN = "changes_sign"  # takes an expression and looks one step back, so it is no row of FUNCTIONS


def known_words() -> tuple[str, ...]:
    """Every plain word that an expression can use: names, functions and quantities."""
    return (*NAMES, *FUNCTIONS, *QUANTITIES, CHANGES_SIGN)


@dataclass(slots=True)
class Checked:
    """A checked expression: its tree, its kind, and what has to be known before the tree is evaluated.

    `names` are its plain names. `slots` are the nodes that refer to tensors or matrices, in the order in which to read
    them, each with the expressions of its index; `changes` the calls of changes_sign, each with its operand.
    """

    tree: ast.expr
    kind: Kind = TRUTH
    names: dict[str, Name] = field(default_factory=dict)
    slots: dict[ast.expr, tuple[Reference, tuple[ast.expr, ...]]] = field(default_factory=dict)
    changes: dict[ast.expr, Checked] = field(default_factory=dict)

    @property
    def references(self) -> list[Name | Reference]:
        """All that it refers to."""
        return [*self.names.values(), *(reference for reference, _ in self.slots.values())]


def check_expression(source: ExpressionSource, scope: Scope) -> Checked:
    """Check an expression. Raises ExpressionError for what is not expressly allowed."""
    return _Checker(source, scope).checked()


@immutable
class _Chain:
    """A tensor or matrix as written: which quantity of it, and all indices after it."""

    quantity: Quantity
    spec: TensorSpec
    index: tuple[ast.expr, ...] = ()


def _dotted(node: ast.expr) -> str:
    """The names that dots join, as in layer0.attn_wq; empty if there is anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=part):
            outer = _dotted(inner)
            return f"{outer}.{part}" if outer else ""
    return ""


class _Checker:
    def __init__(self, source: ExpressionSource, scope: Scope) -> None:
        self.source, self.scope, self.result = source, scope, Checked(source.tree)

    def checked(self) -> Checked:
        self.result.kind = self._check(self.source.tree)
        references = self.result.references
        if any(x.positional for x in references) and max(x.grain for x in references) is Grain.NORM:
            raise self.source.fault(
                self.source.tree,
                say("expressions.checker.speaks_position_gradients_complete"),
            )
        return self.result

    # Each of these methods returns the kind of a node.

    def _check(self, node: ast.expr) -> Kind:
        chain = self._chain(node)
        if chain:
            return self._slot(node, chain)
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.Call():
                return self._call(node)
            case ast.BoolOp():
                self._expect(TRUTH, *node.values)
                return TRUTH
            case ast.UnaryOp(op=ast.Not()):
                self._expect(TRUTH, node.operand)
                return TRUTH
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return self._arithmetic(node, node.operand)
            case ast.BinOp(op=op) if type(op) in OPERATORS:
                return self._arithmetic(node, node.left, node.right)
            case ast.Compare():
                self._compare(node)
                return TRUTH
            case ast.Subscript():
                self._check_named(node)
                raise self.source.fault(node, say("expressions.checker.only_tensors_parameters_have"))
            case ast.Attribute():
                self._check_named(node)
                raise self.source.fault(node, say("expressions.checker.nothing_can_be_read", method_list=METHOD_LIST))
        raise self.source.fault(
            node, say("expressions.checker.not_allowed_here", node=syntax_name(node), example=EXAMPLE)
        )

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
            raise self.source.fault(node, say("expressions.checker.write_example_embed_logits", reason=reason))

    def _expect(self, kind: Kind, *nodes: ast.expr) -> None:
        """Check nodes that have to be of this kind."""
        for node in nodes:
            found = self._check(node)
            if found is not kind:
                raise self._wrong_kind(node, found, kind)

    def _wrong_kind(self, node: ast.expr, found: Kind, kind: Kind) -> ExpressionError:
        written = self.source.written(node)
        if found is NUMBERS:
            return self.source.fault(node, say("expressions.checker.several_numbers_say_which", written=written))
        if kind is TRUTH:
            return self.source.fault(node, say("expressions.checker.no_truth", written=written, kind=found.value))
        return self.source.fault(
            node, say("expressions.checker.wrong_kind", written=written, kind=found.value, needed=kind.value)
        )

    def _constant(self, node: ast.Constant) -> Kind:
        kinds = {bool: TRUTH, int: NUMBER, float: NUMBER, str: TEXT}
        if type(node.value) not in kinds:
            raise self.source.fault(
                node, say("expressions.checker.not_allowed_here_write", node=self.source.written(node))
            )
        return kinds[type(node.value)]

    def _name(self, node: ast.Name) -> Kind:
        known = NAMES.get("pos" if node.id == self.scope.place_names["pos"] else node.id)
        if known is not None:
            self.result.names[node.id] = known
            return known.kind
        if node.id in known_words():
            raise self.source.fault(node, say("expressions.checker.function_say_what_as", id=node.id))
        self._check_layers(node, node.id)
        specs = [name for name in self.scope.specs if "." not in name]
        near = difflib.get_close_matches(node.id, (*known_words(), *specs), n=1)
        quoted = say("expressions.checker.quotes_token", id=node.id) if node.id in self.scope.token_ids else ""
        hint = (
            say("expressions.checker.did_you_mean", near=near[0])
            if near
            else say("expressions.checker.known_every_tensor", names=", ".join(NAMES), quoted=quoted)
        )
        raise self.source.fault(node, say("expressions.checker.nothing_called", id=node.id, hint=hint))

    def _arithmetic(self, node: ast.expr, *operands: ast.expr) -> Kind:
        self._expect(NUMBER, *operands)
        if not any(isinstance(part, ast.Name | ast.Call) for part in ast.walk(node)):
            try:
                calculate(node, {})
            except (ArithmeticError, ValueError):
                raise self.source.fault(
                    node, say("expressions.checker.no_number_float_can", node=self.source.written(node))
                ) from None
        return NUMBER

    def _compare(self, node: ast.Compare) -> None:
        checked = [(side, self._check(side)) for side in (node.left, *node.comparators)]
        for op, pair in zip(node.ops, itertools.pairwise(checked), strict=True):
            if isinstance(op, ast.Is | ast.IsNot):
                raise self.source.fault(node, say("expressions.checker.compares_nothing_here_write"))
            texts, equality = isinstance(op, ast.In | ast.NotIn), isinstance(op, ast.Eq | ast.NotEq)
            allowed = (TEXT,) if texts else (NUMBER, TEXT) if equality else (NUMBER,)
            for side, kind in pair:
                if kind not in allowed:
                    raise self._wrong_kind(side, kind, allowed[0])
            if equality and any(isinstance(side, ast.Name) and side.id in ("token", "target") for side, _ in pair):
                for side, _ in pair:
                    if isinstance(side, ast.Constant) and isinstance(side.value, str):
                        self._check_token(side, side.value)
            if pair[0][1] is not pair[1][1]:
                (left, its), (right, other) = pair
                written = {"left": self.source.written(left), "right": self.source.written(right)}
                raise self.source.fault(
                    node, say("expressions.checker.cannot_be_compared", kind=its.value, other=other.value, **written)
                )

    def _check_token(self, node: ast.expr, text: str) -> None:
        """Refuse a letter in the place of a token if the documents write it as several."""
        several = split(text, self.scope.token_ids)
        if several:
            raise self.source.fault(node, say("expressions.checker.write_one_these", several=several))

    # Calls.

    def _call(self, node: ast.Call) -> Kind:
        if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
            raise self.source.fault(node, say("expressions.checker.functions_take_plain_values"))
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in FUNCTIONS:
            return self._function(node, FUNCTIONS[name])
        if name == CHANGES_SIGN:
            return self._changes_sign(node)
        functions = ", ".join(name for name in known_words() if name not in NAMES)
        raise self.source.fault(
            node.func,
            say("expressions.checker.no_function_here_there", func=self.source.written(node.func), functions=functions),
        )

    def _method(self, node: ast.Call, func: ast.Attribute) -> Kind:
        if func.attr not in METHODS or node.args:
            raise self.source.fault(
                func, say("expressions.checker.not_there_or_takes", attr=func.attr, method_list=METHOD_LIST)
            )
        kind = self._check(func.value)
        if kind is not NUMBERS:
            raise self.source.fault(
                func.value,
                say(
                    "expressions.checker.no_method_of_kind",
                    written=self.source.written(func.value),
                    kind=kind.value,
                    attr=func.attr,
                ),
            )
        return NUMBER

    def _function(self, node: ast.Call, function: Function) -> Kind:
        """A call of one of FUNCTIONS, with arguments of the kinds that it takes."""
        name, args = function.name, node.args
        several = function.variadic and len(args) > 1
        if NUMBER in function.takes and not several:
            self._check_one(node, name)
        if NUMBER in function.takes or several:
            self._expect(NUMBER, *args)
            return function.gives
        if len(args) != 1:
            raise self.source.fault(node, say("expressions.checker.takes_one_tensor_has", name=name, n_args=len(args)))
        kind = self._check(args[0])
        if kind not in function.takes:
            raise self.source.fault(
                args[0],
                say(
                    "expressions.checker.no_tensor",
                    written=self.source.written(args[0]),
                    kind=kind.value,
                    name=name,
                ),
            )
        return function.gives

    def _check_one(self, node: ast.Call, name: str) -> None:
        if len(node.args) != 1:
            raise self.source.fault(
                node, say("expressions.checker.takes_one_value_has", name=name, n_args=len(node.args))
            )

    def _changes_sign(self, node: ast.Call) -> Kind:
        self._check_one(node, CHANGES_SIGN)
        outside, inside = self.result, Checked(node.args[0])
        self.result = inside
        self._expect(NUMBER, inside.tree)
        self.result = outside
        if any(x.positional for x in inside.references) or inside.changes:
            raise self.source.fault(
                inside.tree,
                say("expressions.checker.changes_sign_looks_one"),
            )
        outside.names |= inside.names
        outside.slots |= inside.slots
        outside.changes[node] = inside
        return TRUTH

    # References.

    def _chain(self, node: ast.expr) -> _Chain | None:
        """The tensor or matrix that a node refers to, perhaps with an index; None if it refers to none."""
        match node:
            case ast.Name(id=name):
                spec = self.scope.specs.get(name)
                return _Chain("data", spec) if spec else None
            case ast.Attribute():
                spec = self.scope.specs.get(_dotted(node))
                return _Chain("data", spec) if spec else None
            case ast.Call(func=ast.Name(id=name), args=[of], keywords=[]) if name in QUANTITIES:
                return self._quantity(name, of)
            case ast.Call(func=ast.Name(id=name)) if name in QUANTITIES:
                raise self.source.fault(node, say("expressions.checker.takes_one_tensor_or", name=name))
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
            hint = (
                say("expressions.checker.did_you_mean", near=near[0])
                if near
                else say("expressions.checker.write_name_such_as")
            )
            raise self.source.fault(
                of, say("expressions.checker.no_tensor_no_parameter", of=self.source.written(of), hint=hint)
            )
        if name != "grad" and not chain.spec.parameter:
            matrices = ", ".join(spec.name for spec in self.scope.specs.values() if spec.parameter)
            raise self.source.fault(
                of, say("expressions.checker.no_parameter_those", name=chain.spec.name, matrices=matrices)
            )
        return _Chain(QUANTITIES[name], chain.spec, chain.index)

    def _slot(self, node: ast.expr, chain: _Chain) -> Kind:
        spec, places = chain.spec, len(chain.spec.places)
        if len(chain.index) < places:
            zeros, what = ", ".join("0" * places), say(f"expressions.checker.every.{'_'.join(spec.places)}")
            raise self.source.fault(node, say("expressions.checker.say_which", what=what, name=spec.name, zeros=zeros))
        if len(chain.index) > places + len(spec.shape):
            most = places + len(spec.shape)
            raise self.source.fault(
                chain.index[most],
                say(
                    "expressions.checker.too_many_indices",
                    name=spec.name,
                    n=most,
                    n_index=len(chain.index),
                ),
            )
        place = tuple(
            self._whole(index, say("expressions.checker.the_axis_of", what=what, name=spec.name), size)
            for index, (what, size) in zip(chain.index, spec.places.items(), strict=False)
        )
        index = chain.index[places:]
        for axis, (element, size) in enumerate(zip(index, spec.shape, strict=False)):
            self._element(element, spec, axis, size)
        self.result.slots[node] = Reference(chain.quantity, spec, place), index
        return NUMBER if len(index) == len(spec.shape) else NUMBERS

    def _whole(self, node: ast.expr, what: str, size: int) -> int:
        if not isinstance(node, ast.Constant) or type(node.value) is not int or not 0 <= node.value < size:
            raise self.source.fault(
                node,
                say(
                    "expressions.checker.index_out_of_range", what=what, index=self.source.written(node), last=size - 1
                ),
            )
        return node.value

    def _element(self, node: ast.expr, spec: TensorSpec, axis: int, size: int) -> None:
        axes = "index" if len(spec.shape) == 1 else ("row", "column")[axis]
        what = say(f"expressions.checker.of.{axes}", name=spec.name)
        if isinstance(node, ast.Slice):
            raise self.source.fault(node, say("expressions.checker.cannot_be_range_write", what=what))
        tokens = spec.tokens and axis == 0
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and tokens:
            self._check_token(node, node.value)
            if token_id(node.value, self.scope.token_ids) is None:
                names = list(self.scope.token_ids)
                more = say("expressions.checker.more", count=len(names) - 40) if len(names) > 40 else ""
                raise self.source.fault(
                    node,
                    say("expressions.checker.no_token", text=node.value, tokens=" ".join(names[:40]), more=more),
                )
            return
        if isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)):
            self._whole(node, what, size)
        kind = self._check(node)
        if kind is not NUMBER and not (kind is TEXT and tokens):
            raise self.source.fault(
                node, say("expressions.checker.index_of_wrong_kind", what=what, kind=kind.value, last=size - 1)
            )
