"""`DocumentWorker`: works out whole documents in a thread: a beam, and names at several training steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, get_current_worker

from engine import EngineError
from engine.run.capabilities import SamplingRun, can_branch
from engine.run.replay import printed_names, sample_at_steps, sample_names
from engine.sampling.beam import Continuation, beam
from engine.sampling.sampler import Sampler
from engine.sampling.strategy import DecodingStrategy

NAMES, WIDTH = 20, 12  # documents a step, and how many continuations a beam goes on with


class DocumentWorker:
    """Does the latest job only, and posts what it finds to `owner`. Does not move `session`, which may move meanwhile,
    and takes the parameters of `sampler`, which never change.
    """

    @dataclass
    class Found(Message):
        """Continuations, the names of a step (None: the parameters as they are), or those that are printed after
        training; or `error`, a sentence. `last` of its job or not.
        """

        beam: list[Continuation] | None = None
        names: dict[int | None, list[str]] = field(default_factory=dict)
        printed: list[str] | None = None
        last: bool = True
        error: str = ""

    def __init__(self, owner: Screen[Any], session: SamplingRun, sampler: Sampler) -> None:
        self._owner, self._session, self._given = owner, session, sampler
        self._sampler: Sampler | None = None  # the thread's own, with the same parameters
        self._run: SamplingRun | None = None  # the run once more, from its beginning
        self._printed: list[str] | None = None  # the names that are printed after training, once they are known
        self._worker: Worker[None] | None = None
        self._ended = False
        self._turn = threading.Lock()  # held by the thread that works; one that was cancelled soon lets go of it

    def search(self, prefix: str, temperature: float) -> None:
        """Search for continuations of a prefix."""
        self._begin(self._search(prefix, temperature))

    def sample(self, steps: Sequence[int], strategy: DecodingStrategy, prefix: str, seed: str) -> None:
        """Sample names, with the parameters as they are and with those of these steps."""
        self._begin(self._sample(steps, strategy, prefix, seed))

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    def rest(self) -> None:
        """Stop; no documents are wanted for a while. A small model's runs are kept, so that the next are there soon."""
        self.stop()
        if can_branch(self._session) and self._session.is_large:
            self.end()

    def end(self) -> None:
        """Stop, and let go of the runs that were made; another job would make others."""
        self._ended = True
        self.stop()
        if self._turn.acquire(blocking=False):  # else the thread that works does
            self._let_go()
            self._turn.release()

    def _let_go(self) -> None:
        self._sampler = self._run = None

    def _begin(self, job: Iterator[Found]) -> None:
        self._ended = False
        self.stop()
        self._worker = self._owner.run_worker(partial(self._work, job), thread=True, group="inference")

    def _work(self, job: Iterator[Found]) -> None:
        worker = get_current_worker()
        with self._turn:
            self._answer(job, worker)
            if self._ended:
                self._let_go()

    def _answer(self, job: Iterator[Found], worker: Worker[Any]) -> None:
        while not worker.is_cancelled:
            try:
                found = next(job, None)
            except EngineError as error:
                found = self.Found(error=str(error))
            if found is None:
                return
            if not worker.is_cancelled:
                self._owner.post_message(found)

    def _own_sampler(self) -> Sampler:
        """The one of the thread that works. Raises ConfigError if there is no memory for it."""
        self._sampler = self._sampler or self._given.beside()
        return self._sampler

    def _search(self, prefix: str, temperature: float) -> Iterator[Found]:
        sampler = self._own_sampler()
        try:
            found = beam(sampler, self._session.tokenizer, WIDTH, temperature, prefix)
        finally:
            sampler.let_go()
        yield self.Found(found)

    def _sample(self, steps: Sequence[int], strategy: DecodingStrategy, prefix: str, seed: str) -> Iterator[Found]:
        worker = get_current_worker()
        sampler = self._own_sampler()
        try:
            now = sample_names(self._session, NAMES, strategy, prefix, seed, sampler)
        finally:
            sampler.let_go()  # before others are made of the parameters of other steps
        yield self.Found(names={None: now}, printed=self._printed, last=False)
        self._run = self._run or self._session.restart_copy()
        for step, names in sample_at_steps(
            self._run, steps, NAMES, strategy, prefix, seed, lambda *_: worker.is_cancelled
        ):
            yield self.Found(names={step: names}, last=False)
        self._printed = self._printed or printed_names(self._run, NAMES, lambda *_: worker.is_cancelled)
        yield self.Found(printed=self._printed)
