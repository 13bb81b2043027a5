"""verify: against a stand-in for the original, changed in harmless ways and in others."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from engine.script import time_limit
from engine.verify import compare, probe
from tests.support.changed_text import replaced
from tests.support.commands import error_of, in_terminal, interrupted, invoke

STAND_IN = (Path(__file__).parent.parent / "support" / "reference_script.py").read_text()


@pytest.fixture
def copy(tmp_path: Path) -> Any:
    """Write the stand-in, with pieces of its text replaced."""

    def write(*changes: tuple[str, str]) -> Path:
        path = tmp_path / "copy.py"
        path.write_text(replaced(STAND_IN, *changes))
        return path

    return write


HARMLESS = {
    "nothing": (),
    "comments": (("class Number:", "# a comment\nclass Number:  # another"),),
    "seed": (("random.seed(42)", "random.seed(7)"),),
    "schedule": (("num_steps = 6", "num_steps = 4"),),
    "sizes": (("n_layer = 1", "n_layer = 2"), ("n_embd = 4", "n_embd = 6"), ("n_head = 2", "n_head = 3")),
    "rates": (("0.01, 0.85, 0.99", "0.02, 0.9, 0.95"),),
    "temperature and number of samples": (("temperature = 0.5", "temperature = 1.5"), ("range(4)", "range(2)")),
    "annotations": (("    loss = ", "    loss: Number = "),),
    "printing": (('    print("step", step + 1, loss.data)\n', ""), ('print("sample"', 'print(">>"')),
    "other names": (("step", "turn"), ("num_turns", "num_steps"), ("loss", "cost"), ("sample", "made_up")),
    "reading and leaving": (("import math", "import math, sys; assert sys.stdin.read() == ''"),),
    "arguments that need not be given": (
        ("import math", "import argparse, math\nparser = argparse.ArgumentParser()\nparser.add_argument('--data')"),
        ("n_layer = 1", "n_layer = 1 if parser.parse_args().data is None else 2"),
    ),
    "a look at its arguments": (
        ("import math", "import math, sys"),
        ('open("input.txt")', 'open(sys.argv[1] if len(sys.argv) > 1 else "input.txt")'),
    ),
    "a module beside it": (("import math", "import math, beside_it"),),
    "printing many errors": (("import math", "import math, sys; print('x' * 10**6, file=sys.stderr)"),),
    "a thread that goes on": (
        ("import math", "import math, threading; threading.Thread(target=threading.Event().wait).start()"),
    ),
    "a look at whether it is imported": (
        ("m, v = [0.0]", "if __name__ != '__main__':\n    raise SystemExit\nm, v = [0.0]"),
    ),
    "annotations that are values": (
        ("import math", "import math\ndef f(x: 3): pass\nassert f.__annotations__ == {'x': 3}"),
    ),
    "a nameless loss": (("loss.backward()", "[loss][0].backward()"),),
    "a look back in training": (("    loss.backward()", "    [0 for _ in range(2)]\n    loss.backward()"),),
    "a small graph before": (("state_dict = ", "(Number(2.0) * Number(3.0) + 1).backward()\nstate_dict = "),),
    "a data file of another name": (('open("input.txt")', 'open("names.txt")'),),
    "a data file that it would download": (
        (
            "import math",
            "import math, os, urllib.request\nif not os.path.exists('input.txt'):\n    raise SystemExit\n"
            "urllib.request.urlretrieve('http://localhost:9/names.txt', 'input.txt')",
        ),
    ),
    "data that it would download": (
        (
            'with open("input.txt") as file:',
            "import urllib.request\nwith urllib.request.urlopen('http://localhost:9') as f:"
            "\n    file = f.read().decode().splitlines()",
        ),
    ),
    "no layer": (("n_layer = 1", "n_layer = 0"),),
    "a graph deeper than Python's usual recursion": (
        ("n_layer = 1", "n_layer = 60"),
        ("n_embd = 4", "n_embd = 2"),
        ("n_head = 2", "n_head = 1"),
        ("block_size = 5", "block_size = 1"),
        ("num_steps = 6", "num_steps = 1"),
    ),
    "an end of its own": (('print("sample", "".join(sample))', "pass\nraise SystemExit(3)"),),
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS.keys())
def test_harmless_changes_are_equal(copy: Any, changes: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").touch()
    result = invoke("verify", copy(*changes))
    assert "The same: every bit of it" in result.stdout
    assert (result.exit_code, result.stderr, result.stdout.count("equal")) == (0, "", 8)


FOR = "for step in range(num_steps):\n"
SAMPLES = STAND_IN[STAND_IN.index("for _ in range(4):") :]
TRAINING = STAND_IN[STAND_IN.index("m, v = [0.0]") : STAND_IN.index(SAMPLES)]
LOOP = TRAINING[TRAINING.index(FOR) + len(FOR) :]


def indented(text: str) -> str:
    return textwrap.indent(text, "    ")


SHAPES = {
    "a while loop": ((FOR, "step = -1\nwhile step + 1 < num_steps:\n    step += 1\n"),),
    "an endless loop that is left": (
        (FOR, "step = -1\nwhile True:\n    step += 1\n    if step == num_steps: break\n"),
    ),
    "a function that trains": ((TRAINING, f"def train():\n{indented(TRAINING)}\ntrain()\n"),),
    "a function for a step": (
        (TRAINING, TRAINING.split("\n")[0] + f"\ndef learn(step):\n{LOOP}\n{FOR}    learn(step)\n"),
    ),
    "a method for a step": (
        (
            TRAINING,
            "class Trainer:\n    def __init__(self):\n        zeros = [0.0] * len(weights)\n"
            "        self.m, self.v = zeros[:], zeros[:]\n"
            f"    def step(self, step):\n        m, v = self.m, self.v\n{indented(LOOP)}\n"
            f"trainer = Trainer()\n{FOR}    trainer.step(step)\n",
        ),
    ),
    "epochs": (
        (FOR, "for epoch in range(3):\n  for step in range(2 * epoch, 2 * epoch + 2):\n"),
        (LOOP, textwrap.indent(LOOP, "  ")),
    ),
    "everything in main": (
        (
            STAND_IN,
            "import math, random\ndef main():\n"
            + indented(STAND_IN.replace("import math\nimport random\n", ""))
            + "\nif __name__ == '__main__':\n    main()\n",
        ),
    ),
    "settings in an object": (
        ("import random\n", "import random\nimport types\nconfig = types.SimpleNamespace(num_steps=6, block_size=5)\n"),
        ("block_size = 5\nnum_steps = 6\n", ""),
        ("num_steps)", "config.num_steps)"),
        ("range(block_size)", "range(config.block_size)"),
        ("new(block_size", "new(config.block_size"),
        ("min(block_size", "min(config.block_size"),
    ),
    "moments that are made anew": (
        (
            "    for i, weight",
            "    g = [w.grad for w in weights]\n"
            "    m = [beta1 * a + (1 - beta1) * b for a, b in zip(m, g)]\n"
            "    v = [beta2 * a + (1 - beta2) * b**2 for a, b in zip(v, g)]\n    for i, weight",
        ),
        ("        m[i] = beta1 * m[i] + (1 - beta1) * weight.grad\n", ""),
        ("        v[i] = beta2 * v[i] + (1 - beta2) * weight.grad**2\n", ""),
    ),
    "a function that samples": (
        (
            SAMPLES,
            "def make_up():\n" + SAMPLES.replace("for _ in range(4):\n", "").replace("break", "return ''.join(sample)")
            .replace('print("sample", "".join(sample))', "return ''.join(sample)")
            + "print([make_up() for _ in range(4)])\n",
        ),
    ),
    "samples that are tokens": (
        ("sample.append(letters[token])", "sample.append(token)"),
        ('"".join(sample)', "sample"),
    ),
    "samples that are texts": (
        ("kept, token, sample = nothing_kept(), END, []", "kept, token, sample = nothing_kept(), END, ''"),
        ("sample.append(letters[token])", "sample += letters[token]"),
    ),
    "samples in a while loop": (
        ("    for place in range(block_size):\n        chances = shares([a", "    place = -1\n    while place < "
         "block_size - 1:\n        place += 1\n        chances = shares([a"),
    ),
    "a function that draws": (
        ("for _ in range(4):", "def draw(chances):\n    return random.choices(range(END + 1), weights=chances)[0]\n"
         "for _ in range(4):"),
        ("random.choices(range(END + 1), weights=[c.data for c in chances])[0]\n        if", "draw([c.data for c in "
         "chances])\n        if"),
    ),
    "samples before it trains": ((FOR, f"{SAMPLES}{FOR}"),),
    "samples while it trains": (
        ('    print("step", step + 1, loss.data)\n', f"    if step % 2 == 1:\n{textwrap.indent(SAMPLES, ' ' * 8)}\n"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("until", [None, 3])
@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES.keys())
def test_other_shapes_of_the_program_are_equal(changes: Any, until: int | None, copy: Any) -> None:
    result = invoke("verify", copy(*changes), *(("--until", until) if until else ()))
    assert f"The same: every bit of it, over {until or 6} steps" in result.stdout, result.output
    assert (result.exit_code, result.stderr) == (0, "")


MAPPED = ((TRAINING, TRAINING.split("\n")[0] + f"\ndef learn(step):\n{LOOP}\nlist(map(learn, range(num_steps)))\n"),)


def test_training_that_is_no_loop_is_compared_as_far_as_it_can_be_ended(copy: Any) -> None:
    assert "every bit of it, over 6 steps" in invoke("verify", copy(*MAPPED)).stdout
    ended = invoke("verify", copy(*MAPPED), "--until", "2")
    assert ended.exit_code == 2
    flat = " ".join(ended.stdout.split())
    assert "its training loop could not be ended after step 2; leave out --until" in flat
    assert "Not all compared: what was compared is equal." in flat
    assert invoke("verify", copy(*MAPPED), "--until", "2", "--samples", "0").exit_code == 0


def as_notebook(folder: Path, text: str) -> Path:
    """A notebook with a magic, and the script in three cells."""
    end = text.index("class Number:"), text.index("m, v = [0.0]")
    cells = ["%matplotlib inline\n" + text[: end[0]], text[end[0] : end[1]], f"!ls\n{text[end[1] :]}"]
    path = folder / "copy.ipynb"
    made = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": made}))
    return path


def test_a_notebook_is_equal(tmp_path: Path) -> None:
    result = invoke("verify", as_notebook(tmp_path, STAND_IN))
    assert "The same: every bit of it, over 6 steps" in result.stdout
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "copy.ipynb, cell 1, line 1: %matplotlib inline is left out", "copy.ipynb, cell 3, line 1: !ls is left out",
    ]  # fmt: skip


def test_a_fault_in_a_notebook_is_told_by_its_cell(tmp_path: Path) -> None:
    crashed = invoke("verify", as_notebook(tmp_path, STAND_IN.replace("    rate = ", "    1 / 0\n    rate = ")))
    assert "ZeroDivisionError: division by zero in cell 3, line 13, in training step 1" in crashed.stderr
    wrong = invoke("verify", as_notebook(tmp_path, STAND_IN.replace("def lift(x):", "def lift(x:")))
    line = STAND_IN[STAND_IN.index("class Number:") : STAND_IN.index("def lift(x):")].count("\n") + 1
    assert f"cell 2, line {line} is not Python" in wrong.stderr


def test_until_and_data(copy: Any, tmp_path: Path) -> None:
    data = tmp_path / "words.txt"
    data.write_bytes("  żółw \r\nдом\n\nab\u2028c\n".encode())
    result = invoke("verify", copy(), "--until", "2", "--data", data)
    assert result.exit_code == 0
    assert "after each of 2 steps" in result.stdout
    assert "3 in the same order" in result.stdout


DIFFERENT = {
    "another activation": (("a.relu() for a", "a * a.relu() for a"), "losses", "step 1: "),
    "another norm": (('times("lm_head", x)', 'times("lm_head", norm(x))'), "losses", "another architecture"),
    "another gradient": (("float(self.data > 0)", "float(self.data > -1)"), "first moments m", "after step 1, m of "),
    "another second moment": (("weight.grad**2", "abs(weight.grad)"), "second moments v", "after step 1, v of wte"),
    "another update": (
        ("(step + 1))\n        weight", "(step + 2))\n        weight"),
        "parameters",
        "after step 1, wte[",
    ),
    "another start": (("gauss(0, 0.08)", "gauss(0, 0.02)"), "initial parameters", "at the start, wte[0][0]: "),
    "no shuffling": (("random.shuffle(docs)", ""), "documents", "after shuffling, document 0 is"),
    "other samples": (
        ("sample = nothing_kept(), END, []", "sample = nothing_kept(), END, ['x']"),
        "samples",
        "sample 1: 'x",
    ),
    "a late change": (("rate = ", "rate = 0 if step == 3 else "), "parameters", "after step 4, "),
}


@pytest.mark.parametrize(("change", "what", "says"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_the_first_difference_is_shown(copy: Any, change: tuple[str, str], what: str, says: str) -> None:
    result = invoke("verify", copy(change))
    assert result.exit_code == 1
    assert f"the first difference is in the {what}." in result.stdout
    flat = " ".join(result.stdout.split())
    assert says in flat
    assert flat.count("DIFFERENT") == 1


def test_the_last_bit_counts(copy: Any) -> None:
    result = invoke("verify", copy(("weight.grad = 0", "weight.grad = 0\n        m[0] = math.nextafter(m[0], 9)")))
    assert result.exit_code == 1
    assert "m of wte[0][0]" in " ".join(result.stdout.split())


INCOMPARABLE = {
    "another matrix": (('"lm_head": new', '"gate": new(3, 2), "lm_head": new'), "state_dict['gate'] is 3 x 2"),
    "another shape": (('mlp_fc1"] = new(4 * n_embd', 'mlp_fc1"] = new(2 * n_embd'), "mlp_fc1'] is 8 x 4 where"),
    "a vector": (('"lm_head": new', '"bias": [[]], "lm_head": new'), "state_dict['bias'] is not a matrix"),
    "another epsilon": (("1e-8", "1e-6"), "eps_adam is 1e-06"),
    "not Python": (("def lift(x):", "def lift(x:"), "is not Python"),
    "nothing like it": ((STAND_IN, "x = 1\n"), "no training to watch"),
    "empty": ((STAND_IN, ""), "no training to watch"),
    "no seed": (("random.seed(42)", "pass"), "random.seed"),
    "two seeds": (("random.seed(42)", "random.seed(1); random.seed(2)"), "random.seed"),
    "a seed that is no number": (("random.seed(42)", "random.seed('x')"), "random.seed"),
    "no size": (("n_head", "heads"), "no number named n_head when training starts"),
    "no documents": (("docs", "texts"), "no list of strings named docs when training starts"),
    "no matrices": (("state_dict", "matrices"), "no dictionary named state_dict when training starts"),
    "a size that fits nothing": (("n_head = 2", "n_head = 3"), "n_head 3 does not divide"),
    "no moments": (("m, v = [0.0]", "m, v = 2 * [0.0]"), "no list of one moment for each parameter named m when"),
    "a crash before": (("import math", "import math\n1 / 0"), "ZeroDivisionError: division by zero in line 4, before"),
    "a crash within": (("rate = ", "assert step < 2, 'no more'\n    rate = "), "AssertionError: no more in line"),
    "a crash like the engine's": (("0.01, 0.85", "1e9, 0.85"), "so does the engine: training stopped at step"),
    "reaching for the network": (
        ("import math", "import math, socket\nsocket.create_connection(('localhost', 9))"),
        "verify lets no copy reach for the network",
    ),
    "a loop without a turn": (("in range(num_steps)", "in []"), "its training loop never ran"),
    "a loop that ends early": (("in range(num_steps)", "in range(2)"), "ended after 2 of 6 steps"),
    "a loop that goes on": (("in range(num_steps)", "in range(9)"), "beyond its num_steps"),
    "a process that dies": (("rate = ", "import os; os._exit(5)\n    rate = "), "its process died with status 5"),
    "a process that says why it dies": (
        ("import math", "import math, os; os.write(2, b'first\\nno room\\n'); os._exit(5)"),
        "its process died with status 5, after it said: no room",
    ),
    "an argument that must be given": (
        ("import math", "import argparse, math; p = argparse.ArgumentParser(); p.add_argument('data'); p.parse_args()"),
        "ended itself before training began, with status 2, after it said: copy.py: error: the following arguments are "
        "required: data (write its arguments after --)",
    ),
    "an end before training": (
        ("import math", "import math; raise SystemExit('it needs\\ninput.csv')"),
        "ended itself before training began, with status 1, after it said: it needs input.csv",
    ),
    "an end without a word": (("import math", "import math; raise SystemExit(3)"), "training began, with status 3"),
    "an end in training": (
        ("rate = ", "if step == 3: raise SystemExit('enough')\n    rate = "),
        "ended itself in training step 4, with status 1, after it said: enough",
    ),
    "asking for input": (
        ("import math", "import math; input('data? ')"),
        "(verify gives it no input) in line 3, before",
    ),
    "scalars without a number": (("self.data, self.sources", "self.value, self.sources"), "has no attribute 'data'"),
    "no temperature": (
        ("temperature", "heat"),
        "no number named temperature, which sampling needs; --samples 0 leaves samples out",
    ),
}


@pytest.mark.parametrize(("change", "says"), INCOMPARABLE.values(), ids=INCOMPARABLE.keys())
def test_a_copy_that_cannot_be_compared_is_reported(copy: Any, change: tuple[str, str], says: str) -> None:
    assert says in error_of(invoke("verify", copy(change)))


def test_all_names_that_are_missing_are_told_at_once(copy: Any) -> None:
    renamed = copy(
        ("n_head", "heads"), ("beta1", "fade"), ("docs", "texts"), ("state_dict", "tables"), ("seed(42)", "x")
    )
    renamed.write_text(renamed.read_text().replace("random.x", "random.random()"))
    assert error_of(invoke("verify", renamed)).endswith(
        ": it has no number named n_head or beta1, no list of strings named docs, no dictionary named state_dict and "
        "no call of random.seed when training starts; verify finds what it compares by the names that it has in "
        "microgpt.py"
    )


def test_help_tells_the_names_that_it_needs() -> None:
    told = " ".join(invoke("verify", "--help").stdout.replace("│", " ").split())
    for name in (*probe.NUMBERS, "docs", "state_dict", "temperature", "random.seed"):
        assert re.search(rf"\b{re.escape(name)}\b", told), name


def test_another_python_runs_the_copy(copy: Any) -> None:
    """The copy tells which one it is run by; one that cannot be run is told."""
    said = copy(("import math", "import math, sys; assert sys.prefix == sys.base_prefix, sys.prefix"))
    other = Path(sys.base_prefix, "bin", "python3")
    assert invoke("verify", said, "--python", other).exit_code == 0
    assert "AssertionError: " in error_of(invoke("verify", said))
    assert "/no/such/python cannot be run" in error_of(invoke("verify", said, "--python", "/no/such/python"))


@pytest.mark.parametrize(
    ("encoding", "says"),
    [("utf-16", "it is UTF-16 text"), ("utf-16-le", "it is UTF-16 text"), ("latin-1", "line 2 is not UTF-8 text")],
)
def test_a_file_that_is_not_utf_8_is_reported(encoding: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.py"
    path.write_text(f"# a copy\n# for zoë\n{STAND_IN}", encoding=encoding)
    assert f"{says}; save it as UTF-8 and try again" in error_of(invoke("verify", path))


def test_a_file_that_says_its_encoding_is_equal(tmp_path: Path) -> None:
    path = tmp_path / "copy.py"
    path.write_text(f"# coding: latin-1\n# for zoë\n{STAND_IN}", encoding="latin-1")
    assert invoke("verify", path).exit_code == 0


WAITS = "import signal; signal.pause()"
COMPUTES = "while True: pass"


@pytest.mark.skipif(os.name != "posix", reason="waits for a signal")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("import math", f"import math\n{WAITS}"), "only waited for 1 s since it was started"),
        (("    rate = ", f"    if step: {WAITS}\n    rate = "), "only waited for 1 s since its last training step"),
        (("import math", f"import math\n{COMPUTES}"), "computed for 0.5 s since it was started"),
        (("    rate = ", f"    {COMPUTES}\n    rate = "), "computed for 0.5 s since its training began"),
        (("in range(4):\n", f"in range(4):\n    {COMPUTES}\n"), "computed for 0.5 s since its last training step"),
    ],
)
def test_a_copy_that_makes_no_progress_is_ended(
    change: tuple[str, str], says: str, copy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, seconds = ("IDLE", 1.0) if WAITS in change[1] else ("BUSIEST", 0.5)
    monkeypatch.setattr(time_limit, limit, seconds)
    monkeypatch.setattr(compare, "SECONDS_A_SCALAR", 0.0)
    assert says in error_of(invoke("verify", copy(change)))


def test_a_slow_copy_is_waited_for(copy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps together take longer than there is time for one of them."""
    monkeypatch.setattr(time_limit, "BUSIEST", 1.0)
    monkeypatch.setattr(compare, "SECONDS_A_SCALAR", 0.0)
    slowly = "    import time; end = time.process_time() + 0.25\n    while time.process_time() < end: pass\n    rate = "
    assert invoke("verify", copy(("    rate = ", slowly))).exit_code == 0


