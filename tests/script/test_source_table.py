"""The table of a copy's lines: every tick of the engine has one, and it is the line that does it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Moment, Phase, ScriptError, Session, load_docs
from engine.autograd.kernels import ADD, EXP, LOG, MUL, POW, RELU
from engine.model.dataset import bundled_path
from engine.script.process import ScriptProcess
from engine.script.source_file import ScriptFile
from engine.script.source_table import OwnLines, SourceTable, match
from engine.script.tape import ScriptTape
from engine.timeline.explainer import CodeText, SourceLine
from tests.support.changed_text import replaced

STAND_IN = Path(__file__).with_name("stand_in.py")
TEXT = STAND_IN.read_text(encoding="utf-8")
CONFIG = Config(n_embd=4, n_head=2, block_size=5, num_steps=6)
METHODS = {ADD: "plus", MUL: "times", POW: "power", LOG: "log", EXP: "exp", RELU: "relu"}


def record(path: Path, folder: Path) -> ScriptTape:
    """Step 0 of a script, run in a folder with its data."""
    (folder / "input.txt").write_bytes(bundled_path().read_bytes())
    copy = folder / "copy.py"
    copy.write_bytes(path.read_bytes())
    with ScriptProcess(copy) as process:
        return process.record(0)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> ScriptTape:
    return record(STAND_IN, tmp_path_factory.mktemp("stand_in"))


@pytest.fixture(scope="module")
def table(tape: ScriptTape) -> SourceTable:
    return match(tape, CONFIG, load_docs(), ScriptFile.read(STAND_IN))


@pytest.fixture
def own(table: SourceTable) -> OwnLines:
    return OwnLines(table, STAND_IN, CodeText(TEXT))


def mark(source: SourceLine | None, line: int | None = None) -> str:
    """What the stand-in says that a line of it does."""
    if line is None:
        assert source is not None
        assert source.path == STAND_IN
        line = source.line
    text = TEXT.splitlines()[line - 1]
    return text.partition("  # ")[2]


def expression(source: SourceLine | None) -> str:
    assert source is not None
    assert source.columns is not None
    return TEXT.splitlines()[source.line - 1][slice(*source.columns)]


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, n_layer=2, n_head=1, block_size=3)])
def test_every_tensor_is_made_by_its_line(own: OwnLines, config: Config) -> None:
    session = Session(config, load_docs())
    for event in session.program.events(Phase.FORWARD):
        source = own.line(session.view(), event)
        assert mark(source) == event.name
        session.seek(Moment(0, Phase.FORWARD, event.last))
        assert own.line(session.view()) == source


def test_every_scalar_has_a_line_that_was_called_by_its_tensors_line(own: OwnLines) -> None:
    session = Session(CONFIG, load_docs())
    seen = set()
    for event in session.program.events(Phase.FORWARD):
        for tick in range(event.first + 1, event.last):
            session.seek(Moment(0, Phase.FORWARD, tick))
            source = own.line(session.view())
            assert event.name in [mark(source), *(mark(caller) for caller in source.callers)], tick
            assert {source.line, *(caller.line for caller in source.callers)} == source.ran
            seen.add(mark(source))
    assert {"product", "powers", "whole", "share", "squares", "factor", "scaled"} < seen


@pytest.mark.parametrize(
    ("tensor", "tick", "expected"),
    [
        ("embed", 1, "a + b"),
        ("embed_norm", 1, "a * a"),
        ("embed_norm", 2, "sum(a * a for a in x)"),
        ("embed_norm", 9, "sum(a * a for a in x) / len(x)"),
        ("embed_norm", 10, "squares + 1e-5"),
        ("embed_norm", 11, "(squares + 1e-5) ** -0.5"),
        ("embed_norm", 12, "a * factor"),
        ("q", 1, "a * b"),
        ("q", 2, "sum(a * b for a, b in zip(row, x, strict=True))"),
        ("attn_logits", 1, "q[i] * k[i]"),
        ("attn_weights", 1, "a - highest"),
        ("attn_weights", 2, "a - highest"),
        ("attn_weights", 3, "(a - highest).exp()"),
        ("loss_t", 1, "chances[ids[place + 1]].log()"),
        ("loss", 1, "sum(costs)"),
    ],
)
def test_the_expression_that_makes_a_scalar(own: OwnLines, tensor: str, tick: int, expected: str) -> None:
    session = Session(CONFIG, load_docs())
    event = next(event for event in session.program.events(Phase.FORWARD) if event.name == tensor)
    session.seek(Moment(0, Phase.FORWARD, event.first + tick))
    assert expression(own.line(session.view())) == expected


def test_every_term_of_a_gradient_has_its_line_and_the_method_that_stored_its_factor(own: OwnLines) -> None:
    session = Session(CONFIG, load_docs())
    met = set()
    session.seek(Moment(0, Phase.BACKWARD, 1))
    assert mark(own.line(session.view())) == "seed"
    for tick in range(2, session.program.ticks(Phase.BACKWARD) + 1):
        session.seek(Moment(0, Phase.BACKWARD, tick))
        source = own.line(session.view())
        assert mark(source) == "handed on"
        op = int(session.recording.op[session.program.edges[tick - 1] >> 1])
        assert mark(source.called) == METHODS[op]
        assert source.ran == {source.line, source.called.line}
        met.add(op)
    assert met == set(METHODS)
    assert expression(source) == "each.grad += slope * scalar.grad"
    event = session.program.events(Phase.BACKWARD)[-1]
    assert own.line(session.view(), event) == own.line(session.view())


def test_the_update_has_the_lines_of_adam(own: OwnLines) -> None:
    session = Session(CONFIG, load_docs())
    for event in session.program.events(Phase.UPDATE):
        for tick in (event.first, event.first + 1, event.last):
            session.seek(Moment(0, Phase.UPDATE, tick))
            source = own.line(session.view())
            assert mark(source) == "Adam, moves"
            assert [mark(source, line) for line in sorted(source.ran)] == ["Adam"] * 4 + ["Adam, moves"]
            assert own.line(session.view(), event) == source
    assert expression(source) == "weight.data -= pace * first / (second**0.5 + eps_adam)"


OTHER = Path(__file__).parents[1] / "support" / "reference_script.py"


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        ("embed", '[a + b for a, b in zip(state_dict["wte"][token], state_dict["wpe"][place], strict=True)]'),
        ("attn_norm", "norm(x)"),
        ("attn_logits", "[sum(q[j] * k[j] for j in at) / width**0.5 for k in kept_k]"),
        ("attn_weights", "shares(fit)"),
        ("attn_out", 'times(f"layer{layer}.attn_wo", attend(q, *kept[layer], n_embd // n_head))'),
        ("mlp_norm", "norm(x)"),
        ("mlp_fc1", 'times(f"layer{layer}.mlp_fc1", norm(x))'),
        ("mlp_relu", '[a.relu() for a in times(f"layer{layer}.mlp_fc1", norm(x))]'),
        ("probs", "shares(model(ids[place], place, kept))"),
        ("loss_t", "-chances[ids[place + 1]].log()"),
    ],
)
def test_a_copy_with_several_tensors_in_a_line(other: SourceTable, tensor: str, expected: str) -> None:
    place = other.tensors[tensor][0]
    assert place.columns is not None
    assert OTHER.read_text(encoding="utf-8").splitlines()[place.line - 1][slice(*place.columns)] == expected


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SourceTable:
    tape = record(OTHER, tmp_path_factory.mktemp("other"))
    return match(tape, CONFIG, load_docs(), ScriptFile.read(OTHER))


def test_a_list_over_several_lines_is_lit_where_its_elements_are(tmp_path: Path) -> None:
    """As formatters write it: the line with the opening bracket alone would say nothing."""
    fits = "sum(q[i] * k[i] for i in at) / wide**0.5"
    text = TEXT.replace(
        f"[{fits} for k in keys[layer]]",
        f"[\n                {fits}\n                for k in keys[layer]\n            ]",
    )
    assert text != TEXT
    path = tmp_path / "formatted.py"
    path.write_text(text, encoding="utf-8")
    made = match(record(path, tmp_path), CONFIG, load_docs(), ScriptFile.read(path)).tensors["attn_logits"][0]
    assert made.columns is not None
    assert text.splitlines()[made.line - 1][slice(*made.columns)] == fits


# Kept.


def test_a_table_is_read_back_as_it_was_written(table: SourceTable) -> None:
    assert SourceTable.from_dict(json.loads(json.dumps(table.as_dict()))) == table
    assert mark(None, table.last_line) == "Adam, moves"


def test_a_table_holds_nothing_of_the_text(table: SourceTable) -> None:
    names = {*table.tensors, *table.updates, *(function for function in re.findall(r"(?:def|class) (\w+)", TEXT))}

    def texts(value: object) -> set[str]:
        if isinstance(value, dict):
            return set().union(*(texts(each) for each in value.values()))
        if isinstance(value, list):
            return set().union(*map(texts, value))
        return {value} if isinstance(value, str) else set()

    about = table.as_dict()
    del about["model"]
    assert {part for text in texts(about) for part in text.split(".")} - {""} <= {
        *names, *(part for name in names for part in name.split(".")),
    }  # fmt: skip


@pytest.mark.parametrize(
    "damage",
    [
        lambda about: about.update(version=0),
        lambda about: about.update(model="another"),
        lambda about: about.pop("seed"),
        lambda about: about.update(seed=[]),
        lambda about: about.update(seed=[[0, None, ""]]),
        lambda about: about.update(seed=[["x", None, ""]]),
        lambda about: about.update(tensors=3),
        lambda about: about.update(scalars=[["q", 1, 2]]),
        lambda about: about["terms"][0].append(1),
    ],
)
def test_a_table_that_is_none_is_refused(table: SourceTable, damage: Callable[[dict[str, object]], object]) -> None:
    about = json.loads(json.dumps(table.as_dict()))
    damage(about)
    with pytest.raises((ValueError, TypeError, KeyError)):
        SourceTable.from_dict(about)


# What cannot be matched.


def changed(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    path = tmp_path / "copy.py"
    path.write_text(replaced(TEXT, *changes), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("sum(a * b for a, b", "sum(b * a for a, b"),
            r"a parameter in state_dict\['lm_head'\] stands where the engine has .*, so its operands are ",
        ),
        (("a.relu() for a", "a * a.relu() for a"), r"what line \d+ makes stands where the engine has .*, and is "),
        (
            ("        return self * -1\n", "        return Scalar(-self.data, (self,), (-1,))\n"),
            r"what line 153 makes stands where the engine has loss_t, but __neg__ is not the operation that makes that",
        ),
        (
            ("(float(self.data > 0),)", "(float(self.data > -1),)"),
            r"a parameter in state_dict\['wte'\] stands where the engine has wte\[\d+,\d+\], and its gradient is ",
        ),
        (("pace * first", "pace * 2 * first"), "its update gives other parameters"),
        (
            (
                "x = [a.relu() for a in x]  # mlp_relu",
                "x = [*(a.relu() for a in x[:1]),\n             *(a.relu() for a in x[1:])]",
            ),
            r"more than one of its lines makes the scalars of mlp_relu \(\d+, \d+\)",
        ),
    ],
)
def test_a_copy_that_cannot_be_matched_is_a_sentence(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(ScriptError, match=f"^the lines of {re.escape(str(path))} cannot be told: {says}"):
        match(record(path, tmp_path), CONFIG, load_docs(), ScriptFile.read(path))


def test_the_loss_has_to_be_the_engines(tape: ScriptTape) -> None:
    script = ScriptFile.read(STAND_IN)
    wrong = replace(tape, value=np.nextafter(tape.value, 9))
    with pytest.raises(ScriptError, match=r"what line 155 makes stands where the engine has loss, and is "):
        match(wrong, CONFIG, load_docs(), script)


def test_columns_are_characters(tmp_path: Path) -> None:
    path = changed(tmp_path, ("cost = -chances", 'assert "éß가"; cost = -chances'))
    found = match(record(path, tmp_path), CONFIG, load_docs(), ScriptFile.read(path)).tensors["loss_t"][0]
    line = path.read_text(encoding="utf-8").splitlines()[found.line - 1]
    assert found.columns is not None
    assert line[slice(*found.columns)] == "-chances[ids[place + 1]].log()"


def test_lines_without_columns_are_lines(tape: ScriptTape) -> None:
    """Python before 3.11 does not know columns."""
    plain = tuple(replace(position, column=-1, end_column=-1) for position in tape.positions)
    found = match(replace(tape, positions=plain), CONFIG, load_docs(), ScriptFile.read(STAND_IN))
    assert found.tensors["q"][0].columns is None
    assert found.tensors["q"][0].line == next(i for i, line in enumerate(TEXT.splitlines(), 1) if "  # q" in line)
