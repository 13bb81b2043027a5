"""`Helper`: runs the long work of inference in a thread: a beam, and names at several training steps."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, get_current_worker

from engine import EngineError, Session
from engine.run.replay import printed_names, sample_at_steps, sample_names
from engine.sampling.beam import Continuation, beam
from engine.sampling.sampler import Sampler
from engine.sampling.strategy import DecodingStrategy

NAMES, WIDTH = 20, 12  # documents a step, and how many continuations a beam goes on with


class Helper:
    """Works on the latest wish only. It leaves `session` alone, which may move meanwhile, and takes the parameters of
    `sampler`, which never change.
    """

    class Found(Message):
        """Continuations, or the names of a step (None: the parameters as they are), or those that are printed after
        training; `over` when there is no more.
        """

        def __init__(
            self, beam: list[Continuation] | None = None, sample_names: dict[int | None, list[str]] | None = None,
            printed: list[str] | None = None, over: bool = True, trouble: str = "",
        ) -> None:  # fmt: skip
            self.beam, self.names, self.printed, self.over, self.trouble = (
                beam,
                sample_names or {},
                printed,
                over,
                trouble,
            )
            super().__init__()

    def __init__(self, owner: Screen[Any], session: Session, sampler: Sampler) -> None:
        self._owner, self._session, self._given = owner, session, sampler
        self._sampler: Sampler | None = None  # the thread's own, with the same parameters
        self._run: Session | None = None  # the run once more, from its beginning
        self._printed: list[str] | None = None  # the names that are printed after training, once they are known
        self._worker: Worker[None] | None = None
        self._turn = threading.Lock()  # held by the thread that works; one that was cancelled soon lets go of it

    def search(self, prefix: str, temperature: float) -> None:
        """Search for continuations of a prefix."""
        self._begin(partial(self._search, prefix, temperature))

    def sample(self, steps: Sequence[int], strategy: DecodingStrategy, prefix: str, seed: str) -> None:
        """Sample names, with the parameters as they are and with those of these steps."""
        self._begin(partial(self._sample, steps, strategy, prefix, seed))

    def stop(self) -> None:
        """Stop the worker."""
        if self._worker is not None:
            self._worker.cancel()

    def _begin(self, work: Callable[[], None]) -> None:
        self.stop()
        self._worker = self._owner.run_worker(partial(self._work, work), thread=True, group="inference")

    def _work(self, work: Callable[[], None]) -> None:
        with self._turn:
            if get_current_worker().is_cancelled:
                return
            try:
                work()
            except EngineError as error:
                self._tell(self.Found(trouble=str(error)))

    def _tell(self, found: Helper.Found) -> None:
        if not get_current_worker().is_cancelled:
            self._owner.post_message(found)

    def _own_sampler(self) -> Sampler:
        """The one of the thread that works. Raises ConfigError if there is no memory for it."""
        self._sampler = self._sampler or self._given.beside()
        return self._sampler

    def _search(self, prefix: str, temperature: float) -> None:
        found = beam(self._own_sampler(), self._session.tokenizer, WIDTH, temperature, prefix)
        self._tell(self.Found(beam=found))

    def _sample(self, steps: Sequence[int], strategy: DecodingStrategy, prefix: str, seed: str) -> None:
        worker = get_current_worker()
        now = sample_names(self._session, NAMES, strategy, prefix, seed, self._own_sampler())
        self._tell(self.Found(sample_names={None: now}, printed=self._printed, over=False))
        self._run = self._run or self._session.restart_copy()
        told = sample_at_steps(self._run, steps, NAMES, strategy, prefix, seed, lambda *_: worker.is_cancelled)
        for step, found in told:
            self._tell(self.Found(sample_names={step: found}, over=False))
        self._printed = self._printed or printed_names(self._run, NAMES, lambda *_: worker.is_cancelled)
        self._tell(self.Found(printed=self._printed))


def generator_of(session: Session, sequence: int) -> random.Random:
    """Random numbers of a walk: for sequence 0 those that the run itself would draw next, else others."""
    if sequence:
        return random.Random(f"{session.config.seed} {sequence}")
    generator = random.Random()
    generator.setstate(session.generator.getstate())
    return generator
