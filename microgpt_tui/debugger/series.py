"""`Series`: one figure over the steps so far, as far as it is known, and the steps that are still to be replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from engine.expressions.scope import Scope
from engine.expressions.watch import Watch
from engine.immutable import immutable
from engine.run.replay import course_of, steps_to_show
from engine.timeline.update import UpdateStep
from engine.timeline.view import View

MOST_SHOWN = 64  # steps of a course


class Figure(Protocol):
    """Something that a view shows at the end of a step. Equal figures show the same."""

    def __hash__(self) -> int:
        """Figures are what the past is known by."""

    def reader(self, scope: Scope) -> Callable[[View], Any]:
        """How it is read, for the caller's thread alone."""

    def kept(self, view: View) -> dict[int, Any]:
        """What a run that does not replay keeps of it, by step."""


Past = Mapping[tuple[Figure, int], Any]
"""Figures of finished steps, by figure and step."""
T = TypeVar("T")
_UNKNOWN = object()


@immutable
class Series(Generic[T]):
    """A figure up to a moment, by step, ascending, and the finished steps still `missing` among them.

    `ahead`: of steps that need not be finished. None is known of what lies beyond a fault.
    """

    figure: Figure
    known: dict[int, T]
    missing: tuple[int, ...]
    ahead: bool = False


@immutable
class Update:
    """How a parameter was moved, an `UpdateStep`."""

    row: int

    def reader(self, scope: Scope) -> Callable[[View], UpdateStep]:
        """See `Figure`."""
        del scope
        return course_of(self.row)

    def kept(self, view: View) -> dict[int, UpdateStep]:
        """See `Figure`."""
        return dict(view.past_updates(self.row))


@immutable
class Watched:
    """The value of a watch, an `Answer`."""

    text: str

    def reader(self, scope: Scope) -> Callable[[View], Any]:
        """See `Figure`."""
        return Watch(self.text, scope).value

    def kept(self, view: View) -> dict[int, Any]:
        """Nothing: a watch is read when its step is there."""
        del view
        return {}


def series_of(figure: Figure, past: Past, view: View) -> Series[Any]:
    """The course of a figure over those finished steps before that of the view which are shown.

    Another thread may add to `past` and take old figures away meanwhile, so each is looked up once.
    """
    if not view.replays:
        kept = figure.kept(view)
        return Series(figure, {step: kept[step] for step in list(kept)[-MOST_SHOWN:]}, ())
    steps = steps_to_show(view.moment.step - 1, MOST_SHOWN, view.spacing)
    found = ((s, past.get((figure, s), _UNKNOWN)) for s in steps)
    known = {s: value for s, value in found if value is not _UNKNOWN}
    return Series(figure, known, tuple(s for s in steps if s not in known))