def test_without_samples_not_all_is_compared(copy: Any) -> None:
    result = invoke("verify", copy(("random.choices(", "list(")))
    assert result.exit_code == 2


WITH_ARGUMENTS = (
    ("import math", "import math, sys\nfrom argparse import ArgumentParser\nparser = ArgumentParser()\n"
     "parser.add_argument('--width', type=int, required=True)\nparser.add_argument('words', nargs='*')\n"
     "given = parser.parse_args()\nassert given.words == ['a b', '--until'], sys.argv"),
    ("n_embd = 4", "n_embd = given.width"),
)  # fmt: skip


def test_what_follows_two_dashes_are_the_arguments_of_the_copy(copy: Any) -> None:
    result = invoke("verify", copy(*WITH_ARGUMENTS), "--until", "1", "--", "--width", "6", "a b", "--", "--until")
    assert result.exit_code == 0
    assert "n_embd 6" in " ".join(result.stdout.split())


NEVER_SAMPLED = (("for _ in range(4):", "for _ in [1 / 0]:"),)


@pytest.mark.parametrize(
    ("changes", "samples", "says"),
    [
        ((), 1, "all 1, the last one"),
        ((), 3, "all 3, the last one"),
        ((), 9, "all 4, the last one"),
        ((), 0, "left out, as --samples 0 asks"),
        (NEVER_SAMPLED, 0, "left out, as --samples 0 asks"),
    ],
)
def test_at_most_so_many_samples_are_compared(changes: Any, samples: int, says: str, copy: Any) -> None:
    result = invoke("verify", copy(*changes), "--samples", samples)
    assert says in result.stdout
    assert "The same: every bit of it, over 6 steps" in result.stdout
    assert result.exit_code == 0


