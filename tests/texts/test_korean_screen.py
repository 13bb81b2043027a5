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
SCRIPT = """
import asyncio, json, sys
from engine.language.chosen import use_language
use_language("ko")
from engine import Address, Config, Scope, Session
from engine.model.tokenizer import Tokenizer
from engine.timeline.events import Phase
from microgpt_tui.drawing.picture import Line, Picture
from microgpt_tui.export.headless import screenshots
from microgpt_tui.panes import stage
from microgpt_tui.panes.arrangement import Arrangement
from microgpt_tui.panes.registry import PANES
from microgpt_tui.panes.source import Source
from microgpt_tui.screens.debugger import DebuggerScreen

Source.heading = lambda self, frame: ""
Source.draw = lambda self, frame, width, height: Picture([Line()])  # code is no text of the program
stage.line_at_work = lambda frame, width: Line()
docs, config = sys.argv[3:], Config(num_steps=20)
session = Session(config, docs)
address = Address.parse(sys.argv[1], Scope(config, Tokenizer(docs)))
session.seek(address.moment(session.program))
panes = [None, *(spec.id for spec in PANES if spec.id != "source")]

async def pages(screen):
    for pane in panes:
        screen.grid.zoomed = pane
        screen.show()
        yield str(pane)

def make():
    return DebuggerScreen(session, arrangement=Arrangement())

events = session.program.events(Phase.FORWARD)
names = [name for e in events for name in (e.name, *e.operands, *e.parts)]
names += [part for name in session.program.parameters for part in (name, name.rpartition(".")[2])]
found = []
for size in json.loads(sys.argv[2]):
    pictures = asyncio.run(screenshots(make, pages, tuple(size), "microgpt-dark", False))
    found += [(size[0], str(pane), picture.txt()) for pane, picture in zip(panes, pictures)]
print(json.dumps([names, found]))
"""
WORD = re.compile(r"(?<![…A-Za-z0-9_])[A-Za-z_][A-Za-z0-9_.]*(?![…A-Za-z0-9_])")  # but for names that are cut
PLACES = {"pos", "layer", "head", "attention", "mlp", "attn"}
OPERATIONS = {"exp", "log", "max", "relu", "ReLU", "rmsnorm", "total", "scale", "topo"}
KEYS = {"enter", "space", "tab", "esc", "backspace"}
NAMES = PLACES | OPERATIONS | KEYS | {"Adam", "BOS", "MLP", "QKV", "head_dim"} | set(DOCUMENTS)


@pytest.mark.parametrize("moment", ["0 forward probs@pos=1", "0 backward attn_weights@pos=1,head=1", "0 update wte"])
def test_nothing_is_said_in_english(moment):
    command = [sys.executable, "-c", SCRIPT, moment, json.dumps(SIZES), *DOCUMENTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, found = json.loads(done.stdout)
    known = NAMES.union(names, *(re.split(r"[._]", name) for name in names))  # the map has short ones
    for width, pane, text in found:
        lines = text.splitlines()
        words = {part for word in WORD.findall(text) for part in word.split(".")}
        assert not {word for word in words - known if len(word) > 2}, pane
        assert max(map(cell_len, lines)) <= width, pane
