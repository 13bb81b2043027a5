"""A run in a file: parameters, both moments, losses, and all that is needed to go on from there or to sample.

A safetensors file, which other tools read and which cannot run code. Tensors are named as in `state_dict`, with
"adam.m." and "adam.v." before the moments; the rest is one JSON object, in the file's metadata under "microgpt".
"""

from __future__ import annotations

import json
import os
import random
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from engine.config import Config
from engine.errors import CheckpointError, ConfigError
from engine.events import Moment
from engine.recording import Floats
from engine.session import Session

VERSION = 1
KEY = "microgpt"
M, V, LOSSES = "adam.m.", "adam.v.", "losses"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A saved run at the start of training step `step`, that is, with as many steps finished.

    `uchars` is the sorted alphabet, `params`, `m` and `v` are (rows, columns) each, by name, `losses` (step,).
    """

    config: Config
    step: int
    uchars: tuple[str, ...]
    params: dict[str, Floats]
    m: dict[str, Floats]
    v: dict[str, Floats]
    losses: Floats
    state: tuple[Any, ...]

    def generator(self) -> random.Random:
        """The run's random generator, as it was when the run was saved."""
        generator = random.Random()
        generator.setstate(self.state)
        return generator

    @property
    def flat_params(self) -> Floats:
        """The parameters one after the other, (n_params,), as they lie on the tape."""
        return np.concatenate([matrix.ravel() for matrix in self.params.values()])


def save(session: Session, path: str | Path) -> None:
    """Write the run to `path`, whole or not at all. It has to stand between two steps.

    Raises CheckpointError if it does not, or if the file cannot be written; a file that was there is then untouched.
    """
    if session.moment != Moment(session.step):
        raise CheckpointError(f"a run is saved between steps; go to the start of training step {session.step} first")
    tensors = dict(session.params)
    tensors |= {M + name: matrix for name, matrix in session.m.items()}
    tensors |= {V + name: matrix for name, matrix in session.v.items()}
    tensors[LOSSES] = np.array(session.losses[: session.step], dtype=np.float64)
    about = {
        "version": VERSION,
        "step": session.step,
        "config": session.config.as_dict(),
        "uchars": session.tokenizer.uchars,
        "generator": session.generator.getstate(),
    }
    _write_whole(Path(path), to_bytes(tensors, {KEY: json.dumps(about)}))


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file beside it first, so that whatever happens `path` is the old file or the new one."""
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            raise CheckpointError(f"{path} is not a file that can be written; give the name of a file")
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written ({error.strerror}); give another place to save to") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def load(path: str | Path) -> Checkpoint:
    """The run saved at `path`. Raises CheckpointError, with a sentence, for a file that does not hold a whole one."""
    try:
        if not Path(path).is_file():
            raise CheckpointError(f"there is no file {path}; give one that was written by train --save")
        with safe_open(path, framework="numpy") as file:
            about = (file.metadata() or {}).get(KEY)
            if about is None:
                raise CheckpointError(f"{path} is a safetensors file of something else; give one made by train --save")
            return _read(json.loads(about), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); give a file that you may read") from None
    except (SafetensorError, TypeError) as error:  # TypeError: a tensor of a kind that numpy has not
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error}); save the run again") from None
    except _Unfit as unfit:
        raise CheckpointError(f"{path} is no run of this program: {unfit}; save the run again") from None
    except (ValueError, RecursionError):
        raise CheckpointError(f"{path} is damaged: its description cannot be read; save the run again") from None


class _Unfit(Exception):
    """What in the file is not as it should be."""


def _read(about: Any, tensors: dict[str, Floats]) -> Checkpoint:
    if not isinstance(about, dict) or about.get("version") != VERSION:
        version = about.get("version") if isinstance(about, dict) else None
        raise _Unfit(f"its format is version {version}, and this program reads version {VERSION}")
    config, step = _config(about.get("config")), about.get("step")
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step <= config.num_steps:
        raise _Unfit(f"its step is {step!r}")
    uchars = about.get("uchars")
    if not (isinstance(uchars, list) and uchars and all(isinstance(c, str) and len(c) == 1 for c in uchars)):
        raise _Unfit("its alphabet is missing")
    if uchars != sorted(set(uchars)):
        raise _Unfit("its alphabet is out of order")
    if len(tensors) != 3 * (3 + 6 * config.n_layer) + 1:
        raise _Unfit(f"it has {len(tensors)} tensors, which is not what {config.n_layer} layers have")
    shapes = config.matrices(len(uchars) + 1)
    params, m, v = (
        {name: _tensor(tensors, prefix + name, shape) for name, shape in shapes.items()} for prefix in ("", M, V)
    )
    losses = _tensor(tensors, LOSSES, (step,))
    return Checkpoint(config, step, tuple(uchars), params, m, v, losses, _state(about.get("generator")))


def _config(stored: Any) -> Config:
    names = {field.name for field in fields(Config)}
    if not isinstance(stored, dict) or set(stored) != names:
        raise _Unfit("its hyperparameters are missing or are not those of this program")
    try:
        return Config(**stored)
    except (ConfigError, TypeError) as error:
        raise _Unfit(str(error)) from None


def _tensor(tensors: dict[str, Floats], name: str, shape: tuple[int, ...]) -> Floats:
    if name not in tensors:
        raise _Unfit(f"it has no tensor {name}")
    tensor = tensors[name]
    if tensor.shape != shape or tensor.dtype != np.float64:
        raise _Unfit(f"its tensor {name} is {tensor.dtype} {tensor.shape} where float64 {shape} belongs")
    return tensor


def _state(stored: Any) -> tuple[Any, ...]:
    try:
        version, numbers, spare = stored
        state = (version, tuple(numbers), spare)
        random.Random().setstate(state)
        if not (spare is None or isinstance(spare, float)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise _Unfit("the state of its random generator is damaged") from None
    return state
