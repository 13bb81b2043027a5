"""Compares the engine with the original, step by step and bit by bit: same hyperparameters, documents and seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, EngineError, NumericFault
from engine.language.say import say
from engine.model.config import Config
from engine.model.dataset import bundled_path, load_docs
from engine.model.recording import Floats, count_rows, memory_of
from engine.model.tokenizer import Tokenizer
from engine.run.session import Session
from engine.verify.initial_parameters import difference_of_scale
from engine.verify.reference_process import Original

SETUP, DOCS, START, LOSSES, SAMPLES = (
    say(f"verify.compare.quantity.{name}") for name in ("setup", "docs", "start", "losses", "samples")
)
STATE = {
    name: say(f"verify.compare.quantity.{name}") for name in ("m", "v", "params")
}  # each follows from those before
SECONDS_A_SCALAR = 1e-4  # of the processor, that a copy may take for a step; a usual machine takes a tenth
USAGE = 2  # the exit status of programs that miss an argument
ORDER = (SETUP, DOCS, START, LOSSES, *STATE.values(), SAMPLES)

OnProgress = Callable[[str, int, int], None]
"""Called with what is going on, how many steps are done and how many there will be (0: not known yet)."""


@dataclass(slots=True)
class ComparedQuantity:
    """One thing that was compared: equal, different, or (None) not compared; `detail` says how much, or where."""

    what: str
    equal: bool | None = None
    detail: str = say("verify.compare.not_reached")
    wanted: bool = True
    """False for what nobody asked to be compared."""


@dataclass(slots=True)
class Report:
    """All that was compared, in order. Nothing is compared after the first difference."""

    checks: dict[str, ComparedQuantity] = field(
        default_factory=lambda: {what: ComparedQuantity(what) for what in ORDER}
    )
    steps: int = 0
    config: Config | None = None
    """The hyperparameters, once they have been read from the copy."""

    @property
    def equal(self) -> bool:
        """Whether everything that was wanted was compared and every bit of it is the same."""
        return all(check.equal for check in self.checks.values() if check.wanted)

    @property
    def difference(self) -> ComparedQuantity | None:
        """The first thing that differs."""
        return next((check for check in self.checks.values() if check.equal is False), None)

    def note(self, what: str, equal: bool | None, detail: str) -> None:
        """Enter a result."""
        self.checks[what] = ComparedQuantity(what, equal, detail)


class _Different(Exception):
    """Ends the comparison at the first difference: what differs, and how."""

    def __init__(self, what: str, detail: str) -> None:
        self.what, self.detail = what, detail


def verify(
    script: Path,
    data: Path | None = None,
    until: int | None = None,
    tell: OnProgress | None = None,
    *,
    samples: int | None = None,
    arguments: Sequence[str] = (),
    python: str | None = None,
) -> Report:
    """Run `script` and the engine on the same data, up to step `until` (None: the whole schedule), and compare.

    At most `samples` of its samples are compared (None: all). The script gets `arguments` after its
    name, and is run by the interpreter `python` (None: this one).
    Raises NotComparable, with a sentence, for a script that is no such program or has another architecture.
    """
    docs, report = load_docs(data), Report()
    path = data or bundled_path()
    # What can be read only once, such as a pipe, has just been read.
    raw = path.read_bytes() if path.is_file() else "\n".join(docs).encode()
    with Original(script, raw, until, arguments, python) as original:
        try:
            _Comparison(original, docs, report, until, samples, tell).run()
        except _Different as difference:
            report.note(difference.what, False, difference.detail)
    return report


class _Comparison:
    def __init__(
        self,
        original: Original,
        docs: list[str],
        report: Report,
        until: int | None,
        most_samples: int | None,
        tell: OnProgress | None,
    ) -> None:
        self.original, self.docs, self.report, self.until, self._tell = original, docs, report, until, tell
        self.most_samples = most_samples
        self.session: Session | None = None
        self.samples = self.total = 0
        self.ended = False

    def tell(self, what: str) -> None:
        """Say how far the comparison is."""
        if self._tell:
            self._tell(what, self.report.steps, self.total)

    def run(self) -> None:
        """Take the original's messages one by one, and hold the engine to each."""
        self.tell(say("verify.compare.starting"))
        if self.most_samples == 0:
            self.report.checks[SAMPLES] = ComparedQuantity(SAMPLES, None, say("verify.compare.left_out"), wanted=False)
        handle = {"begin": self.begin, "step": self.step, "sample": self.sample, "continues": self.continues,
                  "end": self.end, "exit": self.exit, "crash": self.crash}  # fmt: skip
        for message in self.original.messages():
            handle[message["kind"]](message)
            if self._has_all():
                return

    def _has_all(self) -> bool:
        """Whether nothing that is still to come is compared."""
        trained = self.session is not None and self.report.steps >= self.total
        return self.ended or (trained and self.most_samples is not None and self.samples >= self.most_samples)

    def begin(self, message: dict[str, Any]) -> None:
        try:
            config = Config(**message["config"])
        except ConfigError as error:
            raise self.original.cannot(str(error)) from None
        if self.until is not None and self.until > config.num_steps:
            raise self.original.cannot(say("verify.compare.fewer_steps", num_steps=config.num_steps, until=self.until))
        self.report.config = config
        self.total = self.until or config.num_steps
        rows = count_rows(config, Tokenizer(self.docs).vocab_size)
        self.tell(say("verify.compare.recording", rows=rows, memory=memory_of(rows)))
        self.session = session = Session(config, self.docs)
        self.original.limit.busiest += SECONDS_A_SCALAR * len(session.recording)
        named = ", ".join(f"{name} {value}" for name, value in config.as_dict().items())
        self.report.note(SETUP, True, say("verify.compare.setup_equal", named=named))
        for i, (theirs, ours) in enumerate(zip_longest(message["docs"], session.docs)):
            if theirs != ours:
                raise _Different(DOCS, say("verify.compare.docs_differ", i=i, theirs=theirs, ours=ours))
        self.report.note(DOCS, True, say("verify.compare.docs_equal", count=len(session.docs)))
        self._same_matrices(message["shapes"])
        for name in STATE:
            try:
                self._compare(START, say("verify.compare.at_start"), name, message)
            except _Different as difference:
                scale = name == "params" and difference_of_scale(self._matrices(name, message), session, self.docs)
                raise _Different(START, f"{scale}; {difference.detail}" if scale else difference.detail) from None
        self.report.note(START, True, say("verify.compare.all", count=session.recording.n_params))
        self.tell(say("verify.compare.comparing"))

    def _same_matrices(self, shapes: list[tuple[str, list[int]]]) -> None:
        assert self.session is not None
        ours = {name: list(rows.shape) for name, rows in self.session.recording.matrices.items()}
        theirs = dict(shapes)
        other = [name for name in [*theirs, *ours] if theirs.get(name) != ours.get(name)]
        if other:
            name = other[0]
            shapes_of = {"theirs": _shape(theirs.get(name, [])), "ours": _shape(ours.get(name, []))}
            case = "other_shape" if name in theirs and name in ours else "unknown" if name in theirs else "missing"
            raise self.original.cannot(say(f"verify.compare.matrix.{case}", name=name, **shapes_of))
        if list(theirs) != list(ours):
            raise self.original.cannot(say("verify.compare.other_order"))

    def step(self, message: dict[str, Any]) -> None:
        assert self.session is not None
        step = self.report.steps
        if step >= self.session.config.num_steps:
            raise self.original.cannot(say("verify.compare.trains_on", step=step))
        theirs = float.fromhex(message["loss"])
        try:
            self.session.run(step + 1)
        except NumericFault as fault:
            raise _Different(
                LOSSES, say("verify.compare.loss_fault", step=step + 1, theirs=theirs, fault=fault)
            ) from None
        ours = self.session.losses[step]
        if not _same_bits(np.array([theirs]), np.array([ours]))[0]:
            raise _Different(
                LOSSES,
                say(
                    "verify.compare.loss_differs" if step else "verify.compare.first_loss_differs",
                    step=step + 1,
                    both=_both(theirs, ours),
                ),
            )
        self.report.steps = step + 1
        self.report.note(LOSSES, True, say("verify.compare.losses_equal", steps=step + 1, ours=ours, bits=ours.hex()))
        for name, what in STATE.items():
            self._compare(what, say("verify.compare.after_step", step=step + 1), name, message)
            self.report.note(
                what, True, say("verify.compare.state_equal", count=self.session.recording.n_params, steps=step + 1)
            )
        self.tell(say("verify.compare.comparing"))

    def _matrices(self, name: str, message: dict[str, Any]) -> dict[str, Floats]:
        """Parameters or moments of the copy, by matrix."""
        assert self.session is not None
        flat, found, at = message[name], {}, 0
        for matrix, rows in self.session.recording.matrices.items():
            found[matrix] = flat[at : at + rows.size].reshape(rows.shape)
            at += rows.size
        return found

    def _compare(self, what: str, when: str, name: str, message: dict[str, Any]) -> None:
        """Raise _Different at the first bit of the parameters or moments that is not the same."""
        assert self.session is not None
        ours = {"params": self.session.params, "m": self.session.m, "v": self.session.v}[name]
        for matrix, there in self._matrices(name, message).items():
            here = ours[matrix]
            for i, j in np.argwhere(~_same_bits(there, here)):
                values = _both(float(there[i, j]), float(here[i, j]))
                place = f"{matrix}[{i}][{j}]"
                if name != "params":
                    place = say("verify.compare.moment_of", moment=name, place=place)
                raise _Different(what, f"{when}, {place}: {values}")

    def sample(self, message: dict[str, Any]) -> None:
        """A document that the copy has made up, after its training or on the way."""
        if self.session is None or self.most_samples == 0:
            return
        self.samples += 1
        compared = self.most_samples is None or self.samples <= self.most_samples
        theirs = self._text(message)
        try:
            (ours,) = self.session.sample(1, message["temperature"])
        except ConfigError as error:
            raise self.original.cannot(str(error)) from None
        except EngineError as error:
            raise _Different(
                SAMPLES, say("verify.compare.sample_fault", number=self.samples, theirs=theirs, error=error)
            ) from None
        if not compared:
            return
        if theirs != ours:
            raise _Different(
                SAMPLES,
                say("verify.compare.sample_differs", number=self.samples, both=_in_both(repr(theirs), repr(ours))),
            )
        self.report.note(SAMPLES, True, say("verify.compare.samples_equal", count=self.samples, ours=ours))
        self.tell(say("verify.compare.sampling", count=self.samples))

    def _text(self, message: dict[str, Any]) -> str:
        """What a sample says; of tokens, without the special one."""
        assert self.session is not None
        if "text" in message:
            return str(message["text"])
        tokenizer = self.session.tokenizer
        known = [token for token in message["tokens"] if token != tokenizer.bos]
        return tokenizer.decode(known) if all(0 <= token < tokenizer.bos for token in known) else str(known)

    def continues(self, _: dict[str, Any]) -> None:
        """The copy trains on after the last step that was asked for."""
        self.ended = True
        self.report.note(SAMPLES, None, say("verify.compare.continues", total=self.total))

    def end(self, _: dict[str, Any]) -> None:
        self._all_steps()
        if not self.samples:
            why = say("verify.compare.no_samples")
            self.report.note(SAMPLES, None, why)

    def exit(self, message: dict[str, Any]) -> None:
        """The original raised SystemExit: after the training that is its end, before it is told."""
        step = self.report.steps
        if self.session is not None and step >= self.total:
            self.end(message)
            return
        where = say("verify.compare.in_step", step=step + 1) if self.session else say("verify.compare.before_training")
        said = self.original.said(message["said"] or self.original.printed())
        hint = say("verify.compare.usage") if message["status"] == USAGE else ""
        raise self.original.cannot(
            say("verify.compare.ended_itself", where=where, status=message["status"], said=said, hint=hint)
        )

    def _all_steps(self) -> None:
        """Raise NotComparable unless training went to its end."""
        if not self.report.steps:
            raise self.original.cannot(say("verify.compare.never_ran"))
        if self.report.steps < self.total:
            raise self.original.cannot(say("verify.compare.ended_early", steps=self.report.steps, total=self.total))

    def crash(self, message: dict[str, Any]) -> None:
        """The original raised: say where, and whether the engine stops there too."""
        error, place = message["error"], message["place"]
        if place:
            said = say("verify.compare.stopped_in", error=error, place=place)
        else:
            said = say("verify.compare.stopped_with", error=error)
        if self.session is None:
            raise self.original.cannot(say("verify.compare.crash_before_training", said=said))
        step = self.report.steps
        if step >= self.total:
            raise self.original.cannot(say("verify.compare.crash_in_sampling", said=said, step=step))
        try:
            self.session.run(step + 1)
        except NumericFault as fault:
            raise self.original.cannot(say("verify.compare.crash_in_both", said=said, step=step, fault=fault)) from None
        raise self.original.cannot(say("verify.compare.crash_in_step", said=said, step=step + 1))


def _same_bits(a: Floats, b: Floats) -> Any:
    """Where two arrays of the same shape hold the same doubles; one nan is as good as another."""
    return (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))


def _both(theirs: float, ours: float) -> str:
    return _in_both(f"{theirs!r} ({theirs.hex()})", f"{ours!r} ({ours.hex()})")


def _in_both(theirs: str, ours: str) -> str:
    return say("verify.compare.both", theirs=theirs, ours=ours)


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
