"""A page beside the debugger: binds the page to the run, shows it as far as it has come, dims what it is not about."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual._path import CSSPathType
from textual.app import ComposeResult
from textual.geometry import Size
from textual.message import Message

from engine import Moment, Session
from engine.timeline.events import Phase
from microgpt_tui.debugger.frame import Where
from microgpt_tui.debugger.run_controller import Motion
from microgpt_tui.lectures.lecture import Lecture, leaves, standing
from microgpt_tui.lectures.page import LectureError, Run
from microgpt_tui.lectures.progress import Press, Turn
from microgpt_tui.lectures.rendered_page import Leaf
from microgpt_tui.lectures.shared_notes import SharedNotes
from microgpt_tui.lectures.speaker_notes import Seen, notes_of
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.layouts import Split, plan, spotlit
from microgpt_tui.panes.lecture_page import Footing, PagePane
from microgpt_tui.screens.debugger import PANES, DebuggerScreen
from microgpt_tui.widgets.picture_view import PictureView

BESIDE = 110  # columns from which the page stands beside the panes
LEFT_TO_PANES = 9  # lines at least, where it stands above them


class Paging(DebuggerScreen):
    """The pages of one chapter, on a run that nothing else moves. While `exploring`, it is the debugger alone."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["debugger.tcss", "lecture.tcss"]

    class Prepared(Message):
        """The numbers of a page are known."""

        def __init__(self, leaf: Leaf) -> None:
            self.leaf = leaf
            super().__init__()

    def __init__(self, session: Session, lecture: Lecture, shared: SharedNotes | None = None) -> None:
        super().__init__(session)
        self.lecture = lecture
        self._shared = shared  # notes, for other terminals
        self.scenes = lecture.scenes(self.stops.scope)
        lecture.page = min(lecture.page % len(self.scenes), len(self.scenes) - 1)
        self.leaves: list[Leaf] = []  # of the first pages; the others are on their way
        self.turn = Turn(None)
        self.exploring = False
        self._quoted = session.anew()  # what the pages quote is asked of this one
        self._chosen: int | None = None  # the option that the viewer predicts
        self._gone = False
        self._aim: Moment | None = None  # where the page wants the run to be, until it is there
        self._before: int | None = None  # the head or layer that was chosen when the page began to wait

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
        self.set_interval(1.0, self._tell)  # does nothing, unless the file could not be written before
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
        for view in self.query(PictureView).exclude("Pane"):
            view.redraw()
        spots = () if self.exploring or self.leaf is None else self.scenes[self.lecture.page].spotlight
        for strip in ("tokens", "timeline"):
            self.set_class(strip in spots, f"-with-{strip}")
        for pane in self.query(Pane):
            pane.dimmed = bool(spots) and pane.id not in spots
        self._see_to_waiting()

    def layout_for(self, phase: Phase) -> Split:
        """The panes in question, and some around them; while exploring, those of the debugger."""
        if self.exploring:
            return super().layout_for(phase)
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

    @property
    def _shown_done(self) -> bool:
        """Whether the page says that it has done what it does: not before the run is where that ends."""
        return self.turn.done and self._aim is None

    def _show_page(self) -> None:
        """Show the page as far as it has come."""
        pane, leaf = self.page_pane, self.leaf
        pane.waiting = self.lecture.words["preparing"]
        pane.leaf = leaf and replace(leaf, done=self._shown_done, chosen=self._chosen)
        self._fit_page(self.size)
        pane.redraw()
        self._stand_line()
        self._tell()

    def _tell(self) -> None:
        """Share the notes of what is shown."""
        if self._shared is not None:
            seen = Seen.BLANK if self.blank else Seen.EXPLORING if self.exploring else Seen.PAGE
            self._shared.share(notes_of(self.lecture, self.scenes, self.leaves, self.turn, seen))

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
        if not self.whole:
            return
        self.leaves.append(message.leaf)
        self._tell()
        if len(self.leaves) - 1 == self.lecture.page:
            self.open_page(self.lecture.page)

    def open_page(self, place: int) -> None:
        """Turn to a page of this chapter, and bring the run to where it begins."""
        self.lecture.page = place
        self.turn = Turn.of(self.scenes[place].page.act)
        self._chosen = None
        self.grid.zoomed = None
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
        where = Where(self.session.moment)
        self.session.forget_future()  # a page looks the same whenever it is shown, and its curve grows from here
        for focus in self.scenes[self.lecture.page].focus:
            try:
                where = focus.on(where, self.session)
            except LectureError as error:
                if not self.turn.done:  # where the page ends, what it began with need not be there
                    self.notify(str(error), severity="warning", markup=False)
        self.state.stand(where)
        doing = self.scenes[self.lecture.page].doing
        self._before = doing.chosen(self.frame) if doing else None
        if self.turn.done:
            self._show_page()
        self.show()

    def _goes_on(self) -> bool:
        return self.motion.halted and self._aim is not None

    @on(Motion.Arrived)
    def landed(self) -> None:
        """A run that was moving stands still. The debugger hears of it after this."""
        self.call_later(self._landed)

    def _landed(self) -> None:
        leaf = self.leaf
        if self.busy or leaf is None or not self.whole:
            return
        if self._aim is not None:
            self._bring(self._aim)
        elif self.turn.next is Press.SKIP and self.session.moment.key >= leaf.end.key:
            self._finish()
            self._land()

    def _finish(self) -> None:
        """The page has done what it does."""
        self.turn = self.turn.finished()
        self._show_page()
        self.grid.place()

    def finish(self) -> None:
        """Show the page as it is when it has done what it does, at once."""
        leaf = self.leaf
        if leaf is not None:
            self._aim = leaf.end if self.busy or leaf.end != self.session.moment else None
            self._finish()
            if self._aim is not None:
                self._bring(self._aim)

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
