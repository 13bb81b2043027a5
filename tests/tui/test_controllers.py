"""The controllers of the debugger's and the lecture's screen, without a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine import Breakpoint, NumericFault, Session
from engine.interventions.syntax import parse
from engine.run.branches import Branches
from engine.timeline.events import Moment, Phase
from engine.timeline.view import View
from microgpt_tui.debugger.annotations import Annotations
from microgpt_tui.debugger.compared_run import ComparedRun
from microgpt_tui.debugger.frame import Choice, Context, Focus, Frame, PathChoice, PathStep
from microgpt_tui.debugger.goto_controller import GoTo
from microgpt_tui.debugger.navigation import SameEvent, first_moment
from microgpt_tui.debugger.navigator import MOST_WAITING, Navigator
from microgpt_tui.debugger.run_controller import RunController, Start
from microgpt_tui.debugger.state import DebuggerState
from microgpt_tui.debugger.stops import StopsController
from microgpt_tui.debugger.what_if import WhatIfController
from microgpt_tui.lectures.player import LecturePlayer, Press
from microgpt_tui.panes import registry
from tests.support.harness import DOCS, SMALL
from tests.support.lecture_harness import lecture_of


def at_once(call: Callable[..., None], *args: Any) -> None:
    """In place of a thread and of the event loop: calls the function at once."""
    call(*args)


@dataclass
class Debugger:
    """A run, its state, and the changes and messages that a screen would get."""

    session: Session = field(default_factory=lambda: Session(SMALL, DOCS))
    changes: int = 0
    said: list[str] = field(default_factory=list)
    still: bool = True  # whether a move is over when it is asked for

    def __post_init__(self) -> None:
        self.session.seek(first_moment(self.session.program, 0))
        self.state = DebuggerState(self.session, Annotations(), self.changed)
        self.stops = StopsController(self.state, self.notify)
        self.go_to = GoTo(self.state, self.go, self.frame, self.notify)

    def changed(self) -> None:
        self.changes += 1

    def notify(self, message: str, **_: Any) -> None:
        self.said.append(message)

    def frame(self) -> Frame:
        around = Context(annotations=self.state.annotations, path=self.state.path, watch=self.state.watch)
        return Frame(self.session.view(), self.state.where, around)

    def go(self, to: Moment | SameEvent) -> bool:
        assert isinstance(to, Moment)
        if self.still:
            self.session.seek(to)
            self.state.stand(self.state.where.at(to))
        return self.still

    def type(self, line: str) -> None:
        command = self.go_to.read(self.frame(), line)
        assert command is not None
        self.go_to.carry_out(command)


def test_each_change_of_a_stopped_run_is_reported_once() -> None:
    debugger = Debugger()
    state = debugger.state
    writers: tuple[Callable[[], None], ...] = (
        lambda: state.choose(3, cell=1),
        lambda: state.choose(3, matrix="wte"),
        lambda: state.look_at(Choice(head=1)),
        lambda: state.annotate(Annotations(watches=("loss",))),
        lambda: state.restore(Focus(Moment(0)), Annotations()),
    )
    for count, write in enumerate(writers, 1):
        write()
        assert debugger.changes == count
    assert (state.where, state.annotations) == (Focus(Moment(0)), Annotations())


def test_changes_by_a_move_are_not_reported_apart() -> None:
    debugger = Debugger()
    state, fault = debugger.state, NumericFault(step=1, doc="", pos=None, tensor="q", row=0, reason="no")
    state.meet(fault)
    assert state.fault is fault
    state.depart()
    state.stand(Focus(Moment(3)))
    assert (state.fault, state.live, state.where, debugger.changes) == (None, None, Focus(Moment(3)), 0)


def test_following_a_value_and_returning() -> None:
    state = Debugger().state
    here = state.where
    state.follow_from(5)
    state.stand(Focus(Moment(9)))
    came_from = state.follow_back()
    assert came_from is not None
    assert (came_from.moment, came_from.row) == (here.moment, 5)
    assert state.follow_back() is None


def test_a_path_and_its_edge_are_chosen_until_the_scalar_or_the_moment_changes() -> None:
    debugger = Debugger()
    state, program = debugger.state, debugger.session.program
    debugger.go(Moment(0, Phase.BACKWARD, program.ticks(Phase.BACKWARD)))
    row = int(debugger.session.recording.matrices["lm_head"][0, 0])
    state.choose(row)
    first = debugger.frame()
    assert (first.path, first.edge) == (PathChoice(row), first.paths[0][1][0])
    for step in (PathStep(row, edge=1), PathStep(row, path=1), PathStep(row, edge=-1)):
        state.choose_path(step)
    frame = debugger.frame()
    assert frame.path == PathChoice(row, 1, -1)
    assert frame.edges == frame.paths[1][1]
    assert frame.edge == frame.edges[-1]
    state.choose(row)
    assert debugger.frame().path == PathChoice(row, 1, -1)
    state.choose(row + 1)
    state.choose(row)
    assert debugger.frame().path == PathChoice(row)
    state.choose_path(PathStep(row, path=1))
    debugger.go(Moment(0, Phase.BACKWARD, 3))
    assert state.path is None


def test_choosing_past_the_last_path_or_edge_wraps_around() -> None:
    debugger = Debugger()
    debugger.go(Moment(0, Phase.BACKWARD, debugger.session.program.ticks(Phase.BACKWARD)))
    row = int(debugger.session.recording.matrices["lm_head"][0, 0])
    debugger.state.choose(row)
    paths = debugger.frame().paths
    debugger.state.choose_path(PathStep(row, path=len(paths)))
    debugger.state.choose_path(PathStep(row, edge=len(paths[0][1])))
    assert debugger.frame().edge == paths[0][1][0]


def test_a_watch_is_chosen_and_the_choice_stays_within_the_list() -> None:
    debugger = Debugger()
    state = debugger.state
    assert not state.choose_watch(0)
    state.annotate(Annotations(watches=("loss", "wte[1, 2]", "wpe[0, 1]")))
    assert state.choose_watch(2)
    assert [watch.text for watch in debugger.frame().watches] == list(state.annotations.watches)
    assert (state.choose_watch(3), state.choose_watch(-1), state.watch) == (False, False, 2)
    state.annotate(Annotations(watches=("loss",)))
    assert state.watch == 0


def test_a_breakpoint_is_set_and_removed_with_its_hits() -> None:
    debugger = Debugger()
    stops, event = debugger.stops, debugger.frame().stage_event
    stops.toggle(event)
    (made,) = debugger.state.annotations.breakpoints
    assert stops.next_moment(made) == debugger.session.moment
    stops.hits[made.id] = 2
    stops.toggle(event)
    assert (debugger.state.annotations.breakpoints, stops.hits[made.id]) == ((), 0)
    assert [line.partition(":")[0] for line in debugger.said] == ["Breakpoint", "No breakpoint any more"]


def test_a_watch_is_added_only_once() -> None:
    debugger = Debugger()
    debugger.stops.watch("loss")
    debugger.stops.watch("loss")
    assert debugger.state.annotations.watches == ("loss",)
    debugger.stops.unwatch("loss")
    assert debugger.state.annotations.watches == ()


def test_a_branch_is_made_once_the_run_stands_still() -> None:
    debugger, made, may = Debugger(), [], False

    def enter(make: Callable[[], Session], moment: Moment | None) -> bool:
        del moment
        if may:
            made.append(make())
        return may

    what_if = WhatIfController(debugger.state, enter, debugger.notify, at_once, at_once)
    change = parse("wte[0, 0] = 0.5", debugger.stops.scope, 0)
    what_if.add(change)
    assert not what_if.branches.all()
    may = True
    what_if.add(change)
    assert what_if.branch is None  # until the thread has come
    assert what_if.entered(made[0])
    assert (what_if.branch, debugger.state.session) == ("branch 1", made[0])
    assert debugger.said[-1].startswith("What if: wte[0, 0]@step=0 = 0.5")
    beside = what_if.beside
    assert beside is not None
    assert beside.name == "original"
    what_if.remove("branch 1")
    assert made[-1] is debugger.session
    assert not what_if.entered(debugger.state.session)


def compared_run(debugger: Debugger, start: Start, *changes: str) -> ComparedRun:
    """A copy of the run with changes, at which the debugger looks."""
    session, scope = debugger.session, debugger.stops.scope
    make = partial(Branches(session).copy, None, [parse(text, scope, 0) for text in changes])
    return ComparedRun("changed", session, make, start, at_once, debugger.changed)


def test_a_compared_run_is_made_in_a_thread_and_follows_to_each_moment() -> None:
    debugger, works = Debugger(), list[Callable[[], None]]()
    run = compared_run(debugger, works.append, "wte[0, 0] = 0.5")
    here, near, far = debugger.session.moment, Moment(0, Phase.FORWARD, 7), Moment(30)
    assert (run.at(here), run.at(here), len(works)) == (None, None, 1)
    assert run.at(near) is None  # on the way to the moment before: it is halted first
    works.pop()()
    assert debugger.changes == 1
    assert view_of(run, near).moment == near
    assert view_of(run, near).data(debugger.session.recording.matrices["wte"]).values[0, 0] == 0.5
    assert run.at(far) is None or view_of(run, far).moment == far  # compiled, thirty steps are near
    if works:
        works.pop()()
    assert view_of(run, far).moment == far
    assert debugger.session.moment == here


def view_of(run: ComparedRun, moment: Moment) -> View:
    """The view of a compared run that is there."""
    view = run.at(moment)
    assert view is not None
    assert not isinstance(view, str)
    return view


def test_a_compared_run_reports_why_it_cannot_reach_a_moment() -> None:
    run = compared_run(Debugger(), at_once, "learning_rate = 2000")
    assert run.at(Moment(9)) is None  # it is made, and meets a fault on its way
    assert "training stopped at step" in str(run.at(Moment(9)))
    impossible = compared_run(Debugger(), at_once, "scalar[99999]@step=1 = 0.5")
    impossible.at(Moment(1))
    assert "there is no scalar 99999" in str(impossible.at(Moment(1)))


def test_a_new_run_is_compared_when_the_branch_or_its_changes_differ() -> None:
    debugger = Debugger()
    what_if = WhatIfController(debugger.state, lambda *_: False, debugger.notify, at_once, at_once)
    assert what_if.beside is None
    changes = [parse(text, debugger.stops.scope, 0) for text in ("wte[0, 0] = 0.5", "wte[0, 1] = 0.5")]
    for change in changes:
        what_if.branches.change(None, [change])
    last = what_if.beside
    assert last is not None
    assert (last.name, what_if.beside) == ("branch 2", last)
    what_if.partner = "branch 1"
    first = what_if.beside
    assert first is not None
    assert first.name == "branch 1"
    what_if.branches.change("branch 1", changes, enter=False)
    assert what_if.beside is not first


def test_a_go_to_is_continued_when_the_run_has_reached_its_step() -> None:
    debugger = Debugger()
    debugger.still = False
    debugger.type("3 backward q[0, 3]@pos=1")
    assert debugger.session.step == 0
    debugger.still = True
    debugger.session.seek(Moment(3))
    debugger.go_to.arrived()
    moment = debugger.session.moment
    assert (moment.step, moment.phase, debugger.session.view().event.name) == (3, Phase.BACKWARD, "q")
    assert debugger.state.where.cell == 3


def test_a_go_to_that_is_halted_is_not_continued() -> None:
    debugger = Debugger()
    debugger.still = False
    debugger.type("3 backward q[0, 3]@pos=1")
    debugger.session.seek(Moment(2))
    debugger.go_to.arrived()
    debugger.session.seek(Moment(3))
    debugger.go_to.arrived()
    assert debugger.session.moment == Moment(3)


def test_an_empty_search_repeats_the_last_one() -> None:
    debugger = Debugger()
    for words in ("probs", ""):
        match = debugger.go_to.search(debugger.session.program, debugger.session.moment, words)
        assert match is not None
        debugger.go_to.to_match(match)
        assert debugger.session.view().event.name == "probs"
    assert debugger.session.view().event.pos == 1
    assert debugger.go_to.search_hint(debugger.session.program) == "enter: again probs"


def test_marks_are_set_listed_and_returned_to() -> None:
    debugger = Debugger()
    here = debugger.session.moment
    debugger.go_to.mark("a")
    debugger.go(Moment(2))
    assert debugger.go_to.marks() == [f"a  step 0 (counted from 0), forward phase, tick {here.tick}"]
    debugger.go_to.to_mark("a")
    assert debugger.session.moment == here


def test_a_player_turns_pages_and_takes_a_prediction(tmp_path: Path) -> None:
    lecture = lecture_of(tmp_path, chapters=2)
    player = LecturePlayer(lecture, Debugger().stops.scope, registry.screen_names())
    player.open(1)
    assert (player.next, player.rendered, player.spotlight) == (Press.REVEAL, None, ())
    player.predicted = 2
    player.finish()
    assert (player.next, player.begun) == (Press.TURN, True)
    player.open(0)
    assert (player.predicted, player.begun) == (None, False)
    assert [player.digit(digit) for digit in (0, 3)] == [None, 2]
    assert (player.other_chapter(-1), player.other_chapter(6)) == (None, (1, 0))


class Screen:
    """In place of a navigator's screen: counts the calls."""

    def __init__(self) -> None:
        self.shown = self.shown_soon = self.progress = self.released = 0

    def show(self) -> None:
        self.shown += 1

    def show_soon(self) -> None:
        self.shown_soon += 1

    def show_progress(self) -> None:
        self.progress += 1

    def release_run(self) -> None:
        self.released += 1


