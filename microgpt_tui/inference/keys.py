"""Every key of the screen of inference, once: for its bindings, its help and the command palette."""

from __future__ import annotations

from microgpt_tui.debugger.keys import Key

WALK, CHOOSE, LISTS = "Walk", "Choose", "See more"
IN_INFERENCE = (
    Key("inference.next", "n,space", "walk(1)", "next",
        "Read the token that was drawn; after the end, begin the next name", group=WALK),
    Key("inference.back", "p", "walk(-1)", "back",
        "Back to the position before, also into the prefix or the name before", group=WALK),
    Key("inference.end", "end", "walk(1, True)", "to the end", "Draw on until BOS, or the context is full", group=WALK),
    Key("inference.home", "home", "walk(-1, True)", "to the start", "Back to the first position", group=WALK),
    Key("inference.anew", "r", "anew(1)", "anew", "Begin again with other random numbers", group=WALK),
    Key("inference.anew_back", "R", "anew(-1)", "anew back", "Begin again with the numbers before those", group=WALK),
    Key("inference.prefix", "e,slash", "prefix", "prefix", "Type what documents begin with", "e", group=WALK),
    Key(
        "inference.warmer",
        "right,full_stop",
        "warm(1)",
        "warmer",
        "Raise the temperature, from this position on",
        "→",
        group=CHOOSE,
    ),
    Key(
        "inference.colder",
        "left,comma",
        "warm(-1)",
        "colder",
        "Lower the temperature, from this position on",
        "←",
        group=CHOOSE,
    ),
    Key("inference.mode", "m", "mode", "mode", "Temperature alone, greedy, top-k, top-p: in turn", group=CHOOSE),
    Key("inference.more", "up", "more(1)", "more", "A larger k or p; in a list, scroll up", "↑", group=CHOOSE),
    Key("inference.less", "down", "more(-1)", "less", "A smaller k or p; in a list, scroll down", "↓", group=CHOOSE),
    Key("inference.layer", "tab", "layer", "layer", "Attention, keys and values of the next layer", group=LISTS),
    Key("inference.beam", "b", "show('beam')", "beam", "The likeliest continuations of what is read", group=LISTS),
    Key("inference.names", "g", "show('names')", "names",
        "20 names, beside those of other training steps and of the original", group=LISTS),
    Key("inference.theme", "ctrl+t", "app.next_theme", "theme", "Dark, light, high contrast", "^t", group=LISTS),
    Key("inference.help", "question_mark", "help", "help", "All keys, and how to read the pictures", "?", group=LISTS),
    Key("inference.leave", "escape,q,i", "dismiss", "leave", "Back to the run, which stands where it did", "esc",
        group=LISTS),
)  # fmt: skip
