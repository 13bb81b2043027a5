"""sample, and the checkpoint file that it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from engine import CheckpointError, Config, Session, load_docs
from engine.checkpoint.checkpoint import KEY, load, save
from engine.checkpoint.validate import digest
from tests.support.commands import error_of, in_terminal, invoke

CONFIG = Config(n_embd=4, n_head=2, block_size=4)


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session(CONFIG, load_docs())
    session.run(30)
    return session


@pytest.fixture
def run(session: Session, tmp_path: Path) -> Path:
    save(session, tmp_path / "run.safetensors")
    return tmp_path / "run.safetensors"


def test_goes_on_from_the_stored_generator(run: Path) -> None:
    session = Session(CONFIG, load_docs())
    session.run(30)
    assert invoke("sample", run).stdout.splitlines() == session.sample(20)
    fresh = Session(CONFIG, load_docs())
    fresh.run(30)
    assert invoke("sample", run, "-n", 5, "--temperature", 2).stdout.splitlines() == fresh.sample(5, 2.0)


def test_a_seed_gives_the_same_names_each_time(run: Path) -> None:
    first, again, other = (invoke("sample", run, "--seed", seed).stdout for seed in (1, 1, 2))
    assert first == again != other


def test_numbers_the_names_on_a_terminal(run: Path) -> None:
    plain = invoke("sample", run, "-n", "2").stdout.splitlines()
    ended = in_terminal("sample", run, "-n", "2")
    lines = re.findall(r"sample .*", ended.screen)  # progress may have stood before them
    assert [line.rstrip() for line in lines] == [f"sample  1: {plain[0]}", f"sample  2: {plain[1]}"]


def test_a_saved_run_has_its_own_alphabet_and_needs_no_data(tmp_path: Path) -> None:
    session = Session(CONFIG, ["żółw", "дом 家", "\x1b[2J"])
    session.run(3)
    path = tmp_path / "run.safetensors"
    save(session, path)
    assert load(path).uchars == tuple(session.tokenizer.uchars)
    assert invoke("sample", path, "-n", "3").stdout == "".join(f"{name}\n" for name in session.sample(3))
    assert "\x1b[2J" not in in_terminal("sample", path, "-n", "50", "--temperature", "100").screen


@pytest.mark.parametrize("temperature", ["0", "-1", "nan", "inf", "1e-320"])
def test_bad_temperatures_are_refused(run: Path, temperature: str) -> None:
    result = invoke("sample", run, "--temperature", temperature)
    assert "temperature is" in error_of(result)
    assert result.stdout == ""


def test_the_same_run_gives_the_same_file(session: Session, run: Path, tmp_path: Path) -> None:
    save(session, tmp_path / "again")
    assert run.read_bytes() == (tmp_path / "again").read_bytes()


def test_only_regular_files_are_replaced(session: Session, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a file"):
        save(session, tmp_path)
    with pytest.raises(CheckpointError, match="cannot be written"):
        save(session, tmp_path / "nowhere" / "run")


def test_a_link_is_followed(session: Session, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    save(session, link)
    assert link.is_symlink()
    assert load(tmp_path / "real").step == 30


# Damage.

LEFT_AS_DAMAGE = object()  # the checksum stays as it was, as when bits flip


def _rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()[KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if change(about, tensors) is not LEFT_AS_DAMAGE:
        about["sha256"] = digest(about, tensors)
    save_file(tensors, path, {KEY: json.dumps(about)})


def _one_bit_other(tensors: dict[str, Any]) -> object:
    tensors["adam.v.wpe"].view(np.uint64)[1, 2] ^= 1
    return LEFT_AS_DAMAGE


CHANGES: list[tuple[str, Callable[[dict[str, Any], dict[str, Any]], Any]]] = [
    ("version 9", lambda about, _: about.update(version=9)),
    ("version 1, and this program reads version 2", lambda about, _: about.update(version=1)),
    ("step is -1", lambda about, _: about["moment"].update(step=-1)),
    ("tensor history.losses is float64 (30,) where float64 (31,)", lambda about, _: about["moment"].update(step=31)),
    ("moment is None", lambda about, _: about.pop("moment")),
    ("moment is {", lambda about, _: about["moment"].update(phase="sideways")),
    ("tick is '4'", lambda about, _: about["moment"].update(tick="4")),
    ("trained on", lambda about, _: about["data"].update(path=7)),
    ("trained on", lambda about, _: about.pop("data")),
    ("step is True", lambda about, _: about["moment"].update(step=True)),
    ("hyperparameters", lambda about, _: about["config"].pop("seed")),
    ("hyperparameters", lambda about, _: about.update(config=None)),
    ("n_embd is '4'", lambda about, _: about["config"].update(n_embd="4")),
    ("alphabet is missing", lambda about, _: about.update(uchars=["ab"])),
    ("alphabet is out of order", lambda about, _: about["uchars"].reverse()),
    ("tensor wte is float64 (27, 4) where float64 (26, 4)", lambda about, _: about["uchars"].pop()),
    ("random generator", lambda about, _: about.update(generator=[3, [1, 2], None])),
    ("random generator", lambda about, _: about.pop("generator")),
    ("it has 29 tensors", lambda _, tensors: tensors.pop("wte")),
    ("it has 30 tensors", lambda about, _: about["config"].update(n_layer=10**12)),
    ("no tensor wpe", lambda _, tensors: tensors.update(other=tensors.pop("wpe"))),
    ("tensor history.losses", lambda _, tensors: tensors.update({"history.losses": np.zeros(3)})),
    ("tensor history.losses", lambda _, tensors: tensors.update({"history.losses": np.zeros(())})),
    ("tensor history.matrix_norms", lambda _, tensors: tensors.update({"history.matrix_norms": np.zeros((30, 9))})),
    ("damaged", lambda _, tensors: _one_bit_other(tensors)),
    ("damaged", lambda about, _: (about["config"].update(seed=43), LEFT_AS_DAMAGE)[1]),
    ("F32", lambda _, tensors: tensors.update({"adam.m.wte": tensors["adam.m.wte"].astype(np.float32)})),
]


@pytest.mark.parametrize(("says", "change"), CHANGES)
def test_a_damaged_file_is_refused(run: Path, says: str, change: Any) -> None:
    _rewritten(run, change)
    assert says in error_of(invoke("sample", run))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(run: Path, share: float) -> None:
    content = run.read_bytes()
    run.write_bytes(content[: int(share * len(content))])
    assert "damaged" in error_of(invoke("sample", run))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(3)}, path)
    assert "something else" in error_of(invoke("sample", path))
    save_file({"x": np.zeros(3)}, path, {KEY: "{"})
    assert "damaged" in error_of(invoke("sample", path))
    save_file({"x": np.zeros(3)}, path, {KEY: "[1]"})
    assert "does not describe itself" in error_of(invoke("sample", path))
    assert "is a folder" in error_of(invoke("sample", tmp_path))


def test_parameters_without_probabilities_are_refused(run: Path) -> None:
    _rewritten(run, lambda _, tensors: tensors.update(wte=np.full_like(tensors["wte"], np.nan)))
    assert "no probabilities" in error_of(invoke("sample", run))
