"""The installed command in a real terminal, under random keys and resizes: then q leaves it as it was."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.support.terminal import needs_tmux, terminal

KEYS = (
    *"npsSoOtTfF][}{ cCbB+-wWmdegxXEviyYzPl0123456789=?:/",
    *(
        "Escape",
        "Escape",
        "Escape",
        "Enter",
        "BSpace",
        "Tab",
        "Up",
        "Down",
        "Left",
        "Right",
        "Home",
        "End",
        "C-t",
        "C-p",
    ),
)
# Escape, as terminals send it that tell it from the start of a sequence: a plain one, and the key after it read at
# once, are another key.
ESCAPE = ("-H", "1b", "5b", "32", "37", "75")
Q = ("71",)
SIZES = ((80, 24), (120, 36), (200, 60), (40, 10), (100, 30))
MANY = 300  # keys and resizes


@needs_tmux
@pytest.mark.parametrize("seed", [1])
def test_after_random_keys_q_leaves_a_usable_terminal(seed: int, tmp_path: Path) -> None:
    rnd = random.Random(seed)
    options = ["--n-layer", "1", "--n-embd", "4", "--n-head", "2", "--block-size", "4", "--num-steps", "50"]
    homes = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    command = [str(Path(sys.executable).with_name("microgpt-tui")), *options]
    with terminal(command, (120, 36), tmp_path, **homes) as running:
        running.wait("FORWARD")
        for _ in range(MANY):
            if rnd.random() < 0.03:
                running.resize(*rnd.choice(SIZES))
            else:
                key = rnd.choice(KEYS)
                running.press(*(ESCAPE if key == "Escape" else (key,)))
        running.resize(120, 36)

        def leaves(screen: str) -> bool:
            """Out of whatever was opened last, then out of the program."""
            if "[status" in screen:
                return True
            running.press(*ESCAPE, *ESCAPE[1:], *ESCAPE[1:], *Q)
            return False

        running.wait(leaves)
        running.left(0)
