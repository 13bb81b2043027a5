"""`Keyframes`: starts of training steps to go back to. The longer a run, the farther apart: memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.immutable import immutable_by_identity
from engine.model.recording import Floats

SPACING = 20  # steps from keyframe to keyframe in a run that is not long
MOST, LEAST = 256, 6  # how many are kept of a small model, and of a large one
LATEST = 2  # steps just run whose starts are kept besides
BUDGET = 30e6  # bytes for all of them, if that is at least LEAST


@immutable_by_identity
class Keyframe:
    """All that a training step starts from: parameters, both moments (n_params,) each, and the generator's state."""

    params: Floats
    m: Floats
    v: Floats
    generator: tuple[Any, ...]


def most_kept(n_params: int) -> int:
    """How many keyframes of a model with so many parameters are kept."""
    return min(MOST, max(LEAST, int(BUDGET / (3 * 8 * n_params))))


class Passed:
    """Starts of the steps that a run came through last, so that going back is short.

    Those are the latest it has run, and some shortly before one that it has gone back to, at most `most` of these. The
    closer to that step, the denser they are: a few for each keyframe that is left out of a long run.
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self.frames: dict[int, Keyframe] = {}
        self._latest: dict[int, Keyframe] = {}
        self._wanted: set[int] = set()

    def before(self, step: int, nearest: int, start: Keyframe) -> tuple[int, Keyframe]:
        """The latest start, not after `step`, of these and of the keyframe that is `nearest` to it.

        Of the generator, training draws nothing, so its state is that of the keyframe. From there, the starts that are
        `wanted` are to be added on the way to `step`.
        """
        self.frames = {s: frame for s, frame in self.frames.items() if nearest < s <= step}
        known = self.frames | {s: frame for s, frame in self._latest.items() if nearest < s <= step}
        if known:
            nearest = max(known)
            start = replace(known[nearest], generator=start.generator)
        self._wanted = {step - distance for distance in self._distances(step - nearest)}
        return nearest, start

    def _distances(self, length: int) -> Iterator[int]:
        """1, 2, 4, 8 and so on, below a length; farther from each other if there were too many of them."""
        ratio = 2
        while ratio**self._most < length:
            ratio += 1
        distance = 1
        while distance < length:
            yield distance
            distance *= ratio

    def ran(self, step: int, start: Keyframe) -> None:
        """Keep what a step that was just run started from, and forget what came `LATEST` before it."""
        self._latest.pop(step, None)
        self._latest[step] = self.frames.get(step, start)  # once in memory
        if len(self._latest) > LATEST:
            del self._latest[next(iter(self._latest))]

    def wants(self, step: int) -> bool:
        """Whether the start of this step should be added."""
        return step in self._wanted

    def add(self, step: int, frame: Keyframe) -> None:
        """Add one."""
        self._wanted.discard(step)
        self.frames[step] = frame


class Keyframes(Mapping[int, Keyframe]):
    """Keyframes by the step that they start, one every `spacing` steps, at most `most`.

    When there are more, every second one goes and `spacing` doubles; those that are `pinned` stay besides. One thread
    adds; others may read meanwhile, as what they have got hold of is never changed.
    """

    def __init__(self, most: int = MOST, spacing: int = SPACING) -> None:
        self.most, self.spacing = most, spacing
        self._frames: dict[int, Keyframe] = {}  # replaced, never changed
        self._pinned: frozenset[int] = frozenset()

    def __getitem__(self, step: int) -> Keyframe:
        return self._frames[step]

    def __iter__(self) -> Iterator[int]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def nearest(self, step: int) -> tuple[int, Keyframe]:
        """The latest step, not after `step`, with a keyframe; and that."""
        frames = self._frames
        found = max(s for s in frames if s <= step)
        return found, frames[found]

    def wants(self, step: int) -> bool:
        """Whether the start of this step should be kept."""
        return step % self.spacing == 0 and step not in self._frames

    def add(self, step: int, frame: Keyframe) -> None:
        """Keep one more."""
        frames = {**self._frames, step: frame}
        while len(frames.keys() - self._pinned) > self.most:
            self.spacing *= 2
            frames = {s: f for s, f in frames.items() if s % self.spacing == 0 or s in self._pinned}
        self._frames = frames

    def pin(self, step: int, frame: Keyframe) -> None:
        """Keep one that stays."""
        self._pinned |= {step}
        self._frames = {**self._frames, step: frame}

    def until(self, step: int) -> Keyframes:
        """Those up to `step`, for another run that goes on from there."""
        other = Keyframes(self.most, self.spacing)
        other._frames, other._pinned = self._frames, self._pinned
        other.forget(step)
        return other

    def forget(self, step: int) -> None:
        """Forget those after `step`; what comes is kept as densely as in a run that is not long."""
        self._frames = {s: f for s, f in self._frames.items() if s <= step}
        self._pinned &= self._frames.keys()
        self.spacing = min(self.spacing, SPACING)
