"""Saved runs with every kind of damage: each opens with valid values, or is refused at once in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import CheckpointError, EngineError
from engine.checkpoint import checkpoint
from engine.run.branches import Branches
from tests.support.commands import error_of, invoke, start
from tests.support.damaged_runs import (
    CONFIG,
    MOMENT,
    STRANGE,
    assembled,
    changed,
    parts,
    places,
    session,
    whole,
    written,
)
from tests.support.unprivileged import anyone_may_enter, needs_root, nobody

LONGEST = 500  # characters of a sentence, without the path
PATIENCE = 20.0  # seconds, for thousands of files
MEMORY = 200_000  # kilobytes more at the worst
BYTES = 3000  # mutants


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """The file that damaged runs are written to, one after the other."""
    started, before = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield tmp_path / "run.safetensors"
    assert time.thread_time() - started < PATIENCE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


def opened_or_refused(path: Path) -> bool:
    """Whether the file opens; all that is in it is then used. Anything but the engine's own error fails the test."""
    try:
        run = checkpoint.load(path)
        assert 0 <= run.step <= len(run.losses) == len(run.grad_norms) == len(run.norms)
        assert all(0 <= step <= len(run.losses) for step in run.validations)
        run.generator().random()
        if run.config == CONFIG and run.origin.sha256 == session().checksum:
            again = session().restart_copy()
            checkpoint.take_up(run, again)
            again.seek(run.moment)
            branches = Branches(again, run.branches)
            for branch in branches.all():
                branches.session(branch.name)
        run.origin.find()
    except EngineError as error:
        sentence = str(error)
        assert len(sentence) < len(str(path)) + LONGEST, sentence
        assert "\n" not in sentence
        return not isinstance(error, CheckpointError)  # the file is whole, and its documents or changes are not there
    return True


def test_the_run_itself_opens(file: Path) -> None:
    assert opened_or_refused(written(file, whole()))
    assert checkpoint.load(file).moment == MOMENT
    assert opened_or_refused(written(file, assembled(*parts())))


@pytest.mark.parametrize("layers", [0, 3, 4, 10**9])
def test_too_few_tensors_for_its_layers(file: Path, layers: int) -> None:
    about, tensors = parts()
    few = dict(list(tensors.items())[:3])
    written(file, assembled(changed(about, ("config", "n_layer"), layers), few))
    with pytest.raises(CheckpointError, match=f"it has 3 tensors, which is not what {layers} layers have"):
        checkpoint.load(file)


# Bytes.

CHANGES: dict[str, Callable[[bytes, int, int, random.Random], bytes]] = {
    "flipped": lambda data, at, n, draw: data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :],
    "zeroed": lambda data, at, n, draw: data[:at] + bytes(n) + data[at + n :],
    "filled": lambda data, at, n, draw: data[:at] + b"\xff" * n + data[at + n :],
    "noise": lambda data, at, n, draw: data[:at] + draw.randbytes(n) + data[at + n :],
    "cut out": lambda data, at, n, draw: data[:at] + data[at + n :],
    "cut off": lambda data, at, n, draw: data[:at],
    "put in": lambda data, at, n, draw: data[:at] + draw.randbytes(n) + data[at:],
    "repeated": lambda data, at, n, draw: data[: at + n] + data[at:],
    "longer": lambda data, at, n, draw: data + draw.randbytes(n),
}


def regions() -> dict[str, tuple[int, int]]:
    """The header's length, its JSON, and the numbers, as first and last bytes."""
    size = int.from_bytes(whole()[:8], "little")
    return {"length": (0, 8), "header": (8, 8 + size), "tensors": (8 + size, len(whole()))}


