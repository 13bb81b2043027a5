"""Dialogs over other screens: they return something, and close only themselves."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, Screen

T = TypeVar("T")


class Passing(Screen[T], Generic[T]):
    """Goes once. The base class takes away whichever screen is on top: keys typed on would close those below, too."""

    _late: tuple[T | None] | None = None  # what is returned as soon as the screen is ready and nothing lies above it

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Return something and go; if another screen lies above, when that is gone; if this one is gone, do nothing.

        One that is not mounted yet goes when it is: its own handlers look for widgets that would be gone already.
        """
        if self.is_active and self.is_mounted:
            return super().dismiss(result)
        if self in self.app.screen_stack:
            self._late = (result,)
        return AwaitComplete()

    def on_screen_resume(self) -> None:
        """Go, if it was time to while another screen lay above or this one was being mounted."""
        if self._late is not None:
            self.dismiss(*self._late)


class Modal(ModalScreen[T], Passing[T], Generic[T]):
    """One through which the screens below are seen. What is of class `box` in it is framed, in the middle."""

    DEFAULT_CSS = """
    Modal { align: center middle; }
    Modal .box { width: 88; max-width: 96%; height: auto; max-height: 92%; border: round $border; background: $panel;
        padding: 0 1; border-title-color: $foreground; border-subtitle-color: $foreground; }
    Modal .box OptionList, Modal .box OptionList:focus { height: auto; max-height: 100%; border: none;
        background: $panel; padding: 0; }
    Modal .box Input, Modal .box Input:focus { border: none; height: 1; padding: 0; }
    Modal .box #note { height: auto; }
    """
