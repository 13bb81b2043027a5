"""`Modal`: the base of the dialogs, which come up over other screens and return something."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

from microgpt_tui.widgets.textual_fixes import SafeScreen

T = TypeVar("T")


class Modal(ModalScreen[T], SafeScreen[T]):
    """A screen through which those below are seen. What is of class `box` in it is framed, in the middle."""

    DEFAULT_CSS = """
    Modal { align: center middle; }
    Modal .box { width: 88; max-width: 96%; height: auto; max-height: 92%; border: round $border; background: $panel;
        padding: 0 1; border-title-color: $foreground; border-subtitle-color: $foreground; }
    Modal .box OptionList, Modal .box OptionList:focus { height: auto; max-height: 100%; border: none;
        background: $panel; padding: 0; }
    Modal .box Input, Modal .box Input:focus { border: none; height: 1; padding: 0; }
    Modal .box #note { height: auto; }
    """
