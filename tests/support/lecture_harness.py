"""A lecture on a small run, written in the test and driven by keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from textual.pilot import Pilot

from engine import Session
from microgpt_tui.app import ThemedApp
from microgpt_tui.lectures.lecture import Lecture
from microgpt_tui.lectures.page import Course
from microgpt_tui.lectures.parser import read_chapter
from microgpt_tui.lectures.speaker_notes import Audience, Notes, SharedNotes
from microgpt_tui.screens.lecture import LectureScreen
from tests.support.harness import session, until

PAGES = """\
---
chapter: Small steps
moment: step 0 forward q@pos=1
spotlight: stage
notes: Say hello.
---
# The first page

The document is `{doc}`; q begins with {q[0, 0]}.
---
moment: step 0 forward attn_weights@pos=1,head=1
focus: head 1
spotlight: attention
ask: Which token comes next?
options: [a, b, "{target}"]
answer: target
reveal: forward probs@pos=1
then: It is {target}, with {probs[0]:.0%} for the first.
---
# A question
---
moment: step 0
wait: n
then: One event more.
---
# Your turn
---
moment: step 0
play: q@pos=0
speed: 500
then: q is there.
---
# It plays
---
run: 5
then: Five steps are done, and the loss of the first was {loss @ step 0 forward loss}.
---
# It trains
---
moment: step 0 forward attn_weights@pos=1,head=0
wait: head 1
then: Head 1 it is.
---
# Choose
"""

CONFIG = "n_embd=4, n_head=2, block_size=4"
PAGE = Notes(
    language="en", chapter="Small steps", title="A question", page=1, pages=6, notes="Let them *vote*.",
    right="c) n", then="It is n.", asks=True, done=False, press="reveal", coming="Your turn", audience=Audience.PAGE,
    elapsed=65.0,
)  # fmt: skip


class LectureApp(ThemedApp):
    """An app with a lecture alone, on a loaded run."""

    def __init__(self, lecture: Lecture, shared: SharedNotes | None, run: Session) -> None:
        super().__init__()
        self.run_ = run
        self.shared = shared
        self.lecture = lecture
        self.destinations: list[object] = []

    def on_mount(self) -> None:
        self.push_screen(LectureScreen(self.run_, self.lecture, self.shared))

    def on_lecture_screen_chapter_left(self, message: LectureScreen.ChapterLeft) -> None:
        self.destinations.append(message.to)


def lecture_of(tmp_path: Path, text: str = PAGES, language: str = "en", chapters: int = 1) -> Lecture:
    """A lecture of chapters with the same pages."""
    file = tmp_path / "small.md"
    file.write_text(text, encoding="utf-8")
    return Lecture(Course("small", [read_chapter(file, language)] * chapters), clock=lambda: 65.0)


@asynccontextmanager
async def lecture_app(
    lecture: Lecture, size: tuple[int, int] = (120, 36), shared: SharedNotes | None = None, run: Session | None = None
) -> AsyncIterator[Pilot[None]]:
    """The lecture at its page, all of whose numbers are known."""
    app = LectureApp(lecture, shared, run or session().restart_copy())
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: len(app.screen_stack) > 1)
        shown = lecture_screen(pilot)
        await until(pilot, lambda: ready(shown))
        await pilot.pause()
        yield pilot


def ready(shown: LectureScreen) -> bool:
    """Whether the numbers of all pages are known, and the run stands still."""
    return len(shown.player.rendered_pages) == len(shown.player.bound_pages) and not shown.busy


def lecture_screen(pilot: Pilot[None]) -> LectureScreen:
    """The lecture's screen."""
    found = pilot.app.screen_stack[1]
    assert isinstance(found, LectureScreen)
    return found


@contextmanager
def sharing(folder: Path, notes: Notes | None = None) -> Iterator[SharedNotes]:
    """A lecture whose notes are shared."""
    shared = SharedNotes(folder)
    shared.open()
    if notes is not None:
        shared.share(notes)
    try:
        yield shared
    finally:
        shared.close()
