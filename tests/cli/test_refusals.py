"""Bad input: one sentence on the error output, exit status 2, nothing written."""

from __future__ import annotations

import gc
import importlib.abc
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from microgpt_tui.__main__ import main
from microgpt_tui.cli import open as open_command
from tests.support.commands import SMALL, environment, error_of, in_terminal, invoke, start

BAD_FLAGS = [
    (("--n-layer", "-1"), "n_layer is -1"),
    (("--n-embd", "-4"), "n_embd is -4"),
    (("--n-head", "0"), "n_head is 0"),
    (("--block-size", "0"), "block_size is 0"),
    (("--num-steps", "0"), "num_steps is 0"),
    (("--n-head", "3"), "n_head 3 does not divide n_embd 16"),
    (("--beta1", "1"), "beta1 is 1.0"),
    (("--beta2", "-0.5"), "beta2 is -0.5"),
    (("--learning-rate", "nan"), "learning_rate is nan"),
    (("--learning-rate", "-1"), "learning_rate is -1.0"),
    (("--seed", "x"), "'x' is not a valid integer"),
    (("--n-embd", "100000", "--n-head", "1"), "would have 3,96"),
    (("--n-layer", "1" + "0" * 12), "more than 10^15 scalars"),
    (("--n-embd", "1" + "0" * 15), "more than 10^15 scalars"),
    (("--n-embd", "1" + "0" * 400), "give a whole number of at most 9,007,199,254,740,992"),
]


@pytest.mark.parametrize("command", [("train", "--until", "1"), ("trace",)])
@pytest.mark.parametrize(("flags", "says"), BAD_FLAGS)
def test_hyperparameters(command: tuple[str, ...], flags: tuple[str, ...], says: str) -> None:
    assert says in error_of(invoke(*command, *flags))


@pytest.fixture
def bad_files(tmp_path: Path) -> dict[str, Path]:
    contents = {"empty": b"", "blank": b" \n\t\n\n", "binary": b"\x89PNG\0\x01", "latin": "Jos\xe9\n".encode("latin-1")}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in (*contents, "missing", ".")}


@pytest.mark.parametrize("command", [("train", "--until", "1"), ("trace",), ("verify", __file__)])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty", "no usable line"),
        ("blank", "no usable line"),
        ("binary", "binary"),
        ("latin", "not UTF-8"),
        ("missing", "there is no file"),
        (".", "is a folder"),
    ],
)
def test_data(bad_files: dict[str, Path], command: tuple[str, ...], name: str, says: str) -> None:
    assert says in error_of(invoke(*command, "--data", bad_files[name]))


TYPED = {
    "documents": (("train", "--until", "1", "--data"), "--data"),
    "a saved run": (("open",), "FILE.safetensors"),
    "a saved run to sample": (("sample",), "FILE.safetensors"),
    "a saved run to draw": (("export", "--run"), "--run"),
    "a copy": (("verify",), "PATH/TO/microgpt.py"),
    "a lecture": (("lecture",), "[NAME|FILE.md]"),
}
WRITTEN = {
    "a run": (("train", "--until", "1", "--save"), "--save"),
    "a log": (("train", "--until", "1", "--log"), "--log"),
    "a branch": (("what-if", "--until", "1", "--edit", "wte[0, 0] = 1", "--save"), "--save"),
    "a picture": (("export", "-o"), "-o"),
    "a handout": (("lecture", "--handout"), "--handout"),
}
ADDRESS = "https://example.com/names.txt?raw=1&x"


@pytest.mark.parametrize(("args", "name"), (TYPED | WRITTEN).values(), ids=(TYPED | WRITTEN).keys())
def test_a_text_that_cannot_be_a_path_is_refused(args: tuple[str, ...], name: str) -> None:
    assert error_of(invoke(*args, "")) == f"{name} is empty; give the path of a file"
    does = "give" if args in [args for args, _ in WRITTEN.values()] else f"download it (curl -LO '{ADDRESS}') and give"
    assert f"{name} is an address on the internet" in error_of(invoke(*args, ADDRESS))
    assert f"{does} the path of " in error_of(invoke(*args, ADDRESS))


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "names.txt").write_text("anna\nbo\n")
    done = invoke("train", "--until", "1", *SMALL, "--data", "~/names.txt", "--save", "~/run.safetensors")
    assert done.exit_code == 0, done.output
    assert invoke("sample", "~/run.safetensors").exit_code == 0
    (tmp_path / "own.md").write_text("---\ndata: ~/names.txt\n---\n# {doc}\n")
    assert invoke("lecture", "~/own.md", "--check").exit_code == 0


def test_a_refused_run_touches_no_file(tmp_path: Path) -> None:
    save, log = tmp_path / "run.safetensors", tmp_path / "run.jsonl"
    save.write_text("precious")
    log.write_text("precious")
    for wrong in (("--n-head", "3"), ("--data", tmp_path / "missing"), ("--until", "2000"), ("--frobnicate",)):
        error_of(invoke("train", "--until", "1", "--save", save, "--log", log, *wrong))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        save.name: "precious",
        log.name: "precious",
    }


