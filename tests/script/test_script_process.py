"""`ScriptProcess`: how scripts are started, what they are given, how they end, and that nothing stays behind."""

from __future__ import annotations

import ast
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import psutil
import pytest

import engine.script.process
from engine.script.process import CHILD, ScriptError, ScriptProcess
from tests.support.wait import gone, met

SCRIPTS = Path(__file__).with_name("scripts")
SCALAR = (SCRIPTS / "plain_scalar.py").read_text()
TRAINING = """
weights = [Scalar(0.5), Scalar(-0.25)]
for step in range(3):
    loss = (weights[0] * 2.0 + weights[1]) ** 2
    loss.backward()
    for w in weights:
        w.data -= 0.01 * w.grad
        w.grad = 0
"""


def written(folder: Path, text: str, name: str = "script.py") -> Path:
    """A script in a file, with a scalar class to begin with."""
    path = folder / name
    path.write_text(SCALAR + textwrap.dedent(text))
    return path


def refused(path: Path, step: int = 0, **options: object) -> str:
    """Why a script cannot be recorded."""
    with ScriptProcess(path, **options) as process, pytest.raises(ScriptError) as caught:  # type: ignore[arg-type]
        process.record(step)
    return str(caught.value)


# What a script finds.


def test_a_script_has_its_folder_and_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("mine = 'my own queue'\n")
    path = written(
        tmp_path,
        """
        import os, sys, queue
        print(__name__, os.getcwd() == os.path.dirname(__file__) == sys.path[0], sys.argv[1:], queue.mine)
        print([name for name in sys.modules if "microgpt" in name], os.path.isabs(sys.argv[0]))
        """
        + TRAINING,
    )
    with ScriptProcess(path, ["--lr", "0.1"]) as process:
        process.record(0)
        assert "".join(process.printed) == "__main__ True ['--lr', '0.1'] my own queue\n[] True\n"


def test_another_interpreter_runs_it(tmp_path: Path) -> None:
    other = Path(sys.base_prefix, "bin", "python3")
    if not other.exists():
        pytest.skip("there is no other interpreter")
    path = written(tmp_path, "import sys\nprint(sys.executable, sys.prefix)\n" + TRAINING)
    with ScriptProcess(path, python=str(other)) as process:
        assert process.record(1).complete
        assert "".join(process.printed).split()[1] == sys.base_prefix


def test_the_child_needs_no_newer_python_than_3_9() -> None:
    for file in CHILD.glob("*.py"):
        ast.parse(file.read_text(), feature_version=(3, 9))
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                assert not isinstance(node.args[1], ast.BinOp), f"{file}:{node.lineno}"


def test_no_such_interpreter_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"/no/such/python cannot be run .*; give the path of a Python"):
        ScriptProcess(written(tmp_path, TRAINING), python="/no/such/python")


@pytest.mark.parametrize("other", ["/bin/true", "/bin/ls", "/bin/echo", "yes"])
def test_an_interpreter_that_is_no_python_is_told(tmp_path: Path, other: str) -> None:
    found = shutil.which(other)
    if found is None:
        pytest.skip(f"there is no {other}")
    assert "cannot be recorded: its process died with status " in refused(written(tmp_path, TRAINING), python=found)


def test_no_such_script_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="does not exist"):
        ScriptProcess(tmp_path / "nothing.py")
    with pytest.raises(ScriptError, match="is a folder"):
        ScriptProcess(tmp_path)


DOWNLOAD = [
    """
    import os, urllib.request
    if not os.path.exists("input.txt"):
        urllib.request.urlretrieve("https://nowhere.invalid/names.txt", "input.txt")
    docs = open("input.txt").read().splitlines()
    """,
    """
    import urllib.request
    urllib.request.urlretrieve("https://nowhere.invalid/names.txt", "names.txt")
    with open("names.txt", encoding="utf-8") as file:
        docs = [line.strip() for line in file]
    """,
    """
    from urllib.request import urlopen
    with urlopen("https://nowhere.invalid/names.txt") as answer:
        text = answer.read().decode()
    with open("names.txt", "w") as file:
        file.write(text)
    docs = open("names.txt").read().split()
    """,
    """
    from pathlib import Path
    docs = Path("data/tiny.txt").read_text().split() if Path("data/tiny.txt").is_file() else None
    """,
    """
    docs = [line.decode().strip() for line in open("input.txt", "rb")]
    """,
]


