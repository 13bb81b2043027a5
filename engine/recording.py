"""`Recording`: the model run once over Values, for every position, and frozen into arrays.

The graph of a position depends on nothing but the position, so one recording serves every document; a
`Workspace` puts numbers on it. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import psutil

from engine import model
from engine.compiled import Loops
from engine.config import Config
from engine.errors import ConfigError, Stopped
from engine.tape import LEAF, LOG, Matrix, Rows, Tape, Tensor, Value

Floats = npt.NDArray[np.float64]
BYTES_A_ROW = 80  # what a scalar costs at most: 60 on the tape, and 20 more while its moment is looked at
MOST_ROWS = 2**30  # children are 32-bit numbers, two a row


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """A stretch of the tape, `first` to `last` (exclusive), and the tensors named in it."""

    first: int
    last: int
    tensors: tuple[Tensor, ...]

    def tensor(self, name: str) -> Tensor:
        """The last tensor of that name; KeyError if there is none."""
        for tensor in reversed(self.tensors):
            if tensor.name == name:
                return tensor
        raise KeyError(name)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The graph of one configuration and alphabet.

    Parameters are rows 0 to `n_params`, in the order of `matrices`. `positions[p]` is everything that position p
    makes, `losses[n - 1]` the mean over n positions, `samplers[p]` the probabilities that a sample at p is drawn from.
    """

    config: Config
    vocab_size: int
    op: npt.NDArray[np.int8]
    child: Rows  # two a row; the few that depend on tokens are patched by the workspace that holds them
    args: Rows
    constants: tuple[Rows, Floats]  # the LEAF rows that are not parameters, and their values
    line: npt.NDArray[np.uint16]
    matrices: dict[str, Rows]
    positions: tuple[Span, ...]
    losses: tuple[Span, ...]
    samplers: tuple[Span, ...]
    reciprocal: int  # the row of 1 / temperature
    rows: Rows  # the rows that positions make, in order; leaves are not among them
    row_counts: tuple[int, ...]  # how many of them there are after each position
    n_params: int

    def __len__(self) -> int:
        return len(self.op)

    def computed(self, *spans: Span) -> Rows:
        """The rows of these spans that have to be computed, in the order in which the model makes them."""
        rows = np.concatenate([np.arange(s.first, s.last, dtype=np.int32) for s in spans])
        return rows[self.op[rows] != LEAF]  # type: ignore[no-any-return]


class Workspace:
    """Numbers on a recording: `data` and `grad`, one double a row, and the children patched for the present tokens.

    A second workspace on the same recording needs `child`, a copy of the recording's children to patch.
    """

    def __init__(self, recording: Recording, loops: Loops, child: Rows | None = None) -> None:
        self.recording, self.loops = recording, loops
        self.child: Rows = recording.child if child is None else child
        self.data: Floats = np.zeros(len(recording))
        self.grad: Floats = np.zeros(len(recording))
        rows, values = recording.constants
        self.data[rows] = values

    @property
    def params(self) -> Floats:
        """The parameters, a view of `data`, (n_params,)."""
        return self.data[: self.recording.n_params]

    def read(self, pos: int, token_id: int) -> None:
        """Let position `pos` read this token."""
        rows = self.recording.positions[pos].tensor("embed").rows
        self.child[2 * rows] = self.recording.matrices["wte"][token_id]

    def aim(self, pos: int, token_id: int) -> None:
        """Let position `pos` be judged by this token."""
        span = self.recording.positions[pos]
        surprise = span.tensor("loss_t")
        (log,) = (r for r in range(surprise.first, surprise.last) if self.recording.op[r] == LOG)
        self.child[2 * log] = span.tensor("probs").rows[token_id]

    def forward(self, rows: Rows, first: int, last: int) -> int:
        """Compute `rows[first:last]`; FINE, or the index at which Python's arithmetic would raise."""
        r = self.recording
        return self.loops.forward(r.op, self.child, r.args, self.data, rows, first, last)

    def backward(self, edges: Rows, first: int, last: int) -> None:
        """Run the chain rule over `edges[first:last]`."""
        self.loops.backward(self.recording.op, self.child, self.data, self.grad, edges, first, last)


