"""Every formula that is shown is true: its printed numbers come to what it says, within their digits.

Each line of a pane with a sign of equality, an arrow or a root must be of a form that is known here and checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from engine import Config, Scope, Session
from engine.expressions.watch import watch_text
from engine.interventions.syntax import parse
from engine.timeline.events import PHASES, Moment, Phase
from microgpt_tui.cli import why_report
from microgpt_tui.debugger.frame import Focus, Frame
from microgpt_tui.drawing.numbers import number
from microgpt_tui.operations.registry import draw
from microgpt_tui.panes.adam import Adam
from microgpt_tui.panes.inspector import Inspector
from microgpt_tui.panes.prediction import Prediction
from microgpt_tui.panes.why import Why
from tests.support.arithmetic import NUMBER, Range, evaluate
from tests.support.harness import DOCS

STEP, POS = 3, 2
SIGNED = rf"[+-]?{NUMBER}"
VALUE = rf"({SIGNED})"


LEAVING_OUT = ("residual", "score_scale", "bias_correction")
_changes: list[tuple[str, ...]] = [()]  # those of the run that a test is about


@pytest.fixture(
    params=[(), LEAVING_OUT, ("layer1.attn_residual",)], ids=["", "leaving_out", "one_residual"], autouse=True
)
def changes(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """What is changed in the run: nothing, and whatever can be left out of the formulas."""
    _changes.append(request.param)
    yield request.param
    _changes.pop()


def run() -> Session:
    """The run that a test is about."""
    return trained(_changes[-1])


@cache
def trained(changes: tuple[str, ...]) -> Session:
    """Two layers, and heads of more than one number; a step whose Adam has a past."""
    config = Config(n_layer=2, n_embd=8, n_head=2, block_size=4, num_steps=50, seed=3, learning_rate=0.02)
    session = Session(config, DOCS)
    session = session.branch([parse(text, session.scope) for text in changes]) if changes else session
    session.run(until=STEP)
    return session


def frame_at(moment: Moment, row: int | None = None, cell: int | None = None) -> Frame:
    run().seek(moment)
    return Frame(run().view(), Focus(run().moment, row, cell))


def moments(phase: Phase) -> Iterator[Moment]:
    """The end of every event of one position and of those of none, and two moments within."""
    run().seek(Moment(STEP))
    for event in run().program.events(phase):
        if event.pos in (None, POS):
            for tick in sorted({event.first + 1, (event.first + event.last) // 2, event.last}):
                yield Moment(STEP, phase, tick)


def true(formula: str, value: str, where: object, **names: Range) -> None:
    """Check that a formula in numbers equals what is printed for it."""
    assert evaluate(formula, names).meets(evaluate(value)), (formula, value, where)


def exact(value: float | None) -> Range:
    assert value is not None
    return Range.exactly(value)


def is_value(value: float | None, text: str, where: object) -> None:
    """Check that a number is printed as it is."""
    assert exact(value).meets(evaluate(text)), (value, text, where)


# The stage.


def check_stage(frame: Frame, width: int, height: int) -> set[str]:
    """Check every line of a drawing; says which forms there were."""
    return check_lines(frame, draw(frame, width, height).text().splitlines())


def check_lines(frame: Frame, lines: list[str]) -> set[str]:
    """Check every line with a formula; fails on one of no known form."""
    kinds = set()
    for i, line in enumerate(lines):
        if not re.search(r"[=→√]", line) or not re.search(r"[A-Za-z1-9]", line):  # nor on a line of a heatmap
            continue
        for kind, (form, check) in STAGE.items():
            if found := re.fullmatch(form, line):
                check(frame, found, lines, i)
                kinds.add(kind)
                break
        else:
            raise AssertionError(f"a formula of no known form on the stage of {frame.stage_event.name}: {line!r}")
    return kinds


def _equation(frame: Frame, found: re.Match[str], *_: object) -> None:
    formula, value = found["formula"], found["value"]
    if "·" not in (value, formula) and "…" not in formula:
        true(formula, value, (frame.moment, found[0]))


def _nothing(*_: object) -> None:
    """A label: it says nothing of numbers."""


def _mean_square(frame: Frame, found: re.Match[str], *_: object) -> None:
    x = frame.view.data(frame.operation.operands["x"])
    if found[2] != "·":
        total = Range.exactly(float(np.square(x.values).sum()))
        assert evaluate(f"Σ x² / {found[1]}", {"Σ x²": total}).meets(evaluate(found[2])), found[0]


def _scale(frame: Frame, found: re.Match[str], *_: object) -> None:
    if found[2] != "·":
        mean = exact(frame.value(int(frame.operation.parts["mean_square"])))
        true(found[1], found[2], found[0], mean=mean)


def _norm(frame: Frame, found: re.Match[str], *_: object) -> None:
    """The length of the vector whose strip stands below it."""
    if found["norm"]:
        is_value(float(np.linalg.norm(frame.view.data(frame.operation.rows).values)), found["norm"], found[0])


def _dot_product(frame: Frame, found: re.Match[str], *_: object) -> None:
    """Of the row that is spoken of: what is made so far, or all of it."""
    w, x = frame.operation.operands["w"], frame.operation.operands["x"]
    i = list(frame.operation.rows).index(row_named(frame, found["name"]))
    terms = frame.view.passed_values[w[i]] * frame.view.data(x).values
    if found["value"] != "·":
        is_value(sum(terms.tolist()), found["value"], found[0])
    elif found["sofar"]:
        assert int(found["n"]) == len(x)
        is_value(sum(terms.tolist()[: int(found["made"])]), found["sofar"], found[0])


def row_named(frame: Frame, name: str) -> int:
    return next(int(row) for row in frame.operation.rows if frame.explain.name(int(row)) == name)


def _beside(frame: Frame, found: re.Match[str], *_: object) -> None:
    """The output beside the strip of its sums."""
    values = [frame.value(int(row)) for row in frame.operation.rows]
    assert found[1] == "·" or found[1] in [number(value) for value in values], found[0]


def _scaled(frame: Frame, found: re.Match[str], lines: list[str], i: int) -> None:
    """The score: the sum of the products above, divided by √head_dim if that is not left out."""
    _root(frame, found["n"], found[0])
    if found["score"] != "·":
        true(found["formula"], found["score"], found[0])
    products = _products_above(lines, i)
    if products is not None:
        true(" + ".join(products), found["sum"], lines)


def _products_above(lines: list[str], i: int) -> list[str] | None:
    """What the lines above add up to; None if not all terms are there."""
    found = []
    for line in reversed(lines[:i]):
        product = re.fullmatch(rf" .* ({SIGNED} · {SIGNED}) = {SIGNED}", line)
        if product is None:
            return None if " more" in line or not found else found
        found.append(product[1])
    return None


def _mixed(frame: Frame, found: re.Match[str], lines: list[str], i: int) -> None:
    products = _products_above(lines, i)
    if products is not None and found[1] != "·":
        true(" + ".join(products), found[1], lines)


def _root(frame: Frame, divisor: str | None, where: object) -> None:
    """What scores are divided by: √head_dim, or nothing at all."""
    left_out = "score_scale" in _changes[-1]
    assert divisor is None if left_out else divisor == str(frame.config.head_dim), where


def _columns(frame: Frame, found: re.Match[str], *_: object) -> None:
    """The divisor in the title of the scores."""
    _root(frame, found[1], found[0])


def _undivided(*_: object) -> None:
    assert "score_scale" in _changes[-1]


def _alone(frame: Frame, found: re.Match[str], *_: object) -> None:
    """What a block has made, where the residual is not added."""
    assert frame.operation.left_out
    (row,) = (row for row in frame.operation.operands["x"].tolist() if frame.explain.name(row) == found[1])
    if found[2] != "·":
        is_value(frame.value(row), found[2], found[0])


def _exponential(frame: Frame, found: re.Match[str], *_: object) -> None:
    is_largest(frame, found[2], found[0])
    if found[3] != "·":
        true(f"{found[1]} − {found[2]}", found[3], found[0])
    if "·" not in (found[3], found[4]):
        true(f"exp({found[3]})", found[4], found[0])


def is_largest(frame: Frame, text: str, where: object) -> None:
    """The largest score is told as soon as all scores are made."""
    scores = frame.view.data(frame.operation.operands["logits"])
    if scores.known.all():
        is_value(float(scores.values.max()), text, where)
    else:
        assert text == "·", where


def _exp_of_difference(frame: Frame, found: re.Match[str], *_: object) -> None:
    is_largest(frame, found[2], found[0])
    if found[3] != "·":
        true(f"exp({found[1]} − {found[2]})", found[3], found[0])


def is_share(formula: str, percent: str, where: object) -> None:
    """A formula comes to so many percent."""
    printed = Range.printed(percent)
    assert evaluate(formula).meets(Range(printed.low / 100, printed.high / 100)), (formula, percent, where)


def _share(frame: Frame, found: re.Match[str], *_: object) -> None:
    if found["share"] != "·":
        is_share(f"{found['exp']} / {found['total']}", found["share"].removesuffix("%"), found[0])


def _loss(frame: Frame, found: re.Match[str], *_: object) -> None:
    if "·" not in (found[1], found[2]):
        true(f"−log({found[1]})", found[2], found[0])


def _mean(frame: Frame, found: re.Match[str], *_: object) -> None:
    losses = frame.view.data(frame.operation.operands["losses"])
    if found[3] != "·":
        true(f"{found[1]} / {found[2]}", found[3], found[0])
        true(f"{sum(losses.values.tolist())!r} / {found[2]}", found[3], found[0])


def _added(frame: Frame, found: re.Match[str], lines: list[str], i: int) -> None:
    """The last `+=`: before, after, and in the next line what was added; those before it make up what was before."""
    product = re.fullmatch(rf"  \+= ({SIGNED} · {SIGNED})(?: via .*)?", lines[i + 1])
    assert product, lines[i:]
    true(f"{found[1]} + {product[1]}", found[2], (frame.moment, found[0], product[0]))
    earlier = [re.fullmatch(rf"  before: \+= ({SIGNED} · {SIGNED})(?: via .*)?", line) for line in lines[i + 2 :]]
    products = [match[1] for match in earlier if match]
    if products and len(products) == len(frame.explain.gradient(frame.selected)) - 1:
        true(" + ".join(products), found[1], lines)


def _seed(frame: Frame, *_: object) -> None:
    assert (frame.selected, frame.gradient(frame.selected)) == (frame.program.loss_row, 1.0)


def _added_to_weight(frame: Frame, found: re.Match[str], *_: object) -> None:
    """One weight's `+=`: the product, and the gradient before and after."""
    true(found[1], found[2], found[0])
    true(f"{found[3]} + {found[1]}", found[4], found[0])