@pytest.mark.parametrize("reading", DOWNLOAD)
def test_data_answers_for_the_file_that_a_script_opens(tmp_path: Path, reading: str) -> None:
    data = tmp_path / "mine.data"
    data.write_text("ada\nbea\ncleo\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    path = written(folder, textwrap.dedent(reading) + "print(docs)\n" + TRAINING)
    with ScriptProcess(path, data=data) as process:
        process.record(0)
        assert "".join(process.printed) == "['ada', 'bea', 'cleo']\n"
    assert os.listdir(folder) == ["script.py"]


def test_a_script_with_data_still_writes_and_reads_its_own_files(tmp_path: Path) -> None:
    data = tmp_path / "mine.data"
    data.write_text("ada\n")
    text = "open('log.txt', 'w').write('kept')\nprint(open('log.txt').read(), open('input.txt').read())\n" + TRAINING
    with ScriptProcess(written(tmp_path, text), data=data) as process:
        process.record(0)
        assert "".join(process.printed) == "kept ada\n\n"
    assert (tmp_path / "log.txt").read_text() == "kept"


def test_data_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"cannot be read .*; give another data file"):
        ScriptProcess(written(tmp_path, TRAINING), data=tmp_path / "none.txt")


def test_what_it_and_its_programs_print_is_kept(tmp_path: Path) -> None:
    text = "import os, sys\nprint('one')\nsys.stderr.write('two\\n')\n"
    text += "sys.stdout.buffer.write(b'three\\n')\nos.system('echo four')\n"
    heard: list[str] = []
    with ScriptProcess(written(tmp_path, text + TRAINING), on_printed=heard.append) as process:
        process.run_out()
        assert sorted("".join(process.printed).split()) == ["four", "one", "three", "two"]
        assert heard == process.printed


# Training steps.


def test_steps_are_told_as_they_are_done(tmp_path: Path) -> None:
    with ScriptProcess(written(tmp_path, TRAINING)) as process:
        done: list[int] = []
        process.run_to(1, done.append)
        assert (done, process.position) == ([1], 1)
        tape = process.record(2, done.append)
        assert (done, tape.step, process.end) == ([1, 2, 3], 2, None)
        assert process.run_out().steps == 3
        with pytest.raises(ScriptError, match="step 1 is over"):
            process.record(1)


def test_a_step_that_there_is_not_is_told(tmp_path: Path) -> None:
    assert refused(written(tmp_path, TRAINING), 7).endswith("ended after 3 training steps; there is no step 7")


def test_the_line_where_a_step_ends_can_be_named(tmp_path: Path) -> None:
    text = """
    w = Scalar(1.0)
    for epoch in range(2):
        for x in (1.0, 2.0):
            loss = w * x
            loss.backward()
            w.data -= 0.1 * w.grad
        print("epoch", epoch)
    """
    path = written(tmp_path, text)
    line = path.read_text().splitlines().index('    print("epoch", epoch)') + 1
    with ScriptProcess(path) as process:
        assert process.run_out().steps == 4
    with ScriptProcess(path, step_at=line) as process:
        tape = process.record(1)
        assert tape.step == 1
        assert tape.value[tape.loss_row] == process.losses[1]
        assert process.run_out().steps == 2


def test_a_line_that_is_not_reached_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, TRAINING + "if step > 5:\n    print(step)\n")
    line = len(path.read_text().splitlines())
    assert f"line {line} is never reached after a backward call" in refused(path, step_at=line)


STEPS = (
    TRAINING.replace("range(3)", "range(300)") + "    if step > 1000:\n        print(step)\n\n    print('end')\n# end\n"
)


NEVER, AGAIN = (
    "line {} is never reached after a backward call; name a line",
    "line {} is reached again before the update",
)
NOWHERE = "no step can end at line {}, which is in its class of scalars or after its last statement; name a line"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("class Scalar", NEVER),
        ("weights = [", NEVER),
        ("for step in", NEVER),
        ("        print(step)", NEVER),
        ("        w.data -=", AGAIN),
        ("        w.grad = 0", AGAIN),
        ("        self.data", NOWHERE),
        ("# end", NOWHERE),
    ],
)
def test_a_line_where_no_step_can_end_is_told(line: str, says: str, tmp_path: Path) -> None:
    path = written(tmp_path, STEPS)
    number = next(i for i, each in enumerate(path.read_text().splitlines(), 1) if each.startswith(line))
    assert says.format(number) in refused(path, step_at=number)