def count_rows(config: Config, vocab_size: int) -> int:
    """How many rows the tape of this configuration has, constants aside, without recording it."""
    c, v, block = config.n_embd, vocab_size, config.block_size

    def linear(n_out: int, n_in: int) -> int:
        return 2 * n_out * n_in

    def softmax(n: int) -> int:
        return 5 * n + 1

    norm = 3 * c + 3
    layer = 2 * norm + 4 * linear(c, c) + linear(4 * c, c) + linear(c, 4 * c) + 4 * c + 2 * c
    position = c + norm + config.n_layer * layer + linear(v, c) + softmax(v) + 2 + v + softmax(v)
    keys = block * (block + 1) // 2  # summed over positions
    heads = config.n_layer * (config.n_head * (keys * 6 + block) + 4 * c * keys)
    params = (2 * v + block) * c + config.n_layer * 12 * c * c  # what `Config.matrices` lists
    return params + block * position + heads + keys + block


def check_size(config: Config, vocab_size: int) -> None:
    """Raise ConfigError, saying how large it would be, if the tape of this configuration cannot be held."""
    rows = count_rows(config, vocab_size)
    need, free = rows * BYTES_A_ROW, psutil.virtual_memory().available
    if rows > MOST_ROWS or need > free:
        raise ConfigError(
            f"the tape of this configuration would have {_count(rows)} scalars and take {_size(need)}, but "
            f"{_size(free)} of memory is free and 2^30 scalars are the most; "
            "choose a smaller n_embd, n_layer or block_size"
        )


def _count(n: int) -> str:
    return f"{n:,}" if n < 10**15 else "more than 10^15"


def _size(n: float) -> str:
    n = min(n, 10**30)  # Python divides no larger whole numbers than floats can hold
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} EB"


Progress = Callable[[float], bool]
"""Told the share that is done, 0 to 1; returning True asks the work to stop."""


def record(config: Config, vocab_size: int, progress: Progress | None = None) -> Recording:
    """Run the model once over Values for every position, and freeze what they wrote.

    Raises ConfigError if the tape would not fit in memory, Stopped if `progress` asks for it.
    """
    check_size(config, vocab_size)
    tape = Tape()
    w = {name: Matrix(name, tape, shape) for name, shape in config.matrices(vocab_size).items()}
    for number in (0.0, -1.0):  # used everywhere; made here, they stand in nobody's stretch
        tape.constant(number)
    positions, samplers, all_logits, losses = [], [], [], []
    keys: model.Kept = [[] for _ in range(config.n_layer)]
    values: model.Kept = [[] for _ in range(config.n_layer)]
    for tape.pos in range(config.block_size):
        first = tape.mark()
        logits = model.gpt(0, tape.pos, keys, values, w, config)
        losses.append(model.loss_at(logits, 0))
        positions.append(_span(tape, first))
        all_logits.append(logits)
        if progress and progress((tape.pos + 1) / (config.block_size + 1)):
            raise Stopped("recording the tape was stopped")
    tape.pos = None
    means = []
    for n in range(1, config.block_size + 1):
        first = tape.mark()
        model.document_loss(losses[:n])
        means.append(_span(tape, first))
    reciprocal = tape.leaf(1.0)
    for tape.pos, logits in enumerate(all_logits):
        first = tape.mark()
        model.next_token(logits, reciprocal)
        samplers.append(_span(tape, first))
    return _freeze(config, vocab_size, tape, w, (positions, means, samplers), reciprocal)


def _span(tape: Tape, first: int) -> Span:
    tensors, tape.tensors = tuple(tape.tensors), []
    return Span(first, len(tape), tensors)


def _freeze(
    config: Config, vocab_size: int, tape: Tape, w: dict[str, Matrix], spans: tuple[list[Span], ...], reciprocal: Value
) -> Recording:
    positions, losses, samplers = map(tuple, spans)
    op, data = np.frombuffer(tape.op, dtype=np.int8), np.frombuffer(tape.data, dtype=np.float64)
    n_params = sum(matrix.rows.size for matrix in w.values())
    constants = np.flatnonzero(op[n_params:] == LEAF).astype(np.int32) + np.int32(n_params)
    rows = np.flatnonzero(op[: positions[-1].last] != LEAF).astype(np.int32)
    return Recording(
        config,
        vocab_size,
        op=op,
        child=np.frombuffer(tape.child, dtype=np.int32),
        args=np.frombuffer(tape.args, dtype=np.int32),
        constants=(constants, data[constants]),
        line=np.frombuffer(tape.line, dtype=np.uint16),
        matrices={name: matrix.rows for name, matrix in w.items()},
        positions=positions,
        losses=losses,
        samplers=samplers,
        reciprocal=reciprocal.row,
        rows=rows,
        row_counts=tuple(int(n) for n in np.searchsorted(rows, [span.last for span in positions])),
        n_params=n_params,
    )
