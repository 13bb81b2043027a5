"""`LecturePlayer`: the pages of a chapter that is being given, and how far the present one has come. Moves no run."""

from __future__ import annotations

from dataclasses import replace

from engine import Moment, Scope, Session
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.debugger.run_controller import Pace
from microgpt_tui.lectures.binding import BoundPage, ScreenNames
from microgpt_tui.lectures.lecture import Lecture, Standing, standing_of
from microgpt_tui.lectures.page import LectureError, Play, Run
from microgpt_tui.lectures.progress import Press, Turn
from microgpt_tui.lectures.rendered_page import RenderedPage
from microgpt_tui.lectures.speaker_notes import Notes, Seen, notes_of

EVENTS_A_SECOND = 4.0


class LecturePlayer:
    """The pages of one chapter, and the present page: what it has done, and where it wants the run to be."""

    def __init__(self, lecture: Lecture, scope: Scope, names: ScreenNames) -> None:
        """`names` are what the pages can light and wait for. Raises LectureError for a mistake in a page.

        A negative page counts from the last one.
        """
        self.lecture = lecture
        self.scenes = lecture.scenes(scope, names)
        lecture.page %= len(self.scenes)
        self.leaves: list[RenderedPage] = []  # of the first pages; the numbers of the others are being worked out
        self.turn = Turn(None)
        self.exploring = False  # whether the page has been left for the debugger
        self.predicted: int | None = None  # an option of the page's question
        self.aim: Moment | None = None  # where the page wants the run to be, until it is there
        self._chosen_before: int | None = None  # the head or layer that was chosen when the page began to wait
        self._digits = (0.0, 0)  # when a digit was typed last, and the number so far

    @property
    def scene(self) -> BoundPage:
        """The present page."""
        return self.scenes[self.lecture.page]

    @property
    def leaf(self) -> RenderedPage | None:
        """The present page with its numbers; None while they are worked out."""
        return self.leaves[self.lecture.page] if self.lecture.page < len(self.leaves) else None

    @property
    def shown_leaf(self) -> RenderedPage | None:
        """The page as far as it has come; what it has done is not shown before the run is where that ends."""
        return self.leaf and replace(self.leaf, done=self.turn.done and self.aim is None, chosen=self.predicted)

    @property
    def spotlight(self) -> tuple[str, ...]:
        """The ids of the panes in question: none while exploring, or while the page is not ready."""
        return () if self.exploring or self.leaf is None else self.scene.spotlight

    @property
    def begun(self) -> bool:
        """Whether the page has come further than when it was turned to."""
        return self.turn != Turn.of(self.scene.page.act)

    def add(self, leaf: RenderedPage) -> bool:
        """Take the next page whose numbers are known. Returns whether it is the present one."""
        self.leaves.append(leaf)
        return len(self.leaves) - 1 == self.lecture.page

    # Pages.

    def open(self, page: int) -> None:
        """Turn to a page of this chapter."""
        self.lecture.page = page
        self.turn = Turn.of(self.scene.page.act)
        self.predicted = None

    def other_chapter(self, page: int) -> tuple[int, int] | None:
        """The chapter and page before the first page, or after the last one; None at the course's ends."""
        place = self.lecture.place
        if page < 0:
            return (place - 1, -1) if place else None
        return (place + 1, 0) if place + 1 < len(self.lecture.course.chapters) else None

    def digit(self, digit: int) -> int | None:
        """The page that a digit leads to, if there is one; a second digit within a second makes a number of two."""
        now = self.lecture.clock()
        then, number = self._digits
        number = number * 10 + digit if now - then < 1.0 else digit
        self._digits = now, number
        return number - 1 if 1 <= number <= len(self.scenes) else None

    # What the page does.

    def pace(self) -> Pace:
        """How fast the page plays events, or trains."""
        events, speed = isinstance(self.scene.page.act, Play), self.scene.page.speed
        if speed is None:
            speed = EVENTS_A_SECOND if events else 0.0
        return Pace(f"{speed:g} a second" if speed else "flat out", speed, events)

    @property
    def moves_run(self) -> bool:
        """Whether the page plays or trains."""
        return isinstance(self.scene.page.act, Play | Run)

    def finish(self) -> None:
        """The page has done what it does."""
        self.turn = self.turn.finished()

    def finished_by(self, moment: Moment) -> bool:
        """Whether a page that plays or trains has come to its end at a moment of the run."""
        return self.leaf is not None and self.turn.next is Press.SKIP and moment.key >= self.leaf.end.key

    def land(self, session: Session) -> tuple[Focus, list[str]]:
        """The run is where the page wants it. Returns what is in focus there, and sentences for what is not there."""
        self.aim = None
        session.forget_future()  # a page looks the same whenever it is shown, and its curve grows from here
        where, missing = Focus(session.moment), []
        for focus in self.scene.focus:
            try:
                where = focus.on(where, session)
            except LectureError as error:
                if not self.turn.done:  # where the page ends, what it began with need not be there
                    missing.append(str(error))
        return where, missing

    def await_viewer(self, frame: Frame) -> None:
        """Remember what is chosen before the viewer does what the page waits for."""
        self._chosen_before = self.scene.doing.chosen(frame) if self.scene.doing else None

    @property
    def waits(self) -> bool:
        """Whether the page waits for the viewer to do something with the run where it is."""
        waits = self.scene.doing is not None and not self.turn.done
        return waits and self.aim is None and self.leaf is not None

    def answered_by(self, frame: Frame) -> bool:
        """Whether the viewer has done what the page waits for. A key is seen by `answered_by_key`."""
        doing = self.scene.doing
        return doing is not None and doing.done(frame, self._chosen_before)

    def answered_by_key(self, key: str) -> bool:
        """Whether the page waits for this key."""
        doing = self.scene.doing
        if doing is None or doing.key is None or self.turn.done or self.exploring:
            return False
        return key in doing.key.keys.split(",")

    # What is said of the page.

    def standing(self) -> Standing:
        """What the line below says."""
        return standing_of(self.lecture, self.turn, self.scene.doing, len(self.scenes), self.exploring)

    def notes(self, blank: bool) -> Notes:
        """What there is to say of the page, for the speaker."""
        seen = Seen.BLANK if blank else Seen.EXPLORING if self.exploring else Seen.PAGE
        return notes_of(self.lecture, self.scenes, self.leaves, self.turn, seen)