def test_a_line_in_an_update_that_calls_functions_is_told_when_it_is_reached_again(tmp_path: Path) -> None:
    text = STEPS.replace("for step in", "def rate(w):\n    return 0.1 * w.grad\n\nfor step in")
    path = written(tmp_path, text.replace("0.01 * w.grad\n        w", "rate(w)\n        w"))
    number = next(i for i, each in enumerate(path.read_text().splitlines(), 1) if each.startswith("        w.data -="))
    assert "rate(w)" in path.read_text().splitlines()[number - 1]
    assert AGAIN.format(number) in refused(path, 1, step_at=number)


@pytest.mark.parametrize(
    "line", ["    loss = (", "    loss.backward()", "    for w", "    if step", "", "    print('end')"]
)
def test_steps_end_at_any_line_that_each_of_them_reaches(line: str, tmp_path: Path) -> None:
    """At a blank line that is the statement after it."""
    path = written(tmp_path, STEPS)
    lines = path.read_text().splitlines()
    number = max(i for i, each in enumerate(lines, 1) if each.startswith(line) and (line or not each))
    with ScriptProcess(path, step_at=number) as process:
        process.run_out()
        at_line = process.losses
    with ScriptProcess(path) as process:
        process.run_out()
        assert at_line == process.losses[: len(at_line)]
    assert len(at_line) >= 2


def test_demos_are_no_training_steps(tmp_path: Path) -> None:
    demo = """
    a, b = Scalar(2.0), Scalar(-3.0)
    for _ in range(3):
        (a * b + a).backward()
    a.grad = 0
    """
    with ScriptProcess(written(tmp_path, textwrap.dedent(demo) + TRAINING)) as process:
        tape = process.record(0)
        assert [group.name for group in tape.params] == ["weights"]
        assert (tape.n_params, tape.n_older) == (2, 0)
        assert process.run_out().steps == 3


def test_the_first_step_begins_with_its_loop(tmp_path: Path) -> None:
    with ScriptProcess(written(tmp_path, "extra = [Scalar(1.0) * 2.0 for _ in range(5)]" + TRAINING)) as process:
        first, second = process.record(0), process.record(1)
        assert (first.n_rows, first.n_params) == (second.n_rows, second.n_params)
        assert first.op.tolist() == second.op.tolist()


def test_a_script_runs_in_a_thread_of_its_own(tmp_path: Path) -> None:
    text = "import threading\ndef main():\n" + textwrap.indent(TRAINING, "    ")
    text += "threading.stack_size(2**26)\nthread = threading.Thread(target=main)\nthread.start()\n"
    with ScriptProcess(written(tmp_path, text)) as process:
        assert process.record(1).complete
        assert process.run_out().steps == 3


def test_recursion_goes_as_deep_as_without_it(tmp_path: Path) -> None:
    text = (
        "import sys\nw = Scalar(0.5)\nx = w\nfor _ in range(920):\n    x = x + 0.001\nx.backward()\nw.data -= w.grad\n"
    )
    with ScriptProcess(written(tmp_path, text)) as process:
        assert process.record(0).n_rows > 1800


LAZY = """
class Lazy:
    def __init__(self, data, kids=()):
        self.data = data
        self.kids = kids

    def __add__(self, other):
        return Lazy(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Lazy(self.data * other.data, [(self, other.data), (other, self.data)])

    def backward(self):
        self.grad = 1.0
        self.push()

    def push(self):
        for kid, slope in self.kids:
            kid.grad = getattr(kid, "grad", 0.0) + slope * self.grad
            kid.push()


w = Lazy(3.0)
for step in range(2):
    (w * w + w).backward()
    w.data -= 0.1 * w.grad
    del w.grad
"""


