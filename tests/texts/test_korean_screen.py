"""The debugger in Korean: nothing of it is said in English.

In processes of their own, since the language is chosen before modules are imported.
"""

import json
import re
import subprocess
import sys

import pytest
from rich.cells import cell_len

DOCUMENTS = ["emma", "olivia", "anna", "hannah"]
SIZES = [(80, 24), (120, 36), (200, 60)]
IN_KOREAN = """
import asyncio, json, sys
from engine.language.chosen import use_language
use_language("ko")
from engine import Address, Config, Scope, Session
from engine.model.tokenizer import Tokenizer
from engine.timeline.events import Phase
from microgpt_tui.app import ThemedApp
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.export.headless import screenshots, settled
from microgpt_tui.panes import stage
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.comparison_view import compare
from microgpt_tui.panes.registry import PANES
from microgpt_tui.panes.source import Source
from microgpt_tui.screens.debugger import DebuggerScreen

Source.heading = lambda self, frame: ""
Source.draw = lambda self, frame, width, height: Picture([Line()])  # code is no text of the program
stage.line_at_work = lambda frame, width: Line()
docs, config = sys.argv[3:], Config(num_steps=20)
session = Session(config, docs)
events = session.program.events(Phase.FORWARD)
names = [name for e in events for name in (e.name, *e.operands, *e.parts)]
names += [part for name in session.program.parameters for part in (name, name.rpartition(".")[2])]
found = []

def make():
    return DebuggerScreen(session, arrangement=Arrangement())
"""
PANES = """
address = Address.parse(sys.argv[1], Scope(config, Tokenizer(docs)))
session.seek(address.moment(session.program))
panes = [None, *(spec.id for spec in PANES if spec.id != "source")]

async def pages(screen):
    for pane in panes:
        screen.grid.zoomed = pane
        screen.show()
        yield str(pane)
    frame = screen.query_one("#stage").frame
    width, height = screen.size
    found.append((width, "comparison", compare(frame, frame.view, "BOS", width, height).text()))

for size in json.loads(sys.argv[2]):
    pictures = asyncio.run(screenshots(make, pages, tuple(size), "microgpt-dark", False))
    found += [(size[0], str(pane), picture.txt()) for pane, picture in zip(panes, pictures)]
print(json.dumps([names, found]))
"""
PRESSED = """
async def press(keys, size):
    app = ThemedApp("microgpt-dark", False)
    async with app.run_test(size=size) as pilot:
        await app.push_screen(make())
        await settled(pilot)
        for key in keys.split():
            await pilot.press(key)
            await settled(pilot)
        found.append((size[0], keys, (await settled(pilot)).txt()))

for size in json.loads(sys.argv[2]):
    for keys in json.loads(sys.argv[1]):
        session = Session(config, docs)
        asyncio.run(press(keys, tuple(size)))
print(json.dumps([names, found]))
"""
DIALOGS = [  # and screens, by the keys that open them
    "n e", "x", "x enter d", "x enter E", "x enter E r", "colon", "colon x x enter", "slash", "slash z z enter", "B",
    "B a", "b B", "W", "g", "question_mark", "ctrl+p", "i", "i question_mark", "i N", "m", "m a apostrophe",
]  # fmt: skip
PLACE = re.compile(r"@\w+=\d+(?:,\w+=\d+)*")  # as it is typed, in a name such as q[0]@pos=2
CUT = re.compile(r"[가-힣]…")  # a word that is cut
WORD = re.compile(r"(?<![…│A-Za-z0-9_])[A-Za-z_][A-Za-z0-9_.]*(?![…│A-Za-z0-9_])")  # but for names that are cut
PLACES = {"attention", "mlp", "attn"}
OPERATIONS = {"m_hat", "v_hat", "exp", "log", "max", "relu", "ReLU", "rmsnorm", "total", "scale", "topo"}
KEYS = {"enter", "space", "tab", "esc", "backspace", "home", "end", "shift"}
TYPED = {
    "pos", "layer", "head", "step", "forward", "backward", "next", "learning_rate", "off", "residual", "grad", "log",
    "greedy", "top",
}  # fmt: skip
CHECKS = {"nan", "inf", "fault", "zero", "dead"}
OTHERS = {"Python", "SVG", "microgpt"}
NAMES = PLACES | OPERATIONS | KEYS | {"Adam", "BOS", "MLP", "QKV", "head_dim"} | set(DOCUMENTS)


@pytest.mark.parametrize("moment", ["0 forward probs@pos=1", "0 backward attn_weights@pos=1,head=1", "0 update wte"])
def test_nothing_is_said_in_english(moment):
    no_english(PANES, moment, NAMES)


@pytest.mark.parametrize("keys", [DIALOGS[i::4] for i in range(4)])
def test_no_dialog_is_in_english(keys):
    no_english(PRESSED, json.dumps(keys), NAMES | TYPED | CHECKS | OTHERS)


def no_english(script, wanted, known):
    command = [sys.executable, "-c", IN_KOREAN + script, wanted, json.dumps(SIZES), *DOCUMENTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, found = json.loads(done.stdout)
    known = known.union(names, *(re.split(r"[._]", name) for name in names))  # the map has short ones
    said = set()
    for width, where, text in found:
        words = {part for word in WORD.findall(PLACE.sub("", text)) for part in word.split(".")}
        said |= {(where, word) for word in words - known if len(word) > 2}
        assert max(map(cell_len, text.splitlines())) <= width, where
        assert not CUT.search(text), (where, [line for line in text.splitlines() if CUT.search(line)])
    assert not said
