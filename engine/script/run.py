"""`ScriptRun`: a user's script as a run, which runs in a process of its own and is recorded step by step."""

from __future__ import annotations

import hashlib
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from engine.errors import ConfigError, EngineError, Stopped
from engine.immutable import immutable
from engine.language.say import say
from engine.model.config import Config
from engine.model.tokenizer import Tokenizer
from engine.script.code import Code
from engine.script.printed_text import PrintedText
from engine.script.process import ScriptEnd, ScriptEnded, ScriptProcess
from engine.script.program import ScriptProgram
from engine.script.script_tokenizer import ScriptTokenizer
from engine.script.source_file import ScriptFile
from engine.script.step import RecordedStep
from engine.script.tape import ScriptTape, SourcePosition
from engine.script.view import Figures, ScriptView
from engine.timeline.events import Event, Moment, Phase
from engine.timeline.run import ENDLESS, OnStep

TAPES = 256 * 2**20  # bytes of recorded steps that are kept
AT_ONCE = 0.3  # seconds that the script runs on before it can be stopped
LEAST_SECONDS = 1.0  # a step of a script is never near: moving there takes a process


@immutable
class ScriptOptions:
    """How a script is started: its arguments, the data file that answers for its own, the interpreter, the line that
    ends a step, and whether steps of more than three million scalars are recorded."""

    args: tuple[str, ...] = ()
    data: Path | None = None
    python: str | None = None
    step_at: int | str | None = None
    large: bool = False


@dataclass(slots=True, eq=False)
class _Shared:
    """What a run and its copies have in common: the steps that are recorded, and what is known of all others."""

    file: ScriptFile
    options: ScriptOptions
    figures: Figures = field(default_factory=Figures)
    tapes: OrderedDict[int, RecordedStep] = field(default_factory=OrderedDict)
    printed: dict[int, PrintedText] = field(default_factory=dict)
    last_text: str = ""
    """What the script had printed when it ended."""
    digests: dict[int, bytes] = field(default_factory=dict)
    end: ScriptEnd | None = None
    ended: ScriptProcess | None = None  # the process that came to the end
    warning: str | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    processes: list[ScriptProcess] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)  # of all steps that were ever finished, also of forgotten ones
    seconds: float = LEAST_SECONDS


