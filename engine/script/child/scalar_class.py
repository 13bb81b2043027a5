"""`ScalarClass`: a class whose objects are scalars of an autograd graph, found by what it can do."""

from __future__ import annotations

import operator
import types
from contextlib import suppress
from typing import Any, Callable, Iterator

from .holders import MISSING, attributes

BACKWARD = ("backward", "backprop", "backpropagate", "back")
DATA = ("data", "value", "val", "item", "number", "x", "v")
GRAD = ("grad", "gradient", "g", "derivative", "adjoint")
FOREIGN = ("torch", "numpy", "jax", "tensorflow", "mlx", "tinygrad", "cupy", "autograd")


def functions_of(kind: type) -> Iterator[types.FunctionType]:
    """The functions that a class and its bases are made of."""
    for base in kind.__mro__:
        for value in list(vars(base).values()):
            parts = (value, *(getattr(value, name, None) for name in ("__func__", "fget", "fset", "__wrapped__")))
            for each in parts:
                if isinstance(each, types.FunctionType):
                    yield each


class AttributeWatch:
    """Puts functions in the place of an attribute of a class, and takes them away again."""

    def __init__(self, kind: type, name: str) -> None:
        self.kind, self.name = kind, name
        self.before = vars(kind).get(name, MISSING)
        found: Any = next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), MISSING)
        self.get: Callable[[Any], Any] = self._get
        self.set: Callable[[Any, Any], None] = self._set
        self.default = found
        self._found, self._kept = found, ""
        self.in_dictionary = found is MISSING
        """Whether it is kept in the dictionary of each object, and nowhere else."""
        if hasattr(type(found), "__set__"):
            self.get, self.set = found.__get__, found.__set__

    def _get(self, thing: Any) -> Any:
        value = thing.__dict__.get(self.name, self.default)
        if value is MISSING:
            raise AttributeError(f"{type(thing).__name__!r} object has no attribute {self.name!r}")
        return value

    def _set(self, thing: Any, value: Any) -> None:
        thing.__dict__[self.name] = value

    def install(self, get: Callable[[Any], Any], put: Callable[[Any, Any], None]) -> None:
        """Let reading go to one function and writing to another."""
        setattr(self.kind, self.name, property(get, put))

    def keep(self, name: str) -> bool:
        """Let an attribute of __slots__ be reached by another name while it is watched; whether it is one."""
        if isinstance(self._found, types.MemberDescriptorType):
            setattr(self.kind, name, self._found)
            self._kept = name
        return bool(self._kept)

    def remove(self) -> None:
        """Let the attribute be as the script has made it."""
        if self._kept:
            delattr(self.kind, self._kept)
            self._kept = ""
        if self.before is not MISSING:
            setattr(self.kind, self.name, self.before)
        elif self.name in vars(self.kind):
            delattr(self.kind, self.name)


