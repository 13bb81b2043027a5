"""What if: values are set and parts switched off in branches of the run, which are entered, compared, listed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from engine import EngineError, Session
from engine.checkpoint.checkpoint import Checkpoint, snapshot
from engine.expressions.watch import written
from engine.interventions.plan import Alterations
from engine.interventions.syntax import Ablation, Change, parse
from engine.run.branches import Branches
from engine.timeline.events import Moment, Phase
from microgpt_tui.debugger.frame import Beside
from microgpt_tui.debugger.series_loader import Historian
from microgpt_tui.dialogs.ablations import PartsScreen, in_question
from microgpt_tui.dialogs.branches import ORIGINAL, BranchesScreen, Wish
from microgpt_tui.dialogs.prompt import AskScreen
from microgpt_tui.drawing.numbers import exact
from microgpt_tui.screens.commanding import Commanding

HINT = "d compares, E lists the branches; the original stays."
RATES = "or another change, as in learning_rate = 0.02, layer0.mlp = mean:20, wte[2] = 0"


class WhatIf(Commanding):
    """The part of the debugger's screen that changes something and sees what follows."""

    branches: Branches
    historian: Historian

    def __init__(self) -> None:
        super().__init__()
        self.partner: str | None = None  # the run that a comparison shows beside this one
        self._changed = ""  # what is to be said when the thread has come with the changed run

    @property
    def branch(self) -> str | None:
        """The branch that one is in; None for the original."""
        return self.branches.name_of(self.session)

    @property
    def beside(self) -> Beside | None:
        """The run to compare with: the one that was chosen, else the original; in the original, the last branch."""
        here, names = self.branch, [None, *(branch.name for branch in self.branches.all())]
        others = [name for name in names if name != here]
        if not others:
            return None
        name = self.partner if self.partner in others else others[0] if here is not None else others[-1]
        return Beside(name or ORIGINAL, name, self.branches.changes(name), self.branches)

    def snapshot(self, path: str | None) -> Checkpoint:
        """The original and its branches, to be saved."""
        return snapshot(self.branches.original, path, self.branches.all(), self.branch)

    def take_up(self, branches: Branches, branch: str | None = None) -> None:
        """Have branches that were saved, and enter one of them."""
        self.branches = branches
        if branch is not None and branch in branches:
            self._enter(branch)

    def taken_over(self) -> None:
        """The thread has come with a run: it may be another one. If it is not, no change was made."""
        changed, self._changed = self._changed, ""
        if self.session is not self.motion.session:
            self.state.take_run(self.motion.session)
            self.historian = Historian(self, self.session)
            if changed:
                self.notify(changed, timeout=6, markup=False)

    @abstractmethod
    def enter(self, make: Callable[[], Session], moment: Moment | None = None) -> None:
        """Stand at a moment of another run; without one, at the same as in this run."""

    # Going from run to run.

    def _enter(self, name: str | None, moment: Moment | None = None) -> None:
        """Go to a moment in another run; without one, to the same as in this run."""
        self.enter(partial(self.branches.session, name), moment)

    def _change(self, changes: tuple[Change, ...], what: str) -> None:
        """Let this branch have other changes, or make one of the original; the one without any is forgotten.

        `what` has changed, in words.
        """
        here = self.branch
        if not changes and here is not None:
            self._forget(here, f"{what} Nothing else was changed: ")
            return
        if self._moving_meanwhile():
            return
        self._changed = f"What if: {what} {HINT}"
        self.enter(lambda: self.branches.session(self.branches.change(here, changes).name))

    def _forget(self, name: str, why: str = "") -> None:
        inside = name == self.branch
        if inside and self._moving_meanwhile():
            return
        self.branches.remove(name)
        if inside:
            self._enter(None)
        else:
            self.show()
        self.notify(f"{why}{name} is forgotten.", timeout=6 if why else 3, markup=False)

    # Setting a value.

    def action_edit(self) -> None:
        """Ask which value the selected scalar should take, or for any other change."""
        if self._moving():
            return
        frame = self.frame
        target, row = written(frame.view, frame.selected), frame.selected
        if target is None:
            tick = self.session.program.tick_of(row)
            if tick is None:
                self.notify("This number is a constant of the model's graph; choose one that is computed.", timeout=4)
                return
            target = f"scalar[{tick}]"
        now = "" if frame.value(row) is None else f" ({exact(frame.value(row))} now)"
        hint = f"A number for {target}{now}, {RATES}."
        step = self._step_for(row)
        asked = AskScreen(f"What if, at step {step}", hint, partial(self._read, target, step))
        self.app.push_screen(asked, self._set)

    def _step_for(self, row: int) -> int:
        """The step whose value is meant: a parameter that has been moved is the next step's."""
        moved = row < self.session.recording.n_params and self.state.where.moment.phase is Phase.UPDATE
        moved = moved and row < self.state.where.moment.tick
        return min(self.session.step + moved, self.session.config.num_steps)

    def _read(self, target: str, step: int, line: str) -> Change:
        """A value of the target, or a whole change. Raises ChangeError."""
        try:
            value = float(line)
        except ValueError:
            change = parse(line, self.scope, step)
        else:
            at = "," if "@" in target else "@"
            change = parse(f"{target}{at}step={step} = {value!r}", self.scope)
        if change.step == self.session.step:
            Alterations(self.session.recording).check(change, self.session.program)
        return change

    def _set(self, change: Change | None) -> None:
        if change is None:
            return
        where = "" if change.step <= self.session.step else f" It takes effect in step {change.step}."
        self._change((*self.session.changes, change), f"{change.text}.{where}")

    # Switching off.

    def action_ablate(self) -> None:
        """Switch the head, the MLP or the position in question off, or on again; ask if none is."""
        if self._moving():
            return
        part = in_question(self.frame)
        if part is None:
            self.action_parts()
        else:
            self._toggle(replace(part, step=self.session.step))

    def action_parts(self) -> None:
        """List everything that can be switched off."""
        if self._moving():
            return
        if self.session.config.n_layer:
            self.app.push_screen(PartsScreen(self.frame, self.session.changes), self._toggle)
        else:
            self.app.notify("This model has no layers, and so no parts that can be switched off.")

    def _toggle(self, part: Ablation | None) -> None:
        if part is None:
            return
        changes = self.session.changes
        off = [c for c in changes if isinstance(c, Ablation) and c.part == part.part and c.step <= self.session.step]
        rest = tuple(change for change in changes if change not in off)
        if off and part.mean_of in (0, off[-1].mean_of):
            self._change(rest, f"{part.part} is on again, in all steps.")
        else:
            to = f"set to its mean over {part.mean_of} documents" if part.mean_of else "switched off"
            self._change((*rest, part), f"{part.part} is {to} from step {part.step} on.")

    # The branches.

    def action_compare(self) -> None:
        """Show this moment here and in the run that it is compared with, or no longer."""
        self.action_pane("comparison")

    def action_branches(self) -> None:
        """List the branches."""
        if not self._moving():
            self.app.push_screen(BranchesScreen(self.branches, self.branch), self._wished)

    def _wished(self, wish: Wish | None) -> None:
        match wish:
            case None:
                self.show()  # names may have changed
            case ("enter", name):
                if name != self.branch:
                    self._enter(name, self.branches.left_at(name))
            case ("here", name):
                if name != self.branch:
                    self._enter(name)
            case ("beside", name):
                self.partner = name
                if self.zoomed != "comparison":
                    self.action_compare()
                self.show()
            case ("remove", str(name)):
                self._forget(name)
            case ("undo", str(name)):
                self._undo(name)

    def _undo(self, name: str) -> None:
        changes = self.branches[name].changes[:-1]
        if not changes:
            self._forget(name)
        elif name == self.branch:
            self._change(changes, "the last change is taken back.")
        else:
            try:
                self.branches.change(name, changes, enter=False)
            except EngineError as error:  # no memory for the run without the change
                self.notify(f"{error}.", severity="warning", timeout=8, markup=False)
            else:
                self.show()
                self.notify(f"The last change of {name} is taken back.", timeout=3, markup=False)