def _share_less_target(frame: Frame, found: re.Match[str], *_: object) -> None:
    assert frame.explain.name(frame.selected)
    true(f"({found[1]} − {found[2]}) / {found[3]}", found[4], (frame.moment, found[0]))


def _slope(frame: Frame, found: re.Match[str], *_: object) -> None:
    if "·" not in found.groups():
        true(f"−1 / {found[1]} · {found[2]}", found[3], found[0])


def _of_mean(frame: Frame, found: re.Match[str], *_: object) -> None:
    if found[2] != "·":
        assert frame.gradient(frame.program.loss_row) == 1.0
        true(f"1 / {found[1]}", found[2], found[0])


def _step(frame: Frame, *_: object) -> None:
    """−rate · m_hat / √v_hat, for the selected weight."""
    a = frame.view.update(frame.selected)
    if a is not None:
        rate = frame.config.learning_rate * (1 - frame.moment.step / frame.config.num_steps)
        assert math.isclose(-a.delta, -rate * a.m_hat / (math.sqrt(a.v_hat) + 1e-8), rel_tol=1e-9)


Check = Callable[[Frame, "re.Match[str]", list[str], int], None]
OPTIONAL = rf"({SIGNED}|·)"
STAGE: dict[str, tuple[str, Check]] = {
    "mean of x²": (rf"mean of x² = Σ x² / (\d+) = {OPTIONAL}(?:   ∂ .*)?", _mean_square),
    "scale": (rf"scale = (\(mean \+ 1e-5\)\^-½) = {OPTIONAL}(?:   ∂ .*)?", _scale),
    "title of a result": (rf"= \w+(?:   \|x\| (?:(?P<norm>{SIGNED})|·))?", _norm),
    "dot product": (
        rf"(?P<name>\w+\[\d+\]) = Σ w·x = (?P<value>{SIGNED}|·)"
        rf"(?:   so far (?P<sofar>{SIGNED}), (?P<made>\d+) of (?P<n>\d+))?(?:   most from)?",
        _dot_product,
    ),
    "beside its sums": (rf"(?:so far|w·x) .* = {OPTIONAL}", _beside),
    "product": (rf"  .*?  (?P<formula>{SIGNED} · {SIGNED}) = (?P<value>{SIGNED})", _equation),
    "columns of a head": (r"key +∂?k +∂?q·k(?:/√(\d+))? .*", _columns),
    "mix": (r" *∂?head_out =.*", _nothing),
    "left out": (r"This branch does not divide scores by √head_dim\.", _undivided),
    "not added": (rf"\w+\[\d+\] = (\w+\[\d+\]) = {OPTIONAL}", _alone),
    "score": (
        rf"  Σ q·k (?P<formula>(?P<sum>{SIGNED}|·)(?: / √(?P<n>\d+))?) = (?P<score>{SIGNED}|·)", _scaled
    ),
    "score to come": (r"  Σ q·k(?: / √\d+)?: not yet", _nothing),
    "share of a key": (rf"  score {OPTIONAL} − max {OPTIONAL} = {OPTIONAL}(?:   exp →| exp) {OPTIONAL}", _exponential),
    "exp": (rf"  exp\({OPTIONAL} − (?:max )?{OPTIONAL}\) = {OPTIONAL}", _exp_of_difference),
    "share": (
        rf"  (?P<exp>{SIGNED}|·) / (?P<total>{SIGNED}|·)(?: \(sum of .* exps\))? = (?P<share>{NUMBER}%|·)", _share
    ),
    "share in one line": (
        rf"\S+ = exp\({OPTIONAL} − {OPTIONAL}\) / Σ exp = (?P<exp>{SIGNED}|·) / (?P<total>{SIGNED}|·)"
        rf" = (?P<share>{NUMBER}%|·)", _share
    ),
    "mixed": (rf"  Σ = {OPTIONAL}", _mixed),
    "loss": (rf"loss_t = −log\({OPTIONAL}\) = {OPTIONAL}", _loss),
    "mean": (rf"loss = Σ / positions = {OPTIONAL} / (\d+) = {OPTIONAL}", _mean),
    "position": (r"[▸ ]\d+ \S+ → ◎\S+ .*", _nothing),
    "added": (r"  (?:before: )?\+= .*", _nothing),  # see `_added`
    "seed": (r"∂loss = 1: .*", _seed),
    "added to a weight": (rf"∂\S+ \+= ({SIGNED} · {SIGNED}) = ({SIGNED})   ({SIGNED}) → ({SIGNED})", _added_to_weight),
    "after": (rf"∂.* ({SIGNED}) → ({SIGNED})(?:   term \d+ of \d+)?", _added),
    "rule": (r"leaves ▼ ∂logits = \(share − target\) / \d+ positions.*", _nothing),
    "share less target": (
        rf"∂logits\[\S+\] = \(({SIGNED}) − ([01])\) / (\d+) = ({SIGNED})", _share_less_target
    ),
    "arrives": (rf"arrives ▼ ∂loss_t = {OPTIONAL}", _nothing),
    "rule of the slope": (r"leaves ▼ ∂p of \S+ = −1/p · ∂loss_t", _nothing),
    "slope": (rf"  −1 / {OPTIONAL} · {OPTIONAL} = {OPTIONAL}(?:   .*)?", _slope),
    "gradient of a mean": (rf"leaves ▼ ∂loss_t = 1 / (\d+) · ∂loss = {OPTIONAL}", _of_mean),
    "rule of an input": (r"(?:leaves ▼ )?∂x = Σ w·∂(?: .*)?|arrives ▼ +1  ∂w = ∂ · x", _nothing),
    "row so far": (r"\S+\[\S+\](?: this step)? +was \(pos .*\)  \+ pos \d+(?:  = now)?|  = now.*", _nothing),
    "step": (r".* −rate · m_hat ?/ ?√v_hat.*", _step),
    "equation": (rf"[^=]*= (?P<formula>.*) = (?P<value>{SIGNED}|·)", _equation),
}  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "forms"),
    [
        (
            Phase.FORWARD,
            {
                "mean of x²", "scale", "title of a result", "dot product", "beside its sums", "product", "score",
                "columns of a head", "share of a key", "exp", "share", "share in one line", "mixed", "loss", "mean",
                "equation",
            },
        ),
        (
            Phase.BACKWARD,
            {
                "mean of x²", "scale", "mean", "after", "added", "seed", "added to a weight", "share less target",
                "slope", "gradient of a mean", "row so far",
            },
        ),
        (Phase.UPDATE, {"step"}),
    ],
)  # fmt: skip
def test_the_stage(phase: Phase, forms: set[str]) -> None:
    kinds = set()
    for moment in moments(phase):
        for cell, (width, height) in ((None, (110, 40)), (1, (54, 26)), (0, (78, 16))):
            frame = frame_at(moment, cell=cell)
            if cell is None or cell < frame.stage_event.rows.size:
                kinds |= check_stage(frame, width, height)
    assert forms - ({"columns of a head"} if "score_scale" in _changes[-1] else set()) <= kinds


