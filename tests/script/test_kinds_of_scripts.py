"""Classes and training loops of other kinds: what is recorded of them, and in what order."""

from __future__ import annotations

import shutil
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.script.process import ScriptError, ScriptProcess
from engine.script.tape import ScriptTape

SCRIPTS = Path(__file__).with_name("scripts")
SCALAR = (SCRIPTS / "plain_scalar.py").read_text()
ENGINE = (SCRIPTS / "package" / "nets" / "engine.py").read_text()


def written(folder: Path, text: str, before: str = SCALAR) -> Path:
    """A script in a file, with a scalar class to begin with."""
    path = folder / "script.py"
    path.write_text(before + textwrap.dedent(text))
    return path


def record(path: Path, step: int = 0) -> ScriptTape:
    """A step of a script."""
    with ScriptProcess(path) as process:
        return process.record(step)


def made_by(tape: ScriptTape, op: str) -> list[int]:
    """The rows that an operation has made."""
    return [row for row in range(tape.n_rows) if tape.op_of(row) == op]


@pytest.mark.parametrize("keeps", ["set(_children)", "list(_children)", "tuple(_children)", "frozenset(_children)"])
def test_operands_are_in_the_operators_order_whatever_keeps_them(tmp_path: Path, keeps: str) -> None:
    engine = ENGINE.replace("list(_children)", keeps)
    assert keeps in engine
    text = """
    names = [Value(float(i)) for i in range(40)]
    for step in range(2):
        total = Value(0.0)
        for i in range(39):
            total = total + (names[i] * names[i + 1] + names[i + 1] * names[i]) * (names[i] * names[i])
        (total ** 2).backward()
        for each in names:
            each.data -= 1e-9 * each.grad
            each.grad = 0
    """
    tape = record(written(tmp_path, text, engine), 1)
    products = [tape.children(row) for row in made_by(tape, "__mul__")]
    assert products[0::4] == [[i, i + 1] for i in range(39)]
    assert products[1::4] == [[i + 1, i] for i in range(39)]
    assert products[2::4] == [[i, i] for i in range(39)]
    (square,) = made_by(tape, "__pow__")
    assert tape.extra[square] == 2
    assert (tape.n_params, tape.n_older) == (40, 0)


def test_a_class_that_keeps_its_operands_only_in_closures(tmp_path: Path) -> None:
    engine = ENGINE.replace("        self._prev = list(_children)\n", "").replace(
        "for child in v._prev:",
        "for child in [c.cell_contents for c in v._backward.__closure__ or () if c.cell_contents is not v]:",
    )
    engine = engine.replace("                for child in", "                for child in", 1)
    assert "_prev" not in engine
    engine = engine.replace(
        "                    build(child)",
        "                    if isinstance(child, Value):\n                        build(child)",
    )
    text = """
    a, b = Value(2.0), Value(3.0)
    for step in range(2):
        loss = b * a + a.tanh()
        loss.backward()
        for each in (a, b):
            each.data -= 0.1 * each.grad
            each.grad = 0
    """
    tape = record(written(tmp_path, text, engine))
    assert [group.name for group in tape.params] == ["a", "b"]
    (product,) = made_by(tape, "__mul__")
    assert tape.children(product) == [1, 0]
    assert tape.children(tape.loss_row) == [product, *made_by(tape, "tanh")]
    assert np.isnan(tape.local).all()
    assert (tape.back_source >= 0).sum() == 5


def test_functions_outside_of_the_class_name_their_operation(tmp_path: Path) -> None:
    text = """
    def square(x):
        return Scalar(x.data * x.data, (x,), (2 * x.data,))

    w = Scalar(3.0)
    for step in range(2):
        loss = square(w)
        loss.backward()
        w.data -= 0.1 * w.grad
        w.grad = 0
    """
    path = written(tmp_path, text)
    tape = record(path)
    assert tape.op_of(tape.loss_row) == "square"
    place = tape.position_of(tape.loss_row)
    assert place is not None
    line = path.read_text().splitlines()[place.line - 1]
    assert line[place.column : place.end_column] == "Scalar(x.data * x.data, (x,), (2 * x.data,))"
    assert [each.function for each in tape.stack_of(tape.loss_row)] == ["<module>", "square"]
    assert tape.method_of(tape.loss_row) is None


def test_helpers_of_the_class_do_not_hide_the_operation(tmp_path: Path) -> None:
    scalar = """
class Scalar:
    def __init__(self, data):
        self.data, self.grad, self.kids, self.slopes = data, 0.0, (), ()

    @classmethod
    def _made(cls, data, kids, slopes):
        out = cls(data)
        out.kids, out.slopes = kids, slopes
        return out

    def __add__(self, other):
        return self._made(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return self._made(self.data * other.data, (self, other), (other.data, self.data))

    def backward(self, grad=1.0):
        self.grad += grad
        for kid, slope in zip(self.kids, self.slopes):
            kid.backward(slope * grad)


w, x = Scalar(3.0), Scalar(2.0)
for step in range(2):
    (w * x + w).backward()
    w.data -= 0.1 * w.grad
    w.grad = 0
"""
    tape = record(written(tmp_path, "", scalar), 1)
    assert [tape.op_of(row) for row in range(tape.n_params, tape.n_rows)] == ["__mul__", "__add__"]
    assert tape.children(tape.loss_row) == [2, 0]
    assert tape.locals_of(2) == [2.0, tape.value[0]]


