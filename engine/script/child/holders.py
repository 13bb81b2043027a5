"""What holds scalars and numbers in a script: names of parameters, and lists of floats such as Adam's moments."""

from __future__ import annotations

import types
from typing import Any, Iterable, Iterator

DEPTH = 8
MOST_TOKENS = 10_000  # of an alphabet
SAMPLED = 8  # elements of a long list that tell whether it is worth looking through
WIDEST = 2_000_000  # elements of a list that is looked through
LEFT_OUT = (type, types.FunctionType, types.ModuleType, types.MethodType, types.BuiltinFunctionType)
MISSING = object()


def attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object that are its own, with or without __slots__."""
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = f"_{kind.__name__.lstrip('_')}{name}" if name[:2] == "__" and name[-2:] != "__" else name
            value: Any = getattr(thing, mangled, MISSING)
            if value is not MISSING and name not in ("__dict__", "__weakref__"):
                yield mangled, value
    yield from list(getattr(thing, "__dict__", {}).items())


class Group:
    """Scalars that one container holds, of a rectangular shape; `name` is the expression for the container."""

    __slots__ = ("depth", "is_alias", "name", "scalars", "shape")

    def __init__(self, name: str, shape: tuple[int, ...], scalars: list[Any], depth: tuple[int, int, int]) -> None:
        self.name, self.shape, self.scalars, self.depth = name, shape, scalars, depth
        self.is_alias = False  # whether it is a loop variable, which names what something else holds


def settings_of(roots: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Variables that are a number or a text, and those that list characters, or number them; of a name the first."""
    found: dict[str, Any] = {}
    for name, value in roots:
        if name[0] == "_" or name in found:
            continue
        kind = type(value)
        if kind in (int, float, str, bool) and value == value:  # noqa: PLR0124  no nan: it is none in JSON
            found[name] = value
        elif kind in (list, tuple) and 1 < len(value) <= MOST_TOKENS and all(map(_is_character, value)):
            found[name] = list(value)
        elif kind is dict and 1 < len(value) <= MOST_TOKENS:
            if all(_is_character(key) and type(each) is int for key, each in value.items()):
                found[name] = value
            elif all(_is_character(each) and type(key) is int for key, each in value.items()):
                found[name] = {each: key for key, each in value.items()}
    return found


def _is_character(value: Any) -> bool:
    return type(value) is str and len(value) == 1


