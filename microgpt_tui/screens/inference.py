"""The screen of inference: a walk through one sample with the parameters as they are; the run stays where it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, TypeVar

from textual import on
from textual._path import CSSPathType
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from engine import EngineError, Run
from engine.run.capabilities import sampling
from engine.run.sample_walk import sample_walk
from engine.sampling.stepper import SampleStepper
from engine.sampling.strategy import DecodingStrategy
from microgpt_tui.debugger.keys import KeyCommands, bindings
from microgpt_tui.dialogs.help import HelpScreen, inference_help
from microgpt_tui.dialogs.text_input import AskScreen
from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import texts
from microgpt_tui.inference import lists, pictures
from microgpt_tui.inference.keys import IN_INFERENCE
from microgpt_tui.inference.state import COLDEST, HOTTEST, NOTCH, InferenceState, Position, Temperature
from microgpt_tui.inference.worker import DocumentWorker
from microgpt_tui.texts.say import say
from microgpt_tui.widgets.picture_view import PictureView
from microgpt_tui.widgets.textual_fixes import SafeScreen

T = TypeVar("T")
SHARES = (1, 0, 0.5, 0.1)  # of the schedule: the steps whose names are compared, the most wanted first
PATIENCE = 0.03  # seconds that a key may take before the screen is drawn
K, P = 5, 0.9  # what top-k and top-p begin with
DRAWINGS: dict[str, Callable[[InferenceState, int, int], Picture]] = {
    "place": pictures.place,
    "tokens": pictures.tokens,
    "slider": pictures.slider,
    "bars": pictures.probabilities,
    "inside": pictures.inside,
    "beam": lists.draw_beam,
    "draw": pictures.draw_bar,
    "names": lists.draw_names,
    "legend": pictures.legend,
    "keys": pictures.keys,
}


class InferenceScreen(SafeScreen[None]):
    """Text, probabilities, the draw, and what the position listens to; `b` and `g` show whole documents instead."""

    CSS_PATH: ClassVar[CSSPathType | None] = "inference.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 - so named by the base
    keys = IN_INFERENCE
    COMMANDS: ClassVar = Screen.COMMANDS | {KeyCommands}
    BINDINGS: ClassVar[list[BindingType]] = bindings(*IN_INFERENCE)

    def __init__(self, session: Run, visited: Sequence[int] = (), branch: str | None = None) -> None:
        """`visited` are training steps to compare with first; `branch` is whose run it is, None for the original.

        Raises EngineError without any probabilities.
        """
        super().__init__()
        self.session = session = sampling(session)
        self._sampler = session.sampler()
        self._documents = DocumentWorker(self, session, self._sampler)
        steps = dict.fromkeys([*visited, *(round(share * session.config.num_steps) for share in SHARES)])
        try:
            walk = self._walk(0, "", DecodingStrategy(session.temperature))
        except EngineError:
            self._sampler.let_go()
            raise
        self._waiting = self._over = False
        self.state = InferenceState(walk, session.step, 0, 0, frozenset(session.docs), branch, steps=tuple(steps))

    def compose(self) -> ComposeResult:
        yield PictureView("place")
        for name, target in (("tokens", Position), ("slider", Temperature)):
            view = PictureView(name)
            view.draggable = target
            yield view
        with Horizontal(id="side-by-side"):
            yield PictureView("bars", texts()["inference"]["bars"].title)
            yield PictureView("inside", texts()["inference"]["inside"].title)
            yield PictureView("beam", texts()["inference"]["beam"].title)
        yield PictureView("draw", texts()["inference"]["draw"].title)
        yield PictureView("names", texts()["inference"]["names"].title)
        yield PictureView("legend")
        yield PictureView("keys")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.call_later(self.show))
        self.show()

    def on_unmount(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Draw nothing more, and give back the memory of what was drawn from: Textual lets go of the screen later."""
        self._over = True
        self._documents.end()
        self._sampler.let_go()

    def show(self) -> None:
        self._waiting = False
        if self._over:
            return
        for view in self.query(PictureView):
            view.show_drawing(partial(DRAWINGS[view.id or ""], self.state))

    def show_soon(self) -> None:
        """Draw when the waiting keys have been handled: a held key never queues pictures."""
        if not self._waiting:
            self._waiting = True
            self.call_later(self.show)

    def _moved(self) -> None:
        """Show a walk that stands elsewhere, or chooses in another way."""
        self._work_out()
        self.show_soon()

    def _work_out(self) -> None:
        """Let the documents that are shown, if any, be worked out again, with the memory that the walk has taken."""
        walk = self.state.walk
        if self._lists_documents:
            self._documents.stop()
            self._sampler.let_go()
        else:
            self._documents.rest()
        self.state = replace(self.state, beam=None, names={}, pending="", lists=self._lists_documents)
        if self.has_class("-beam"):
            self.state = replace(self.state, pending=say("screens.inference.searching"))
            self._documents.search(walk.tokenizer.decode(walk.ids[1:]), walk.strategy.temperature)
        elif self.has_class("-names"):
            self.state = replace(self.state, pending=say("screens.inference.training_on_other_steps"))
            self._documents.sample(
                self.state.steps,
                walk.strategy,
                walk.prefix,
                f"names {self.state.sequence}",
            )

    @property
    def _lists_documents(self) -> bool:
        """Whether whole documents are shown, in the place of what is inside a position."""
        return self.has_class("-beam") or self.has_class("-names")

    @on(DocumentWorker.Found)
    def found(self, message: DocumentWorker.Found) -> None:
        self.state = replace(
            self.state,
            beam=message.beam or self.state.beam,
            names={**self.state.names, **message.names},
            printed=message.printed or self.state.printed,
            pending="" if message.last else self.state.pending,
        )
        if message.error:
            self.notify(f"{message.error}.", severity="warning", timeout=8, markup=False)
        self.show_soon()

    @on(PictureView.Chosen)
    def chosen(self, message: PictureView.Chosen) -> None:
        match message.target:
            case Temperature(value):
                self._change(replace(self.state.walk.strategy, temperature=value))
            case Position(pos):
                walk = self.state.walk
                while walk.here.pos > pos and walk.back():
                    pass
                if walk.here.pos < pos:
                    self.action_walk(1)
                else:
                    self._moved()

    def _change(self, strategy: DecodingStrategy) -> None:
        walk = self.state.walk
        if strategy != walk.strategy:
            self._try(lambda: walk.change(strategy))
            self._moved()

    def _try(self, do: Callable[[], T]) -> T | None:
        """What a function returns; None if it cannot do its work, and a sentence on the screen says why."""
        try:
            return do()
        except EngineError as error:
            self.notify(f"{error}.", severity="warning", timeout=8, markup=False)
            return None

    def _walk_on(self, walk: SampleStepper, way: int) -> None:
        if walk is self.state.walk and not self._over:  # not another one by now
            self.action_walk(way, True)

    # Keys.

    def action_walk(self, way: int, whole: bool = False) -> None:
        """Go a position on or back, or as many as there are."""
        walk = self.state.walk
        before, deadline = walk.here.pos, time.monotonic() + PATIENCE

        def walk_on() -> bool:
            go = walk.next if way > 0 else walk.back
            while (went := go()) and whole and time.monotonic() < deadline:
                pass
            return went and whole

        if not whole and self._other_name(way):
            return
        if self._try(walk_on):  # there is more to go: draw, then go on
            self.call_later(self._walk_on, walk, way)
        if walk.here.pos != before:
            self._moved()
        elif way < 0:
            more = "_but_names_before" if walk.before else ""
            self.notify(say(f"screens.inference.first_position{more}"), timeout=3)
        elif walk.over:
            why = "bos" if walk.ended else "full"
            self.notify(say(f"screens.inference.over.{why}"), timeout=3)

    def _other_name(self, way: int) -> bool:
        """Go from the end of a name to the next one, or from its first position to the one before; else False."""
        walk = self.state.walk
        if way > 0 and walk.over:
            self._go_to(self._try(walk.following))
        elif way < 0 and len(walk.looks) == 1 and (before := walk.before) is not None:

            def back() -> SampleStepper:
                before.change(walk.strategy)
                return before

            self._go_to(self._try(back))
        else:
            return False
        return True

    def action_warm(self, way: int) -> None:
        strategy = self.state.walk.strategy
        value = round(strategy.temperature / NOTCH + way) * NOTCH
        self._change(replace(strategy, temperature=round(min(max(value, COLDEST), HOTTEST), 2)))

    def action_mode(self) -> None:
        s = self.state.walk.strategy
        plain = DecodingStrategy(s.temperature)
        if s.greedy:
            self._change(replace(plain, top_k=min(K, self.session.tokenizer.vocab_size)))
        elif s.top_k:
            self._change(replace(plain, top_p=P))
        else:
            self._change(plain if s.top_p else replace(plain, greedy=True))

    def action_more(self, way: int) -> None:
        """Choose a larger or smaller k or p; scroll a list of names."""
        s = self.state.walk.strategy
        if self.has_class("-names"):
            names = self.query_one("#names", PictureView)
            names.scroll_to_line(names.top - way)
        elif s.top_k:
            self._change(replace(s, top_k=min(max(s.top_k + way, 1), self.session.tokenizer.vocab_size)))
        elif s.top_p:
            self._change(replace(s, top_p=round(min(max(s.top_p + way * 0.05, 0.05), 1.0), 2)))
        else:
            self.notify(say("screens.inference.m_chooses_top_k"), timeout=3)

    def action_anew(self, way: int) -> None:
        self._begin(max(self.state.sequence + way, 0), self.state.walk.prefix)

    def _begin(self, sequence: int, prefix: str) -> None:
        self._go_to(self._try(lambda: self._walk(sequence, prefix, self.state.walk.strategy)), sequence)

    def _walk(self, sequence: int, prefix: str, strategy: DecodingStrategy) -> SampleStepper:
        return sample_walk(self.session, self._sampler, sequence, strategy, prefix)

    def _go_to(self, walk: SampleStepper | None, sequence: int | None = None) -> None:
        """Show another walk, if there is one."""
        if walk is not None:
            self.state = replace(self.state, walk=walk, sequence=self.state.sequence if sequence is None else sequence)
            self._moved()

    def action_prefix(self) -> None:
        walk = self.state.walk
        hint = say("screens.inference.characters_documents_nothing_at")
        read = partial(self._walk, self.state.sequence, strategy=walk.strategy)
        self.app.push_screen(
            AskScreen(say("screens.inference.what_documents_begin_with"), hint, read, walk.prefix), self._go_to
        )

    def action_layer(self) -> None:
        self.state = replace(self.state, layer=(self.state.layer + 1) % max(self.session.config.n_layer, 1))
        self.show_soon()

    def action_show(self, what: str) -> None:
        """Show a list of whole documents, or the position again."""
        for name in ("beam", "names"):
            self.set_class(name == what and not self.has_class(f"-{name}"), f"-{name}")
        if not self._lists_documents:
            self._try(lambda: self.state.walk.change(self.state.walk.strategy))  # reads again what is inside
        self._moved()

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(texts()["inference"]["walk"].title, inference_help()))