@pytest.mark.parametrize("line", ["q[0] is +0.1 = +0.2", "w = x + y", "total +1.0 → +2.0", "  Σ q·k +0.2 / √2 = +0.9"])
def test_the_checks_refuse_other_forms_and_wrong_numbers(line: str) -> None:
    event = next(s for s in run().program.events(Phase.FORWARD) if s.kind == "scores")
    with pytest.raises((AssertionError, ValueError)):
        check_lines(frame_at(Moment(STEP, Phase.FORWARD, event.last)), [line])


# The inspector.


ENTRY = rf"  (?P<name>\S.*?)  +(?:(?P<formula>{SIGNED} · {SIGNED}) = *)?(?P<value>{SIGNED}|·)"


def check_made_of(title: str, lines: list[str], value: float | None, where: object) -> None:
    """What a number is made of, a line a part: together they are the number, whatever is done with them."""
    parts = []
    for line in lines:
        found = re.fullmatch(ENTRY, line)
        assert found, (where, line)
        if found["formula"]:
            true(found["formula"], found["value"], (where, line))
        parts.append(found["value"])
    if value is None or "·" in parts:
        return
    if "product" in title or "added" in title:
        true(" + ".join(parts), number(value), (where, title))
    elif "factors" in title:
        true(" · ".join(parts), number(value), (where, title))
    elif "power" in title:
        true(f"({parts[0]})^({parts[1]})", number(value), (where, title))
    elif title in ("exp of", "log of"):
        true(f"{title[:3]}({parts[0]})", number(value), (where, title))
    elif title == "made of 1 number, 0 if it is negative":
        assert value == (0.0 if parts[0].startswith(("-", "0")) else value), where
        true(parts[0] if value else "0", number(value), (where, title))
    else:
        assert title.startswith("minus the largest of "), title
        largest = max((evaluate(part) for part in parts), key=lambda each: each.high)
        assert (-largest).meets(evaluate(number(value))), (where, title, parts)


