"""`LecturePlayer`: the pages of a chapter that is being given, and how far the present one has come. Moves no run."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from engine import Moment, Run, Scope
from engine.immutable import immutable
from engine.sampling.stepper import SampleStepper
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.debugger.keys import IN_LECTURE, Key
from microgpt_tui.debugger.run_controller import Pace
from microgpt_tui.drawing.markdown import without_literals
from microgpt_tui.lectures.binding import BoundPage, ScreenNames
from microgpt_tui.lectures.lecture import Lecture, minutes
from microgpt_tui.lectures.page import Ask, LectureError, Play, Train, Wait
from microgpt_tui.lectures.rendered_page import RenderedPage
from microgpt_tui.lectures.speaker_notes import Audience, Notes
from microgpt_tui.texts.say import say

EVENTS_A_SECOND = 4.0


class ActProgress(Enum):
    """How far a page has come with its act."""

    READING = auto()  # the act has not begun
    BEGUN = auto()  # it plays or trains, or has reminded the viewer
    DONE = auto()  # the act is over, or the page has none


class Press(Enum):
    """What the next press does."""

    TURN = "next"
    LOOK = "look"
    REVEAL = "reveal"
    BEGIN = "play"
    SKIP = "skip"
    REMIND = "remind"
    GO_ON = "go_on"


@immutable
class LectureStatus:
    """The line below a lecture: what is to be done, the keys, and where the lecture is."""

    hint: str
    keys: tuple[tuple[Key, str], ...]
    count: str
    urgent: bool = False


class LecturePlayer:
    """The pages of one chapter, and the present page: how far it has come, and where it wants the run to be."""

    def __init__(self, lecture: Lecture, scope: Scope, names: ScreenNames) -> None:
        """`names` are what the pages can light and wait for. Raises LectureError for a mistake in a page.

        A negative page counts from the last one.
        """
        self.lecture = lecture
        self.bound_pages = lecture.bound_pages(scope, names)
        lecture.page %= len(self.bound_pages)
        self.rendered_pages: dict[int, RenderedPage] = {}  # those whose numbers are known, by place
        self.progress = ActProgress.DONE
        self.exploring = False  # whether the debugger is shown in place of the page
        self.predicted: int | None = None  # an option of the page's question
        self.unfolded = False  # whether the reasons of the page are shown
        self.text_alone = self.takes_turns  # whether the picture of the page comes with the next press
        self.aim: Moment | None = None  # where the page wants the run to be, until it is there
        self._chosen_before: int | None = None  # the head or layer that was chosen when the page began to wait
        self._pressed = ""  # the last key that the page has not taken for itself
        self._answered_with = ""  # that with which the viewer did what the page waited for, until another is pressed
        self._digits = (0.0, 0)  # when a digit was typed last, and the number so far

    @property
    def bound(self) -> BoundPage:
        return self.bound_pages[self.lecture.page]

    @property
    def rendered(self) -> RenderedPage | None:
        """The present page with its numbers; None while they are worked out."""
        return self.rendered_pages.get(self.lecture.page)

    @property
    def told(self) -> RenderedPage | None:
        """The page as far as it has come; the end of its act is not told before the run is there."""
        done = self.done and self.aim is None
        return self.rendered and replace(self.rendered, done=done, chosen=self.predicted, unfolded=self.unfolded)

    @property
    def shown(self) -> RenderedPage | None:
        """What is on the screen of the page as far as it has come."""
        shown = self.told
        if shown and self.takes_turns and not self.text_alone and not self.unfolded:
            return replace(shown, body="", figure="", code=(), map=None)
        return shown

    @property
    def on_the_way(self) -> bool:
        """Whether the run is not yet where the page wants it, so that what it shows belongs to another moment."""
        return not self.exploring and (self.rendered is None or self.aim is not None)

    @property
    def spotlight(self) -> tuple[str, ...]:
        """The ids of the panes in question: none while exploring, or while the page is not ready."""
        return () if self.exploring or self.rendered is None else self.bound.spotlight

    def add(self, place: int, page: RenderedPage) -> bool:
        """Take a page whose numbers are known. Returns whether it is the present one."""
        shows_map = self.bound_pages[place].shows_map
        self.rendered_pages[place] = replace(page, map=self.lecture.map) if shows_map else page
        return place == self.lecture.page

    # Pages.

    def open(self, page: int) -> None:
        self.lecture.page = page
        self.progress = ActProgress.READING if self.bound.page.act else ActProgress.DONE
        self.predicted, self.unfolded, self.text_alone = None, False, self.takes_turns
        self._pressed = self._answered_with = ""

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
        return number - 1 if 1 <= number <= len(self.bound_pages) else None

    # The page's act.

    @property
    def takes_turns(self) -> bool:
        """Whether the text of the page and its picture are shown one after the other: where it has both."""
        pictured = bool(self.bound.spotlight or self.bound.sample)
        pictured = pictured or isinstance(self.bound.page.act, Play | Train | Wait)
        return self.lecture.big and pictured

    @property
    def done(self) -> bool:
        """Whether the act is over, so that the next press turns the page."""
        return self.progress is ActProgress.DONE

    @property
    def answer_is_near(self) -> bool:
        """Whether the run is on its way to the moment with which the page's act ends."""
        return self.done and self.aim is not None and self.bound.page.act is not None

    @property
    def begun(self) -> bool:
        """Whether the page has come further than when it was turned to."""
        return self.progress is ActProgress.BEGUN or (self.done and self.bound.page.act is not None)

    @property
    def next(self) -> Press:
        """What the next press does."""
        if self.text_alone:
            return Press.LOOK
        if self.done:
            return Press.TURN
        match self.bound.page.act:
            case Ask():
                return Press.REVEAL
            case Wait():
                return Press.GO_ON if self.begun else Press.REMIND
            case _:
                return Press.SKIP if self.begun else Press.BEGIN

    def press(self) -> None:
        """Come as far as the next press brings the page."""
        self._pressed = ""
        if self.text_alone:
            self.text_alone = False
            return
        self.progress = ActProgress.BEGUN if self.next in (Press.REMIND, Press.BEGIN) else ActProgress.DONE

    def finish(self) -> None:
        self.progress, self.text_alone = ActProgress.DONE, False
        if self.bound.expected is not None:
            self._answered_with = self._pressed

    def pace(self) -> Pace:
        """How fast the page plays events, or trains."""
        events, speed = isinstance(self.bound.page.act, Play), self.bound.page.speed
        if speed is None:
            speed = EVENTS_A_SECOND if events else 0.0
        name = say("lectures.player.pace", speed=speed) if speed else say("debugger.run_controller.pace.flat_out")
        return Pace(name, speed, events)

    def finished_by(self, moment: Moment) -> bool:
        """Whether a page that plays or trains has come to its end at a moment of the run."""
        return self.rendered is not None and self.next is Press.SKIP and moment.key >= self.rendered.end.key

    def land(self, session: Run) -> tuple[Focus, list[str]]:
        """The run is where the page wants it. Returns what is in focus there, and sentences for what is not there."""
        self.aim = None
        session.forget_future()  # a page looks the same whenever it is shown, and its curve grows from here
        where, missing = Focus(session.moment), []
        for focus in self.bound.focus:
            try:
                where = focus.on(where, session)
            except LectureError as error:
                if not self.done:  # where the page ends, the focus of its start need not be there
                    missing.append(str(error))
        return where, missing

    def walk(self, session: Run) -> SampleStepper | None:
        """The position of a sample that the page shows, by the parameters of the run as they are; None if none."""
        try:
            return self.bound.walk(session, self.done)
        except LectureError:
            return None  # checking tells it

    def await_viewer(self, frame: Frame) -> None:
        """Remember what is chosen before the viewer does what the page waits for."""
        self._chosen_before = self.bound.expected.chosen(frame) if self.bound.expected else None

    @property
    def waits(self) -> bool:
        """Whether the page waits for the viewer to do something with the run where it is."""
        waits = self.bound.expected is not None and not self.done
        return waits and self.aim is None and self.rendered is not None

    def answered_by(self, frame: Frame) -> bool:
        """Whether the viewer has done what the page waits for. Keys come to `answered_by_key`."""
        expected = self.bound.expected
        return expected is not None and expected.done(frame, self._chosen_before)

    def answered_by_key(self, key: str) -> bool:
        expected = self.bound.expected
        if expected is None or expected.key is None or self.done or self.exploring:
            return False
        if key not in expected.key.keys.split(","):
            return False
        self._answered_with = key
        return True

    def repeats(self, key: str) -> bool:
        """Take note of a key. Returns whether it has just brought the answer that is shown, and would lead past it."""
        if not self.exploring and key == self._answered_with:
            return True
        self._pressed, self._answered_with = key, ""
        return False

    # What is shown besides the page.

    def status(self, viewers: int | None = None, at: int | None = None) -> LectureStatus:
        """The line below the lecture. `viewers` are those who watch, None where nobody can; `at` is the step that a
        moving run has come to, if that is known."""
        words, keys, press = self.lecture.words, {key.id: key for key in IN_LECTURE}, self.next
        count = f"{self.lecture.page + 1}/{len(self.bound_pages)}  {minutes(self.lecture.seconds)}"
        if self.lecture.hidden:
            count = ""
        if viewers is not None:
            watching = words["watching"].format(n=viewers)
            count = f"{watching}  {count}" if count else watching
        if self.exploring:
            both = ((keys["page.chapters"], self._return()), (keys["page.leave"], words["leave"]))
            return LectureStatus(words["exploring"], both, count, urgent=True)
        if self.aim is not None:
            step = f"{self.aim.step:,}"
            hint = words["on_the_way"].format(step=step)
            if at is not None and at != self.aim.step:
                hint = words["on_the_way_at"].format(step=step, at=f"{at:,}")
            ways = ("back",) if self.answer_is_near else ("next", "back")
            return LectureStatus(hint, tuple((keys[f"page.{name}"], words[name]) for name in ways), count)
        names = ("back", "explore", "chapters", "blank", "leave", *(["address"] if viewers is not None else []))
        named = ((keys[f"page.{name}"], words[name]) for name in names)
        hint, act, expected = "", self.bound.page.act, self.bound.expected
        if self.rendered is None:
            pass  # nothing can be done on it yet
        elif press in (Press.REMIND, Press.GO_ON) and expected is not None:
            hint = words["waiting" if press is Press.REMIND else "reminded"].format(what=expected.in_words(words))
        elif press is Press.REVEAL and isinstance(act, Ask) and act.options:
            hint = words["pick"]
        why = ((keys["page.why"], words["why"]),) if self.bound.page.why else ()
        ready = ((keys["page.next"], self._next_words()), *why) if self.rendered is not None else ()
        shown = (*ready, *named)
        return LectureStatus(hint, shown, count, urgent=press is Press.GO_ON)

    def _return(self) -> str:
        return self.lecture.words["return"].format(page=self.lecture.page + 1)

    def _next_words(self) -> str:
        """What the next press does, in words."""
        words, act = self.lecture.words, self.bound.page.act
        if self.next is Press.BEGIN and isinstance(act, Train):
            until = act.until.text
            return words["train"].format(step=f"{int(until):,}" if until.isdecimal() else until)
        return words["next" if self.next is Press.REMIND else self.next.value]

    def notes(self, blank: bool) -> Notes:
        """What the speaker sees of the page."""
        lecture, page, rendered, after = self.lecture, self.bound.page, self.rendered, self.lecture.page + 1
        audience, press = Audience.PAGE, self._next_words()
        if blank:
            audience, press = Audience.BLANK, lecture.words["unblank"]
        elif self.exploring:
            audience, press = Audience.EXPLORING, f"l: {self._return()}"
        if after in self.rendered_pages:
            coming = without_literals(self.rendered_pages[after].title)
        elif after < len(self.bound_pages):
            coming = self.bound_pages[after].page.title.text
        else:
            coming = next((chapter.title for chapter in lecture.course.chapters[lecture.place + 1 :]), "")
        return Notes(
            language=lecture.chapter.language,
            chapter=lecture.chapter.title,
            title=rendered.title if rendered else page.title.text,
            page=lecture.page,
            pages=len(self.bound_pages),
            notes=rendered.notes if rendered else page.notes.text if page.notes else "",
            right=rendered.right_option if rendered else "",
            then=rendered.then if rendered else "",
            asks=isinstance(page.act, Ask),
            done=self.done,
            press=press,
            coming=coming,
            audience=audience,
            elapsed=lecture.seconds,
        )