def test_a_class_of_an_installed_package_is_found(tmp_path: Path) -> None:
    site = tmp_path / "installed"
    shutil.copytree(SCRIPTS / "package" / "nets", site / "nets")
    folder = tmp_path / "folder"
    folder.mkdir()
    train = (SCRIPTS / "package" / "train.py").read_text()
    path = written(folder, f"import sys\nsys.path.append({str(site)!r})\n" + train, "")
    tape = record(path, 1)
    assert tape.params[0].name == "model.layers[0].neurons[0].w"
    assert {"__add__", "__mul__", "tanh", "relu"} <= set(tape.ops)
    method = tape.method_of(tape.loss_row)
    assert method is not None
    assert tape.files[method.file] == str(site / "nets" / "engine.py")
    assert tape.files[0] == str(path)


@pytest.mark.parametrize(
    "write",
    [
        "w.data = 5.0",
        "setattr(w, 'data', 5.0)",
        "w.set(5.0)",
        "(w.data, other) = (5.0, 1)",
        "weights[find(0)].data = 5.0",
        "for w.data in (4.0, 5.0):\n            pass",
    ],
)
def test_values_that_are_overwritten_in_the_forward_pass(tmp_path: Path, write: str) -> None:
    scalar = (
        SCALAR.replace("    def log(", "    def set(self, data):\n        self.data = data\n\n    def log(")
        if "set(" in write
        else SCALAR
    )
    text = f"""
    def find(i):
        return i

    weights = [Scalar(1.0), Scalar(2.0)]
    for step in range(3):
        x = weights[1] * 3.0
        w = weights[0]
        {write}
        y = w * x
        y.data += 0.5
        z = y * 1.0
        z.backward()
        for each in weights:
            each.data -= 0.1 * each.grad
            each.grad = 0
    """
    path = written(tmp_path, text, scalar)
    for step in (0, 1):
        tape = record(path, step)
        assert [group.name for group in tape.params] == ["weights"]
        first = {0: 1.0, 1: 5.0 - 0.1 * (2.0 * 3.0)}[step]
        assert tape.value[0] == first
        x, y, z = made_by(tape, "__mul__")
        assert tape.value[y] == 5.0 * tape.value[x]
        assert tape.value[z] == tape.value[y] + 0.5
        writes = list(zip(tape.write_tick.tolist(), tape.write_row.tolist(), tape.write_value.tolist(), strict=True))
        assert writes[-2:] == [(1, 0, 5.0), (2, y, tape.value[z])]


def test_accumulated_gradients_are_there_before_the_last_backward_call() -> None:
    path = SCRIPTS / "accumulate.py"
    with ScriptProcess(path, ["2"]) as process:
        tape = process.record(1)
        alone = process.run_out()
    assert alone.steps == 2
    assert np.count_nonzero(tape.grad_before[: tape.n_params]) > 0
    assert not tape.grad_before[tape.n_params :].any()
    used = set(tape.child.tolist())
    assert all(row in used or row == tape.loss_row for row in range(tape.n_params + tape.n_older, tape.n_rows))
    assert tape.grad_after.tolist() == [0.0] * tape.n_params


def test_two_losses_that_share_a_graph_keep_it(tmp_path: Path) -> None:
    text = """
    w = Scalar(2.0)
    for step in range(2):
        shared = w * 3.0
        first = shared * shared
        second = shared + 1.0
        first.backward()
        second.backward()
        w.data -= 0.01 * w.grad
        w.grad = 0
    """
    tape = record(written(tmp_path, text), 1)
    assert [name.name for name in tape.names if name.shape == ()][-2:] == ["shared", "second"]
    assert tape.op_of(tape.loss_row) == "__add__"
    assert tape.grad_before[0] != 0


def test_scalars_that_an_update_makes_belong_to_it(tmp_path: Path) -> None:
    text = """
    weights = [Scalar(1.0), Scalar(2.0), Scalar(3.0)]
    for step in range(3):
        loss = (weights[0] * weights[1] + weights[2]) ** 2
        loss.backward()
        for w in weights:
            change = Scalar(0.01) * w.grad
            w.data -= change.data
            w.grad = 0
    """
    with ScriptProcess(written(tmp_path, text)) as process:
        for step in (0, 1, 2):
            tape = process.record(step)
            assert tape.update_row.tolist() == [0, 1, 2]
            assert tape.n_rows == 3 + 3
        assert process.run_out().steps == 3


