"""A run in a file: all that is needed to continue it, bit for bit, or to sample.

A safetensors file, which other tools read and which cannot run code. Tensors are named as in `state_dict`, with
"adam.m." and "adam.v." before the moments and "history." before the figures of the steps done; the rest is one JSON
object, in the file's metadata under "microgpt". Parameters and moments are those that the present step started from.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from engine.atomic_write import write_whole
from engine.checkpoint import validate
from engine.errors import CheckpointError, system_says
from engine.expressions.scope import Scope
from engine.hangul import SYLLABLES
from engine.immutable import immutable_by_identity
from engine.language.say import say
from engine.model.config import Config
from engine.model.dataset import Origin
from engine.model.recording import Floats, Progress
from engine.model.tokenizer import Tokenizer
from engine.run.branches import Branch
from engine.run.capabilities import savable
from engine.run.session import Session
from engine.text import shortened, shortened_repr
from engine.timeline.events import Moment
from engine.timeline.history import FigureTable, History
from engine.timeline.keyframes import Keyframe, Keyframes
from engine.timeline.run import Run
from engine.timeline.validation import Validation

VERSION = 2
SAID = {"moment", "config", "data", "uchars", "generator", "validations", "branches", "branch"}
AGAIN = say("checkpoint.checkpoint.save_run_again")
LONGEST = 120  # characters of what safetensors says
KEY = "microgpt"
M, V = "adam.m.", "adam.v."
LOSSES, GRAD_NORMS, NORMS = "history.losses", "history.grad_norms", "history.matrix_norms"


@immutable_by_identity
class Checkpoint:
    """A saved run, standing at `moment`.

    `origin` is the data it was trained on, `uchars` the sorted alphabet; `params`, `m` and `v` are (rows, columns)
    each, by name. Of the `done` steps that were ever finished, at least those before the moment, there are `losses` and
    `grad_norms` (done,), the `norms` of every matrix (done, n_matrices, 3), and `validations`, as in `History`.
    A branch is saved as its changes; `branch` is the one that the user was in, None for the original.
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
    branch: str | None = None

    @property
    def here(self) -> Moment:
        """Where the user was: the moment of the branch, if it was in one, else that of the run."""
        return next((branch.moment for branch in self.branches if branch.name == self.branch), self.moment)

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
    """Move a fresh session to the start of the step where `run` was saved, as if it had trained all the way.

    Raises CheckpointError if the session has another configuration or other documents.
    """
    if session.config != run.config:
        raise CheckpointError(say("checkpoint.checkpoint.run_has_other_hyperparameters"))
    if session.checksum != run.origin.sha256 or tuple(session.tokenizer.uchars) != run.uchars:
        raise CheckpointError(say("checkpoint.checkpoint.run_was_trained_on"))
    history = History(
        Keyframes(),
        FigureTable(run.norms.copy()),
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


def snapshot(
    run: Run,
    path: str | None = None,
    branches: tuple[Branch, ...] = (),
    branch: str | None = None,
    split: str = SYLLABLES,
) -> Checkpoint:
    """The run at its moment. `path` is the file that its documents were read from, None for bundled names.

    `split` is what was made of its lines. The run has to be the original of its branches; `branch` is the one that the
    user is in. Raises CheckpointError for a run that cannot be saved.
    """
    session = savable(run)
    start, history = session.start_of_step(), session.history
    matrices = session.recording.matrices
    params, m, v = ({name: flat[rows] for name, rows in matrices.items()} for flat in (start.params, start.m, start.v))
    return Checkpoint(
        config=session.config,
        moment=session.moment,
        origin=Origin(session.checksum, path, split),
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
        branch=branch,
    )


def as_bytes(run: Checkpoint) -> bytes:
    """The run as the bytes of a safetensors file."""
    parts = ("", run.params), (M, run.m), (V, run.v)
    tensors = {prefix + name: matrix for prefix, part in parts for name, matrix in part.items()}
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
    if run.branch is not None:
        about["branch"] = run.branch
    about[validate.SHA] = validate.digest(about, tensors)
    from safetensors.numpy import save as to_bytes  # here, since most runs of the program save nothing

    return bytes(to_bytes(tensors, {KEY: json.dumps(about)}))


def write(run: Checkpoint, path: str | Path) -> None:
    """Write the run to `path`, whole or not at all.

    Raises CheckpointError if it cannot be written; a file that was there is then untouched.
    """
    try:
        write_whole(Path(path), as_bytes(run))
    except OSError as error:
        raise CheckpointError(
            say("checkpoint.checkpoint.cannot_be_written_give", path=path, strerror=system_says(error))
        ) from None


def save(session: Session, path: str | Path, data: str | None = None, split: str = SYLLABLES) -> None:
    """`write` a `snapshot`."""
    write(snapshot(session, data, split=split), path)


# Reading.


def load(path: str | Path) -> Checkpoint:
    """The run saved at `path`. Raises CheckpointError, with a sentence, for a file that does not hold a whole one."""
    from safetensors import SafetensorError, safe_open

    try:
        _check_file(Path(path))
        with safe_open(path, framework="numpy") as file:
            about = (file.metadata() or {}).get(KEY)
            if about is None:
                raise CheckpointError(say("checkpoint.checkpoint.safetensors_file_something_else", path=path))
            return _read(json.loads(about), file)
    except OSError as error:
        raise CheckpointError(say("checkpoint.checkpoint.cannot_be_read_give", path=path, error=error)) from None
    except SafetensorError as error:
        why = shortened(str(error), LONGEST)
        raise CheckpointError(
            say("checkpoint.checkpoint.damaged_or_no_safetensors", path=path, why=why, again=AGAIN)
        ) from None
    except validate.Unfit as unfit:
        way = unfit.way or AGAIN
        raise CheckpointError(
            say("checkpoint.checkpoint.no_run_program_can", path=path, unfit=unfit, way=way)
        ) from None
    except (ValueError, RecursionError):
        raise CheckpointError(
            say("checkpoint.checkpoint.damaged_its_description_cannot", path=path, again=AGAIN)
        ) from None


def _check_file(path: Path) -> None:
    """Raise CheckpointError for what is not a file, such as a pipe, which may never end, or does not fit in memory."""
    if not path.is_file():
        what = (
            say("checkpoint.checkpoint.folder_pipe_or_device", path=path)
            if path.exists()
            else say("checkpoint.checkpoint.there_no_file", path=path)
        )
        raise CheckpointError(say("checkpoint.checkpoint.give_one_run_was", what=what))
    size, free = path.stat().st_size, psutil.virtual_memory().available
    if size > free:
        sizes = say("checkpoint.checkpoint.too_large", size=size / 1000000000.0, free=free / 1000000000.0)
        raise CheckpointError(say("checkpoint.checkpoint.has_end_other_programs", path=path, sizes=sizes))


def _read(said: Any, file: Any) -> Checkpoint:
    about = validate.described(said, VERSION, SAID)
    config, moment = validate.config(about.get("config")), validate.moment(about.get("moment"))
    uchars = validate.alphabet(about.get("uchars"))
    names = file.keys()
    # Every layer has several, so one that says it has more layers than tensors is refused before they are listed.
    shapes = None if config.n_layer > len(names) else config.matrices(len(uchars) + 1)
    if shapes is None or len(names) != 3 * len(shapes) + 3:
        raise validate.Unfit(
            say("checkpoint.checkpoint.has_tensors_which_not", n_names=len(names), n_layer=config.n_layer)
        )
    expected: dict[str, tuple[int, ...]] = {p + name: shape for p in ("", M, V) for name, shape in shapes.items()}
    done = max((moment.step, *_shape(file, LOSSES)[:1]))
    expected |= {LOSSES: (done,), GRAD_NORMS: (done,), NORMS: (done, len(shapes), 3)}
    tensors = {name: _tensor(file, name, shape) for name, shape in expected.items()}
    origin, state = validate.origin(about.get("data")), validate.generator(about.get("generator"))
    if about.get(validate.SHA) != validate.digest(about, tensors):
        raise validate.Unfit(say("checkpoint.checkpoint.damaged_its_numbers_not"))
    validations = validate.validations(about.get("validations", []), done)
    branches = validate.branches(about.get("branches", []), Scope(config, Tokenizer(uchars)))
    branch = about.get("branch")
    if branch is not None and not any(each.name == branch for each in branches):
        raise validate.Unfit(say("checkpoint.checkpoint.was_left_branch_which", branch=shortened_repr(branch)))
    params, m, v = ({name: tensors[prefix + name] for name in shapes} for prefix in ("", M, V))
    figures = tensors[LOSSES], tensors[GRAD_NORMS], tensors[NORMS]
    return Checkpoint(config, moment, origin, uchars, params, m, v, *figures, state, validations, branches, branch)


def _shape(file: Any, name: str) -> tuple[int, ...]:
    if name not in file.keys():  # noqa: SIM118
        raise validate.Unfit(say("checkpoint.checkpoint.has_no_tensor", name=name))
    return tuple(file.get_slice(name).get_shape())


def _tensor(file: Any, name: str, shape: tuple[int, ...]) -> Floats:
    """Read a tensor; size and type are checked first, since it may be of any size, and of a type unknown to numpy."""
    found, kind = _shape(file, name), file.get_slice(name).get_dtype()
    if found != shape or kind != "F64":
        kind = "float64" if kind == "F64" else kind
        raise validate.Unfit(
            say("checkpoint.checkpoint.its_tensor_where_float", name=name, kind=kind, found=found, shape=shape)
        )
    return file.get_tensor(name)  # type: ignore[no-any-return]
