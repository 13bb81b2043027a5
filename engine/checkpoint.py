"""A run in a file: all that is needed to go on from there, bit for bit, or to sample.

A safetensors file, which other tools read and which cannot run code. Tensors are named as in `state_dict`, with
"adam.m." and "adam.v." before the moments and "history." before the figures of the steps done; the rest is one JSON
object, in the file's metadata under "microgpt". Parameters and moments are those that the present step started from.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from engine import stored
from engine.config import Config
from engine.dataset import Origin
from engine.errors import CheckpointError
from engine.events import Moment
from engine.files import write_whole
from engine.history import History, Table
from engine.keyframes import Keyframe, Keyframes
from engine.recording import Floats, Progress
from engine.references import Scope
from engine.session import Session
from engine.tokenizer import Tokenizer
from engine.validation import Validation
from engine.whatif import Branch

VERSION = 2
KEY = "microgpt"
M, V = "adam.m.", "adam.v."
LOSSES, GRAD_NORMS, NORMS = "history.losses", "history.grad_norms", "history.matrix_norms"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A saved run, standing at `moment`.

    `origin` says what it was trained on, `uchars` is the sorted alphabet, `params`, `m` and `v` are (rows, columns)
    each, by name. Of the `done` steps that were ever finished, at least as many as lie before the moment, there are
    `losses` and `grad_norms` (done,), the `norms` of every matrix (done, n_matrices, 3), and `validations`, as in
    `History`. A branch is saved as its changes: it can be replayed.
    """

    config: Config
    moment: Moment
    origin: Origin
    uchars: tuple[str, ...]
    params: dict[str, Floats]
    m: dict[str, Floats]
    v: dict[str, Floats]
    losses: Floats
    grad_norms: Floats
    norms: Floats
    state: tuple[Any, ...]
    validations: dict[int, Validation] = field(default_factory=dict)
    branches: tuple[Branch, ...] = ()

    @property
    def step(self) -> int:
        """The training step that the run stands in."""
        return self.moment.step

    def generator(self) -> random.Random:
        """The run's random generator, as it was when the run was saved."""
        generator = random.Random()
        generator.setstate(self.state)
        return generator

    @property
    def flat_params(self) -> Floats:
        """The parameters one after the other, (n_params,), as they lie on the tape."""
        return _flat(self.params)


def _flat(matrices: Mapping[str, Floats]) -> Floats:
    return np.concatenate([matrix.ravel() for matrix in matrices.values()])


# Going on.


def take_up(run: Checkpoint, session: Session) -> None:
    """Bring a fresh session to the start of the step where `run` was saved, as if it had trained all the way.

    Raises CheckpointError if the session has another configuration or other documents.
    """
    if session.config != run.config:
        raise CheckpointError("this run has other hyperparameters; open it with its own")
    if session.checksum != run.origin.sha256 or tuple(session.tokenizer.uchars) != run.uchars:
        raise CheckpointError("this run was trained on other documents; open it with its own")
    history = History(
        Keyframes(),
        Table(run.norms.copy()),
        losses=run.losses.tolist(),
        grad_norms=run.grad_norms.tolist(),
        validations=dict(run.validations),
    )
    session.take_up(run.step, Keyframe(run.flat_params, _flat(run.m), _flat(run.v), run.state), history)


def resume(run: Checkpoint, docs: list[str], progress: Progress | None = None) -> Session:
    """A session that stands at the moment at which `run` was saved, and goes on as if it had never stopped.

    `docs` are the run's documents, in their file's order; `run.origin.find()` finds them. Raises what `Session`
    raises, and CheckpointError for other documents.
    """
    session = Session(run.config, docs, progress)
    take_up(run, session)
    session.seek(run.moment)
    return session


# Writing.


def snapshot(session: Session, path: str | None = None, branches: tuple[Branch, ...] = ()) -> Checkpoint:
    """The run at its moment. `path` is the file that its documents were read from, None for the bundled names.

    It has to be the original of its branches.
    """
    start, history = session.start_of_step(), session.history
    matrices = session.recording.matrices
    params, m, v = ({name: flat[rows] for name, rows in matrices.items()} for flat in (start.params, start.m, start.v))
    return Checkpoint(
        config=session.config,
        moment=session.moment,
        origin=Origin(session.checksum, path),
        uchars=tuple(session.tokenizer.uchars),
        params=params,
        m=m,
        v=v,
        losses=np.array(history.losses, dtype=np.float64),
        grad_norms=np.array(history.grad_norms, dtype=np.float64),
        norms=history.norms.copy(),
        state=start.generator,
        validations=dict(history.validations),
        branches=branches,
    )