class ScriptRun:
    """A run of the script in `file`, which stands at the start of training step `step`, or where it stopped before.

    Raises ScriptError if it cannot be recorded or has no such step, Stopped if `on_step`, told of the steps before,
    asks for it. `on_made` is told now and then how many scalars of the step are recorded. `close` ends its process,
    and those of its copies.
    """

    docs: Sequence[str] = ("",)
    val_docs: Sequence[str] = ()
    first_step = 0

    def __init__(
        self,
        file: ScriptFile,
        options: ScriptOptions | None = None,
        step: int = 0,
        on_step: OnStep | None = None,
        on_made: Callable[[int], None] | None = None,
    ) -> None:
        self._on_made = on_made
        self._shared = _Shared(file, options or ScriptOptions())
        self._process: ScriptProcess | None = None
        self.checksum = hashlib.sha256(file.text.encode()).hexdigest()
        self.config = Config(n_layer=0, n_embd=1, n_head=1, block_size=1, num_steps=ENDLESS, learning_rate=0.0)
        self.tokenizer: Tokenizer = ScriptTokenizer([])
        self._moment = Moment(step)
        self._step: RecordedStep | None = None
        try:
            self._open(step, on_step)
        except BaseException:
            self.close()
            raise
        self._on_made = None

    def _open(self, step: int, on_step: OnStep | None) -> None:
        try:
            self._stand(step, on_step)
        except ScriptEnded:
            end = self._shared.end
            if end is None or end.kind != "crash":
                raise
            try:
                self._stand(end.steps, on_step)
            except ScriptEnded:  # it stopped between two steps
                if not end.steps:
                    raise
                self._stand(end.steps - 1, on_step)
            self._moment = self._recorded.last_moment
        if not self._recorded.tape.complete:
            self._moment = self._recorded.last_moment

    def close(self) -> None:
        """End the processes that run the script."""
        with self._shared.lock:
            for process in self._shared.processes:
                process.close()
            self._shared.processes.clear()

    # What a run looks like.

    @property
    def moment(self) -> Moment:
        """Where the run stands."""
        return self._moment

    @property
    def step(self) -> int:
        """The training step that the run stands in."""
        return self._moment.step

    @property
    def program(self) -> ScriptProgram:
        """What the present step does; it is recorded now if it was not yet."""
        return self._recorded.program

    @property
    def _recorded(self) -> RecordedStep:
        if self._step is None:
            try:
                self._stand(self.step)
            except EngineError:
                self._fall_back()
        assert self._step is not None
        return self._step

    @property
    def losses(self) -> list[float]:
        """The loss of every step that was ever finished."""
        return self._shared.figures.losses

    @property
    def warning(self) -> str | None:
        """That a step came out otherwise when it was run again, or that not all of the present step is seen."""
        return self._shared.warning or self._recorded.remark or None

    @property
    def ending(self) -> str | None:
        """How the script stopped, if it did so with an error, or trains no further."""
        end = self._shared.end
        if end is not None and end.kind == "still":
            return say("script.run.stands_still", steps=end.steps)
        if end is None or end.kind not in ("crash", "cannot"):
            return None
        told = {"name": self._shared.file.path.name, "step": end.steps, "said": end.said + end.told_values}
        if place := end.place(self._shared.file):
            return say("script.run.stopped_in", **told, place=place)
        return say("script.run.stopped", **told)

    @property
    def printed(self) -> str:
        """What is left out of a notebook, what the script has printed up to this moment, and the traceback that it
        ended with.
        """
        shared = self._shared
        left_out = "".join(f"{note}\n" for note in shared.file.notes)
        text, end = shared.printed.get(self.step, PrintedText()), shared.end
        if end is not None and text.is_over(self._moment):
            last = end.steps if end.steps in shared.tapes else end.steps - 1  # if anything of it was recorded
            if self.step == max(last, 0):
                return left_out + shared.last_text + (self._traceback(end) if end.kind == "crash" else "")
        return left_out + text.before(self._moment)

    def _traceback(self, end: ScriptEnd) -> str:
        lines = ["Traceback (most recent call last):"]
        files = self._recorded.tape.files
        for file, line, function, source in end.traceback:
            name = files[file] if 0 <= file < len(files) else "?"
            place = self._shared.file.place(line) if file == 0 else f"line {line}"
            lines += [f'  File "{name}", {place}, in {function}', f"    {source}"]
        return "\n".join(["", *lines, end.said, ""])

    # Moving.

    def run(self, until: int, on_step: OnStep | None = None) -> None:
        """Go on to the start of step `until`, unrecorded; does nothing if the run is there or beyond.

        Raises ScriptEnded if the script ends before.
        """
        while self.step < until:
            at = self.step
            try:
                self._finish(at + 1)
                end, process = self._shared.end, self._process
                if end is not None and process is not None and process.end is end and at + 1 >= end.steps:
                    self._show_losses(at + 1)
                    raise process.ended(at + 1)  # the script has ended with the step before
            except ScriptEnded:
                if self._step is None:
                    self._fall_back()
                raise
            self._place(Moment(at + 1), None)
            self._show_losses(at + 1)
            if on_step and on_step(at, self.losses[at]):
                self._recorded  # noqa: B018  it is looked at next
                return

    def seek(self, moment: Moment, on_step: OnStep | None = None) -> None:
        """Stand at `moment`, before or after. Ticks beyond the phase's last are cut to it.

        Raises Stopped if `on_step` asks for it on the way, ScriptEnded if there is no such step; the run then stands
        where it was.
        """
        if moment.step != self.step or self._step is None:
            self._stand(moment.step, on_step)
        tick = min(moment.tick, self._recorded.program.ticks(moment.phase))
        self._moment = Moment(self.step, moment.phase, tick)

    def start_towards(self, step: int) -> int:
        """The latest step, not after `step`, from whose start `seek` can begin without running others again."""
        if step in self._shared.tapes:
            return step
        position = 0 if self._process is None else self._process.position
        return position if position <= step else 0

    def seconds_a_step(self) -> float:
        """About how long running a step takes; a second at least, since a process has to be waited for."""
        return self._shared.seconds

    def view(self) -> ScriptView:
        """What can be seen at this moment."""
        recorded = self._recorded
        end = self._shared.end
        stopped: Sequence[SourcePosition] = ()
        if end is not None and not recorded.tape.complete and self._moment == recorded.last_moment:
            stopped = end.positions
        return ScriptView(self.config, recorded, self._moment, self._shared.figures, self.printed, stopped)

    def replay_copy(self) -> Self:
        """Another run with the same past, that starts a process of its own when it first needs one."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._process = None
        return other

    def restart_copy(self) -> Self:
        """Another run of the same script, from its beginning."""
        return type(self)(self._shared.file, self._shared.options)

    def forget_future(self) -> None:
        """Show no losses of steps that are not finished at this moment, until the run comes to these again."""
        program = self._recorded.program
        finished = self._moment == Moment(self.step, Phase.UPDATE, program.ticks(Phase.UPDATE))
        del self.losses[self.step + finished :]

    # The machinery.

    def _place(self, moment: Moment, step: RecordedStep | None) -> None:
        self._moment, self._step = moment, step
        if step is not None:
            self._take_sizes(step)

    def _stand(self, step: int, on_step: OnStep | None = None) -> None:
        """Stand at the start of a step, recorded: from those that are kept, or by running to it."""
        with self._shared.lock:
            kept = self._shared.tapes.get(step)
            if kept is not None:
                self._shared.tapes.move_to_end(step)
        self._place(Moment(step), kept or self._record(step, on_step))
        self._show_losses(step + 1)

    def _show_losses(self, steps: int) -> None:
        """Show the losses of so many steps at least."""
        shown, known = self.losses, self._shared.losses
        shown.extend(known[len(shown) : steps])

    def _record(self, step: int, on_step: OnStep | None) -> RecordedStep:
        ended = self._shared.ended
        if ended is not None and ended.end is not None:
            crashed = ended.end.kind == "crash"  # then there is the step in which it did
            broken = self._shared.tapes.get(ended.end.steps)
            is_known = broken is not None and not broken.tape.complete
            if step >= ended.end.steps + (1 if is_known else 2) * crashed:
                raise ended.ended(step)
        process = self._process_before(step)
        began, first = time.monotonic(), process.position
        while process.position < step:
            some = max(1, round(AT_ONCE / self._pace(process, began, first)))
            try:
                self._guard(partial(process.run_to, min(step, process.position + some), self._seen(process)))
            except ScriptEnded:  # on the way
                raise process.ended(step) from None
            if on_step and on_step(process.position - 1, process.losses[process.position - 1]):
                raise Stopped(say("script.run.stopped_on_the_way", step=process.position, target=step))
        began = time.monotonic()
        tape: ScriptTape = self._guard(partial(process.record, step, self._seen(process), self._on_made))
        if process.end is not None and not tape.complete and not tape.n_params:
            raise process.ended(step)  # it stopped before it used a parameter: there is nothing to step through
        recorded = RecordedStep(tape, self._codes(tape), self._tokenizer_of(tape), _doc_of(tape))
        recorded.prepare()
        self._shared.seconds = max(LEAST_SECONDS, time.monotonic() - began)
        self._keep(step, recorded, process)
        return recorded

    @staticmethod
    def _pace(process: ScriptProcess, began: float, first: int) -> float:
        """Seconds a step, so far."""
        done = process.position - first
        return max((time.monotonic() - began) / done, 1e-4) if done else AT_ONCE

    def _process_before(self, step: int) -> ScriptProcess:
        """The process that has not begun a step yet: this run's own, or a new one from the start of the script."""
        own = self._process in self._shared.processes  # and not closed since
        if self._process is not None and own and self._process.position <= step and self._process.end is None:
            return self._process
        shared = self._shared
        if self._process is not None and own:
            self._process.close()
            shared.processes.remove(self._process)
        options = shared.options
        self._process = ScriptProcess(
            shared.file, options.args, options.data, options.python, options.step_at, options.large,
        )  # fmt: skip
        shared.processes.append(self._process)
        return self._process

    def _finish(self, steps: int) -> None:
        """Run on until so many steps are done."""
        known = self._shared.tapes.get(steps)
        if known is not None and len(self._shared.losses) >= steps:
            return
        process = self._process_before(steps)
        self._guard(partial(process.run_to, steps, self._seen(process)))

    def _guard(self, move: Any) -> Any:
        """Let the process move; if the script has ended, remember after how many steps."""
        try:
            return move()
        finally:
            process = self._process
            if process is not None and process.end is not None:
                self._shared.end, self._shared.ended = process.end, process
                self._shared.last_text = "".join(process.printed)
                if process.end.kind in ("end", "exit", "crash", "still"):
                    self.config = replace(self.config, num_steps=max(1, process.end.steps))

    def _seen(self, process: ScriptProcess) -> Any:
        """What takes in the loss of every step that is done, new or again."""

        def seen(_: int) -> None:
            losses, at = self._shared.losses, len(process.losses) - 1
            loss = process.losses[at]
            if at == len(losses):
                losses.append(loss)
                if len(self.losses) == at:
                    self.losses.append(loss)
            elif at < len(losses) and struct.pack("d", losses[at]) != struct.pack("d", loss):
                self._warn(at, say("script.run.other_loss", loss=loss, before=losses[at]))

        return seen

    def _warn(self, step: int, what: str) -> None:
        self._shared.warning = self._shared.warning or (say("script.run.came_out_otherwise", step=step, what=what))

    def _keep(self, step: int, recorded: RecordedStep, process: ScriptProcess) -> None:
        shared = self._shared
        digest = hashlib.sha256(np.ascontiguousarray(recorded.tape.value).tobytes()).digest()
        if shared.digests.setdefault(step, digest) != digest:
            self._warn(step, say("script.run.other_numbers"))
        with shared.lock:
            shared.printed[step] = recorded.printed(process.printed, process.pieces)
            shared.tapes[step] = recorded
            shared.tapes.move_to_end(step)
            while len(shared.tapes) > 1 and sum(each.nbytes for each in shared.tapes.values()) > TAPES:
                gone, _ = shared.tapes.popitem(last=False)
                shared.printed.pop(gone, None)
            shared.figures.note(recorded)

    def _fall_back(self) -> None:
        """Stand at the end of the last step that is kept: the one that the run came to does not exist."""
        with self._shared.lock:
            if not self._shared.tapes:
                raise ConfigError(say("script.run.no_step"))
            before = [step for step in self._shared.tapes if step <= self.step]
            step = max(before or self._shared.tapes)
            kept = self._shared.tapes[step]
        self._place(Moment(step, Phase.UPDATE, kept.program.ticks(Phase.UPDATE)), kept)

    # What is found in a tape.

    def _codes(self, tape: ScriptTape) -> list[Code]:
        own, codes = self._shared.file, []
        for path, loops in zip(tape.files, tape.loops, strict=True):
            code = self._shared.codes.get(path)
            if code is None:
                is_own = Path(path) == own.path.resolve() or path == str(own.path)
                code = self._shared.codes[path] = Code(own, loops) if is_own else Code.read(path, loops)
            codes.append(code)
        return codes

    def _tokenizer_of(self, tape: ScriptTape) -> ScriptTokenizer:
        sizes = [group.shape[0] for group in tape.params if len(group.shape) == 2]
        tokenizer = ScriptTokenizer.of(tape.settings, sizes)
        if not isinstance(self.tokenizer, ScriptTokenizer) or self.tokenizer.names != tokenizer.names:
            self.tokenizer = tokenizer
        return tokenizer

    def _take_sizes(self, step: RecordedStep) -> None:
        """Sizes and hyperparameters: those that the script calls by the usual names, and what the step needs."""
        settings, events = step.tape.settings, step.program.events(Phase.FORWARD)
        sizes = {
            name: max(
                int(settings.get(name, 0)) if type(settings.get(name)) is int else 0, least, getattr(self.config, name)
            )
            for name, least in (
                ("block_size", step.program.n),
                ("n_layer", max((_layers(event) for event in events), default=0)),
                ("n_head", max((event.head + 1 for event in events if event.head is not None), default=1)),
            )
        }
        width = settings.get("n_embd")
        fits = type(width) is int and width > 0 and width % sizes["n_head"] == 0
        rate = settings.get("learning_rate", 0.0)
        changed: dict[str, Any] = {**sizes, "n_embd": width if fits else sizes["n_head"]}
        try:
            self.config = replace(self.config, **changed, learning_rate=rate)
        except ConfigError:
            self.config = replace(self.config, **changed)


def _layers(event: Event) -> int:
    """How many layers a model has at least that makes an event; heads are in one."""
    return event.layer + 1 if event.layer is not None else int(event.head is not None)


def _doc_of(tape: ScriptTape) -> str:
    """The document of a step, where the script calls it so."""
    doc = tape.settings.get("doc")
    return doc if isinstance(doc, str) else ""


if TYPE_CHECKING:
    from engine.run.capabilities import ScriptedRun

    def _offers(run: ScriptRun) -> ScriptedRun:
        """A script's run is a `Run`, and has what there is to say of a script."""
        return run