def test_a_difference_is_found_without_samples(copy: Any) -> None:
    assert invoke("verify", copy(("a.relu() for a", "a * a.relu() for a")), "--samples", "0").exit_code == 1


SCALES = {
    "a smaller one": (
        (("gauss(0, 0.08)", "gauss(0, 0.02)"),),
        "all initial parameters are a quarter of the engine's: std 0.02 instead of 0.08, as in early revisions of "
        "microgpt.py; at the start, wte[0][0]: ",
    ),
    "an odd one": (
        (("gauss(0, 0.08)", "gauss(0, 0.113)"),),
        "all initial parameters are 1.4125 times the engine's: std 0.113 instead of 0.08; at the start, wte[0][0]: ",
    ),
    "of single matrices": (
        (
            ("def new(rows, columns):", "def new(rows, columns, std=0.08):"),
            ("gauss(0, 0.08)", "gauss(0, std)"),
            ("new(n_embd, 4 * n_embd)", "new(n_embd, 4 * n_embd, 0)"),
            ('"lm_head": new(END + 1, n_embd)', '"lm_head": new(END + 1, n_embd, 0.02)'),
        ),
        "other standard deviations than the engine's 0.08: 0.02 (lm_head), 0 (layer0.mlp_fc2); at the start, lm_head[",
    ),
    "a factor": (
        (("random.gauss(0, 0.08)", "0.3 * random.gauss(0, 0.08)"),),
        "all initial parameters are 0.3 times the engine's; at the start, wte[0][0]: ",
    ),
}


