"""Every key of the screen of inference, once: for its bindings, its help and the command palette."""

from __future__ import annotations

from functools import partial

from microgpt_tui.debugger.keys import Key

WALK, CHOOSE, LISTS = (partial(Key, group=group) for group in ("walk", "choose", "see_more"))
IN_INFERENCE = (
    WALK("inference.next", "n,space", "walk(1)"),
    WALK("inference.back", "p", "walk(-1)"),
    WALK("inference.end", "end", "walk(1, True)"),
    WALK("inference.home", "home", "walk(-1, True)"),
    WALK("inference.anew", "r", "anew(1)"),
    WALK("inference.anew_back", "R", "anew(-1)"),
    WALK("inference.prefix", "e,slash", "prefix", "e"),
    CHOOSE("inference.warmer", "right,full_stop", "warm(1)", "→"),
    CHOOSE("inference.colder", "left,comma", "warm(-1)", "←"),
    CHOOSE("inference.mode", "m", "mode"),
    CHOOSE("inference.more", "up", "more(1)", "↑"),
    CHOOSE("inference.less", "down", "more(-1)", "↓"),
    LISTS("inference.layer", "tab", "layer"),
    LISTS("inference.beam", "b", "show('beam')"),
    LISTS("inference.names", "g", "show('names')"),
    LISTS("app.theme", "ctrl+t", "app.next_theme", "^t"),
    LISTS("inference.help", "question_mark", "help", "?"),
    LISTS("inference.leave", "escape,q,i", "dismiss", "esc"),
)  # fmt: skip