@dataclass
class Moving(Debugger):
    """A debugger whose run is moved by a navigator; the test starts its threads and delivers their messages."""

    works: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.screen, self.messages = Screen(), list[Any]()
        self.motion = RunController(self.session, self.works.append, self.messages.append)
        self.navigator = Navigator(self.state, self.stops, self.motion, self.screen, self.notify)

    def work(self) -> None:
        """Run the thread to its end, and deliver its messages."""
        self.works.pop(0)()
        self.navigator.arrive(self.messages.pop())

    def far(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let a move to another step take a thread."""
        monkeypatch.setattr(self.motion, "near", lambda moment: moment.step == self.session.step)


def test_a_near_move_is_made_at_once_and_shown_soon() -> None:
    debugger = Moving()
    assert debugger.navigator.go(Moment(0, Phase.FORWARD, 9))
    assert debugger.state.where.moment == debugger.session.moment == Moment(0, Phase.FORWARD, 9)
    assert (debugger.screen.released, debugger.screen.shown_soon, debugger.works) == (1, 1, [])
    debugger.navigator.move("first_event")
    debugger.navigator.move("previous_event")
    assert debugger.said == ["This is the first event of all."]


def test_moves_wait_for_a_far_one_until_it_is_halted(monkeypatch: pytest.MonkeyPatch) -> None:
    debugger = Moving()
    debugger.far(monkeypatch)
    navigator = debugger.navigator
    for way in ("next_step", "next_step", "next_event"):
        navigator.move(way)
    assert navigator.waiting == ["next_step", "next_event"]
    debugger.work()
    assert (debugger.session.step, navigator.waiting) == (1, ["next_event"])
    debugger.work()
    assert (debugger.session.step, debugger.session.view().event.name) == (2, "embed_norm")
    for _ in range(2 * MOST_WAITING):
        navigator.move("next_step")
    assert len(navigator.waiting) == MOST_WAITING
    assert navigator.halt()
    debugger.work()
    assert (navigator.waiting, navigator.halt()) == ([], False)


def test_a_relative_move_finds_its_event_again_after_a_shorter_document(monkeypatch: pytest.MonkeyPatch) -> None:
    debugger = Moving(Session(SMALL, ["anna", "b"]))
    debugger.far(monkeypatch)
    session = debugger.session
    long = next(step for step in range(4) if session.seek(Moment(step)) or session.program.n == 4)
    debugger.navigator.go(session.program.ends(Phase.FORWARD)["q", 3, 0, None])
    start = session.moment
    lengths = []
    for way in ("next_step", "previous_step"):
        debugger.navigator.move(way)
        debugger.work()
        lengths.append(session.program.n)
    assert (lengths, session.moment, session.step) == ([2, 4], start, long)
    assert [line.partition(", ")[2] for line in debugger.said] == ["whose last position is 1: this is q there."]


def test_a_run_that_stops_at_a_breakpoint_reports_it() -> None:
    debugger = Moving()
    debugger.state.annotate(Annotations((Breakpoint("1", condition="step == 3"),)))
    debugger.navigator.run(flat_out=True)
    debugger.work()
    assert debugger.session.step == 3
    assert len(debugger.said) == 1
    debugger.navigator.continue_back()
    debugger.work()
    assert debugger.said[-1] == "There is no stop before this moment."


def test_a_halt_before_another_move_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    debugger = Moving()
    debugger.far(monkeypatch)
    for diverted in (False, True):
        debugger.navigator.diverted = lambda diverted=diverted: diverted  # type: ignore[misc]
        debugger.navigator.go(Moment(40))
        debugger.navigator.halt()
        debugger.works.pop(0)()
        debugger.navigator.arrive(RunController.Arrived(note="The run was halted."))
        assert debugger.said == ["The run was halted."]


def test_no_other_run_is_entered_while_the_run_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    debugger = Moving()
    debugger.far(monkeypatch)
    debugger.navigator.go(Moment(3))
    assert not debugger.navigator.enter(lambda: Session(SMALL, DOCS))
    assert "do this again when it has arrived" in debugger.said[-1]
    debugger.work()
    assert debugger.navigator.enter(lambda: Session(SMALL, DOCS))


def test_following_a_value_to_its_event_and_returning() -> None:
    debugger = Moving()
    program = debugger.session.program
    debugger.navigator.go(program.ends(Phase.FORWARD)["probs", 0, None, None])
    here, tensor = debugger.session.moment, debugger.frame().tensor("q", 0, 0)
    assert tensor is not None
    debugger.state.choose(int(tensor[0]))
    debugger.navigator.follow(debugger.frame())
    assert debugger.session.view().event.name == "q"
    debugger.navigator.come_back()
    assert (debugger.session.moment, debugger.state.where.row) == (here, int(tensor[0]))