class Walk:
    """Looks through the variables of a script, breadth first, and collects groups of scalars and lists of numbers."""

    def __init__(
        self, roots: Iterable[tuple[str, Any]], scalar: Any, is_user: Any, loop_variables: frozenset[str]
    ) -> None:
        self.scalar, self.is_user = scalar, is_user
        self.groups: list[Group] = []
        self.numbers: list[tuple[str, Any]] = []
        self.keys: dict[str, list[Any]] = {}
        """Of the dictionaries among them: their keys."""
        self._seen: set[int] = set()
        self._inner: set[int] = set()
        self._group_of: dict[int, Group] = {}
        self._numbers: dict[int, tuple[tuple[int, int], str, Any]] = {}
        queue: list[tuple[str, Any, int, int]] = [(name, thing, 0, 0) for name, thing in roots]
        self.settings = settings_of((name, thing) for name, thing, _, _ in queue)
        at = 0
        while at < len(queue):
            name, thing, named, indexed = queue[at]
            at += 1
            if named + indexed <= DEPTH:
                queue.extend(self._look(name, thing, named, indexed))
        for group in self.groups:
            group.is_alias = group.name in loop_variables
        for key, (_, name, thing) in self._numbers.items():
            if key not in self._inner:
                self.numbers.append((name, thing))
                if isinstance(thing, dict):
                    self.keys.setdefault(name, list(thing))

    def _look(self, name: str, thing: Any, named: int, indexed: int) -> Iterator[tuple[str, Any, int, int]]:
        if isinstance(thing, self.scalar):
            self.groups.append(Group(name, (), [thing], (named, indexed, -len(name))))
            return
        kind = type(thing)
        if kind in (int, float, str, bool, bytes, complex, type(None)) or isinstance(thing, LEFT_OUT):
            return
        if id(thing) in self._seen:
            self._again(name, id(thing), named, indexed)
            return
        self._seen.add(id(thing))
        if isinstance(thing, (list, tuple)):
            if not thing or len(thing) > WIDEST:
                return
            found = scalars_of(thing, self.scalar)
            if found is not None:
                shape, scalars = found
                self._group_of[id(thing)] = group = Group(
                    name, shape, scalars, (named, indexed + len(shape), -len(name))
                )
                self.groups.append(group)
                self._mark(thing)
                return
            if numbers_of(thing) is not None:
                self._add_numbers(name, thing, named, indexed)
                self._mark(thing)
                return
            if self._add_tables(name, list(thing), None, named, indexed + 1):
                return
            if len(thing) > SAMPLED and not any(self._leads_far(each) for each in thing[:SAMPLED]):
                return
            for i, each in enumerate(thing):
                if self._leads_on(each):
                    yield f"{name}[{i}]", each, named, indexed + 1
        elif isinstance(thing, dict):
            if thing and numbers_of(list(thing.values()), 0) is not None:
                self._add_numbers(name, thing, named, indexed)
                return
            if self._add_tables(name, list(thing.values()), list(thing), named + 1, indexed):
                return
            for key, each in list(thing.items()):
                if self._leads_on(each):
                    yield f"{name}[{_key(key)}]", each, named + 1, indexed
        elif kind.__module__ == "numpy" and hasattr(thing, "tolist"):
            if str(getattr(thing, "dtype", "")).startswith("float") and bool(getattr(thing, "shape", None)):
                self._add_numbers(name, thing, named, indexed)
        elif self.is_user(kind):
            for key, each in attributes(thing):
                if self._leads_on(each):
                    yield f"{name}.{key}", each, named + 1, indexed

    def _add_numbers(self, name: str, thing: Any, named: int, indexed: int) -> None:
        self._numbers[id(thing)] = ((named, indexed), name, thing)

    def _add_tables(self, name: str, things: list[Any], keys: list[Any] | None, named: int, indexed: int) -> bool:
        """Numbers that dictionaries of the same keys hold, one for each parameter; whether it is that."""
        first = things[0] if things else None
        if not isinstance(first, dict) or not first or not all(isinstance(key, str) for key in first):
            return False
        for each in things:
            if not isinstance(each, dict) or each.keys() != first.keys() or numbers_of(each, 0) is None:
                return False
        for key in first:
            column = [each[key] for each in things]
            self._add_numbers(f"{name}[{key!r}]", column if keys is None else dict(zip(keys, column)), named, indexed)
        return True

    def _again(self, name: str, key: int, named: int, indexed: int) -> None:
        """A container is found once more, under another name."""
        group = self._group_of.get(key)
        if group is not None:
            depth = (named, indexed + len(group.shape), -len(name))
            self.groups.append(Group(name, group.shape, group.scalars, depth))
        elif key in self._numbers and self._numbers[key][0] < (named, indexed):
            self._numbers[key] = ((named, indexed), name, self._numbers[key][2])

    def _leads_on(self, thing: Any) -> bool:
        return isinstance(thing, (list, tuple, dict, self.scalar)) or (
            hasattr(thing, "__dict__") or hasattr(type(thing), "__slots__")
        )

    def _leads_far(self, thing: Any) -> bool:
        """Whether an element of a long list may lead to a scalar or to a float; documents and their tokens do not."""
        if isinstance(thing, (list, tuple)):
            return any(type(each) is float or self._leads_far(each) for each in thing[:SAMPLED])
        return self._leads_on(thing)

    def _mark(self, thing: Any) -> None:
        """Inner lists of a rectangular one have no name of their own."""
        for each in thing:
            if isinstance(each, (list, tuple)):
                self._seen.add(id(each))
                self._inner.add(id(each))
                self._mark(each)


def _key(key: Any) -> str:
    return repr(key) if isinstance(key, (str, int, float, tuple)) else f"<{type(key).__name__}>"


