"""The lecture's screen: what the keys of a lecture do. They come before all others while a page is shown."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from engine import Session
from microgpt_tui.debugger.keys import IN_LECTURE
from microgpt_tui.debugger.run_controller import Pace
from microgpt_tui.dialogs.chapters import ChaptersScreen
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.lectures.page import Course, Play, Run
from microgpt_tui.lectures.progress import Press, Turn
from microgpt_tui.lectures.rendered_page import Leaf
from microgpt_tui.lectures.shared_notes import SharedNotes
from microgpt_tui.screens.debugger import DebuggerScreen
from microgpt_tui.screens.paging import Paging

EVENTS_A_SECOND = 4.0


class LectureScreen(Paging):
    """One chapter of a lecture, given with a clicker or the keyboard."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.description, id=key.id, tooltip=key.tooltip, show=False, priority=True)
        for key in IN_LECTURE
    ] + DebuggerScreen.BINDINGS  # a key that is bound anew would lose what it does while exploring

    class Left(Message):
        """A screen's chapter is left, for a chapter and a page of a course; None ends the lecture."""

        def __init__(self, screen: LectureScreen, to: tuple[int, int] | None, course: Course | None = None) -> None:
            self.screen, self.to, self.course = screen, to, course or screen.lecture.course
            super().__init__()

    def __init__(self, session: Session, lecture: Lecture, shared: SharedNotes | None = None) -> None:
        super().__init__(session, lecture, shared)
        self._digits = (0.0, 0)  # when a digit was typed last, and the number so far

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys belong to the lecture just now, and which to the debugger."""
        if not self.whole:
            return False
        own = {key.action.partition("(")[0] for key in IN_LECTURE}
        if self.blank:
            return action in ("advance", "turn_back", "blank", "leave")
        if action not in own:
            return super().check_action(action, parameters)
        if self.exploring:
            return action in ("chapters", "come_back", "leave")
        if action == "come_back":
            return False
        if action == "pick":
            return self.turn.next is Press.REVEAL and self.leaf is not None and parameters[0] < len(self.leaf.options)  # type: ignore[operator]
        if action == "explore":
            return not self.grid.zoomed and not self.grid.chosen
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
            self.post_message(self.Left(self, (lecture.place - 1, -1)))
        elif page > 0 and lecture.place + 1 < len(lecture.course.chapters):
            self.post_message(self.Left(self, (lecture.place + 1, 0)))
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
        """Back to the page from looking around; else the list of chapters."""
        if self.exploring:
            self.action_come_back()
        else:
            self.app.push_screen(ChaptersScreen(self.lecture.course, self.lecture.place), self._begin)

    def action_come_back(self) -> None:
        """From looking around back to the page, as it was."""
        self.grid.zoomed = None
        self.set_focus(None)
        self._explore(False)
        if self.leaf is not None:
            self._bring(self.leaf.end if self.turn.done else self.leaf.start)

    def _begin(self, chosen: tuple[Course, int] | None) -> None:
        if chosen is not None:
            course, place = chosen
            self.post_message(self.Left(self, (place, 0), course))

    def action_hide(self) -> None:
        """Hide the time and the page count, or show them."""
        self.lecture.hidden = not self.lecture.hidden
        self._stand_line()

    def action_leave(self) -> None:
        """End the lecture."""
        self.post_message(self.Left(self, None))
