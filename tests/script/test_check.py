"""check: a fault of each kind is found where it is, with its numbers; correct scripts have none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from engine import Moment
from engine.errors import EngineError
from engine.script import findings
from engine.script.check import check
from engine.script.findings import ScriptFinding
from engine.script.local_gradients import chosen_calls
from engine.script.process import ScriptProcess
from engine.script.run import ScriptOptions, ScriptRun
from engine.script.source_file import ScriptFile
from tests.support.changed_text import replaced

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"
CORRECT_SCRIPTS = [
    *(path for path in sorted(SCRIPTS.glob("*.py")) if path.stem not in ("plain_scalar", "small_net", "rnn")),
    SCRIPTS / "package" / "train.py",
]
EXAMPLES = HERE.parents[1] / "docs" / "examples"
FAULTS = HERE / "faults"


def changed(name: str, folder: Path, *changes: tuple[str, str]) -> Path:
    """A script of `faults` with pieces of its text replaced."""
    path = folder / f"{name}.py"
    path.write_text(replaced((FAULTS / path.name).read_text(encoding="utf-8"), *changes), encoding="utf-8")
    return path


def line_of(script: Path, piece: str) -> int:
    """The number of the first line that has this in it."""
    return next(i for i, line in enumerate(script.read_text(encoding="utf-8").split("\n"), 1) if piece in line)


SMALL, CLOSURES = "small", "closures"
SUM = "child.grad += slope * node.grad"
MOVE = "p.data -= rate * p.grad"
ONE = "hidden = [(w * x + b)"
DOT = (
    "def dot(a, b):\n"
    "    slopes = (*(y.data for y in b), *(x.data for x in a))\n"
    "    return Value(sum(x.data * y.data for x, y in zip(a, b)), (*a, *b), slopes)\n\n\n"
)
FAINT = 'weights["first"], [b * 1e-30 for b in weights["bias"]])]'
DOT_IN_NET = (("sum(w * h for w, h in zip(", "dot("), ("more)) + w", "more) + w"))
FAULTY = {
    "a product's local gradients the wrong way round": (
        SMALL, "(other.data, self.data)", "(self.data, other.data)",
        [(findings.LOCAL_GRADIENT, "(self.data, other.data)")],
    ),
    "an exponent that is forgotten": (
        SMALL, "(power * self.data ** (power - 1),)", "(self.data ** (power - 1),)",
        [(findings.LOCAL_GRADIENT, "(self.data ** (power - 1),)")],
    ),
    "a derivative of something else": (SMALL, "(1 - t * t,)", "(1 - t,)", [(findings.LOCAL_GRADIENT, "(1 - t,)")]),
    "a closure with another derivative": (
        CLOSURES, "(1 - t * t) * out.grad", "(1 - t) * out.grad", [(findings.LOCAL_GRADIENT, "(1 - t) * out.grad")],
    ),
    "a closure that is not kept": (
        CLOSURES, '"tanh")\n', '"tanh")\n        return out\n',
        [(findings.LOCAL_GRADIENT, '"tanh"'), (findings.NO_GRADIENT, "sum(w * each")],
    ),
    "a closure without the gradient of the result": (
        CLOSURES, "(1 - t * t) * out.grad", "1 - t * t", [(findings.GRADIENT_SUM, "self.grad += 1 - t * t")],
    ),
    "a gradient that is assigned": (
        SMALL, SUM, SUM.replace("+=", "="), [(findings.GRADIENT_SUM, SUM.replace("+=", "="))],
    ),
    "a gradient that is assigned in a closure": (
        CLOSURES, "self.grad += other.data", "self.grad = other.data", [(findings.GRADIENT_SUM, "self.grad = other.d")],
    ),
    "children that come too late": (
        SMALL, "order.append(node)", "order.insert(0, node)",
        [(findings.GRADIENT_SUM, SUM), (findings.NO_GRADIENT, ONE)],
    ),
    "children that are left out": (SMALL, "._children:", "._children[:1]:", [(findings.NO_GRADIENT, ONE)]),
    "zeros alone": (SMALL, "sum(w * h", "sum(w * h * 0.0", [(findings.NO_GRADIENT, ONE)]),
    "parameters that are not in the list": (
        SMALL, "for some in weights.values()", "for name, some in weights.items() if name != 'bias'",
        [(findings.NOT_MOVED, MOVE)],
    ),
    "an update that begins too late": (
        SMALL, "    for p in params:", "    for p in params[2:]:", [(findings.NOT_MOVED, MOVE)],
    ),
    "an update that ends too early": (
        SMALL, "    for p in params:", "    for p in params[:13]:",
        [(findings.NOT_MOVED, MOVE), (findings.NOT_MOVED, MOVE)],
    ),
    "an update of other objects": (SMALL, MOVE, "p = p + -rate * p.grad", [(findings.NOT_MOVED, "loss = (net(x)")]),
    "a rate of 0": (SMALL, "rate = 0.05", "rate = 0.0", [(findings.NOT_MOVED, MOVE)]),
    "copies in the list": (SMALL, "params = [p for", "params = [Value(p.data) for", [(findings.NOT_MOVED, MOVE)]),
    "a parameter whose value is used": (
        SMALL, "w * x + b)", "w * x + b.data)", [(findings.NOT_IN_LOSS, "w * x + b.data")],
    ),
    "a parameter that is not used": (SMALL, "w * x + b)", "w * x)", [(findings.NOT_IN_LOSS, MOVE)]),
    "a loss that is cut off from all parameters": (
        SMALL, "loss = (net(x)", "loss = (Value(net(x).data)", [(findings.NOT_IN_LOSS, "loss = (Value(net(x)")],
    ),
    "a loss that is cut off by arithmetic": (
        SMALL, "loss = (net(x)", "loss = (Value(2 * net(x).data)", [(findings.NOT_IN_LOSS, "return sum(w * h")],
    ),
    "two backward calls through the same numbers": (
        SMALL, "    loss.backward()\n", "    loss.backward()\n    loss.backward()\n", [(findings.NOT_ZEROED, ONE)],
    ),
    "gradients that are not set to 0": (SMALL, "        p.grad = 0.0\n", "", [(findings.NOT_ZEROED, MOVE)]),
    "a product that is too large": (
        SMALL, "w * x + b)", "w * 1e200 * 1e200 + b)", [(findings.NOT_FINITE, "w * 1e200 * 1e200")],
    ),
    "nan as a constant": (SMALL, "h * 0.1", "h * math.nan", [(findings.NOT_FINITE, "h * math.nan")]),
    "a gradient that is too large": (SMALL, "(1 - t * t,)", "(1e200 * 1e200 * t,)", [(findings.NOT_FINITE, ONE)]),
    "a step that is too large": (
        SMALL, MOVE, "p.data -= 1e200 * 1e200 * p.grad", [(findings.NOT_FINITE, "p.data -= 1e200")],
    ),
    "infinity that is written over a parameter before backward": (
        SMALL, "    loss.backward()", "    params[2].data = math.inf\n    loss.backward()",
        [(findings.NOT_FINITE, "params[2].data =")],
    ),
    "infinity that is written over the loss": (
        SMALL, "    loss.backward()", "    loss.data = math.inf\n    loss.backward()",
        [(findings.NOT_FINITE, "loss.data =")],
    ),
    "infinity that is written in the forward phase": (
        SMALL, "loss = (net(x)", "if x > 0: params[7].data = -math.inf\n        loss = (net(x)",
        [(findings.NOT_FINITE, "if x > 0:")],
    ),
    "infinity that a closure computes with in backward": (
        CLOSURES, "    loss.backward()", "    points[0][1].data = math.inf\n    loss.backward()",
        [(findings.NOT_FINITE, "points[0][1].data =")],
    ),
    "nan that is written through a dictionary": (
        SMALL, "    loss.backward()", "    setattr(params[2], 'data', math.nan)\n    loss.backward()",
        [(findings.NOT_FINITE, "setattr(params[2]")],
    ),
    "an exception": (
        SMALL, "    print(step, loss.data)", "    quotient = 1 / (step - 1)", [(findings.EXCEPTION, "quotient = ")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "old", "new", "expected"), FAULTY.values(), ids=FAULTY.keys())
def test_a_fault_is_found(script: str, old: str, new: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    path = changed(script, tmp_path, (old, new))
    found = check(path).findings
    assert [(each.kind, each.line) for each in found] == [(kind, line_of(path, piece)) for kind, piece in expected]
    lines = path.read_text(encoding="utf-8").split("\n")
    for each in found:
        assert (each.file, each.place) == (str(path), f"line {each.line}")
        assert each.source == lines[each.line - 1].strip()
        assert each.sentence.endswith(".")
        assert each.numbers


def test_every_kind_is_tried() -> None:
    assert {kind for *_, expected in FAULTY.values() for kind, _ in expected} == set(findings.KINDS)


CORRECT = {
    "as it stands": (SMALL,),
    "closures": (CLOSURES,),
    "gradients that backward itself sets to 0": (
        SMALL, ("        p.grad = 0.0\n", ""),
        ("        self.grad = 1.0\n", "        for n in order:\n            n.grad = 0.0\n        self.grad = 1.0\n"),
    ),
    "gradients that are added up over two losses": (
        SMALL, ("    loss.backward()\n", "    loss.backward()\n    (net(0.1) ** 2).backward()\n"),
    ),
    "units that are off": (SMALL, ("h.relu() + h * 0.1", "(h + -9.0).relu() + h * 0.1")),
    "an infinite constant in a mask": (
        SMALL, ("more = [h.relu()", "more = [0.0 * Value(-math.inf).relu() + h.relu()"),
    ),
    "infinity that is written as a mask": (
        SMALL,
        ("    more = [", "    off = hidden[0] * 1.0\n    off.data = -math.inf\n    off = off + 1.0\n    more = ["),
        ("in zip(weights[\"second\"], more))", "in zip(weights[\"second\"], more)) + off.relu() * 0.0"),
    ),
    "an expert that is not asked": (
        SMALL, ('"second": new(width)', '"expert0": new(width), "expert1": new(width), "expert2": new(width)'),
        ('weights["second"]', 'weights[f"expert{int(x > 0)}"]'),
    ),
    "an update that leaves out what has no gradient": (
        SMALL, ("        p.data -=", "        if p.grad == 0.0: continue\n        p.data -="),
        ('"second": new(width)', '"second": new(width + 1)'),
    ),
    "a rate of 0 at first": (SMALL, ("    loss = 0.0\n", "    rate = 0.05 * (step > 0)\n    loss = 0.0\n")),
    "zeros at the start": (SMALL, ('"second": new(width)', '"second": [Value(0.0) for _ in range(width)]')),
    "numbers of 32 bits": (
        SMALL, ("import math\n", "import math, struct\n"),
        ("        self.data = data\n", "        self.data = struct.unpack('f', struct.pack('f', data))[0]\n"),
        ('weights["end"][0]', 'weights["end"][0] + 21.5 + -21.5'),
    ),
    "an operation on two lists": (SMALL, ("def net(", DOT + "def net("), *DOT_IN_NET),
    "gradients that move nothing by their size": (SMALL, ('weights["first"], weights["bias"])]', FAINT)),
    "random numbers in an operation": (
        SMALL, ("        t = math.tanh(self.data)\n", "        t = math.tanh(self.data) * (random.random() > 0.2)\n"),
        ("(1 - t * t,)", "(1 - t * t if t else 0.0,)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CORRECT.values(), ids=CORRECT.keys())
def test_nothing_is_found_where_nothing_is_wrong(what: tuple[Any, ...], tmp_path: Path) -> None:
    name, *changes = what
    report = check(changed(name, tmp_path, *changes))
    assert report.findings == []
    assert report.steps == 3


@pytest.mark.parametrize("script", CORRECT_SCRIPTS, ids=lambda path: path.stem)
def test_nothing_is_found_in_a_correct_script(script: Path) -> None:
    report = check(script)
    assert report.findings == []
    assert report.steps == 3
    assert report.operations


def test_a_bias_that_the_update_leaves_out_is_found() -> None:
    """This one of the scripts updates what begins with W, and so never its bias."""
    found = one(SCRIPTS / "rnn.py")
    assert (found.kind, found.numbers["names"]) == (findings.NOT_MOVED, ["bh"])


def one(path: Path, **how: Any) -> ScriptFinding:
    """The only thing that is found in a script."""
    (found,) = check(path, **how).findings
    return found


def test_a_gelu_without_a_local_gradient_is_found() -> None:
    found = one(EXAMPLES / "gelu_wrong.py", steps=1)
    assert (found.kind, found.source) == (findings.LOCAL_GRADIENT, "return Value(x * below, (self,), (1,))")
    assert found.numbers["local_gradient"] == 1
    assert found.numbers["wrong"] == found.numbers["compared"] == 24
    (x,) = found.numbers["operands"]
    slope = 0.5 * (1 + math.erf(x / 2**0.5)) + x * math.exp(-x * x / 2) / (2 * math.pi) ** 0.5
    assert math.isclose(found.numbers["finite_difference"], slope, rel_tol=1e-6)


def test_experts_that_are_left_out_of_the_parameters_are_found() -> None:
    found = one(EXAMPLES / "experts.py", steps=1)
    assert (found.kind, found.source[:15]) == (findings.NOT_MOVED, "weight.data -= ")
    assert found.numbers["names"][:2] == ["layer0.router", "layer0.expert0.fc1"]
    assert found.numbers["holders"][0] == "state_dict['layer0.router']"
    assert (len(found.numbers["names"]), found.numbers["count"], found.numbers["moving"]) == (9, 1056, 704)


def test_an_operation_on_two_lists_with_wrong_local_gradients_is_found(tmp_path: Path) -> None:
    dot = DOT.replace("*(y.data for y in b)", "*(x.data for x in a)")
    path = changed(SMALL, tmp_path, ("def net(", dot + "def net("), *DOT_IN_NET)
    found = one(path)
    assert (found.kind, found.line) == (findings.LOCAL_GRADIENT, line_of(path, "return Value(sum(x.data"))
    assert len(found.numbers["operands"]) == 10
    assert " and 6 more is " in found.sentence


def test_a_script_that_trains_nothing_is_no_script_without_findings(tmp_path: Path) -> None:
    path = changed(
        SMALL,
        tmp_path,
        ("params = [p for some in weights.values() for p in some]", "params = []"),
        ("loss = (net(x) + -math.sin(2 * x)) ** 2 + loss", "loss = Value(x) * x + loss"),
    )
    found = one(path)
    assert (found.kind, found.line) == (findings.NOT_MOVED, line_of(path, "loss = Value"))
    assert "there is no training step" in found.sentence


def test_what_is_said_of_data_and_of_adapters(tmp_path: Path) -> None:
    assert check(FAULTS / "closures.py").notes == [
        "Nothing moves points (6 numbers), or anything like it; that is taken for data."
    ]
    adapters = changed(
        SMALL, tmp_path, ("bias", "lora_a"), ("for some in weights.values()", "for some in [weights['lora_a']]")
    )
    report = check(adapters)
    assert report.findings == []
    assert report.notes == [
        "Nothing moves parameters first, second and end (11 numbers); adapters move, so that is taken to be meant."
    ]


@pytest.mark.parametrize(
    ("script", "old", "new"),
    [
        (CLOSURES, "[*self.w, self.b]", "self.w"),
        (CLOSURES, "[*self.w, self.b]", "self.w[1:]"),
        (CLOSURES, "for layer in self.layers for neuron in layer", "for layer in self.layers for neuron in layer[1:]"),
        (SMALL, "for some in weights.values()", "for name, some in weights.items() if name != 'bias'"),
    ],
)
def test_names_are_those_of_the_debugger(script: str, old: str, new: str, tmp_path: Path) -> None:
    path = changed(script, tmp_path, (old, new))
    names = {name for found in check(path).findings for name in found.numbers.get("names", ())}
    run = ScriptRun(ScriptFile.read(path))
    try:
        run.seek(Moment(0))
        assert names
        assert {name.partition("[")[0] for name in names} <= set(run.program.parameters)
    finally:
        run.close()


def test_the_sentence_and_the_numbers_tell_the_same_operand(tmp_path: Path) -> None:
    """Both count from 1."""
    found = one(changed(SMALL, tmp_path, ("(other.data, self.data)", "(other.data, 2 * self.data)")))
    assert found.numbers["operand"] == 2
    assert " by operand 2 at " in found.sentence


def test_the_numbers_of_a_wrong_sum(tmp_path: Path) -> None:
    found = one(changed(SMALL, tmp_path, (SUM, SUM.replace("+=", "="))))
    numbers = found.numbers
    assert numbers["uses"] > 1
    assert numbers["gradient"] != numbers["sum"]
    assert 0 < numbers["wrong"] < numbers["compared"]


def test_an_exception_is_told_with_its_values_and_its_caller(tmp_path: Path) -> None:
    path = changed(SMALL, tmp_path, ("t = math.tanh(self.data)", "t = math.log(self.data)"))
    found = one(path)
    assert (found.kind, found.line) == (findings.EXCEPTION, line_of(path, "math.log"))
    value = float(found.numbers["values"]["self.data"])
    assert value <= 0
    assert f"called in line {line_of(path, ONE)}, where self.data = {value!r}" in found.sentence
    assert found.sentence.startswith("The script stopped after 0 training steps with ValueError: math domain error, ")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("open('words.txt')", "--data FILE answers"),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')", "--data FILE answers"),
        ("import a_module_of_nobody", "--python EXE names"),
    ],
)
def test_what_helps_against_an_exception_before_the_first_step(line: str, says: str, tmp_path: Path) -> None:
    (note,) = check(changed(SMALL, tmp_path, ("import random", f"import random\n{line}"))).notes
    assert says in note
    assert check(changed(SMALL, tmp_path, ("    print(", f"    {line}\n    print("))).notes == []


def test_the_values_of_a_statement_behind_a_condition_are_told(tmp_path: Path) -> None:
    path = changed(SMALL, tmp_path, ("    print(", "    if step == 1: assert rate > 1, loss.data\n    print("))
    assert {"step": "1", "rate": "0.05"}.items() <= one(path).numbers["values"].items()


def test_an_exception_in_another_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def half(x):\n    return x / 0\n", encoding="utf-8")
    path = changed(
        SMALL, tmp_path, ("import math", "import math\nfrom beside import half"), ("rate = 0.05", "rate = half(1)")
    )
    found = one(path)
    assert (found.file, found.line) == (str(tmp_path / "beside.py"), 2)
    assert found.source == "return x / 0"


def test_a_later_step_is_looked_at(tmp_path: Path) -> None:
    path = changed(SMALL, tmp_path, ("    print(", "    if step == 3: params[0].data = math.nan\n    print("))
    assert check(path).findings == []
    found = one(path, first=2, steps=2)
    assert (found.kind, found.numbers["step"], found.numbers["phase"]) == (findings.NOT_FINITE, 3, "update")


def test_a_parameter_that_is_nan_before_the_first_step_that_is_looked_at(tmp_path: Path) -> None:
    path = changed(SMALL, tmp_path, ("    print(", "    if step == 2: weights['bias'][2].data = math.nan\n    print("))
    found = one(path, first=3)
    assert (found.kind, found.line, found.numbers["name"]) == (
        findings.NOT_FINITE,
        line_of(path, ONE),
        "bias",
    )
    assert found.sentence == ("The first number that is not finite is in step 3: bias holds nan when the step begins.")


def test_steps_that_end_at_a_line(tmp_path: Path) -> None:
    path = changed(SMALL, tmp_path, ("(1 - t * t,)", "(1 - t,)"))
    found = one(path, options=ScriptOptions(step_at=str(line_of(path, "print(step"))))
    assert found.kind == findings.LOCAL_GRADIENT


@pytest.mark.parametrize(
    ("count", "says"), [(300, "line {} is not reached in 100 backward calls"), (9, "line {} is never reached after")]
)
def test_steps_that_end_at_a_line_that_is_not_reached(count: int, says: str, tmp_path: Path) -> None:
    late = "    if step > 999:\n        print('late')\n    print("
    path = changed(SMALL, tmp_path, ("    print(", late), ("range(6)", f"range({count})"))
    line = line_of(path, "print('late')")
    with pytest.raises(EngineError, match=says.format(line)):
        check(path, ScriptOptions(step_at=line))


@pytest.mark.parametrize("write", ["p.__dict__['data'] -= 0.01 * p.grad", "vars(p).update(data=p.data - p.grad)"])
@pytest.mark.parametrize("step", [0, 1, 5])
def test_an_update_that_cannot_be_followed_is_told(write: str, step: int, tmp_path: Path) -> None:
    path = changed(SMALL, tmp_path, (MOVE, write))
    with pytest.raises(EngineError, match="writes into the dictionaries of its scalars, which cannot be followed; wri"):
        check(path, first=step)


def test_a_script_with_fewer_steps_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    report = check(changed(SMALL, tmp_path, ("range(6)", "range(1)")), steps=5)
    assert (report.steps, report.findings) == (1, [])
    assert report.operations == ["__add__", "__mul__", "__pow__", "relu", "tanh"]


def test_the_checks_leave_the_random_numbers_alone(tmp_path: Path) -> None:
    """Later steps compute what they compute in a plain run, though operations were called again in between."""
    path = changed(SMALL, tmp_path, ("w * x + b)", "w * x + random.gauss(0, 1) * b)"))
    losses: list[float] = []
    with ScriptProcess(path) as process:
        process.run_out()
        losses = process.losses
    with ScriptProcess(path) as process:
        for step in range(6):
            tape = process.record(step)
            process.evaluate([each.message() for each in chosen_calls(tape)])
        assert process.losses == losses


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((("class Value:", "class Other:"), ("Value(", "Other("), ("Value)", "Other)")), None),
        ((("loss.backward()", "pass"),), "it never calls backward"),
        ((("range(6)", "range(0)"),), "it never calls backward"),
    ],
)
def test_a_script_that_cannot_be_checked(changes: Any, says: str | None, tmp_path: Path) -> None:
    path = changed(SMALL, tmp_path, *changes)
    if says is None:
        assert check(path).findings == []
        return
    with pytest.raises(EngineError, match=says):
        check(path)