def write(run: Checkpoint, path: str | Path) -> None:
    """Write the run to `path`, whole or not at all.

    Raises CheckpointError if it cannot be written; a file that was there is then untouched.
    """
    tensors = dict(run.params)
    tensors |= {M + name: matrix for name, matrix in run.m.items()}
    tensors |= {V + name: matrix for name, matrix in run.v.items()}
    tensors |= {LOSSES: run.losses, GRAD_NORMS: run.grad_norms, NORMS: run.norms}
    about = {
        "version": VERSION,
        "moment": asdict(run.moment),
        "config": run.config.as_dict(),
        "data": asdict(run.origin),
        "uchars": list(run.uchars),
        "generator": run.state,
        "validations": [[step, *found] for step, found in run.validations.items()],
    }
    if run.branches:
        about["branches"] = [
            {"name": b.name, "changes": [c.text for c in b.changes], "moment": asdict(b.moment)} for b in run.branches
        ]
    about[stored.SHA] = stored.digest(about, tensors)
    try:
        write_whole(Path(path), to_bytes(tensors, {KEY: json.dumps(about)}))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written ({error.strerror}); give another place to save to") from None


def save(session: Session, path: str | Path, data: str | None = None) -> None:
    """`write` a `snapshot`."""
    write(snapshot(session, data), path)


# Reading.


def load(path: str | Path) -> Checkpoint:
    """The run saved at `path`. Raises CheckpointError, with a sentence, for a file that does not hold a whole one."""
    try:
        if not Path(path).is_file():
            raise CheckpointError(f"there is no file {path}; give one that a run was saved in")
        with safe_open(path, framework="numpy") as file:
            about = (file.metadata() or {}).get(KEY)
            if about is None:
                raise CheckpointError(f"{path} is a safetensors file of something else; give one made by train --save")
            return _read(json.loads(about), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); give a file that you may read") from None
    except (SafetensorError, TypeError) as error:  # TypeError: a tensor of a kind that numpy has not
        raise CheckpointError(f"{path} is damaged or no safetensors file ({error}); save the run again") from None
    except stored.Unfit as unfit:
        raise CheckpointError(f"{path} is no run of this program: {unfit}; save the run again") from None
    except (ValueError, RecursionError):
        raise CheckpointError(f"{path} is damaged: its description cannot be read; save the run again") from None


def _read(about: Any, tensors: dict[str, Floats]) -> Checkpoint:
    if not isinstance(about, dict) or about.get("version") != VERSION:
        version = about.get("version") if isinstance(about, dict) else None
        raise stored.Unfit(f"its format is version {version}, and this program reads version {VERSION}")
    config, moment = stored.config(about.get("config")), stored.moment(about.get("moment"))
    uchars = stored.alphabet(about.get("uchars"))
    if len(tensors) != 3 * (3 + 6 * config.n_layer) + 3:
        raise stored.Unfit(f"it has {len(tensors)} tensors, which is not what {config.n_layer} layers have")
    shapes = config.matrices(len(uchars) + 1)
    params, m, v = (
        {name: _tensor(tensors, prefix + name, shape) for name, shape in shapes.items()} for prefix in ("", M, V)
    )
    done = max(moment.step, tensors[LOSSES].size if LOSSES in tensors else 0)
    losses, grad_norms = (_tensor(tensors, name, (done,)) for name in (LOSSES, GRAD_NORMS))
    norms = _tensor(tensors, NORMS, (done, len(shapes), 3))
    origin, state = stored.origin(about.get("data")), stored.generator(about.get("generator"))
    if about.get(stored.SHA) != stored.digest(about, tensors):
        raise stored.Unfit("it is damaged, its numbers are not those that were saved")
    validations = stored.validations(about.get("validations", []))
    branches = stored.branches(about.get("branches", []), Scope(config, Tokenizer(uchars)))
    figures = losses, grad_norms, norms
    return Checkpoint(config, moment, origin, uchars, params, m, v, *figures, state, validations, branches)


def _tensor(tensors: dict[str, Floats], name: str, shape: tuple[int, ...]) -> Floats:
    if name not in tensors:
        raise stored.Unfit(f"it has no tensor {name}")
    tensor = tensors[name]
    if tensor.shape != shape or tensor.dtype != np.float64:
        raise stored.Unfit(f"its tensor {name} is {tensor.dtype} {tensor.shape} where float64 {shape} belongs")
    return tensor
