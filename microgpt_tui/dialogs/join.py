"""`JoinScreen`: where an audience can follow the lecture, with address, code and QR code, over the whole screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from microgpt_tui.audience.address import LIGHT, JoinAddress, qr_code
from microgpt_tui.debugger.keys import Key, bindings
from microgpt_tui.drawing import theme
from microgpt_tui.drawing.picture import Line, Picture, beside
from microgpt_tui.widgets.picture_view import PictureView
from microgpt_tui.widgets.textual_fixes import SafeScreen

TEXT, GAP = 38, 3  # columns for the words beside the code, and between them


class JoinScreen(SafeScreen[None]):
    """Shown until a key is pressed that turns a page, or leaves one."""

    DEFAULT_CSS = "JoinScreen PictureView { width: 1fr; height: 1fr; background: $background; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        Key("join.close", "space,enter,right,pagedown,left,pageup,f5,at,escape,q", "dismiss", priority=True)
    )

    def __init__(self, address: JoinAddress, words: Mapping[str, str], viewers: int) -> None:
        """`words` are those of the lecture besides its pages."""
        super().__init__()
        self._address, self._words, self._viewers = address, words, viewers

    def compose(self) -> ComposeResult:
        view = PictureView("join")
        view.show_drawing(self._draw)
        yield view

    def show_viewers(self, viewers: int) -> None:
        """Show how many there are."""
        self._viewers = viewers
        for view in self.query(PictureView):
            view.redraw()

    def _draw(self, width: int, height: int) -> Picture:
        """Words and code side by side, or one below the other; where there is no room for a code, the words alone."""
        code = qr_code(self._address.link, width - TEXT - GAP - 1, height)
        if code:
            words = self._text(min(TEXT + GAP, width - len(code[0]) - GAP - 1))
            words.lines = [*(Line() for _ in range((len(code) - words.height) // 2)), *words.lines]
            return _centred(beside(words, _drawn(code), GAP), width, height)
        words = self._text(width)
        code = qr_code(self._address.link, width, height - words.height)
        return _centred(words.below(_drawn(code)), width, height)

    def _text(self, width: int) -> Picture:
        words, picture = self._words, Picture()
        picture.line(words["join"], theme.STRONG)
        picture.line()
        picture.line(words["join_open"], theme.TEXT)
        for start in range(0, len(self._address.url), width):
            picture.line(self._address.url[start : start + width], theme.NEW)
        if self._address.code is not None:
            half = len(self._address.code) // 2
            picture.line()
            picture.line(words["join_code"], theme.TEXT)
            picture.line(f"{self._address.code[:half]} {self._address.code[half:]}", theme.NEW)
        picture.line()
        picture.line(words["watching"].format(n=self._viewers), theme.STRONG)
        picture.line()
        picture.line(words["join_on"], theme.DIM)
        return picture.within(width)


def _drawn(code: list[str]) -> Picture:
    picture = Picture()
    for line in code:
        picture.line(line, LIGHT)
    return picture


def _centred(shown: Picture, width: int, height: int) -> Picture:
    left, above = (width - shown.width) // 2, (height - shown.height) // 2
    return Picture([*(Line() for _ in range(above)), *(Line().to(left).extend(line) for line in shown.lines)])
