"""The lecture's screen: a page beside the debugger. Its keys come before all others while a page is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual import events, on
from textual._path import CSSPathType
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from engine import Address, Breakpoint, EngineError, Moment, Run
from engine.sampling.stepper import SampleStepper
from engine.timeline.events import Phase
from microgpt_tui.audience.audience import LiveAudience
from microgpt_tui.audience.moment_command import opening_arguments, written_command
from microgpt_tui.audience.page_text import page_text
from microgpt_tui.audience.question import question_of
from microgpt_tui.audience.screen_frame import Changes
from microgpt_tui.debugger.completion import LineError
from microgpt_tui.debugger.goto import Continue, OtherData
from microgpt_tui.debugger.keys import IN_LECTURE, bindings
from microgpt_tui.debugger.run_controller import RunController
from microgpt_tui.dialogs.chapters import ChaptersScreen
from microgpt_tui.dialogs.join import JoinScreen
from microgpt_tui.inference.panel import InferencePanel
from microgpt_tui.inference.state import InferenceState
from microgpt_tui.lectures.binding import ExpectedAction
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.lectures.page import Course, Train
from microgpt_tui.lectures.player import LecturePlayer, Press
from microgpt_tui.lectures.quotes import put_away
from microgpt_tui.lectures.rendered_page import Poll, RenderedPage, render_pages
from microgpt_tui.lectures.speaker_notes import SharedNotes
from microgpt_tui.panes import registry
from microgpt_tui.panes.base import Pane
from microgpt_tui.panes.layouts import Split, plan, spotlit
from microgpt_tui.panes.lecture_page import Footing, LecturePage
from microgpt_tui.screens.debugger import STYLES, DebuggerScreen
from microgpt_tui.storage.startup import Start
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.picture_view import PictureView

BESIDE = Size(110, 30)  # from which on the page stands beside the panes
LEFT_TO_PANES = 9  # lines at least, where it stands above them


class LectureScreen(DebuggerScreen):
    """One chapter of a lecture, given with a clicker or the keyboard. While exploring, it is the debugger alone."""

    CSS_PATH: ClassVar[CSSPathType | None] = [STYLES, "lecture.tcss"]
    KEYS_IN_BORDERS = False  # digits lead to pages
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(*IN_LECTURE),
        *DebuggerScreen.BINDINGS,  # a key that is bound anew would lose what it does while exploring
    ]

    @dataclass
    class Prepared(Message):
        """The numbers of a page are known."""

        place: int
        page: RenderedPage

    @dataclass
    class ChapterLeft(Message):
        """A screen's chapter ends, for a chapter and a page of a course; None ends the lecture."""

        screen: LectureScreen
        course: Course
        to: tuple[int, int] | None

    def __init__(
        self, session: Run, lecture: Lecture, shared: SharedNotes | None = None, audience: LiveAudience | None = None
    ) -> None:
        super().__init__(session)
        self.player = LecturePlayer(lecture, self.stops.scope, registry.screen_names())
        self.navigator.diverted = lambda: self.player.aim is not None
        self.after_show = self._light_panes
        self.lines = lecture.code.own
        self._shared = shared  # notes, for other terminals
        self._audience = audience
        self._quoted = session.restart_copy()  # the numbers that pages quote are read from this run
        self._gone = False

    def compose(self) -> ComposeResult:
        yield LecturePage("page")
        yield from super().compose()
        yield InferencePanel()
        yield Footing("footing")

    def on_mount(self) -> None:
        """Work out the numbers of all pages, beginning with this one; show the page."""
        lecture = self.player.lecture
        self.page_pane.chapter = lecture.chapter.title
        self.run_worker(self._prepare, thread=True, group="pages")
        self.set_interval(1.0, self._show_status)
        self.open_page(lecture.page)

    def on_unmount(self) -> None:
        self._gone = True

    def on_resize(self, event: events.Resize) -> None:
        beside = self._beside(event.size)
        self.set_class(beside, "-beside")
        self.set_class(not beside, "-above")
        self._fit_page(event.size)

    def start_on(self, data: OtherData) -> Start:  # noqa: ARG002
        """Raises LineError: a chapter speaks of the documents that it names."""
        raise LineError(say("screens.lecture.chapter_has_its_own"))

    # What is on the screen.

    @property
    def page_pane(self) -> LecturePage:
        return self.query_one(LecturePage)

    @property
    def blank(self) -> bool:
        return self.has_class("-blank")

    def _light_panes(self) -> None:
        """Fade the panes that are not in question, and see whether the moment that they show is the viewer's answer."""
        for view in self.query(PictureView).exclude("Pane"):
            view.redraw()
        spots = self.player.spotlight
        self.set_class(self.player.on_the_way, "-on-the-way")
        for strip in registry.STRIPS:
            self.set_class(strip in spots, f"-with-{strip}")
        for pane in self.panes:
            pane.dimmed = bool(spots) and pane.id not in spots
            if pane.named != (pane.id in spots):
                pane.named = pane.id in spots
                pane.redraw()
        if self.player.waits and not self.busy and self.player.answered_by(self.frame):
            self._finish()

    def layout_for(self, phase: Phase) -> Split:
        """The panes in question, and some around them; while exploring, those of the debugger."""
        if self.player.exploring:
            return super().layout_for(phase)
        page = self.page_pane.outer_size
        beside = self.has_class("-beside")
        room = Size(self.size.width - page.width * beside, self.size.height - page.height * (not beside))
        bound = self.player.bound
        names = [name for name in bound.spotlight if name in registry.ids()]
        if isinstance(bound.page.act, Train) and "training" not in names:
            names = [*names, "training"]  # the curve grows
        if not names:
            return plan(phase, room, head=self.head_at_work)
        return spotlit(names, room, alone=self.player.lecture.big)

    def _beside(self, size: Size) -> bool:
        """Whether the page stands beside the panes in a window of this size; else it stands above them."""
        return size.width >= BESIDE.width and size.height >= BESIDE.height and not self.player.lecture.big

    def _fit_page(self, size: Size) -> None:
        pane, rendered = self.page_pane, self.player.shown
        self.remove_class("-page-alone")
        if self._beside(size):
            pane.styles.height = size.height - 1  # not below the footing, whose wide characters its edge would cut
            return
        needed, usual = pane.lines_needed(size.width - 4) + 1, size.height - LEFT_TO_PANES - 2
        whole = rendered is not None and (rendered.unfolded or rendered.map is not None)
        alone = pane.spread or (whole and needed > usual)
        self.set_class(alone and not self.player.exploring, "-page-alone")
        pane.styles.height = "1fr" if self.has_class("-page-alone") else max(3, min(needed, usual))

    def _show_page(self) -> None:
        """Show the page as far as it has come."""
        pane = self.page_pane
        pane.waiting, pane.no_lines = (self.player.lecture.words[key] for key in ("preparing", "no_lines"))
        shown = self.player.shown
        if shown is not None and (self._audience is None or self._audience.address_shown):
            self.player.lecture.begin()
        pane.rendered = None if shown is None else replace(shown, poll=self._poll())
        pane.spread = self.player.lecture.big and (self.player.text_alone or not self.player.takes_turns)
        self.set_class(self.player.on_the_way, "-on-the-way")
        self._fit_page(self.size)
        pane.redraw()
        self._show_status()

    def _show_status(self) -> None:
        """Show the line below the page, and share the speaker notes; both do nothing where nothing has changed."""
        if self.is_current and self.whole:  # the clock may ask while the screen is taken apart
            viewers = None if self._audience is None else self._audience.viewers
            live = self.state.live
            self.query_one(Footing).show_status(self.player.status(viewers, None if live is None else live.step))
        if self._shared is not None:
            self._shared.share(self.player.notes(self.blank))

    # The audience.

    def for_audience(self) -> Changes:
        """What the audience gets of the lecture besides the screen; nothing of its pages before the address."""
        shown: Changes = {"blank": self.blank, "panes": self._panes_in_question(), "page": None, "question": None}
        audience = self._audience
        if audience is None or not audience.address_shown or not self.whole:
            return shown
        question = question_of(self.player)
        audience.ask(question)
        if question is not None:
            shown["question"] = question.for_viewers(audience.counts_of(question))
        shown["page"] = page_text(self.player)
        return shown if self.covered else shown | {"explore": self._exploring()}  # they keep what they had

    def _exploring(self) -> dict[str, Any]:
        """What opens this moment in a debugger of a viewer's own."""
        frame, chapter = self.frame, self.player.lecture.chapter
        address = Address.of(frame.program, frame.moment)
        arguments = opening_arguments(frame.config, chapter.data, chapter.split, address, self.what_if.changes)
        return {"arguments": arguments, "command": written_command(arguments, chapter.data)}

    def _panes_in_question(self) -> list[dict[str, Any]]:
        """Where they stand on the screen, the one that the page names first before the others; else all there are."""
        if self.app.screen is not self:  # a dialog covers them
            return []
        if self.has_class("-sampling") and not self.player.exploring:
            shown: list[Widget] = [self.query_one(InferencePanel)]
        else:
            panes = {str(pane.id): pane for pane in self.query(Pane) if pane.display and pane.region}
            zoomed = [name for name in panes if name == self.grid.zoomed]
            named = zoomed or [name for name in self.player.spotlight if name in panes]
            by_size = sorted(panes, key=lambda name: panes[name].region.area, reverse=True)
            shown = [panes[name] for name in named or by_size]
        return [
            {
                "id": str(widget.id or ""),
                "title": widget.title_now() if isinstance(widget, Pane) else "",
                "x": widget.region.x,
                "y": widget.region.y,
                "width": widget.region.width,
                "height": widget.region.height,
            }
            for widget in shown
        ]

    def _poll(self) -> Poll | None:
        """What the audience has answered to the page's question; None without an audience, or without a question."""
        question, audience = question_of(self.player), self._audience
        if question is None or audience is None:
            return None
        counts = audience.counts_of(question)
        return Poll(counts, self.player.lecture.words["answered"].format(n=sum(counts)), question.hidden)

    def show_address(self) -> None:
        """Show where the audience can follow, unless that was shown before."""
        if self._audience is not None and not self._audience.address_shown:
            self.action_address()

    def hear_audience(self) -> None:
        """Show how many there are, and what they have answered."""
        if self.whole and self._audience is not None:
            self._show_page()
            for screen in self.app.screen_stack:
                if isinstance(screen, JoinScreen):
                    screen.show_viewers(self._audience.viewers)

    # Pages.

    def _prepare(self) -> None:
        """Fill in the numbers of all pages, in a thread, from a run of their own."""
        for place, rendered in render_pages(self.player.bound_pages, self._quoted, lambda: self.player.lecture.page):
            if self._gone:
                break
            self.post_message(self.Prepared(place, rendered))
        put_away(self._quoted)

    @on(Prepared)
    def prepared(self, message: Prepared) -> None:
        if not self.whole:
            return
        present = self.player.add(message.place, message.page)
        self._show_status()
        if present:
            self.open_page(self.player.lecture.page)

    def open_page(self, page: int) -> None:
        """Turn to a page of this chapter, and bring the run to where it begins."""
        self.player.open(page)
        self.app.clear_notifications()  # they speak of the page before
        self._show_sample(None)
        self.grid.zoomed = None
        self.set_focus(None)
        self._show_page()
        if self.player.rendered is not None:
            self._bring(self.player.rendered.start)

    def _turn_to(self, page: int) -> None:
        """Turn to a page of this chapter, or of the one before or after it."""
        if 0 <= page < len(self.player.bound_pages):
            self.open_page(page)
        elif (other := self.player.other_chapter(page)) is not None:
            self.post_message(self.ChapterLeft(self, self.player.lecture.course, other))
        else:
            self.notify(self.player.lecture.words["start" if page < 0 else "end"], timeout=3)

    # Where the page wants the run to be.

    def _bring(self, moment: Moment) -> None:
        """Let the run stand at a moment of the page, now or when it has come there."""
        self.player.aim = moment
        branch = self._branch()
        if self.navigator.halt():
            pass  # where a halted run arrives is not the aim
        elif branch != self.what_if.branch:
            self.what_if.enter(branch, moment)  # it arrives there
        elif self.navigator.go(moment):
            self._land()
            return
        self._light_panes()
        self._show_status()

    def _branch(self) -> str | None:
        """The branch of the run that the page is about, made when it is first needed; None for the original.

        A page whose changes cannot be made says so itself, beside the original.
        """
        changes, branches = self.player.bound.changes, self.what_if.branches
        if not changes:
            return None
        known = (branch.name for branch in branches.all() if set(branch.changes) == set(changes))
        try:
            return next(known, None) or branches.change(None, changes, enter=False).name
        except EngineError:
            return None

    def _land(self) -> None:
        """Choose what is in focus, now that the run is where the page wants it."""
        where, missing = self.player.land(self.session)
        self.state.stand(where)
        self._show_sample(self.player.walk(self.session))
        for sentence in missing:
            self.notify(sentence, severity="warning", markup=False)
        self.player.await_viewer(self.frame)
        if self.player.done:
            self._show_page()
        self.show()

    def _show_sample(self, walk: SampleStepper | None) -> None:
        """Show a position of a sample in place of the panes; without one, the panes."""
        self.set_class(walk is not None, "-sampling")
        sample = self.player.bound.sample_at(self.player.done)
        if walk is not None and sample is not None:
            docs = frozenset(self.session.docs)
            state = InferenceState(walk, self.session.step, sample.sequence, 0, docs, judged=self.player.done)
            self.query_one(InferencePanel).show(state, sample.show)

    @on(RunController.Arrived)
    def landed(self) -> None:
        """Go on when the run has stopped: later, since the debugger handles this message after this screen."""
        self.call_later(self._landed)

    def _landed(self) -> None:
        if self.busy or self.player.rendered is None or not self.whole:
            return
        if self.player.aim is not None:
            self._bring(self.player.aim)
        elif self.player.finished_by(self.session.moment):
            self._finish()
            self._land()

    def _finish(self) -> None:
        self.player.finish()
        self._show_page()
        self.grid.place()

    def finish(self) -> None:
        """Show the page as it is when it has done what it does, at once."""
        rendered = self.player.rendered
        if rendered is not None:
            self.player.aim = rendered.end if self.busy or rendered.end != self.session.moment else None
            self._finish()
            if self.player.aim is not None:
                self._bring(self.player.aim)
            else:
                self._show_sample(self.player.walk(self.session))

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys belong to the lecture just now, and which to the debugger."""
        if not self.whole:
            return False
        own, player = {key.action.partition("(")[0] for key in IN_LECTURE}, self.player
        if self.blank:
            return action in ("advance", "turn_back", "blank", "leave")
        if action not in own:
            ready = player.exploring or player.rendered is not None  # else the panes show another moment
            return ready and super().check_action(action, parameters)
        if player.exploring:
            return action in ("chapters", "come_back", "leave") or (action == "address" and self._audience is not None)
        if action == "come_back":
            return False
        if action == "address":
            return self._audience is not None
        if action == "pick":
            rendered = player.rendered
            return player.next is Press.REVEAL and rendered is not None and parameters[0] < len(rendered.options)  # type: ignore[operator]
        if action == "explore":
            return not self.grid.zoomed and not self.grid.chosen
        return True

    def on_key(self, event: events.Key) -> None:
        """End the act of a page that waits for this key; the key does what it always does as well.

        Pressed once more by mistake, the key that has brought the answer does nothing.
        """
        if self.player.repeats(event.key):
            event.stop()
            event.prevent_default()
        elif self.player.answered_by_key(event.key):
            self.call_later(self._finish)

    def action_advance(self) -> None:
        """Do what the page does next; when it is done, turn to the page after it."""
        player = self.player
        if self._unblanked() or player.rendered is None:
            return
        press, expected = player.next, player.bound.expected
        if player.answer_is_near and self.busy:
            return  # else one press too many would leave before the answer has been seen
        if press is Press.TURN:
            self._turn_to(player.lecture.page + 1)
            return
        if press in (Press.REVEAL, Press.SKIP):
            self.finish()
            return
        player.press()
        self._show_page()
        self.grid.place()
        if press is Press.GO_ON and expected is not None:
            self._do(expected)
        if press is Press.BEGIN and not self.busy:
            self.navigator.play(player.rendered.start, player.rendered.end, player.pace())

    def _do(self, expected: ExpectedAction) -> None:
        """Do what the page waits for, as if the viewer had."""
        if expected.key is not None:
            self.run_worker(self.run_action(expected.key.action))
        elif expected.condition is not None:
            self.navigator.continue_to(Continue(Breakpoint("page", condition=expected.condition.text)))
        else:
            self.state.look_at(expected.choice_after(self.frame))

    def action_turn_back(self) -> None:
        """Turn to the start of this page, if it has done something; else to the page before."""
        if self._unblanked():
            return
        page = self.player.lecture.page
        if self.player.begun or (self.player.takes_turns and not self.player.text_alone):
            self.open_page(page)
        else:
            self._turn_to(page - 1)

    def action_digit(self, digit: int) -> None:
        if (page := self.player.digit(digit)) is not None:
            self.open_page(page)

    def action_pick(self, option: int) -> None:
        self.player.predicted = option
        self._show_page()

    def action_why(self) -> None:
        if self.player.bound.page.why is None:
            self.notify(self.player.lecture.words["no_why"], timeout=3)
            return
        self.player.unfolded = not self.player.unfolded
        self._show_page()

    def action_blank(self) -> None:
        self.toggle_class("-blank")
        self._show_status()

    def _unblanked(self) -> bool:
        """Bring a blank screen back. Returns whether it was blank, so that the press does nothing else."""
        was = self.blank
        self.remove_class("-blank")
        self._show_status()
        return was

    def action_explore(self) -> None:
        self._explore(True)

    def _explore(self, exploring: bool) -> None:
        self.player.exploring = exploring
        self.set_class(exploring, "-exploring")
        self._fit_page(self.size)
        self._show_status()
        self.show()

    def action_chapters(self) -> None:
        """Go back to the page from exploring; else show the list of chapters."""
        if self.player.exploring:
            self.action_come_back()
        else:
            lecture = self.player.lecture
            chapters = ChaptersScreen(lecture.course, lecture.place, lecture.page, lecture.code)
            self.app.push_screen(chapters, self._begin)

    def action_come_back(self) -> None:
        """Go from exploring back to the page, as it was."""
        self.grid.zoomed = None
        self.set_focus(None)
        self._explore(False)
        if (page := self.player.rendered) is not None:
            self._bring(page.end if self.player.done else page.start)

    def _begin(self, chosen: tuple[Course, int, int] | None) -> None:
        if chosen is not None:
            course, place, page = chosen
            self.post_message(self.ChapterLeft(self, course, (place, page)))

    def action_hide(self) -> None:
        self.player.lecture.hidden = not self.player.lecture.hidden
        self._show_status()

    def action_address(self) -> None:
        """Show where the audience can follow."""
        if self._audience is not None:
            join = JoinScreen(self._audience.address, self.player.lecture.words, self._audience.viewers)
            self.app.push_screen(join, self._address_seen)

    def _address_seen(self, _: None) -> None:
        if self._audience is not None:
            self._audience.address_shown = True
            self.player.lecture.begin()
            self._show_status()

    def action_leave(self) -> None:
        self.post_message(self.ChapterLeft(self, self.player.lecture.course, None))