def check_inspector(frame: Frame, width: int = 400, height: int = 200) -> None:
    """The parts, the last term of the gradient, the path from the loss, the terms one by one and their sum, Adam."""
    lines = Inspector("i").draw(frame, width, height).text().splitlines()
    row, where = frame.selected, (frame.moment, frame.explain.name(frame.selected))
    names: dict[str, Range] = {}
    total, gradient, product, planned = Range.exactly(0.0), "", "", False
    made, path = "", [""]
    titles = r"made of .*|minus the largest of \d+|a number to the power of another|(?:exp|log) of"
    for i, line in enumerate(lines):
        text = re.sub(r"\s+", " ", line.replace(" =+", " = +").replace(" =-", " = -")).strip()
        if re.fullmatch(titles, text):
            if not made:
                made = text
                end = next((k for k in range(i + 1, len(lines)) if not lines[k].startswith("  ")), len(lines))
                check_made_of(text, lines[i + 1 : end], frame.used_value(row), where)
        elif found := re.fullmatch(rf"\+= ({SIGNED} · {SIGNED}) = ({SIGNED})", text):
            true(found[1], found[2], (where, line))
            product = found[2]
        elif found := re.fullmatch(rf"was ({SIGNED}) now ({SIGNED})", text):
            true(f"{found[1]} + {product}", found[2], (where, line))
            is_value(frame.gradient(row), found[2], where)
        elif found := re.fullmatch(rf"(?:▼ )?\S.*? ({SIGNED} · {SIGNED}) = ({SIGNED})", text):
            true(found[1], found[2], (where, line))
            if text.startswith("▼"):
                assert found[1].split(" · ")[0] == path[-1] or path == [""], (where, lines)
                path.append(found[2])
            elif text.startswith("by "):
                total = total + evaluate(found[2])
        elif found := re.fullmatch(rf"({SIGNED} · {SIGNED}) = ({SIGNED})", text):  # below a long name
            true(found[1], found[2], (where, line))
            total = total + evaluate(found[2])
        elif found := re.fullmatch(rf"gradient ({SIGNED}) \d+ of \d+ terms", text):
            gradient, planned = found[1], True
        elif found := re.fullmatch(rf"\d+ earlier terms: ({SIGNED})", text):
            total = evaluate(found[1])
        elif found := re.fullmatch(rf"(m|v|m_hat|v_hat|step|weight) = (.*?) = ({SIGNED})", text):
            true(found[2], found[3], (where, line), **names)
            names[found[1]] = evaluate(found[3])
        else:
            assert not re.search(r"[=→√]", line), (where, line)
    if gradient:
        assert total.meets(evaluate(gradient)), (where, lines)
    assert planned or frame.phase is not Phase.UPDATE or not frame.explain.gradient(row), where
    assert bool(made) == bool(frame.explain.formula(row)), (where, lines)
    if frame.phase is Phase.UPDATE and frame.view.update(row) is not None:
        assert list(names) == ["m", "v", "m_hat", "v_hat", "step", "weight"]


