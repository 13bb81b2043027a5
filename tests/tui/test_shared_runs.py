"""While a thread works the screen goes on, and neither reads what the other one changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import Moment, Session, Stops
from engine.run.replay import sample_names
from engine.sampling.strategy import DecodingStrategy
from microgpt_tui.app import MicrogptApp
from microgpt_tui.debugger import run_controller, series_loader
from microgpt_tui.debugger.run_controller import RunController
from microgpt_tui.debugger.series import Series, Update, series_of
from microgpt_tui.inference.worker import NAMES
from microgpt_tui.panes.registry import screen_names
from microgpt_tui.screens.inference import InferenceScreen
from microgpt_tui.screens.lecture import LectureScreen
from microgpt_tui.storage.startup import Start
from tests.support.harness import DOCS, SMALL, debugger, screen, until
from tests.support.lecture_harness import PAGES, lecture_app, lecture_of, lecture_screen, ready
from tests.support.wait import PATIENCE


class Held:
    """Stops the thread that comes here until it may go on."""

    def __init__(self) -> None:
        self.reached, self._go_on = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Called by the thread: blocks it, the first time."""
        self.reached.set()
        assert self._go_on.wait(PATIENCE)

    def release(self) -> None:
        """Let the thread go on."""
        self._go_on.set()


async def test_a_page_is_shown_while_the_past_is_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, replay, over = Held(), series_loader.replay, []

    def replayed(twin: Session, steps: Iterable[int], read: Any, on_step: Callable[..., bool]) -> Iterator[Any]:
        def hold(step: int, loss: float) -> bool:
            held.wait()
            return on_step(step, loss)

        yield from replay(twin, steps, read, hold)
        over.append(twin.step)

    monkeypatch.setattr(series_loader, "replay", replayed)
    lecture = lecture_of(tmp_path, PAGES.replace("run: 5\n", "run: 30\n"))
    async with lecture_app(lecture, run=Session(SMALL, DOCS)) as pilot:
        shown = lecture_screen(pilot)
        await pilot.press("5", "right")
        await until(pilot, lambda: not shown.busy and len(shown.session.losses) >= 30)
        shown.series_loader.ask([Series(Update(3), {}, tuple(range(29)))])
        await until(pilot, held.reached.is_set)
        await pilot.press("left")
        await until(
            pilot, lambda: shown.session.moment == shown.player.rendered_pages[4].start and not shown.session.losses
        )
        held.release()
        await until(pilot, lambda: bool(over))


async def test_a_frame_that_comes_after_the_run_was_halted_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    run, post_it, posted, held, state = Session(SMALL, DOCS), Held(), threading.Event(), Held(), []
    run.run(until=45)
    async with debugger(run=run) as pilot:
        here = screen(pilot)
        here.navigator.go(Moment(44))
        await until(pilot, lambda: not here.busy and run.step == 44)
        post, seek, view = here.motion._post, run.seek, run.view

        def noticed(message: RunController.Moved | RunController.Arrived) -> object:
            if not isinstance(message, RunController.Moved):
                return post(message)
            post_it.wait()
            done = post(message)
            posted.set()
            return done

        def held_up(moment: Moment, *args: Any) -> None:
            if here.motion._halt.is_set():
                held.wait()  # the thread returns to where it began to look back
            seek(moment, *args)

        def looked_at() -> Any:
            state.append(threading.current_thread() is threading.main_thread() and held.reached.is_set())
            return view()

        monkeypatch.setattr(run_controller, "FRAME", 0.0)
        monkeypatch.setattr(here.motion, "_post", noticed)
        monkeypatch.setattr(run, "seek", held_up)
        monkeypatch.setattr(run, "view", looked_at)
        here.motion.back(Stops(here.stops.scope))
        await until(pilot, post_it.reached.is_set)
        post_it.release()
        assert posted.wait(PATIENCE)  # the message waits to be handled, since nothing is awaited here
        here.motion.halt()
        assert held.reached.wait(PATIENCE)
        await pilot.pause()
        assert True not in state
        held.release()
        await until(pilot, lambda: not here.busy)
        assert run.moment == Moment(44)


async def test_a_chapter_begins_on_a_copy_of_a_run_that_is_still_moving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_controller, "PATIENCE", 0.0)
    (tmp_path / "docs.txt").write_text("\n".join(DOCS), encoding="utf-8")
    head = "---\nconfig: n_layer=1, n_embd=4, n_head=2, block_size=4, num_steps=50, seed=3\ndata: docs.txt\n"
    lecture = lecture_of(tmp_path, PAGES.replace("---\n", head, 1), chapters=2)
    held = Held()
    app = MicrogptApp(Start(*lecture.run(screen_names())), lecture)
    async with app.run_test(size=(120, 36)) as pilot:

        def opened() -> bool:
            shown = app.screen
            return isinstance(shown, LectureScreen) and ready(shown)

        await until(pilot, opened)
        first = app.screen
        assert isinstance(first, LectureScreen)
        monkeypatch.setattr(first.motion, "after_step", lambda *_: held.wait())
        await pilot.press("5", "right")
        await until(pilot, held.reached.is_set)
        step = first.session.step
        lecture.place = 1
        assert app.begin(lecture)
        await until(pilot, lambda: app.screen is not first and opened())
        second = app.screen
        assert isinstance(second, LectureScreen)
        assert second.session is not first.session
        assert first.session.step == step
        held.release()


def test_a_figure_that_is_removed_meanwhile_is_missing() -> None:
    class Vanishing(dict[Any, Any]):
        """A dictionary from which a thread removes a key after any look."""

        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            self.pop(key, None)
            return found

    run = Session(SMALL, DOCS)
    run.run(until=4)
    figure = Update(3)
    found = series_of(figure, Vanishing({(figure, 1): "an update", (figure, 2): None}), run.view())
    assert found.known == {1: "an update", 2: None}
    assert found.missing == (0, 3)


async def test_names_are_those_of_the_parameters_at_the_time_of_the_request() -> None:
    run = Session(SMALL, DOCS)
    run.run(until=20)
    wanted, strategy, names = sample_names(run, NAMES, DecodingStrategy(), "", "names 0"), DecodingStrategy(), []
    async with debugger(run=run) as pilot:
        screen(pilot).navigator.go(Moment(20))
        await until(pilot, lambda: not screen(pilot).busy)
        await pilot.press("i")
        await until(pilot, lambda: isinstance(pilot.app.screen, InferenceScreen))
        shown = pilot.app.screen
        assert isinstance(shown, InferenceScreen)
        with shown._documents._turn:
            shown._documents.sample((), strategy, "", "names 0")
            run.seek(Moment(0))
        await until(pilot, lambda: None in shown.state.names)
        names = shown.state.names[None]
    assert names == wanted