@pytest.mark.parametrize(("changes", "says"), SCALES.values(), ids=SCALES.keys())
def test_other_sizes_of_the_initial_parameters_are_recognised(changes: Any, says: str, copy: Any) -> None:
    result = invoke("verify", copy(*changes))
    assert result.exit_code == 1
    assert says in " ".join(result.stdout.split())


@pytest.mark.parametrize("start", ["gauss(0, 0.08) + 1e-17", "uniform(-0.1, 0.1)", "gauss(0, 0.08) if rows > 5 else 1"])
def test_another_start_that_is_no_scale_is_none(start: str, copy: Any) -> None:
    result = invoke("verify", copy(("random.gauss(0, 0.08)", f"random.{start}".replace("else 1", "else 1.0"))))
    assert result.exit_code == 1
    assert "times" not in result.stdout
    assert "standard deviations" not in result.stdout


def test_until_beyond_the_schedule(copy: Any) -> None:
    assert "fewer than --until 7" in error_of(invoke("verify", copy(), "--until", "7"))


def test_a_terminal_gets_progress(copy: Any, tmp_path: Path) -> None:
    """The copy goes on from step 3 when the progress of the steps before has been seen."""
    seen = tmp_path / "seen"
    waits = f"    import pathlib\n    while step == 3 and not pathlib.Path({str(seen)!r}).exists(): pass\n    rate = "
    path = copy(("    rate = ", waits))
    ended = in_terminal("verify", path, patience=0, shown=lambda text: seen.touch() if "Comparing" in text else None)
    assert ended.status == 0
    assert "Comparing" in ended.screen


# The copy does not outlive the comparison.


def _endless(copy: Any, pid_file: Path) -> Path:
    rest = f"import os, signal; open({str(pid_file)!r}, 'w').write(str(os.getpid())); signal.pause()"
    return copy(("    rate = ", f"    {rest}; rate = "))  # type: ignore[no-any-return]


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_the_copy_ends_with_verify(copy: Any, tmp_path: Path, name: str, status: int) -> None:
    pid_file = tmp_path / "pid"
    assert interrupted(name, pid_file, "verify", _endless(copy, pid_file)) == status
