"""The installed command in a real terminal: opened, stepped through all three phases and back, and left."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from tests.support.terminal import COMPILED, needs_tmux, terminal

COMMAND = Path(sysconfig.get_path("scripts")) / "microgpt-tui"


@needs_tmux
def test_stepping_through_a_training_step_and_quitting() -> None:
    assert COMMAND.exists(), f"install the project first: {sys.executable} -m pip install -e ."
    with terminal([str(COMMAND)], **COMPILED) as term:
        first = term.wait("FORWARD", "reads BOS, must say m")
        assert "mignon" not in first
        term.press("n", "n", "n")
        term.wait("q = attn_wq · x", "-0.1012")  # q[0], as the figures of the original have it
        term.press("f")
        term.wait("BACKWARD", "3.3962")
        term.press("f")
        term.wait("Adam on layer0.attn_wq")
        term.press("]")
        term.wait("step 1/1,000")
        term.press("[")
        term.wait("step 0/1,000")
        term.press("Home")
        term.wait("step 0/1,000", "event 1/")
        term.resize(80, 24)
        term.wait(lambda screen: "Number ─" not in screen and "FORWARD" in screen)
        term.resize(50, 15)
        term.wait("needs 80×24")
        term.resize(120, 36)
        term.wait("Number ─")
        term.press("q")
        term.left(0, lambda screen: "FORWARD" not in screen)  # the screen of the shell is restored


@needs_tmux
def test_opened_at_a_later_step_with_other_sizes() -> None:
    options = ["--step", "30", "--n-layer", "2", "--n-embd", "8", "--n-head", "2", "--seed", "7"]
    with terminal([str(COMMAND), *options], (200, 60), **COMPILED) as term:
        term.wait("step 30/1,000")
        term.press("f", "f", "End")
        term.wait("Adam on layer1.mlp_fc2")
        term.press("q")
        term.left(0)


@needs_tmux
def test_running_stopping_and_going_back() -> None:
    with terminal([str(COMMAND), "--num-steps", "50000"], **COMPILED) as term:
        term.wait("FORWARD")
        term.press("n", "n", "n", "Space")
        term.wait(lambda screen: "steps a second" in screen and "sampled" not in screen)
        term.press("Space")
        term.wait(lambda screen: "steps a second" not in screen and "Number ─" in screen and "step 0/" not in screen)
        term.press(":step 40", "Enter")  # at once, as when it is pasted
        term.wait("step 40/50,000")
        term.press("Ba" + "doc == 'mignon'", "Enter")  # the first document, so there is one to go back to
        term.wait("hits 0")
        term.press("Escape")
        term.wait(lambda screen: "health checks" not in screen)
        term.press("C")
        term.wait("Stopped")
        term.wait("step 0/50,000")
        term.press("q")
        term.left(0)


@needs_tmux
def test_after_a_fault_the_screen_can_be_used() -> None:
    with terminal([str(COMMAND), "--learning-rate", "5", "--step", "1"]) as term:
        term.wait("step 1/1,000")
        term.press("f")
        term.wait(lambda screen: "richie" in screen and "log of 0" in screen)
        term.press("p")
        term.wait(lambda screen: "log of 0" not in screen)
        term.press("q")
        term.left(0)


@needs_tmux
def test_the_first_start_steps_on_plain_loops_until_compiled_ones_are_there(tmp_path: Path) -> None:
    own = {"NUMBA_CACHE_DIR": str(tmp_path / "loops"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with terminal([str(COMMAND)], **COMPILED, **own) as term:
        term.wait("FORWARD", "reads BOS, must say m")
        assert not (tmp_path / "cache").exists()  # nothing is compiled yet
        term.press("n", "n", "n")
        term.wait("q = attn_wq · x", "-0.1012")
        term.press(":")
        term.wait("step")
        term.press(*"step 900", "Enter")
        term.wait("step 900/1,000")  # in the middle of the way the compiled ones take over
        assert list((tmp_path / "cache").rglob("compiled-loops"))
        term.press("q")
        term.left(0)
