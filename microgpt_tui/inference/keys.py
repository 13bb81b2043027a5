"""Every key of the screen of inference, once: for its bindings, its help and the command palette."""

from __future__ import annotations

from functools import partial

from microgpt_tui.debugger.keys import Key

WALK, CHOOSE, LISTS = (partial(Key, group=group) for group in ("Walk", "Choose", "See more"))
IN_INFERENCE = (
    WALK("inference.next", "n,space", "walk(1)", "next",
         "Read the token that was drawn; after the end, begin the next name"),
    WALK("inference.back", "p", "walk(-1)", "back",
         "Back to the position before, also into the prefix or the name before"),
    WALK("inference.end", "end", "walk(1, True)", "to the end", "Draw on until BOS, or the context is full"),
    WALK("inference.home", "home", "walk(-1, True)", "to the start", "Back to the first position"),
    WALK("inference.anew", "r", "anew(1)", "anew", "Begin again with other random numbers"),
    WALK("inference.anew_back", "R", "anew(-1)", "anew back", "Begin again with the numbers before those"),
    WALK("inference.prefix", "e,slash", "prefix", "prefix", "Type what documents begin with", "e"),
    CHOOSE("inference.warmer", "right,full_stop", "warm(1)", "warmer",
           "Raise the temperature, from this position on", "→"),
    CHOOSE("inference.colder", "left,comma", "warm(-1)", "colder", "Lower the temperature, from this position on", "←"),
    CHOOSE("inference.mode", "m", "mode", "mode", "Temperature alone, greedy, top-k, top-p: in turn"),
    CHOOSE("inference.more", "up", "more(1)", "more", "A larger k or p; in a list, scroll up", "↑"),
    CHOOSE("inference.less", "down", "more(-1)", "less", "A smaller k or p; in a list, scroll down", "↓"),
    LISTS("inference.layer", "tab", "layer", "layer", "Attention, keys and values of the next layer"),
    LISTS("inference.beam", "b", "show('beam')", "beam", "The likeliest continuations of what is read"),
    LISTS("inference.names", "g", "show('names')", "names",
          "20 names, beside those of other training steps and of the original"),
    LISTS("inference.theme", "ctrl+t", "app.next_theme", "theme", "Dark, light, high contrast", "^t"),
    LISTS("inference.help", "question_mark", "help", "help", "All keys, and how to read the pictures", "?"),
    LISTS("inference.leave", "escape,q,i", "dismiss", "leave", "Back to the run, which stands where it did", "esc"),
)  # fmt: skip