def scalars_of(thing: Any, scalar: Any, depth: int = 4) -> tuple[tuple[int, ...], list[Any]] | None:
    """Shape and elements of a rectangular list of scalars; None for anything else."""
    if not thing:
        return None
    first = thing[0]
    if isinstance(first, scalar):
        return ((len(thing),), list(thing)) if all(isinstance(each, scalar) for each in thing) else None
    if depth == 0 or not isinstance(first, (list, tuple)):
        return None
    shape: tuple[int, ...] | None = None
    scalars: list[Any] = []
    for each in thing:
        inner = scalars_of(each, scalar, depth - 1) if isinstance(each, (list, tuple)) else None
        if inner is None or (shape is not None and inner[0] != shape):
            return None
        shape = inner[0]
        scalars += inner[1]
    return (len(thing), *(shape or ())), scalars


def numbers_of(thing: Any, depth: int = 4) -> list[float] | None:
    """The floats of a list, of a dictionary, of an array of numpy, or of lists of lists; None for anything else."""
    if isinstance(thing, dict):
        thing = list(thing.values())
    elif not isinstance(thing, (list, tuple)):
        thing = thing.tolist()
    if not thing:
        return None
    kinds = {type(each) for each in thing}
    if kinds <= {float, int}:
        return [float(each) for each in thing] if float in kinds else None
    if depth == 0 or not kinds <= {list, tuple}:
        return None
    out: list[float] = []
    for each in thing:
        inner = numbers_of(each, depth - 1)
        if inner is None:
            return None
        out += inner
    return out


def held_numbers(walk: Walk) -> dict[str, tuple[Any, list[float]]]:
    """What holds lists of floats, by name, and these."""
    found: dict[str, tuple[Any, list[float]]] = {}
    for name, thing in walk.numbers:
        numbers = numbers_of(thing)
        if numbers is not None:
            found.setdefault(name, (thing, numbers))
    return found


def numbers_on(things: list[Any], but: tuple[str, ...]) -> dict[str, dict[int, float]]:
    """Numbers that parameters carry besides value and gradient, by attribute and the id of the parameter."""
    samples = {type(each): each for each in things}
    names = {name for each in samples.values() for name, value in attributes(each) if type(value) in (int, float)}
    found: dict[str, dict[int, float]] = {name: {} for name in sorted(names.difference(but))}
    for name, numbers in found.items():
        for each in things:
            value = getattr(each, name, None)
            if type(value) in (int, float):
                numbers[id(each)] = float(value or 0)
    return found


def _put_collections_last(groups: list[Group]) -> None:
    """Give the least rank to groups whose scalars all stand in smaller ones: a list of all parameters tells little."""
    holders: dict[int, list[int]] = {}
    for at, group in enumerate(groups):
        if group.is_alias:
            group.depth = (-2, 0, 0)
            continue
        for each in group.scalars:
            holders.setdefault(id(each), []).append(at)
    for group in groups:
        if group.is_alias:
            continue
        smaller: set[int] = set()
        size = len(group.scalars)
        for each in group.scalars:
            others = [other for other in holders[id(each)] if len(groups[other].scalars) < size]
            if not others:
                break
            smaller.update(others)
        else:
            if len(smaller) > 1:
                group.depth = (-1, 0, 0)


def root_of(name: str) -> str:
    """The variable that an expression for a container begins with."""
    return name.partition("[")[0].partition(".")[0]


def best_groups(groups: list[Group], wanted: Any) -> list[Group]:
    """Groups that share no scalar: each scalar goes to the most telling one that holds it.

    Keys and attributes tell more than indices, and these more than nothing. `wanted` says whether a scalar counts.
    """
    taken: set[int] = set()
    if len(groups) > 1:
        _put_collections_last(groups)
    chosen: dict[int, Group] = {}
    for at in sorted(range(len(groups)), key=lambda i: groups[i].depth, reverse=True):
        group = groups[at]
        scalars = [each for each in group.scalars if wanted(each) and id(each) not in taken]
        if not scalars:
            continue
        new = list({id(each): each for each in scalars}.values())
        taken.update(id(each) for each in new)
        whole = len(new) == len(group.scalars)
        shape = group.shape if whole else (len(new),)
        chosen[at] = Group(group.name, shape, new, group.depth)
    return [chosen[at] for at in sorted(chosen)]