def test_a_state_that_is_handed_on_is_older_than_the_step(tmp_path: Path) -> None:
    text = """
    w, h = Scalar(0.5), Scalar(1.0) * 1.0
    for step in range(3):
        h = (w * h).tanh()
        h.backward()
        w.data -= 0.01 * w.grad
        w.grad = 0
    """
    tape = record(written(tmp_path, text), 2)
    assert tape.n_params == 1
    assert tape.n_older == 7
    assert tape.children(tape.n_rows - 2) == [0, 7]
    assert all(max(tape.children(row)) < row for row in range(1, tape.n_rows) if tape.children(row))


def test_names_tell_what_they_held_and_where() -> None:
    with ScriptProcess(SCRIPTS / "plain.py", ["2"]) as process:
        tape = process.record(1)
    heads = [name for name in tape.names if name.name == "attn_weights"]
    places = [{key: value for _, values in name.context for key, value in values.items()} for name in heads]
    positions = sorted({each["pos_id"] for each in places})
    assert positions == list(range(len(positions)))
    assert [(each["pos_id"], each["li"], each["h"]) for each in places] == [
        (p, 0, h) for p in positions for h in (0, 1)
    ]
    assert [name.shape for name in heads] == [(p + 1,) for p in positions for _ in (0, 1)]
    assert [function for function, _ in heads[0].context] == ["<module>", "gpt"]
    for name in heads:
        assert tape.value[tape.rows_of(name)].sum() == pytest.approx(1.0)
    kinds = {name.name: name.kind for name in tape.names}
    assert kinds["softmax()"] == "return"
    assert kinds["q"] == "assign"
    assert {"learning_rate", "n_embd", "block_size"} <= tape.settings.keys()


@pytest.mark.parametrize("target", ["box[1]", "net.first", "net.first: object", "first", "first: object", "first, _"])
def test_what_makes_the_first_scalar_of_a_step_names_it(tmp_path: Path, target: str) -> None:
    pair = ", 0" if "," in target else ""
    text = f"""
    class Net:
        pass

    net, box, weights = Net(), [None] * 2, [Scalar(0.5), Scalar(0.25)]
    for step in range(3):
        {target} = [each * 2.0 for each in weights]{pair}
        loss = {target.partition(":")[0].partition(",")[0]}[0] * weights[1]
        loss.backward()
        for each in weights:
            each.data -= 0.1 * each.grad
            each.grad = 0
    """
    for step in (0, 1):
        tape = record(written(tmp_path, text), step)
        named = [each.name for each in tape.names if each.count == 2]
        assert target.partition(":")[0].partition(",")[0] in named, step


def test_helpers_of_operators_name_nothing() -> None:
    with ScriptProcess(SCRIPTS / "functions.py", ["2"]) as process:
        tape = process.record(1)
    names = {name.name for name in tape.names}
    assert "as_node()" not in names
    assert {"forward()", "h", "logits", "total", "loss"} <= names


def test_a_crash_in_the_backward_pass_keeps_what_it_has_done(tmp_path: Path) -> None:
    text = """
    w = Scalar(2.0)
    for step in range(2):
        bad = Scalar(w.data, (w,), (None,)) if step else w * 1.0
        loss = bad * 3.0 + 1.0
        loss.backward()
        w.data -= 0.1 * w.grad
        w.grad = 0
    """
    with ScriptProcess(written(tmp_path, text)) as process:
        tape = process.record(1)
        assert not tape.complete
        assert tape.loss_row == tape.n_rows - 1
        assert tape.back_row.tolist() == [
            tape.loss_row,
            *tape.children(tape.loss_row),
            *tape.children(tape.loss_row - 2),
        ]
        assert process.run_out().said.startswith("TypeError")


def test_sets_of_texts_have_the_same_order_again(tmp_path: Path) -> None:
    text = """
    words = set("ada bea cleo dora edda fae gil hal ida jo kim lou".split())
    print(list(words))
    weights = {word: Scalar(i / 7) for i, word in enumerate(words)}
    for step in range(2):
        loss = sum(weights.values())
        loss.backward()
        for w in weights.values():
            w.data -= 0.1 * w.grad
    """
    found = []
    for _ in range(2):
        with ScriptProcess(written(tmp_path, text)) as process:
            tape = process.record(1)
            found.append((process.losses, tape.value.tolist(), "".join(process.printed)))
    assert found[0] == found[1]


def test_operands_in_sets_are_told(tmp_path: Path) -> None:
    text = "w = Value(1.0)\n(w * w).backward()\nw.data -= 0.1\n"
    assert record(written(tmp_path, text, ENGINE.replace("list(_children)", "set(_children)"))).in_sets
    assert not record(written(tmp_path, text, ENGINE)).in_sets


def test_closing_in_another_thread_ends_the_wait(tmp_path: Path) -> None:
    path = written(tmp_path, "while True:\n    Scalar(1.0)\n")
    with ScriptProcess(path) as process:
        ending: list[threading.Thread] = []

        def end(_: int) -> None:
            if not ending:
                ending.append(threading.Thread(target=process.close))
                ending[0].start()

        with pytest.raises(ScriptError, match="was ended"):
            process.record(0, on_made=end)
        ending[0].join()
