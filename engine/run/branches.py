"""`Branches`: changed copies of a run, by name. The run itself stays as it is.

A branch is its changes and its moment; its session is made on first use, as a copy of the original up to the first
change, and replays what comes after.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

from engine.errors import ChangeError
from engine.immutable import immutable
from engine.interventions.syntax import Change
from engine.language.say import say
from engine.run.capabilities import branching, can_branch
from engine.text import shortened_repr
from engine.timeline.events import Moment
from engine.timeline.run import Run

LONGEST = 40  # characters of a name
ORIGINAL = "original"  # which no branch is called, in whatever language


def is_name(text: str) -> bool:
    """Whether a branch can be called this."""
    return 0 < len(text) <= LONGEST and text.isprintable()


@immutable
class Branch:
    """A name, the changes, later ones after earlier ones, and the moment of the branch."""

    name: str
    changes: tuple[Change, ...]
    moment: Moment


def usual_name(n: int) -> str:
    """What the nth branch of a run is called, if nobody names it."""
    return say("run.branches.numbered", n=n)


def original_name() -> str:
    """What the original is called, which no branch is either."""
    return say("run.branches.original")


class Branches:
    """The branches of a run, in the order in which they were made. The original has the name None."""

    def __init__(self, original: Run, branches: Iterable[Branch] = ()) -> None:
        self.original = original
        # Replaced, never changed: one thread may make the run of a branch while another looks at them.
        self._branches = {branch.name: branch for branch in branches}
        self._sessions: dict[str, Run] = {}

    def __len__(self) -> int:
        return len(self._branches)

    def __contains__(self, name: str) -> bool:
        return name in self._branches

    def __getitem__(self, name: str) -> Branch:
        """A branch with the moment at which it stands. Raises KeyError."""
        branch, session = self._branches[name], self._sessions.get(name)
        return branch if session is None else replace(branch, moment=session.moment)

    def all(self) -> tuple[Branch, ...]:
        """Every branch, with the moment at which it stands."""
        return tuple(self[name] for name in self._branches)

    def session(self, name: str | None) -> Run:
        """The run of a branch. A new one stands at its first change, or before it.

        Raises ChangeError if a change has no place in its step.
        """
        if name is None:
            return self.original
        if name not in self._sessions:
            self._sessions = {**self._sessions, name: branching(self.original).branch(self._branches[name].changes)}
        return self._sessions[name]

    def put_away(self) -> None:
        """Let every run that there is give back the memory of its numbers, until they are wanted."""
        for run in (self.original, *self._sessions.values()):
            if can_branch(run):
                run.put_away()

    def left_at(self, name: str | None) -> Moment:
        """The moment at which a run stands."""
        return self.original.moment if name is None else self[name].moment

    def changes(self, name: str | None) -> tuple[Change, ...]:
        """What is changed in a branch."""
        return () if name is None else self._branches[name].changes

    def copy(self, name: str | None, changes: Iterable[Change]) -> Run:
        """A new run as that of a branch with these changes, perhaps for another thread.

        If the branch is renamed or removed meanwhile, the copy starts from the original.
        """
        known = self.original if name is None else self._sessions.get(name, self.original)
        return branching(known).branch(changes)

    def name_of(self, session: Run) -> str | None:
        """The branch whose run this is; None for the original."""
        return next((name for name, each in self._sessions.items() if each is session), None)

    def change(self, name: str | None, changes: Iterable[Change], enter: bool = True) -> Branch:
        """Give a branch these changes; from the original, make a new branch. Raises ChangeError.

        Unless it is entered, it keeps its moment, and its run is made on first use.
        """
        left = self.left_at(name)
        session = branching(self.session(name)).branch(changes)
        name = self._free_name() if name is None else name
        self._branches = {**self._branches, name: Branch(name, session.changes, left)}
        if enter:
            self._sessions = {**self._sessions, name: session}
        else:
            self._sessions = {other: run for other, run in self._sessions.items() if other != name}
        return self._branches[name]

    def rename(self, name: str, new: str) -> None:
        """Give a branch another name. Raises ChangeError for one that cannot be had."""
        new = self.check_name(new, name)
        parts = self._branches
        self._branches = {new if n == name else n: replace(b, name=new) if n == name else b for n, b in parts.items()}
        self._sessions = {new if n == name else n: session for n, session in self._sessions.items()}

    def check_name(self, new: str, old: str | None = None) -> str:
        """The name without blanks around it. Raises ChangeError for none, one too long, or one that is taken."""
        new = " ".join(new.split())
        if not is_name(new):
            raise ChangeError(say("run.branches.no_name", name=shortened_repr(new), longest=LONGEST))
        if new != old and (new in self._branches or new in (ORIGINAL, original_name())):
            raise ChangeError(say("run.branches.name_taken", name=new))
        return new

    def remove(self, name: str) -> None:
        """Forget a branch."""
        self._branches = {n: branch for n, branch in self._branches.items() if n != name}
        self._sessions = {n: session for n, session in self._sessions.items() if n != name}

    def _free_name(self) -> str:
        return next(name for n in count(1) if (name := usual_name(n)) not in self._branches)