@pytest.mark.parametrize("flag", ["--save", "--log"])
def test_files_that_cannot_be_written_are_refused_before_training(tmp_path: Path, flag: str) -> None:
    assert "there is no folder" in error_of(invoke("train", "--until", "1", flag, tmp_path / "nowhere" / "file"))
    assert "is a folder" in error_of(invoke("train", "--until", "1", flag, tmp_path))


def test_one_file_for_two_things_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "names.txt"
    data.write_text("ada\n")
    train = ("train", "--until", "1")
    assert "same file" in error_of(invoke(*train, "--data", data, "--save", data))
    assert "same file" in error_of(invoke(*train, "--data", data, "--log", tmp_path / "." / "names.txt"))
    assert "same file" in error_of(invoke(*train, "--log", tmp_path / "x", "--save", tmp_path / "x"))
    assert data.read_text() == "ada\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("train", "--until", "0"), "'--until': 0 is not in the range"),
        (("train", "--until", "1001"), "--until is 1001, beyond the schedule's 1000 steps"),
        (("train", "--until", "1", "--frobnicate"), "No such option '--frobnicate'; microgpt-tui train --help"),
        (("train", "--until", "1", "--break-at", ""), "--break-at: there is no event to stop at; write for example"),
        (("tran",), "No such command 'tran'"),
        ((__file__,), "--data"),
        (("--n-layer", "2", "train", "--until", "1"), "write microgpt-tui train --n-layer;"),
        (("--n-head", "3", "sample", "x"), "write microgpt-tui sample --n-head;"),
        (("trace", "--step", "1000"), "--step is 1000"),
        (("trace", "--step", "-1"), "not in the range"),
        (("trace", "--phase", "sideways"), "'sideways' is not one of"),
        (("sample",), "Missing argument"),
        (("sample", "missing", "--beam", "0"), "the beam is 0 wide; give 1 to 10,000"),
        (("sample", "missing", "--beam", "10001"), "the beam is 10,001 wide; give 1 to 10,000"),
        (("sample", "missing"), "there is no file missing"),
        (("sample", __file__), "no safetensors file"),
        (("verify", "missing.py"), "missing.py does not exist"),
    ],
)
def test_command_lines(args: tuple[str, ...], says: str) -> None:
    assert says in error_of(invoke(*args))


@pytest.mark.parametrize("missing", ["stdin", "stdout"])
def test_the_debugger_needs_a_terminal_as_input_and_output(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, mock.Mock(**{"isatty.return_value": True}))
    assert open_command.in_terminal()
    for stream in (None, io.StringIO()):
        monkeypatch.setattr(sys, missing, stream)
        assert not open_command.in_terminal()


def test_the_debugger_needs_a_terminal() -> None:
    assert "needs a terminal" in error_of(invoke())
    assert "needs a terminal" in error_of(invoke(*SMALL))


@pytest.mark.parametrize(
    ("args", "says"), [(("--data", "missing"), "there is no file missing"), (("--step", "1000"), "--step is 1000")]
)
def test_errors_come_before_the_alternate_screen(args: tuple[str, ...], says: str) -> None:
    ended = in_terminal(*args)
    assert ended.status == 2
    assert says in ended.screen
    assert "\x1b[?1049h" not in ended.screen  # the sequence that switches to the alternate screen


def test_control_characters_in_a_file_name_are_not_printed(tmp_path: Path) -> None:
    assert "\x1b" not in error_of(invoke("sample", tmp_path / "evil\x1b[2J\nname"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk(tmp_path: Path) -> None:
    train = ("train", "--until", "3", *SMALL)
    save = tmp_path / "run.safetensors"
    with open("/dev/full", "w") as full:
        for command in (train, ("trace", *SMALL)):
            with start(*command, stdout=full) as process:
                assert process.communicate(timeout=60)[1].count("No space left on device") == 1
            assert process.returncode == 2
        with start(*train, "--save", save, stdout=full) as process:
            assert "3 of 3 steps are done and saved" in process.communicate(timeout=60)[1]
        assert process.returncode == 0
    message = error_of(invoke(*train, "--log", "/dev/full", "--save", save))
    assert "/dev/full cannot be written on (No space left on device) (1 of 3 steps are done and saved in" in message


def test_output_that_is_closed() -> None:
    command = 'exec "$0" -m microgpt_tui train --until 2 --n-embd 4 >&-'
    done = subprocess.run(["sh", "-c", command, sys.executable], env=environment(), capture_output=True, check=False)
    assert done.returncode == 0


def test_ctrl_c_while_python_still_imports(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Late(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "microgpt_tui.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "microgpt_tui.cli")
    monkeypatch.setattr(sys, "meta_path", [Late(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    gc.enable()  # for the tests after this one
    assert (ended.value.code, capsys.readouterr().err) == (130, "stopped\n")
