"""The lecture's screen: the debugger with a page beside it. It binds the page to the run, and turns pages."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual._path import CSSPathType
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from engine import Moment, Session
from engine.events import Phase
from microgpt_tui.frame import Where
from microgpt_tui.keys import IN_LECTURE
from microgpt_tui.lectures.giving import Lecture, leaves, standing
from microgpt_tui.lectures.leaf import Leaf
from microgpt_tui.lectures.notes import Seen, notes_of
from microgpt_tui.lectures.pages import Course, LectureError, Play, Run
from microgpt_tui.lectures.telling import Telling
from microgpt_tui.lectures.turning import Press, Turn
from microgpt_tui.motion import Motion, Pace
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.page import Footing, PagePane
from microgpt_tui.screens.chapters import ChaptersScreen
from microgpt_tui.screens.debugger import PANES, DebuggerScreen
from microgpt_tui.screens.layouts import Split, plan, spotlit

BESIDE = 110  # columns from which the page stands beside the panes
LEFT_TO_PANES = 9  # lines at least, where it stands above them
EVENTS_A_SECOND = 4.0


class LectureScreen(DebuggerScreen):
    """One chapter of a lecture, on a run that nothing else moves. While `exploring`, it is the debugger alone."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["debugger.tcss", "lecture.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.description, id=key.id, tooltip=key.tooltip, show=False, priority=True)
        for key in IN_LECTURE
    ] + DebuggerScreen.BINDINGS  # a key that is bound anew would lose what it does while exploring

    class Left(Message):
        """The chapter is left, for another page of the course; None ends the lecture."""

        def __init__(self, to: tuple[int, int] | None) -> None:
            self.to = to
            super().__init__()

    class Prepared(Message):
        """The numbers of a page are known."""

        def __init__(self, leaf: Leaf) -> None:
            self.leaf = leaf
            super().__init__()

    def __init__(self, session: Session, lecture: Lecture, telling: Telling | None = None) -> None:
        super().__init__(session)
        self.lecture = lecture
        self._telling = telling  # of what is shown, to those who follow
        self.scenes = lecture.scenes(self.scope)
        lecture.page = min(lecture.page % len(self.scenes), len(self.scenes) - 1)
        self.leaves: list[Leaf] = []  # of the first pages; the others are on their way
        self.turn = Turn(None)
        self.exploring = False
        self._quoted = session.anew()  # what the pages quote is asked of this one
        self._chosen: int | None = None  # the option that the viewer predicts
        self._gone = False
        self._aim: Moment | None = None  # where the page wants the run to be, until it is there
        self._before: int | None = None  # the head or layer that was chosen when the page began to wait
        self._digits = (0.0, 0)  # when a digit was typed last, and the number so far

    def compose(self) -> ComposeResult:
        """The page, the debugger, and the line below."""
        yield PagePane("page")
        yield from super().compose()
        yield Footing("footing")

    def on_mount(self) -> None:
        """Work out the numbers of all pages, beginning with the first; show the page."""
        self.page_pane.chapter = self.lecture.chapter.title
        self.run_worker(self._prepare, thread=True, group="pages")
        self.set_interval(1.0, self._stand_line)
        self.open_page(self.lecture.page)

    def on_unmount(self) -> None:
        """Nobody reads any more."""
        self._gone = True

    def on_resize(self, event: events.Resize) -> None:
        """Put the page beside the panes or above them."""
        self.set_class(event.size.width >= BESIDE, "-beside")
        self.set_class(event.size.width < BESIDE, "-above")
        self._fit_page(event.size)

    # What is on the screen.

    @property
    def page_pane(self) -> PagePane:
        """The page's widget."""
        return self.query_one(PagePane)

    @property
    def leaf(self) -> Leaf | None:
        """The present page with its numbers; None while they are worked out."""
        return self.leaves[self.lecture.page] if self.lecture.page < len(self.leaves) else None

    @property
    def blank(self) -> bool:
        """Whether the screen is blanked."""
        return self.has_class("-blank")

    def show(self) -> None:
        """Hand the present moment to every pane; panes that are not in question stand back."""
        super().show()
        spots = () if self.exploring or self.leaf is None else self.scenes[self.lecture.page].spotlight
        for strip in ("tokens", "timeline"):
            self.set_class(strip in spots, f"-with-{strip}")
        for pane in self.query(Pane):
            pane.dimmed = bool(spots) and pane.id not in (*spots, "page", "footing")
        self._see_to_waiting()

    def _plan(self, phase: Phase) -> Split:
        if self.exploring:
            return super()._plan(phase)
        page = self.page_pane.outer_size
        beside = self.has_class("-beside")
        room = Size(self.size.width - page.width * beside, self.size.height - page.height * (not beside))
        scene = self.scenes[self.lecture.page]
        names = [name for name in scene.spotlight if name in PANES]
        if isinstance(scene.page.act, Run) and "training" not in names:
            names.append("training")  # the curve grows
        return spotlit(names, room) if names else plan(phase, room)

    def _fit_page(self, size: Size) -> None:
        pane = self.page_pane
        if size.width >= BESIDE:
            pane.styles.height = None
        else:
            needed = pane.lines_needed(size.width - 4) + 1
            pane.styles.height = max(3, min(needed, size.height - LEFT_TO_PANES - 2))

    def _show_page(self) -> None:
        """Show the page as far as it has come."""
        pane, leaf = self.page_pane, self.leaf
        pane.waiting = self.lecture.words["preparing"]
        pane.leaf = leaf and replace(leaf, done=self.turn.done, chosen=self._chosen)
        self._fit_page(self.size)
        pane.redraw()
        self._stand_line()
        self._tell()

    def _tell(self) -> None:
        """Let those who follow know what is shown."""
        if self._telling is not None:
            seen = Seen.BLANK if self.blank else Seen.EXPLORING if self.exploring else Seen.PAGE
            self._telling.tell(notes_of(self.lecture, self.scenes, self.leaves, self.turn, seen))

    def _stand_line(self) -> None:
        """Say below what the next press does, and where the lecture is."""
        if self.is_current:
            waits = self.scenes[self.lecture.page].doing
            self.query_one(Footing).stand(standing(self.lecture, self.turn, waits, len(self.scenes), self.exploring))

    # Pages.

    def _prepare(self) -> None:
        """In a thread: the pages with their numbers, from a run of their own."""
        for leaf in leaves(self.scenes, self._quoted):
            if self._gone:
                return
            self.post_message(self.Prepared(leaf))

    @on(Prepared)
    def prepared(self, message: Prepared) -> None:
        """One more page can be shown."""
        self.leaves.append(message.leaf)
        self._tell()
        if len(self.leaves) - 1 == self.lecture.page:
            self.open_page(self.lecture.page)

    def open_page(self, place: int) -> None:
        """Turn to a page of this chapter, and bring the run to where it begins."""
        self.lecture.page = place
        self.turn = Turn.of(self.scenes[place].page.act)
        self._chosen = None
        self.zoomed = None
        self.set_focus(None)
        self._show_page()
        if self.leaf is not None:
            self._bring(self.leaf.start)

    def _bring(self, moment: Moment) -> None:
        """Let the run stand at a moment of the page, now or when it has come there."""
        self._aim = moment
        if self.busy:
            self.motion.halt()  # what it arrives at is not the aim; see `landed`
            return
        self.go(moment)
        if not self.busy:
            self._land()

    def _land(self) -> None:
        """The run is where the page wants it: choose what is in focus."""
        self._aim = None
        self.where = Where(self.session.moment)
        self.session.forget_future()  # a page looks the same whenever it is shown, and its curve grows from here
        try:
            for focus in self.scenes[self.lecture.page].focus:
                self.where = focus.on(self.where, self.session)
        except LectureError as error:
            self.notify(str(error), severity="warning", markup=False)
        doing = self.scenes[self.lecture.page].doing
        self._before = doing.chosen(self.frame) if doing else None
        self.show()

    @on(Motion.Arrived)
    def landed(self) -> None:
        """A run that was moving stands still. The debugger hears of it after this."""
        self.call_later(self._landed)

    def _landed(self) -> None:
        leaf = self.leaf
        if self.busy or leaf is None:
            return
        if self._aim is not None:
            self._bring(self._aim)
        elif self.turn.next is Press.SKIP and self.session.moment.key >= leaf.end.key:
            self._finish()

    def _finish(self) -> None:
        """The page has done what it does."""
        self.turn = self.turn.finished()
        self._show_page()
        self.place_panes(self.where.moment.phase)

    def _see_to_waiting(self) -> None:
        """Whether the viewer has done what the page waits for."""
        doing = self.scenes[self.lecture.page].doing
        if doing is None or self.turn.done or self.busy or self._aim is not None or self.leaf is None:
            return
        if doing.done(self.frame, self._before):
            self._finish()

    def on_key(self, event: events.Key) -> None:
        """A key that a page waits for does what it does, and the page answers."""
        doing = self.scenes[self.lecture.page].doing
        if doing is None or doing.key is None or self.turn.done or self.exploring:
            return
        if event.key in doing.key.keys.split(","):
            self.call_later(self._finish)

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys belong to the lecture just now, and which to the debugger."""
        own = {key.action.partition("(")[0] for key in IN_LECTURE}
        if self.blank:
            return action in ("advance", "turn_back", "blank", "leave")
        if action not in own:
            return super().check_action(action, parameters)
        if self.exploring:
            return action in ("chapters", "leave")
        if action == "pick":
            return self.turn.next is Press.REVEAL and self.leaf is not None and parameters[0] < len(self.leaf.options)  # type: ignore[operator]
        if action == "explore":
            return not self.zoomed and not isinstance(self.focused, Pane)
        return True

    def action_advance(self) -> None:
        """What the page does next; when it is done, the page after it."""
        if self._unblanked() or self.leaf is None:
            return
        press, leaf, act = self.turn.next, self.leaf, self.scenes[self.lecture.page].page.act
        if press is Press.TURN:
            self._turn_to(self.lecture.page + 1)
            return
        if press in (Press.REVEAL, Press.SKIP):
            self.finish()
            return
        self.turn = self.turn.pressed()
        self._show_page()
        doing = self.scenes[self.lecture.page].doing
        if press is Press.GO_ON and doing is not None and doing.key is not None:
            self.run_worker(self.run_action(doing.key.action))  # as if the viewer had pressed it
        if press is Press.BEGIN and isinstance(act, Play | Run):
            self._play(leaf, isinstance(act, Play))

    def finish(self) -> None:
        """Show the page as it is when it has done what it does, at once."""
        leaf = self.leaf
        if leaf is not None:
            self._finish()
            if leaf.end != self.session.moment:
                self._bring(leaf.end)

    def _play(self, leaf: Leaf, events_: bool) -> None:
        speed = self.scenes[self.lecture.page].page.speed
        if speed is None:
            speed = EVENTS_A_SECOND if events_ else 0.0
        if self.busy:
            return
        if self.session.moment != leaf.start:
            self.session.seek(leaf.start)
        self._leave()
        self.motion.play(leaf.end, Pace(f"{speed:g} a second" if speed else "flat out", speed, events_))

    def action_turn_back(self) -> None:
        """The start of this page, if it has done something; else the page before."""
        if self._unblanked():
            return
        if self.turn != Turn.of(self.scenes[self.lecture.page].page.act):
            self.open_page(self.lecture.page)
        else:
            self._turn_to(self.lecture.page - 1)

    def _turn_to(self, page: int) -> None:
        lecture = self.lecture
        if 0 <= page < len(self.scenes):
            self.open_page(page)
        elif page < 0 and lecture.place:
            self.post_message(self.Left((lecture.place - 1, -1)))
        elif page > 0 and lecture.place + 1 < len(lecture.course.chapters):
            self.post_message(self.Left((lecture.place + 1, 0)))
        else:
            self.notify(lecture.words["start" if page < 0 else "end"], timeout=3)

    def action_digit(self, digit: int) -> None:
        """Jump to a page; a second digit within a second makes a number of two."""
        now = self.lecture.clock()
        then, number = self._digits
        number = number * 10 + digit if now - then < 1.0 else digit
        self._digits = now, number
        if 1 <= number <= len(self.scenes):
            self.open_page(number - 1)

    def action_pick(self, place: int) -> None:
        """Predict an option."""
        self._chosen = place
        self._show_page()

    def action_blank(self) -> None:
        """Show nothing at all, or everything again."""
        self.toggle_class("-blank")
        self._tell()

    def _unblanked(self) -> bool:
        """Whether the press was taken up by bringing the screen back."""
        was = self.blank
        self.remove_class("-blank")
        self._tell()
        return was

    def action_explore(self) -> None:
        """Leave the page; every key is the debugger's."""
        self._explore(True)

    def _explore(self, exploring: bool) -> None:
        self.exploring = exploring
        self.set_class(exploring, "-exploring")
        self._stand_line()
        self._tell()
        self.show()

    def action_chapters(self) -> None:
        """Back to the page from looking around, as it was; else the list of chapters."""
        if not self.exploring:
            self.app.push_screen(ChaptersScreen(self.lecture.course, self.lecture.place), self._begin)
            return
        self.zoomed = None
        self.set_focus(None)
        self._explore(False)
        if self.leaf is not None:
            self._bring(self.leaf.end if self.turn.done else self.leaf.start)

    def _begin(self, chosen: tuple[Course, int] | None) -> None:
        if chosen is not None:
            self.lecture.course, place = chosen
            self.post_message(self.Left((place, 0)))

    def action_hide(self) -> None:
        """Hide the time and the page count, or show them."""
        self.lecture.hidden = not self.lecture.hidden
        self._stand_line()

    def action_leave(self) -> None:
        """End the lecture."""
        self.post_message(self.Left(None))