class ScalarClass:
    """A scalar class: what its attributes are called, and how its objects keep their operands."""

    def __init__(self, kind: type, data: str, grad: str) -> None:
        self.kind, self.data_name, self.grad_name = kind, data, grad
        self.kinds: tuple[type, ...] = (kind,)
        """All scalar classes of the script."""
        self.backward_name = next(name for name in BACKWARD if callable(getattr(kind, name, None)))
        self.backward: Any = getattr(kind, self.backward_name)
        self.init: Any = getattr(kind, "__init__")  # noqa: B009
        self.own = {name: vars(kind).get(name, MISSING) for name in ("__init__", self.backward_name)}
        self.data = AttributeWatch(kind, data)
        self.grad = AttributeWatch(kind, grad)
        self.data_of = operator.attrgetter(data)
        self.grad_of = operator.attrgetter(grad)
        self.children_name = ""
        """The attribute that holds the operands; empty while none was seen, or if only a closure holds them."""
        self.ordered = False
        """Whether that attribute keeps the operands in their order, each as often as it was used."""
        self.looks = 0
        self.kids_of: Any = None
        """Gives what that attribute holds, if it is in order."""
        self._pairs = False
        self._locals_name = ""
        self._closure_name = ""

    @classmethod
    def found(cls, kind: Any) -> ScalarClass | None:
        """The scalar class that a class is, if it is one."""
        if not isinstance(kind, type) or kind.__module__.partition(".")[0] in FOREIGN:
            return None
        if issubclass(kind, (int, float, complex, str, list, tuple, dict, set, BaseException)):
            return None
        if not all(
            isinstance(getattr(kind, name, None), types.FunctionType) for name in ("__add__", "__mul__", "__init__")
        ):
            return None
        if not any(isinstance(getattr(kind, name, None), types.FunctionType) for name in BACKWARD):
            return None
        stored = {name for each in functions_of(kind) for name in each.__code__.co_names}
        for base in kind.__mro__:
            slots = vars(base).get("__slots__", ())
            stored |= {slots} if isinstance(slots, str) else set(slots)
            stored |= set(vars(base).get("__annotations__", ()))
        data = next((name for name in DATA if name in stored), None)
        grad = next((name for name in GRAD if name in stored), None)
        return cls(kind, data, grad) if data and grad else None

    def wrap(self, name: str, function: Any) -> None:
        """Put a function in the place of a method."""
        setattr(self.kind, name, function)

    def restore(self, name: str) -> None:
        """Let a method be as the script has made it."""
        if self.own[name] is not MISSING:
            setattr(self.kind, name, self.own[name])
        elif name in vars(self.kind):
            delattr(self.kind, name)

    # What an object keeps.

    def kids(self, node: Any) -> Any:
        """The operands that a scalar keeps; in their order, and each as often as it was used, if `ordered`."""
        if self.children_name:
            found = getattr(node, self.children_name, None) or ()
            return [each[0] for each in found] if self._pairs else found
        if self._closure_name:
            return self._closed_over(node, self._closure_name)
        return self.kids(node) if self._look_at(node) else ()

    def all_kids(self, nodes: list[Any]) -> list[Any]:
        """The operands of each of some scalars."""
        if self.children_name and not self._pairs:
            with suppress(AttributeError):
                return [each or () for each in map(operator.attrgetter(self.children_name), nodes)]
        return [self.kids(node) for node in nodes]

    def all_slopes(self, nodes: list[Any]) -> list[Any]:
        """The local gradients of each of some scalars."""
        if self._locals_name:
            with suppress(AttributeError):
                return [each or () for each in map(operator.attrgetter(self._locals_name), nodes)]
        return [self.slopes(node) for node in nodes] if self._pairs else [()] * len(nodes)

    def slopes(self, node: Any) -> list[Any]:
        """The local gradients that a scalar keeps, one for each operand; empty if it keeps none."""
        if self._pairs:
            return [each[1] for each in getattr(node, self.children_name) if len(each) > 1]
        return list(getattr(node, self._locals_name, ())) if self._locals_name else []

    def _look_at(self, node: Any) -> bool:
        """Find out from a scalar that has operands how it keeps them; False for one that has none."""
        kind = self.kinds
        best: tuple[int, str] = (0, "")
        for name, value in attributes(node):
            if not isinstance(value, (list, tuple, set, frozenset)) or not value:
                continue
            items = list(value)
            if all(isinstance(each, kind) for each in items):
                best = max(best, (3 if isinstance(value, (list, tuple)) else 1, name))
            elif all(isinstance(each, (list, tuple)) and each and isinstance(each[0], kind) for each in items):
                best = max(best, (2, name))
        rank, name = best
        if name:
            self.children_name, self._pairs, self.ordered = name, rank == 2, rank > 1
            self.kids_of = operator.attrgetter(name) if self.ordered else None
            for other, value in attributes(node):
                if (
                    other != name
                    and isinstance(value, (list, tuple))
                    and len(value) == len(getattr(node, name))
                    and all(isinstance(each, (int, float)) for each in value)
                ):
                    self._locals_name = other
            return True
        for name, value in attributes(node):
            if isinstance(value, types.FunctionType) and value.__closure__ and self._closed_over(node, name):
                self._closure_name = name
                return True
        return False

    def _closed_over(self, node: Any, name: str) -> list[Any]:
        """The scalars in the closure of a function that a scalar keeps, but for itself."""
        function = getattr(node, name, None)
        found = []
        for cell in getattr(function, "__closure__", None) or ():
            try:
                value = cell.cell_contents
            except ValueError:  # empty
                continue
            values = value if isinstance(value, (list, tuple)) else (value,)
            found += [each for each in values if isinstance(each, self.kind) and each is not node]
        return found


class ScalarClasses(list[ScalarClass]):
    """The scalar classes of a script, in the order in which they were defined."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: tuple[type, ...] = ()
        self._of: dict[type, ScalarClass] = {}

    def add(self, found: ScalarClass) -> None:
        """Add one; all of them know of each other."""
        self.append(found)
        self.kinds = (*self.kinds, found.kind)
        for each in self:
            each.kinds = self.kinds
        self._of.clear()

    def of(self, node: Any) -> ScalarClass:
        """The class of a scalar."""
        return self.of_type(type(node))

    def of_type(self, kind: type) -> ScalarClass:
        """The class of scalars of a type."""
        found = self._of.get(kind)
        if found is None:
            found = next(each for each in reversed(self) if issubclass(kind, each.kind))
            self._of[kind] = found
        return found