@pytest.mark.parametrize("region", ["length", "header", "tensors"])
def test_bytes(region: str, file: Path) -> None:
    first, last = regions()[region]
    draw, data = random.Random(region), whole()
    for number in range(BYTES // 3):
        name = list(CHANGES)[number % len(CHANGES)]
        at, n = draw.randrange(first, last), draw.choice((1, 2, 8, 100))
        mutant = CHANGES[name](data, at, n, draw)
        opens = opened_or_refused(written(file, mutant))
        if opens and mutant != data:  # only bytes without a meaning may differ
            assert checkpoint.as_bytes(checkpoint.load(file)) == data, (name, at, n)


# Values.


@pytest.mark.parametrize("name", STRANGE)
def test_an_invalid_value(name: str, file: Path) -> None:
    about, tensors = parts()
    for place in places(about):
        opened_or_refused(written(file, assembled(changed(about, place, STRANGE[name]), tensors)))


REFUSED: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "a loss kept aside before step inf": (("validations", 0, 0), float("inf"), "before step inf, of 3 that are done"),
    "a loss kept aside before step nan": (("validations", 0, 0), float("nan"), "before step nan"),
    "a loss kept aside before step -2": (("validations", 0, 0), -2, "before step -2"),
    "a loss kept aside before step 1.5": (("validations", 0, 0), 1.5, "before step 1.5"),
    "a loss kept aside in the future": (("validations", 0, 0), 4, "before step 4, of 3 that are done"),
    "a loss kept aside twice": (("validations", 1, 0), 0, "before step 0"),
    "a loss kept aside that is a text": (("validations", 0, 1), "1.5", "of held-out documents cannot be read"),
    "a loss kept aside beyond all floats": (("validations", 0, 1), 10**400, "of held-out documents cannot be read"),
    "losses kept aside that are null": (("validations",), None, "of held-out documents cannot be read"),
    "a learning rate beyond all floats": (("config", "learning_rate"), 10**400, "(401 characters); give a finite"),
    "too many steps": (("config", "num_steps"), 2**70, "at most 9,007,199,254,740,992"),
    "a branch of two lines": (("branches", 0, "name"), "a\nb", "one of its branches is called 'a\\nb'"),
    "a branch called original": (("branches", 0, "name"), "original", "is called 'original', as none can be"),
    "a branch in the far future": (("branches", 0, "moment", "step"), 2**70, "its step is 1180591620717411303424"),
    "a branch that it does not have": (("branch",), "gone", "it was left in the branch 'gone', which it does not have"),
    "a newer format": (("version",), 3, "version 3, and this program reads version 2; a newer microgpt-tui wrote it; "
        "update microgpt-tui"),
    "an older format": (("version",), 1, "version 1, and this program reads version 2; an older microgpt-tui wrote it; "
        "open it with that one"),
    "a format that is a text": (("version",), "2", "its format is version '2', which there is not"),
    "a field of a newer program": (("colour",), 1, "it says something that this program does not know, 'colour'; "
        "update microgpt-tui"),
    "a hyperparameter of a newer program": (("config", "dropout"), 0.1, "are not those of this program"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_in_one_sentence(what: str, file: Path) -> None:
    about, tensors = parts()
    place, value, says = REFUSED[what]
    written(file, assembled(changed(about, place, value), tensors))
    assert says in error_of(invoke("sample", file))


def test_two_branches_of_one_name(file: Path) -> None:
    about, tensors = parts()
    about["branches"] *= 2
    written(file, assembled(about, tensors))
    with pytest.raises(CheckpointError, match="is called 'branch 1', as none can be, or as another is"):
        checkpoint.load(file)


# Files of other programs.


def headed(header: Any, tail: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tail


def lone(kind: Any, shape: Any, offsets: Any, size: int = 8) -> bytes:
    """A safetensors file with the description of a run and one tensor."""
    about = {checkpoint.KEY: json.dumps(parts()[0])}
    return headed({"__metadata__": about, "wte": {"dtype": kind, "shape": shape, "data_offsets": offsets}}, bytes(size))


def described(text: str) -> bytes:
    """A safetensors file with this description and nothing else."""
    return headed({"__metadata__": {checkpoint.KEY: text}})


FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "zeros": bytes(1000),
    "a pickle": pickle.dumps({"wte": [1.0]}),
    "a zip of torch": b"PK\3\4" + bytes(200),
    "a header of 0 bytes": headed(b""),
    "a header of 2**63 bytes": (2**63).to_bytes(8, "little") + bytes(100),
    "a header of 2**64 - 1 bytes": (2**64 - 1).to_bytes(8, "little") + bytes(100),
    "a header that is nested": headed(b"[" * 100_000),
    "a header that is a list": headed([{}]),
    "no tensors": headed({}),
    "tensors of something else": headed({"x": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
    "half precision": lone("BF16", [4], [0, 8]),
    "bytes for numbers": lone("F8_E4M3", [8], [0, 8]),
    "half bytes for numbers": lone("F4", [16], [0, 8]),
    "complex numbers": lone("C64", [1], [0, 8]),
    "a kind that there is not": lone("F1024", [1], [0, 8]),
    "a kind that is an escape": lone("\x1b[2J", [1], [0, 8]),
    "a shape of 2**60": lone("F64", [2**30, 2**30], [0, 8]),
    "a shape beyond all numbers": lone("F64", [2**63, 2**63], [0, 8]),
    "a negative shape": lone("F64", [-1], [0, 8]),
    "an empty shape": lone("F64", [], [0, 8]),
    "offsets beyond the end": lone("F64", [2**40], [0, 2**43]),
    "offsets that go back": lone("F64", [1], [8, 0]),
    "offsets that overlap": headed(
        {name: {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]} for name in ("wte", "wpe")}, bytes(8)
    ),
    "a description that is empty": described(""),
    "a description that is cut off": described("{"),
    "a description that is null": described("null"),
    "a description that is NaN": described("NaN"),
    "a description that is nested": described("[" * 100_000),
    "a description nested in a field": described('{"version": 2, "config": ' + "[" * 900 + "]" * 900 + "}"),
    "a description that is a long number": described("9" * 5000),
    "a description with a lone surrogate": described('{"version": "\\ud800"}'),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_that_is_no_run_is_refused(what: str, file: Path) -> None:
    assert not opened_or_refused(written(file, FOREIGN[what]))
    sentence = error_of(invoke("open", file))
    assert sentence.isprintable()


def huge(path: Path) -> None:
    with path.open("wb") as own:
        own.truncate(10**13)


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "there is no file"),
    "a folder": (os.mkdir, "is a folder, a pipe or a device"),
    "a FIFO": (os.mkfifo, "is a folder, a pipe or a device"),
    "a link to /dev/zero": (lambda path: path.symlink_to("/dev/zero"), "is a folder, a pipe or a device"),
    "a link to itself": (lambda path: path.symlink_to(path), "run.safetensors"),
    "ten terabytes": (huge, "of memory are free"),
}


@pytest.mark.parametrize("command", ["open", "sample"])
@pytest.mark.parametrize("what", PLACES)
def test_devices_and_folders_are_refused(what: str, command: str, file: Path) -> None:
    make, says = PLACES[what]
    make(file)
    assert says in error_of(invoke(command, file))


@needs_root
def test_a_file_that_may_not_be_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder, anyone_may_enter(Path(folder)) as place:
        path = written(place / "run.safetensors", whole())
        path.chmod(0)
        with nobody(), pytest.raises(CheckpointError, match="cannot be read"):
            checkpoint.load(path)


def test_the_installed_command_refuses_damaged_runs(tmp_path: Path) -> None:
    """A few, in processes of their own: nothing but one sentence and the exit status."""
    os.mkfifo(tmp_path / "FIFO")
    for name in ("a pickle", "a shape of 2**60", "a description that is nested"):
        written(tmp_path / name, FOREIGN[name])
    about, tensors = parts()
    written(tmp_path / "inf", assembled(changed(about, ("validations", 0, 0), float("inf")), tensors))
    running = {path: start("sample", path) for path in tmp_path.iterdir()}
    for path, process in running.items():
        out, err = process.communicate(timeout=90)
        assert (out, process.returncode, err.count("\n"), err[:7]) == ("", 2, 1, "error: "), (path, err)