def test_gradients_may_come_into_being_in_the_backward_pass(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(LAZY)
    with ScriptProcess(path) as process:
        tape = process.record(0)
        assert tape.back_value[tape.back_row == 0].tolist() == [3.0, 6.0, 7.0]
        assert tape.update_value.tolist() == [3.0 - 0.1 * 7.0]
        assert process.run_out().steps == 2


# How scripts end.


def test_a_crash_leaves_what_was_recorded(tmp_path: Path) -> None:
    text = TRAINING.replace(
        "    loss.backward()", "    top = loss * 1.0\n    y = (top - top.data - step).log()\n    loss.backward()"
    )
    with ScriptProcess(written(tmp_path, text)) as process:
        tape = process.record(0)
        assert not tape.complete
        assert tape.loss_row == -1
        assert tape.n_params == 2
        assert {"loss", "top"} <= {name.name for name in tape.names}
        end = process.end or process.run_out()
        assert (end.kind, end.steps) == ("crash", 0)
        assert end.said == "ValueError: math domain error"
        assert [function for _, _, function, _ in end.traceback] == ["<module>", "log"]
        assert end.traceback[0][3] == "y = (top - top.data - step).log()"
        assert dict(end.values)["self.data"] == "0.0"


def test_a_crash_before_any_scalar_is_told(tmp_path: Path) -> None:
    why = refused(written(tmp_path, "open('nothing.csv')\n"))
    assert "stopped in line 72 after 0 training steps: FileNotFoundError: " in why
    assert "'nothing.csv'; if it misses its data, --data FILE answers" in why
    (tmp_path / "beside.py").write_text("\nimport a_module_of_nobody\n")
    why = refused(written(tmp_path, "import beside\n"))
    assert "stopped in beside.py, line 2 after 0 training steps" in why
    assert "'a_module_of_nobody'; if another Python has what it imports, --python EXE" in why


def test_an_exit_is_told_with_what_it_says(tmp_path: Path) -> None:
    text = "import sys\nsys.exit('give me --data')\n"
    assert "ended in line 73 after 0 training steps, and said: give me --data" in refused(written(tmp_path, text))


def test_an_exit_after_a_step_is_one_step(tmp_path: Path) -> None:
    with ScriptProcess(written(tmp_path, TRAINING + "    raise SystemExit\n")) as process:
        assert process.record(0).complete
        assert (process.run_out().kind, process.position) == ("exit", 1)


def test_reading_the_standard_input_is_told(tmp_path: Path) -> None:
    for reading in ("name = input('name? ')\n", "import sys\nname = sys.stdin.readline()\n"):
        path = written(tmp_path, reading)
        line = len(path.read_text().splitlines())
        assert f"it reads the standard input in line {line}, and gets none here" in refused(path)


def test_no_scalar_class_is_told(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("print('hello')\n")
    assert refused(path).endswith("it defines no class of scalars, with __add__, __mul__, backward, data and grad")
    path.write_text("import numpy as np\nw = np.zeros(3)\nw -= 0.1\n")
    assert refused(path).endswith("; it computes with numpy, whose tensors are not scalars")


def test_tensors_of_torch_are_told_while_it_trains(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("class Tensor:\n    def backward(self):\n        pass\n")
    path = tmp_path / "script.py"
    path.write_text("import torch\nwhile True:\n    torch.Tensor().backward()\n")
    assert refused(path).endswith("; it computes with torch, whose tensors are not scalars")


def test_arrays_in_the_place_of_numbers_are_told(tmp_path: Path) -> None:
    text = "import numpy as np\nw = Scalar(np.ones(3))\nloss = w * 2.0\nloss.backward()\n"
    assert "its class Scalar holds ndarray and not numbers" in refused(written(tmp_path, text))


def test_a_script_that_never_calls_backward_is_told(tmp_path: Path) -> None:
    assert "it never calls backward" in refused(written(tmp_path, "print((Scalar(1.0) + 2.0).data)\n"))


def test_two_scalar_classes_in_one_loss_are_told(tmp_path: Path) -> None:
    text = SCALAR.replace("Scalar", "Other") + "w = Scalar(1.0)\nx = Other(2.0)\nloss = Scalar(3.0, (w, x), (1, 1))\n"
    assert "it computes with more than one scalar class: Other and Scalar" in refused(
        written(tmp_path, text + "loss.backward()\nw.data -= 1\n")
    )


def test_two_scalar_classes_one_after_the_other_are_fine(tmp_path: Path) -> None:
    with ScriptProcess(
        written(tmp_path, TRAINING + SCALAR.replace("Scalar", "Better") + TRAINING.replace("Scalar", "Better"))
    ) as process:
        assert [process.record(step).complete for step in (0, 2, 4)] == [True] * 3
        assert process.scalar_class is not None
        assert process.scalar_class.name == "Better"
        assert process.run_out().steps == 6


def test_too_many_scalars_are_told_and_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "w = Scalar(1.0)\nfor _ in range(1000):\n    Scalar(0.0)\n(w * 1.0).backward()\nw.data -= 1.0\n"
    assert engine.script.process.LARGEST == 3_000_000
    monkeypatch.setattr(engine.script.process, "LARGEST", 1000)
    path = written(tmp_path, text)
    assert "it makes more than 1,000 scalars in one step; give --large" in refused(path)
    with ScriptProcess(path, large=True) as process:
        assert process.record(0).complete


def test_a_file_that_is_not_python_is_told(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("for x in:\n")
    assert "line 1 is not Python" in refused(path)


# Time.


def test_a_script_that_only_waits_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "import threading\nthreading.Event().wait()\n")
    with ScriptProcess(path) as process:
        process.limit.idle = 1.0
        with pytest.raises(ScriptError, match=r"has only waited for 1 s without a training step, now in line \d+;"):
            process.record(0)


def test_an_endless_loop_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "while True:\n    pass\n")
    with ScriptProcess(path) as process:
        process.limit.busiest = 0.5
        with pytest.raises(ScriptError, match=r"without a training step, now in line \d+"):
            process.record(0)


def test_scalars_are_counted_while_it_runs(tmp_path: Path) -> None:
    path = written(tmp_path, "while True:\n    Scalar(1.0)\n")

    class Enough(Exception):
        pass

    def enough(made: int) -> None:
        assert made > 0
        raise Enough

    with ScriptProcess(path) as process, pytest.raises(Enough):
        process.record(0, on_made=enough)


# Nothing stays behind.


STARTS = "import subprocess\nother = subprocess.Popen(['sleep', '1000'])\nprint(other.pid)\n" + TRAINING


def test_closing_ends_the_script_and_its_programs(tmp_path: Path) -> None:
    with ScriptProcess(written(tmp_path, STARTS)) as process:
        process.record(0)
        other = int("".join(process.printed))
        child = process._process.pid
    asyncio.run(met(partial(gone, child)))
    asyncio.run(met(partial(gone, other)))


def test_what_a_script_leaves_running_ends_with_it(tmp_path: Path) -> None:
    with ScriptProcess(written(tmp_path, STARTS)) as process:
        assert process.run_out().kind == "end"
        other = int("".join(process.printed))
        assert psutil.pid_exists(other)
    asyncio.run(met(partial(gone, other)))


def test_killing_the_debugger_ends_the_script_and_its_programs(tmp_path: Path) -> None:
    path = written(tmp_path, STARTS)
    parent = (
        "from engine.script.process import ScriptProcess\n"
        f"process = ScriptProcess({str(path)!r})\nprocess.record(0)\n"
        "print(process._process.pid, process.printed[0], flush=True)\ninput()\n"
    )
    debugger = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert debugger.stdout is not None
    assert debugger.stdin is not None
    child, other = map(int, debugger.stdout.readline().split())
    assert psutil.pid_exists(child)
    debugger.kill()
    debugger.wait()
    debugger.stdin.close()
    debugger.stdout.close()
    asyncio.run(met(partial(gone, child)))
    asyncio.run(met(partial(gone, other)))
    assert os.listdir(tmp_path) == ["script.py"]


def test_a_script_that_is_killed_is_told(tmp_path: Path) -> None:
    why = refused(written(tmp_path, "import os\nos.kill(os.getpid(), 9)\n"))
    assert f"its process died with status {-signal.SIGKILL}" in why


def test_a_script_that_has_converged_is_told_instead_of_waited_for() -> None:
    sentence = "trains no further after 42 training steps: it calls backward, but writes no parameter"
    for ask in (ScriptProcess.run_to, ScriptProcess.record):
        with ScriptProcess(SCRIPTS / "converged.py") as process, pytest.raises(ScriptError, match=sentence):
            ask(process, 90_000)
        assert len(process.losses) == 42