def test_the_rest_of_a_sum_is_what_its_other_terms_come_to() -> None:
    for moment in moments(Phase.FORWARD):
        frame = frame_at(moment)
        lines = Inspector("i").draw(frame, 30, 11).text().splitlines()
        starts = [
            i
            for i, line in enumerate(lines)
            if re.fullmatch(r"made of \d+ (?:products?|numbers?, added(?: to .*)?)", line)
        ]
        if starts and len(frame.explain.terms(frame.selected)) > 5:
            end = next(i for i in range(starts[0] + 1, len(lines)) if not lines[i].startswith("  "))
            assert any(line.startswith("  and ") for line in lines)
            check_made_of(lines[starts[0]], lines[starts[0] + 1 : end], frame.value(frame.selected), moment)


@pytest.mark.parametrize("phase", PHASES)
def test_the_inspector_at_every_event(phase: Phase) -> None:
    for moment in moments(phase):
        check_inspector(frame_at(moment))


@pytest.mark.parametrize("phase", PHASES)
def test_the_inspector_on_every_kind_of_scalar(phase: Phase) -> None:
    """At the end of each phase; that of the update knows parameters as they were when they were used."""
    run().seek(Moment(STEP, phase, 10**9))
    program, recording = run().program, run().recording
    events = [s for s in program.events(Phase.FORWARD) if s.pos in (None, POS)]
    rows = [int(row) for s in events for row in program.rows[s.first : s.last][:: max(1, (s.last - s.first) // 9)]]
    rows += [int(row) for s in events for row in (*s.rows[:2], *(part.flat[0] for part in s.parts.values()))]
    rows += [int(matrix[-1, 0]) for matrix in recording.matrices.values()]
    for row in rows:
        check_inspector(frame_at(Moment(STEP, phase, 10**9), row=row))


# Adam's pane, the prediction, and the answers to why.


def test_adams_pane() -> None:
    for moment in moments(Phase.UPDATE):
        frame = frame_at(moment)
        a = frame.view.update(frame.parameter)
        if a is None:
            continue
        for size in ((120, 9), (88, 6), (140, 40)):
            lines, found = Adam("a").draw(frame, *size).text().splitlines(), dict[str, Range]()
            for line in lines:
                sign = line[12:17] if "_hat" in line[12:17] else line[12:14]
                name = sign.strip() or line[:12].strip()
                formula = re.split("  ", line[34:].strip())[0]
                if formula.startswith("= "):
                    names = found | {"g": exact(a.g)}
                    if "→" in line:
                        names[name] = evaluate(line[14:23])
                    true(formula[2:], line[25:34], (moment, line), **names)
                    found[name] = evaluate(line[25:34])
                if joint := re.search(rf"v_hat ({SIGNED}) = (v(?: / \S+)?)", line):
                    true(joint[2], joint[1], (moment, line), **found)
                    found["v_hat"] = evaluate(joint[1])
            assert list(found) == ["m", "v", "m_hat", "v_hat", "step", "weight"], (moment, size, lines)


def test_the_gradients_of_logits_are_what_the_prediction_says() -> None:
    event = next(s for s in run().program.events(Phase.BACKWARD) if (s.name, s.pos) == ("logits", POS))
    frame = frame_at(Moment(STEP, Phase.BACKWARD, event.last))
    text, n = Prediction("p").draw(frame, 100, 30).text(), frame.program.n
    assert f"p − 1 at the target, p elsewhere, divided by the number of positions ({n})" in text
    probs = frame.tensor("probs", POS)
    assert probs is not None
    target = np.arange(len(probs)) == frame.program.targets[POS]
    expected = (frame.view.data(probs).values - target) / n
    assert np.allclose(frame.view.grad(event.rows).values, expected, rtol=1e-9, atol=1e-12)
    loss = re.search(rf"loss −log p\(.*\) = ({SIGNED})", text)
    assert loss
    true(f"−log({float(frame.view.data(probs).values[target][0])!r})", loss[1], text)


def test_the_prediction_does_not_say_so_where_a_probability_is_set() -> None:
    words = "p − 1 at the target"
    tokens = run().tokenizer
    run().seek(Moment(STEP))
    target = tokens.name(run().program.targets[POS])
    change = parse(f'probs["{target}"]@pos={POS},step={STEP} = 0.9', Scope(run().config, tokens))
    branch = run().branch([change])
    event = next(s for s in run().program.events(Phase.BACKWARD) if (s.name, s.pos) == ("logits", POS))
    for session, said in ((run(), True), (branch, False)):
        session.seek(Moment(STEP, Phase.BACKWARD, event.last))
        frame = Frame(session.view(), Focus(session.moment))
        assert (words in Prediction("p").draw(frame, 100, 30).text()) == said


def test_the_parts_of_a_prediction_add_up() -> None:
    frame = frame_at(Moment(STEP, Phase.FORWARD, 10**9))
    lines = Why("w").draw(frame, 120, 40).text().splitlines()
    columns = [Range.exactly(0.0)] * 3
    for line in lines[1:]:
        found = re.match(rf"(.{{15}})\s*({SIGNED})\s+({SIGNED})\s+({SIGNED})(?!\S)", line)
        if not found:
            continue
        true(f"{found[2]} − {found[3]}", found[4], line)
        figures = [evaluate(text) for text in found.groups()[1:]]
        if found[1].strip() == "logit":
            assert all(a.meets(b) for a, b in zip(columns, figures, strict=True)), lines
            return
        columns = [a + b for a, b in zip(columns, figures, strict=True)]
    raise AssertionError(lines)


def test_the_edges_of_a_path_multiply_to_it() -> None:
    checked = 0
    for moment in moments(Phase.BACKWARD):
        pane = Why("w")
        lines = pane.draw(frame_at(moment), 160, 60).text().splitlines()
        chain = re.match(rf"▸ *({SIGNED}) ", lines[1]) if len(lines) > 2 else None
        if chain:
            links = lines[lines.index("its links; enter follows one") + 1 :]
            factors = [line.lstrip("▸ ").split()[0] for line in links if line.strip()]
            true(" · ".join(factors), chain[1], lines)
            checked += 1
    assert checked > 20


def test_the_contributions_to_a_parameter_add_up() -> None:
    for moment in moments(Phase.UPDATE):
        frame = frame_at(moment)
        text = Why("w").draw(frame, 120, 60).text()
        pushed = re.findall(rf"^\d+ \S+→\S+ +({SIGNED})", text, re.MULTILINE)
        sums = dict(re.findall(rf"^(rounding|gradient) +({SIGNED})", text, re.MULTILINE))
        if pushed:
            true(" + ".join([*pushed, sums["rounding"]]), sums["gradient"], text)
        parts = re.findall(rf"^(?:momentum|document|together) +({SIGNED}) +({SIGNED})", text, re.MULTILINE)
        if frame.view.update(frame.parameter) is not None:
            for kept, fresh, together in zip(*parts, strict=True):
                true(f"{kept} + {fresh}", together, text)


def test_the_answers_of_the_command_line() -> None:
    run().seek(Moment(STEP, Phase.UPDATE, 10**9))
    view = run().view()
    for event in run().program.events(Phase.FORWARD):
        if event.pos != POS:
            continue
        name = watch_text(view, int(event.rows[0]))
        assert name is not None
        text = why_report.of_scalar(view, name, 3).text
        for chain in re.split(r"^chain ", text, flags=re.MULTILINE)[1:]:
            product, *links = chain.splitlines()
            factors = re.findall(rf"^  × ({SIGNED})", "\n".join(links), re.MULTILINE)
            true(" · ".join(factors), product.split()[1], chain)
    a = view.update(int(run().recording.matrices["layer1.attn_wv"][0, 1]))
    assert a is not None
    text = why_report.of_parameter(view, "layer1.attn_wv[0, 1]").text
    found = re.search(rf"^m = {VALUE} = {VALUE} kept .* \+ {VALUE} from", text, re.MULTILINE)
    assert found
    true(f"{found[2]} + {found[3]}", found[1], text)
    moved = re.search(rf"^the weight moved by {VALUE}\n +{VALUE} .*momentum\n +{VALUE} .*this document\n", text, re.M)
    assert moved
    true(f"{moved[2]} + {moved[3]}", moved[1], text)
    weight = re.search(rf"^{VALUE} → {VALUE}$", text, re.MULTILINE)
    assert weight
    true(f"{weight[1]} + {moved[1]}", weight[2], text)
