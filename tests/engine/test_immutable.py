"""`immutable`: what it makes behaves as frozen dataclasses with slots do."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any, Generic, TypeVar

import pytest

from engine.immutable import immutable, immutable_by_identity

T = TypeVar("T")
Make = Callable[[type[Any]], type[Any]]


class Point:
    """A place."""

    x: int
    y: float = 0.5
    names: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)
    late: bool = field(default=False, kw_only=True)
    end: int = 7

    @property
    def sum(self) -> float:
        return self.x + self.y


class Nothing:
    """No fields."""


class One:
    """One field."""

    x: float


class Checked:
    """Looks at what it is given."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            object.__setattr__(self, "high", self.low)


class Shown:
    """Has functions of its own."""

    x: int

    def __repr__(self) -> str:
        return f"<{self.x}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.x % 10 == other.x % 10

    def __hash__(self) -> int:
        return self.x % 10


def pair(kind: type[Any]) -> tuple[type[Any], type[Any]]:
    """The class as `immutable` makes it, and as a dataclass."""
    makes: tuple[Make, Make] = (immutable, dataclass(frozen=True, slots=True))
    ours, theirs = (make(type(kind.__name__, (), dict(vars(kind)))) for make in makes)
    return ours, theirs


def outcome(of: Callable[[], Any]) -> Any:
    """What comes of a call, or the kind of its error."""
    try:
        return of()
    except Exception as error:
        return type(error)


CALLS: list[tuple[type[Any], tuple[Any, ...], dict[str, Any]]] = [
    (Point, (1,), {}), (Point, (1, 2.0, ["a"], "b", 4), {"late": True}), (Point, (), {"x": 3, "end": 1}),
    (Point, (), {}), (Point, (1, 2, 3, 4, 5, True), {}), (Point, (1,), {"z": 1}), (Nothing, (), {}),
    (Nothing, (1,), {}), (One, (float("nan"),), {}), (Checked, (3, 1), {}), (Checked, (1, 3), {}), (Shown, (12,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "named"), CALLS)
def test_objects_are_made_and_shown_as_those_of_dataclasses(kind, given, named):
    ours, theirs = pair(kind)
    made = [outcome(lambda kind=kind: kind(*given, **named)) for kind in (ours, theirs)]
    assert [isinstance(one, type) for one in made] in ([True, True], [False, False])
    if isinstance(made[0], type):
        assert made[0] is made[1]
        return
    told = [(repr(one), {f.name: getattr(one, f.name) for f in fields(one)}, str(asdict(one))) for one in made]
    assert told[0] == told[1] or repr(told[0]) == repr(told[1])  # nan
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__slots__ == theirs.__slots__
    assert (ours.__doc__, ours.__module__, ours.__qualname__) == (
        theirs.__doc__,
        theirs.__module__,
        theirs.__qualname__,
    )


def test_objects_are_compared_as_those_of_dataclasses():
    for kind, several in (
        (Point, [(1,), (1,), (2,), (1, 0.5, [], "left out"), (1, 0.5, ["a"])]),
        (Nothing, [(), ()]),
        (One, [(1.5,), (float("nan"),), (0.0,), (-0.0,)]),  # one nan beside itself differs from Python to Python
        (Shown, [(2,), (12,), (13,)]),
    ):
        ours, theirs = ([made(*given) for given in several] for made in pair(kind))
        assert [[a == b for a in ours] for b in ours] == [[a == b for a in theirs] for b in theirs]
        assert [[outcome(lambda a=a, b=b: hash(a) == hash(b)) for a in ours] for b in ours] == [
            [outcome(lambda a=a, b=b: hash(a) == hash(b)) for a in theirs] for b in theirs
        ]
        assert ours[0] != theirs[0]


def test_without_comparing_an_object_equals_itself():
    kind = immutable_by_identity(type("One", (), dict(vars(One))))
    one = same = kind(1.0)
    assert one == same != kind(1.0)
    assert len({one, same, kind(1.0)}) == 2
    assert repr(one) == "One(x=1.0)"


@pytest.mark.parametrize("make", [immutable, immutable_by_identity])
def test_nothing_can_be_changed(make):
    point = make(type("Point", (), dict(vars(Point))))(1)
    for name in ("x", "late", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(point, name, 1)
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert (point.x, point.sum) == (1, 1.5)


@immutable
class Place(Generic[T]):
    """Found by its name, as pickle needs it."""

    of: T
    within: tuple[Any, ...] = ()


@immutable
class LaterPlace(Place[int]):
    """A field more."""

    step: int = 0


def test_objects_are_copied_and_replaced():
    place = LaterPlace(1, (Place("a"),), step=3)
    for one in (copy.copy(place), copy.deepcopy(place), pickle.loads(pickle.dumps(place)), replace(place)):
        assert one == place
        assert one is not place
        assert hash(one) == hash(place)
    assert replace(place, step=4) == LaterPlace(1, (Place("a"),), 4) != place
    match place:
        case LaterPlace(of, (Place(inner),), step):
            assert (of, inner, step) == (1, "a", 3)
    assert repr(place) == "LaterPlace(of=1, within=(Place(of='a', within=()),), step=3)"


def test_each_object_has_its_own_default():
    ours, _ = pair(Point)
    assert ours(1).names is not ours(1).names


def test_a_call_that_lacks_something_says_where():
    with pytest.raises(TypeError, match=r"Place.__init__\(\) missing 1 required positional argument: 'of'"):
        Place()  # type: ignore[call-arg]
