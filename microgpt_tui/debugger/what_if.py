"""`WhatIfController`: changes a run in branches of it, and says which run is compared with the one that is shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from engine import EngineError, Run
from engine.expressions.scope import Scope
from engine.expressions.watch import watch_text
from engine.hangul import SYLLABLES
from engine.interventions.syntax import Ablation, Change, parse
from engine.run.branches import Branches, original_name
from engine.run.capabilities import branching, can_branch
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.compared_run import ComparedRun
from microgpt_tui.debugger.frame import Frame
from microgpt_tui.debugger.run_controller import Start
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.texts.say import say

if TYPE_CHECKING:  # imported where a run is saved
    from engine.checkpoint.checkpoint import Checkpoint

MOST_NAMED = 2  # changes of a branch that are named before the rest is only counted
Enter = Callable[[Callable[[], Run], Moment | None], bool]


def in_words(changes: Sequence[Change]) -> str:
    """What is changed, in few words: what is off, what is set; how many more changes there are."""
    found = [_said(change) for change in changes]
    named = ", ".join(found[:MOST_NAMED])
    more = len(found) - MOST_NAMED
    return say("debugger.what_if.and_more", named=named, more=more) if more > 0 else named


def _said(change: Change) -> str:
    if not isinstance(change, Ablation):
        return change.text
    return say(f"debugger.what_if.part.{'at_its_mean' if change.mean_of else 'off'}", part=change.part)


class WhatIfController:
    """The branches of a run, and the partner that a comparison shows beside the run on the screen.

    `enter_run` makes a run in a thread and goes to a moment of it, by default the present one; it refuses, and returns
    False, while the run moves. `entered` is to be called when the thread has come. The compared run has a thread of its
    own, which `start` begins; `call_later` calls back from there.
    """

    def __init__(
        self,
        state: DebuggerState,
        enter_run: Enter,
        notify: Callable[..., None],
        start: Start,
        call_later: Callable[..., object],
    ) -> None:
        self._state, self._enter_run, self._notify = state, enter_run, notify
        self._start, self._call_later = start, call_later
        self._compared: tuple[Hashable, ComparedRun] | None = None  # what it is a copy of, and the copy
        self.branches = Branches(state.session)
        self.partner: str | None = None  # the chosen one; None is the original
        self._announcement = ""  # what to say when the changed run is there

    @property
    def branch(self) -> str | None:
        """The branch that is shown; None for the original."""
        return self.branches.name_of(self._state.session)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is changed in the run that is shown."""
        return self.branches.changes(self.branch)

    @property
    def beside(self) -> ComparedRun | None:
        """The run to compare with: the partner, else the original; in the original, the last branch."""
        here, names = self.branch, [None, *(branch.name for branch in self.branches.all())]
        others = [name for name in names if name != here]
        if not others:
            return None
        name = self.partner if self.partner in others else others[0] if here is not None else others[-1]
        branches, changes = self.branches, self.branches.changes(name)
        source = name, changes, branches
        if self._compared is None or self._compared[0] != source:
            self.let_go_of_compared()
            make = partial(branches.copy, name, changes)
            on_arrival, label = self._state.on_change, name or original_name()
            words = in_words(changes)
            run = ComparedRun(label, branches.original, make, self._start, self._call_later, on_arrival, words)
            self._compared = source, run
        return self._compared[1]

    def let_go_of_compared(self) -> None:
        """Nothing shows the compared run: give back its memory."""
        if self._compared is not None:
            self._compared[1].let_go()

    def put_away(self) -> bool:
        """Another screen is about to cover the run: a large one gives back its memory until it is looked at again.

        So does the compared run. Returns whether they have. A small run is kept, so that it is there at once.
        """
        run = self._state.session
        if not (can_branch(run) and run.is_large):
            return False
        self.let_go_of_compared()
        run.put_away()
        return True

    def snapshot(self, path: str | None, split: str = SYLLABLES) -> Checkpoint:
        """The original and its branches, to be saved."""
        from engine.checkpoint.checkpoint import snapshot

        return snapshot(self.branches.original, path, self.branches.all(), self.branch, split)

    def take_up(self, branches: Branches, branch: str | None = None) -> None:
        """Have branches that were saved, and enter one of them."""
        self.branches = branches
        if branch is not None and branch in branches:
            self.enter(branch)

    def open(self, changes: tuple[Change, ...], moment: Moment) -> None:
        """Make a branch of the original with these changes, and go to a moment of it. Raises ChangeError."""
        self.enter(self.branches.change(None, changes, enter=False).name, moment)

    # Going from run to run.

    def enter(self, name: str | None, moment: Moment | None = None) -> bool:
        """Go to a moment of another run; whether it is on its way."""
        return name != self.branch and self._go_to(partial(self.branches.session, name), moment)

    def _go_to(self, make: Callable[[], Run], moment: Moment | None = None) -> bool:
        """Have a run made and shown. The one that is shown puts its numbers away first: a run takes much memory."""
        shown = branching(self._state.session)

        def put_away_and_make() -> Run:
            shown.put_away()
            return make()

        return self._enter_run(put_away_and_make, moment)

    def entered(self, session: Run) -> bool:
        """The thread has come with a run: show it. Returns whether it is another one; if not, no change was made."""
        announcement, self._announcement = self._announcement, ""
        if session is self._state.session:
            return False
        self._state.take_run(session)
        if announcement:
            self._notify(announcement, timeout=6, markup=False)
        return True

    def change(self, changes: tuple[Change, ...], what: str) -> None:
        """Give this branch other changes, or make one of the original; a branch without any is removed.

        `what` has changed, in words.
        """
        here = self.branch
        if not changes and here is not None:
            self.remove(here, what)
        elif self._go_to(lambda: self.branches.session(self.branches.change(here, changes).name)):
            self._announcement = say("debugger.what_if.changed", what=what)

    def remove(self, name: str, why: str = "") -> None:
        """Forget a branch; from inside it, go to the original."""
        inside = name == self.branch
        if inside and not self.enter(None):
            return
        self.branches.remove(name)
        if not inside:
            self._state.on_change()
        said = "forgotten_as_unchanged" if why else "forgotten"
        self._notify(say(f"debugger.what_if.gone.{said}", why=why, name=name), timeout=6 if why else 3, markup=False)

    def undo(self, name: str) -> None:
        """Take back the last change of a branch."""
        changes = self.branches[name].changes[:-1]
        if not changes:
            self.remove(name)
        elif name == self.branch:
            self.change(changes, say("debugger.what_if.last_change_taken_back"))
        else:
            try:
                self.branches.change(name, changes, enter=False)
            except EngineError as error:  # no memory for the run without the change
                self._notify(f"{error}.", severity="warning", timeout=8, markup=False)
            else:
                self._state.on_change()
                self._notify(say("debugger.what_if.last_change_of", name=name), timeout=3, markup=False)

    # Changes.

    def target(self, frame: Frame) -> str | None:
        """The selected scalar as a change names it; None for a constant."""
        row = frame.selected
        tick = frame.program.tick_of(row)
        return watch_text(frame.view, row) or (None if tick is None else f"scalar[{tick}]")

    def step_of(self, row: int) -> int:
        """The step whose value is meant: that of a parameter which has been moved is the next step's."""
        session, moment = self._state.session, self._state.where.moment
        moved = row < session.program.n_params and moment.phase is Phase.UPDATE and row < moment.tick
        return min(session.step + moved, session.config.num_steps)

    def read(self, target: str, step: int, line: str) -> Change:
        """A value of the target, or a whole change. Raises ChangeError."""
        session = self._state.session
        scope = Scope.of_run(session)
        try:
            value = float(line)
        except ValueError:
            change = parse(line, scope, step)
        else:
            at = "," if "@" in target else "@"
            change = parse(f"{target}{at}step={step} = {value!r}", scope)
        if change.step == session.step:
            branching(session).check(change)
        return change

    def add(self, change: Change) -> None:
        """Make a change."""
        session = self._state.session
        when = "now" if change.step <= session.step else "later"
        said = say(f"debugger.what_if.added.{when}", change=change.text, step=change.step)
        self.change((*branching(session).changes, change), said)

    def toggle(self, part: Ablation) -> None:
        """Switch a part off or to its mean, or on again."""
        session = self._state.session
        changes = branching(session).changes
        off = [c for c in changes if isinstance(c, Ablation) and c.switches_off(part) and c.step <= session.step]
        rest = tuple(change for change in changes if change not in off)
        if off and part.mean_of in (0, off[-1].mean_of):
            self.change(rest, say("debugger.what_if.on_again_all_steps", part=off[-1].part))
        else:
            to = "at_its_mean" if part.mean_of else "off"
            said = say(f"debugger.what_if.from_step.{to}", part=part.part, mean_of=part.mean_of, step=part.step)
            self.change((*rest, part), said)
