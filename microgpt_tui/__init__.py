"""The terminal app and the command line of microgpt-tui. Draws; computes nothing about the model.

`show` displays a moment of a run in a notebook. It is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microgpt_tui.export.notebook import show

__all__ = ["show"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from microgpt_tui.export.notebook import show

    globals()["show"] = show
    return show
