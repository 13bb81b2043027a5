"""`InferencePanel`: a position of a sample in place of a lecture's panes: text, probabilities, draw, attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical

from microgpt_tui.drawing.picture import Picture
from microgpt_tui.explanations.sentences import texts
from microgpt_tui.inference import pictures
from microgpt_tui.inference.state import InferenceState, Temperature
from microgpt_tui.widgets.picture_view import PictureView

Drawing = Callable[[InferenceState, int, int], Picture]
STRIPS: dict[str, Drawing] = {"tokens": pictures.tokens, "slider": pictures.slider}
PICTURES: dict[str, tuple[str, Drawing]] = {  # by what pages call them: the text of each, and how it is drawn
    "bars": ("bars", pictures.probabilities),
    "draw": ("draw", pictures.draw_bar),
    "attention": ("inside", pictures.inside),
}
ROOMY = 22  # lines that all of the pictures need


class InferencePanel(Vertical):
    """The pictures of an `InferenceState`; where there is little room, one of them."""

    _state: InferenceState | None = None
    _first = ""

    def compose(self) -> ComposeResult:
        for name in STRIPS:
            view = PictureView(f"sample-{name}")
            view.draggable = Temperature
            yield view
        for name, (named, _) in PICTURES.items():
            view = PictureView(f"sample-{name}", texts()["inference"][named].title)
            view.add_class("picture")
            yield view

    def show(self, state: InferenceState, first: str) -> None:
        """Draw a state; where there is little room, of the pictures the `first` alone."""
        self._state, self._first = state, first
        for name, draw in (*STRIPS.items(), *((name, draw) for name, (_, draw) in PICTURES.items())):
            view = self.query_one(f"#sample-{name}", PictureView)
            view.set_class(name == first, "-first")
            view.show_drawing(partial(draw, state))

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < ROOMY, "-little")

    @on(PictureView.Chosen)
    def chosen(self, message: PictureView.Chosen) -> None:
        """A temperature on the slider: draw with that, by the same random number."""
        message.stop()
        if self._state is not None and isinstance(message.target, Temperature):
            walk = self._state.walk
            walk.change(replace(walk.strategy, temperature=message.target.value))
            self.show(self._state, self._first)
