"""Finds the scalar class of a script, counts its training steps and records one of them.

A training step ends when an update has moved parameters that the loss of the last backward call depends on. Between
recorded steps only `backward` is wrapped.
"""

from __future__ import annotations

import gc
import operator
import os
import sys
import threading
import types
from array import array
from contextlib import suppress
from itertools import chain, groupby
from typing import Any, Callable

from .channel import Channel
from .derivatives import call_again
from .holders import Walk, best_groups, held_numbers, numbers_on, root_of
from .hooks import Sources
from .positions import Positions
from .scalar_class import ScalarClass, ScalarClasses, functions_of
from .step_record import BackwardCall, HeldParams, StepRecord
from .tape_message import message
from .wrappers import grad_accessors, init_wrapper

MOST_SINGLE = 20_000  # single scalars of one place that get a name
PATIENCE = 50  # times the most backward calls of a step, after which a script that moves nothing trains no further
DEPTH = 4  # of lists in lists that a name can hold
LOOKS = 100  # scalars that are looked at when they are made, to see how they keep their operands
MOST_LEFT = 2  # times what the first recorded step has left behind, before it is collected
GLANCE = 5000  # scalars that are looked at to see whether known parameters are still those of a loss


class Unrecordable(BaseException):
    """Why a script cannot be recorded: the key of a text of the engine, and what that speaks of."""

    def __init__(self, key: str, **what: Any) -> None:
        super().__init__(key)
        self.key, self.what = key, what


class Standstill(Unrecordable):
    """A script goes on to call backward, but updates nothing any more."""

    def __init__(self) -> None:
        super().__init__("still")


class Recorder:
    """Watches the scalars of a script. Hooks in its syntax tree call `defined`, `named`, `passed` and `step_at`."""

    def __init__(self, channel: Channel, sources: Sources, is_user: Callable[[type], bool], most: int | None) -> None:
        self.channel, self.sources, self.is_user = channel, sources, is_user
        self.most = sys.maxsize if most is None else most
        """Scalars that a step may make."""
        self.positions = Positions(sources)
        self.set_flag: Callable[[bool], None] = lambda _: None
        """Sets the flag that the hooks stand behind."""
        self.module: dict[str, Any] = {}
        """The variables of the script itself."""
        self.classes = ScalarClasses()
        self.step = 0
        """Training steps that are done."""
        self.calls = self._calls_before = self._most_calls_a_step = 0
        """Backward calls so far."""
        self.record: StepRecord | None = None
        self.phase = ""
        """While something is watched: forward, backward, or after, that is after a backward call."""
        self.step_at_line = 0
        """What the line is called where the user lets steps end."""
        self._at_line: BackwardCall | None = None
        """The backward call of the step that ended there last."""
        self._target: int | None = None
        self._until: int | None = None
        self._most_calls: int | None = None
        self._differentiated: ScalarClass | None = None
        """The class that `backward` was called of last."""
        self._pending: BackwardCall | None = None
        self._last: BackwardCall | None = None
        self._last_done: BackwardCall | None = None
        """The last one of the step before."""
        self._params_of: dict[tuple[int, int], HeldParams] = {}
        self._note: Callable[[Any, Any, Any], None] = _note_nothing
        self._updating_in: tuple[Any, int, int] | None = None
        self._checked = 0
        self._collects = self._frozen = False
        self._left = 0
        self._thread = 0
        """The thread of the last backward call."""
        self._written: Any = None
        self._pieces = 0

    @property
    def kinds(self) -> tuple[type, ...]:
        """The scalar classes of the script, as types."""
        return self.classes.kinds

    # What the debugger asks for.

    def wait(self) -> None:
        """Wait for what to do next."""
        command = self.channel.command()
        while command["do"] == "evaluate":
            self.channel.send("evaluated", answers=self._evaluate(command["calls"]))
            command = self.channel.command()
        if command["do"] == "end":
            os._exit(0)
        record = command["do"] == "record"
        self._target = command["step"] if record else None
        self._until = None if record else command.get("until")
        self._most_calls = command.get("most_calls")

    def _evaluate(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What operations of the script give when they are called again."""
        assert self._differentiated is not None
        for each in self.classes:
            each.restore(each.backward_name)
        try:
            return call_again(self._differentiated, self._function, calls)
        finally:
            for each in self.classes:
                self._wrap_backward(each)

    def _function(self, name: str) -> Any:
        """The function of this name in a module of the script; None if there is none."""
        spaces = [self.module]
        spaces += [vars(each) for each in list(sys.modules.values()) if isinstance(each, types.ModuleType)]
        return next(
            (
                each[name]
                for each in spaces
                if isinstance(each.get(name), types.FunctionType)
                and each[name].__code__.co_filename in self.sources.files
            ),
            None,
        )

    # Scalar classes.

    def defined(self, kind: Any) -> None:
        """After a class statement."""
        if isinstance(kind, type) and issubclass(kind, self.classes.kinds):
            self._add_methods(kind)
            return
        found = ScalarClass.found(kind)
        if found is None:
            return
        watched = self.record is not None
        if watched:
            self._remove_watches()
        self.classes.add(found)
        self._add_methods(kind)
        self._wrap_backward(found)
        code = found.init.__code__
        self.channel.send(
            "class", name=kind.__qualname__, file=self.sources.files.get(code.co_filename), line=code.co_firstlineno,
            keeps=[found.data_name, found.grad_name],
        )  # fmt: skip
        if self.record is not None:
            self._watch(self.record)
        elif self._target == self.step:
            self._begin()

    def _add_methods(self, kind: type) -> None:
        for each in functions_of(kind):
            if each.__code__.co_filename in self.sources.files or each.__module__ == kind.__module__:
                self.positions.add_method(each.__code__)

    def _wrap_backward(self, scalar: ScalarClass) -> None:
        recorder = self

        def backward(self: Any, *args: Any, **named: Any) -> Any:
            return recorder._backward(scalar, self, sys._getframe(1), args, named)

        scalar.wrap(scalar.backward_name, backward)

    # Steps.

    def _backward(self, scalar: ScalarClass, root: Any, caller: Any, args: Any, named: Any) -> Any:
        """The backward call of a script."""
        self._settle()
        if self.step and self.calls - self._calls_before > PATIENCE * max(1, self._most_calls_a_step):
            raise Standstill
        if self._frozen:
            self._unfreeze()
        self.calls += 1
        self._differentiated = scalar
        record = self.record
        if record is not None and record.kept:
            if record.calls == self._most_calls:
                self._give_up(record, caller)
                record = None
            else:
                record.calls += 1
        held, stack = self._params(scalar, root, caller), self.positions.stack(caller)
        self.positions.forget_frames()
        call, before = BackwardCall(root, float(scalar.data_of(root)), held, scalar, stack), self._pending
        if before is not None and not before.moved() and call.adds_to(before):
            call.earlier = [*before.earlier, before.loss]
        if record is not None:
            self._remove_watches()
            self.phase = "backward"
            if record.kept:
                self._before_backward(record, scalar, call, caller)
        for each in self.classes:
            each.restore(each.backward_name)
        try:
            return scalar.backward(root, *args, **named)
        finally:  # also after an exception: the script may catch it and go on
            if record is not None and record.kept:
                scalar.grad.remove()
            for each in self.classes:
                self._wrap_backward(each)
            self._after_backward(record, call)

    def _after_backward(self, record: StepRecord | None, call: BackwardCall) -> None:
        if record is None or not record.kept:
            call.root = None  # the script alone decides how long it keeps its graph
        self._pending = self._last = call
        self._thread = threading.get_ident()
        self._updating_in, self._checked = None, 0
        if record is None and self.step + 1 in (self._target, self._until):
            record = self.record = StepRecord(False, {})
        if record is not None:
            self.phase = "after"
            record.updates, record.scalars = [], []
            self._watch(record)

    def _unfreeze(self) -> None:
        """Show the collector what a recorded step has left; collect it where such steps leave more and more behind."""
        left = gc.get_freeze_count()
        gc.unfreeze()
        self._frozen = False
        self._left = self._left or left
        if left > MOST_LEFT * self._left:  # graphs whose scalars refer to themselves, for one
            gc.collect()

    def _settle(self) -> None:
        """Count the training step of the last backward call, if its update has moved anything by now."""
        pending = self._pending
        if pending is not None and not self.step_at_line and self._has_moved(pending):
            self._done(pending)

    def _has_moved(self, pending: BackwardCall) -> bool:
        """Whether an update has followed a backward call. Raises Unrecordable if no write of it was seen."""
        moved, record = pending.moved(), self.record
        if moved and record is not None and self.phase == "after" and not record.updates:
            raise Unrecordable("dictionaries", name=self.classes.of(pending.params[0]).data_name)
        return moved

    def _done(self, pending: BackwardCall) -> None:
        """A training step is done; stop where the debugger wants to, and begin to record what it wants to see."""
        self._count(pending)
        if self._collects:  # now that what was recorded is gone
            gc.freeze()  # what is left is not looked through until the next backward call, when most of it is gone
            gc.enable()
            self._collects, self._frozen = False, True
        if self._target is not None and self._target < self.step:
            self.wait()
        elif self._until == self.step:
            self.channel.send("paused", step=self.step)
            self.wait()
        if self._target == self.step:
            self._begin()

    def _count(self, pending: BackwardCall) -> None:
        self._pending = None
        self._most_calls_a_step = max(self._most_calls_a_step, self.calls - self._calls_before)
        self._calls_before = self.calls
        self._last_done = pending
        self.channel.send("loss", step=self.step, value=pending.whole_loss.hex())
        record = self.record
        if record is not None:
            if record.kept:
                self._send(record, True, sys._getframe(1))
            self._stop()
        pending.root = None  # the script alone decides how long it keeps its graph
        self.step += 1

    def _give_up(self, record: StepRecord, frame: Any) -> None:
        """Stop at a step whose backward calls move nothing, and send what was recorded of it."""
        if self.step_at_line:
            raise Unrecordable("line_not_reached", line=self.step_at_line, calls=record.calls)
        self._send(record, False, frame)
        self._stop()
        self.wait()

    def step_at(self) -> None:
        """At the line where a training step ends, if the user has named one."""
        if self._pending is not None:
            self._at_line = self._pending
            self._done(self._pending)
            self._at_line.look_again()
        elif self._at_line is not None and self._at_line.moved():
            raise self.reached_again()

    def reached_again(self) -> Unrecordable:
        """Why no step can end at a line within the update."""
        return Unrecordable("line_reached_again", line=self.step_at_line)

    def ended(self, whole: bool, frame: Any = None) -> None:
        """The script has ended; `whole` says whether it came to its end, `frame` where it was stopped."""
        pending, record, phase = self._pending, self.record, self.phase
        over = pending is not None and not self.step_at_line and phase != "backward" and self._has_moved(pending)
        if pending is not None and over and (whole or pending.moved_whole(self._last_done)):
            self._count(pending)
            if record is not None and record.kept:
                self.wait()
        elif record is not None:
            giving_up = self._most_calls is not None and not self.step_at_line
            if whole and giving_up and record.kept and record.backward is not None:
                self._give_up(record, frame)
                return
            if not whole and record.kept and any(self.classes.of(each).kids(each) for each in record.nodes):
                self._send(record, False, frame)
            self._stop()

    def _params(self, scalar: ScalarClass, root: Any, caller: Any) -> HeldParams:
        """The scalars that the loss of this call site depends on, and that something holds."""
        site = (id(caller.f_code), caller.f_lasti)
        found = self._params_of.get(site)
        if found and found.scalars and self._still(scalar, root, found.scalars):
            return found
        self.positions.codes[id(caller.f_code)] = caller.f_code
        leaves = {key for key, each in self._reached(scalar, root).items() if not scalar.kids(each)}
        groups = best_groups(self._walk(caller).groups, lambda each: id(each) in leaves)
        found = self._params_of[site] = HeldParams(
            [each for group in groups for each in group.scalars],
            [root_of(group.name) for group in groups for _ in group.scalars],
        )
        return found

    def _still(self, scalar: ScalarClass, root: Any, params: list[Any]) -> bool:
        """Whether a loss depends on a known parameter, as far as a glance tells."""
        known = set(map(id, params))
        stack, met = [root], {id(root)}
        while stack and len(met) < GLANCE:
            for kid in scalar.kids(stack.pop()):
                if id(kid) in known:
                    return True
                if id(kid) not in met:
                    met.add(id(kid))
                    stack.append(kid)
        return False

    def _reached(self, scalar: ScalarClass, root: Any) -> dict[int, Any]:
        """All scalars that one is computed from, and itself, operands first."""
        kids = scalar.kids
        met = {id(root)}
        out: dict[int, Any] = {}
        stack: list[tuple[Any, Any]] = [(root, iter(kids(root)))]
        while stack:
            node, rest = stack[-1]
            for each in rest:
                if id(each) not in met:
                    self._must_be_one_class(scalar, each)
                    met.add(id(each))
                    stack.append((each, iter(kids(each))))
                    break
            else:
                out[id(node)] = node
                stack.pop()
        return out

    def _walk(self, frame: Any) -> Walk:
        """What the variables of the script hold: of the functions that are running, and of its modules."""
        spaces: dict[int, dict[str, Any]] = {}
        while frame is not None:
            if frame.f_code.co_filename in self.sources.files and id(frame.f_code) not in self.positions.methods:
                space = frame.f_globals if frame.f_code.co_name == "<module>" else dict(frame.f_locals)
                spaces[id(space)] = space
            frame = frame.f_back
        for each in [self.module, *map(vars, list(sys.modules.values()))]:
            if each is self.module or each.get("__file__") in self.sources.files:
                spaces[id(each)] = each
        roots = [(name, value) for each in spaces.values() for name, value in list(each.items()) if name[:2] != "__"]
        variables = frozenset(name for file in self.sources.loops for _, _, names in file for name in names)
        return Walk(roots, self.classes.kinds, self.is_user, variables)

    # Watching.

    def _begin(self) -> None:
        """Record from here on."""
        last = self._last
        start = {} if last is None else {id(each): float(last.data_of(each)) for each in last.params}
        self.record = StepRecord(True, start)
        self.phase = "forward"
        self._watch(self.record)

    def _stop(self) -> None:
        """Stop watching; the class is as the script has made it, but for `backward`."""
        self._remove_watches()
        self.phase = ""
        self._note = _note_nothing
        self.record = None

    def _remove_watches(self) -> None:
        for each in self.classes:
            each.restore("__init__")
            each.data.remove()
        self.set_flag(False)
        self.positions.forget_frames()

    def _watch(self, record: StepRecord) -> None:
        """Note each scalar that is made, and each write of data, in the forward phase and after a backward call."""
        note = self._note = self._noter(record)
        for each in self.classes:
            self._watch_class(each, record, note)
        self.set_flag(record.kept)
        if record.kept and gc.isenabled():  # what a step makes is held until its end: there is nothing to collect
            gc.disable()
            self._collects = True

    def _watch_class(self, scalar: ScalarClass, record: StepRecord, note: Any) -> None:
        recorder, init, get, put = self, scalar.init, scalar.data.get, scalar.data.set
        nodes, updates, add_write = record.nodes, record.updates, record.wrote.append
        get_frame, place = sys._getframe, self.positions.place
        after = self.phase == "after"
        pending = self._pending
        params = set(map(id, pending.params)) if pending is not None else set()
        if after and record.walk is not None:
            params.update(id(each) for group in record.walk.groups for each in group.scalars)

        making = False
        init_code = init.__code__

        def value_of(thing: Any) -> Any:
            """The value so far; nan for a copy that is being made without `__init__`."""
            try:
                return get(thing)
            except AttributeError:
                return float("nan")

        def set_data(self: Any, value: Any) -> None:
            if get_frame(1).f_code is not init_code:
                frame = get_frame(1)
                add_write((self, value, len(nodes), value_of(self), place(frame.f_code, frame.f_lasti)))
            put(self, value)

        def set_data_after(self: Any, value: Any) -> None:
            if not making:
                frame = get_frame(1)
                if id(self) in params:
                    if not updates:
                        recorder._first_update(frame)
                    updates.append((self, value, place(frame.f_code, frame.f_lasti)))
                else:
                    add_write((self, value, len(nodes), value_of(self), place(frame.f_code, frame.f_lasti)))
            put(self, value)

        def init_after(self: Any, *args: Any, **named: Any) -> None:
            nonlocal making
            frame = get_frame(1)
            if len(updates) != recorder._checked:
                recorder._check_update(frame)
                if recorder.record is not record:
                    recorder._make_first(scalar, self, frame, args, named)
                    return
            making = True
            try:
                init(self, *args, **named)
            finally:
                making = False
            if recorder.phase:
                recorder._note(self, frame, args)

        made: Any = init_after if after else init_wrapper(scalar, record, self.positions, note)
        made.__wrapped__ = init
        made.__name__ = "__init__"
        self.positions.add_method(made.__code__)
        scalar.wrap("__init__", made)
        if after:
            scalar.data.install(get, set_data_after)
        elif self.sources.hidden_writes:
            scalar.data.install(get, set_data)

    def refuse_too_many(self) -> None:
        """Raise Unrecordable if the step that is recorded has made more scalars than it may."""
        if self.record is not None and len(self.record.nodes) > self.most:
            raise Unrecordable("too_many", most=self.most)

    def _make_first(self, scalar: ScalarClass, thing: Any, frame: Any, args: Any, named: Any) -> None:
        """Make the scalar that has shown that a step is over; it is the first of the next one."""
        watch = vars(scalar.kind).get(scalar.data_name)
        scalar.data.remove()
        try:
            scalar.init(thing, *args, **named)
        finally:
            if self.record is not None and isinstance(watch, property):
                setattr(scalar.kind, scalar.data_name, watch)
        if self.record is not None:
            self._note(thing, frame, args)

    def _noter(self, record: StepRecord) -> Callable[[Any, Any, Any], None]:
        """The function that notes a new scalar, given the frame that made it and the arguments of its `__init__`."""
        recorder, positions = self, self.positions
        nodes, operands = record.nodes, record.operands
        add_node, add_method = nodes.append, record.methods.append
        add_stack = record.stacks.append
        methods, frames = positions.methods, positions.frames
        inside, new_stack, new_method = positions.inside, positions.new_stack, positions.method
        class_of = self.classes.of
        scalar = self.classes[-1]
        kind, kids_of = scalar.kind, scalar.kids

        def note(self: Any, frame: Any, args: Any) -> None:
            nonlocal scalar, kind, kids_of
            if type(self) is not kind:
                scalar = class_of(self)
                kind, kids_of = type(self), scalar.kids
            known = methods.get(id(frame.f_code))
            arity = 0
            while known is not None:
                arity = known[-1]
                if arity >= 0:
                    break
                frame = frame.f_back  # from a helper in the class; what called it tells more
                known = methods.get(id(frame.f_code))
            if known is None:
                add_method(-1)
                if not scalar.ordered and len(args) > 1:
                    recorder._keep_operands(operands, len(nodes), None, args)
            else:
                last = frame.f_lasti
                at = known.get(last)
                add_method(new_method(frame.f_code, last) if at is None else at)
                if arity and not scalar.ordered and not scalar.children_name and scalar.looks < LOOKS:
                    scalar.looks += 1
                    scalar.kids(self)
                if arity and (not scalar.ordered or 0 < len(kids_of(self)) < arity):
                    recorder._keep_operands(operands, len(nodes), frame, args)
                frame = frame.f_back
                while id(frame.f_code) in methods:
                    frame = frame.f_back
            stacks = frames.get(frame)
            if stacks is None:
                stacks = inside(frame)
            last = frame.f_lasti
            at = stacks.get(last)
            add_stack(new_stack(stacks, frame, last) if at is None else at)
            add_node(self)

        return note

    def _keep_operands(self, operands: dict[int, Any], at: int, frame: Any, args: Any) -> None:
        """Keep the operands of a new scalar, where it does not keep them in order, or some are plain numbers."""
        kinds = self.classes.kinds
        given = next(
            (each for each in args if isinstance(each, (tuple, list)) and each and isinstance(each[0], kinds)), None
        )
        if frame is None or (given is not None and len(given) >= frame.f_code.co_argcount):
            if given is not None:
                operands[at] = given
            return
        code, values = frame.f_code, frame.f_locals
        mine = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
        if given is not None:
            operands[at] = (*given, *(each for each in mine if not isinstance(each, kinds)))
        else:
            operands[at] = tuple(mine)

    # The update.

    def _first_update(self, frame: Any) -> None:
        """Remember the loop that the first parameter is moved in: scalars that are made in it belong to the update."""
        record, call = self.record, self._pending
        assert record is not None
        record.update_stack = self.positions.stack(frame) if frame.f_code.co_filename in self.sources.files else -1
        self._updating_in = None
        file = self.sources.files.get(frame.f_code.co_filename)
        if file is None or call is None:
            return
        line = frame.f_lineno
        backward = {
            self.positions.table[at][1]
            for at in (self.positions.stacks[call.stack] if call.stack >= 0 else ())
            if self.positions.table[at][0] == file
        }
        around = [
            (last - first, first, last)
            for first, last, _ in self.sources.loops[file]
            if first <= line <= last and not any(first <= each <= last for each in backward)
        ]
        if around:
            _, first, last = min(around)
            self._updating_in = (frame, first, last)

    def _check_update(self, frame: Any) -> None:
        """A scalar is made after parameters were moved: the step is over, unless the loop of the update makes it."""
        record = self.record
        assert record is not None
        if threading.get_ident() != self._thread:  # one that trains nothing
            return
        self._checked = len(record.updates)
        if self._updating_in is not None:
            running, first, last = self._updating_in
            while frame is not None:
                if frame is running and first <= frame.f_lineno <= last:
                    self._checked = 0
                    return
                frame = frame.f_back
        self._updating_in = None
        self._settle()

    # The backward phase.

    def _before_backward(self, record: StepRecord, scalar: ScalarClass, call: BackwardCall, caller: Any) -> None:
        self.refuse_too_many()
        if record.backward is not None:
            known = {key: grad for key, (_, _, grad) in record.outer.items()}
            record.first_grads = record.first_grads or {**known, **dict(zip(map(id, record.nodes), record.grads))}
            record.printed = [(number, "forward", at, 0) for number, _, at, _ in record.printed]
            record.forget_before(record.end, self._reached(scalar, call.root))
        record.backward, record.end, record.names_end = call, len(record.nodes), len(record.names)
        self._look(record, caller)
        record.back = []
        scalar.grad.install(*grad_accessors(scalar, record, self.positions))

    def _look(self, record: StepRecord, frame: Any) -> None:
        """Operands, gradients and moments as they are now; parameters as they are held."""
        nodes = record.nodes
        walk = record.walk = self._walk(frame)
        kinds = {self.classes.of_type(kind) for kind in set(map(type, nodes))}
        if len(kinds) == 1:
            (scalar,) = kinds
            record.kids, record.slopes = scalar.all_kids(nodes), scalar.all_slopes(nodes)
            record.grads = _numbers(scalar.grad_name, nodes)
        else:
            record.kids = [self._kids_of_one_class(node) for node in nodes]
            record.slopes = [self.classes.of(node).slopes(node) for node in nodes]
            record.grads = array("d", [_numbers(self.classes.of(node).grad_name, [node])[0] for node in nodes])
        record.values = self._values(record)
        made = record.made = dict(zip(map(id, nodes), range(len(nodes))))
        outer = {id(each): each for each in chain.from_iterable(record.kids) if id(each) not in made}
        stack = list(outer.values())
        while stack:
            each = stack.pop()
            for kid in self.classes.of(each).kids(each):
                if id(kid) not in outer and id(kid) not in made:
                    outer[id(kid)] = kid
                    stack.append(kid)
        used = list(outer)
        for group in walk.groups:
            for each in group.scalars:
                if id(each) not in made:
                    outer[id(each)] = each
        record.used = set(used)
        record.outer = {}
        for scalar in self.classes:
            some = [each for each in outer.values() if self.classes.of(each) is scalar]
            values, grads = _numbers(scalar.data_name, some), _numbers(scalar.grad_name, some)
            record.outer.update(zip(map(id, some), zip(some, values, grads)))
        record.moments = held_numbers(walk)
        names = tuple(name for each in self.classes for name in (each.data_name, each.grad_name))
        record.on_params = numbers_on([each for group in walk.groups for each in group.scalars], names)

    def _values(self, record: StepRecord) -> array[float]:
        """The values that the scalars were made with. Raises Unrecordable if they are no numbers."""
        values: list[Any] = []
        for scalar, some in (
            groupby(record.nodes, self.classes.of) if len(self.classes) > 1 else ((self.classes[0], record.nodes),)
        ):
            values += map(scalar.data_of, some)
        first = {id(each): old for each, _, _, old, _ in reversed(record.wrote)}
        if first:
            values = [first.get(id(each), value) for each, value in zip(record.nodes, values)]
        try:
            return array("d", values)
        except OverflowError:
            raise Unrecordable("huge_number", name=type(record.nodes[0]).__qualname__) from None
        except TypeError:
            odd = next(each for each in values if not isinstance(each, (int, float)))
            name = type(record.nodes[0]).__qualname__
            raise Unrecordable("no_numbers", name=name, held=type(odd).__qualname__) from None

    def _kids_of_one_class(self, node: Any) -> Any:
        scalar = self.classes.of(node)
        kids = scalar.kids(node)
        for each in kids:
            self._must_be_one_class(scalar, each)
        return kids

    def _must_be_one_class(self, scalar: ScalarClass, kid: Any) -> None:
        if not isinstance(kid, scalar.kind):
            first, second = sorted((scalar.kind.__qualname__, type(kid).__qualname__))
            raise Unrecordable("two_classes", first=first, second=second)

    # Names: called by the hooks while something is recorded.

    def named(self, site: int, *values: Any) -> None:
        """After an assignment to plain names."""
        for name, value in zip(self.sources.sites[site].names, values):
            self._name(site, name, value)

    def passed(self, site: int, value: Any) -> None:
        """A value that is returned, or assigned to an attribute or an element."""
        self._name(site, self.sources.sites[site].names[0], value)

    def writing(self, thing: Any) -> None:
        """Before the value of a scalar is written."""
        self._written = (
            getattr(thing, self.classes.of(thing).data_name) if isinstance(thing, self.classes.kinds) else None
        )

    def wrote(self, thing: Any) -> None:
        """After the value of a scalar was written; a watch tells the same where there is one."""
        record = self.record
        if self.phase != "forward" or record is None or self.sources.hidden_writes:
            return
        if isinstance(thing, self.classes.kinds):
            value, frame = getattr(thing, self.classes.of(thing).data_name), sys._getframe(1)
            at = self.positions.place(frame.f_code, frame.f_lasti)
            record.wrote.append((thing, value, len(record.nodes), self._written, at))

    def note_printed(self) -> int:
        """A piece of text is printed: its number. Where a step is recorded, the record says when it was."""
        self._pieces += 1
        record = self.record
        if record is not None and record.kept:
            count = {"backward": len(record.back) // 4, "after": len(record.updates)}.get(self.phase, 0)
            record.printed.append((self._pieces, self.phase, len(record.nodes), count))
        return self._pieces

    def _name(self, site: int, name: str, value: Any) -> None:
        record = self.record
        if record is None or self.phase == "backward":
            return
        kind = type(value)
        if kind is float or kind is int:
            if self.phase == "after":
                record.scalars.append((len(record.updates), site, name, value))
        elif kind is list or kind is tuple or isinstance(value, self.classes.kinds):
            frame = sys._getframe(2)
            if kind is not list and kind is not tuple and self._is_minor(record, site, frame):
                return
            copied = self._copied(value, DEPTH)
            if copied is not None:
                stack = self.positions.stack(frame)
                record.names.append((len(record.nodes), site, name, copied, self._context(frame), stack))

    def _is_minor(self, record: StepRecord, site: int, frame: Any) -> bool:
        """Whether a single scalar needs no name: an operator's helper holds it, or very many had this name before."""
        if frame.f_back is not None and id(frame.f_back.f_code) in self.positions.methods:
            return True
        count = record.single[site] = record.single.get(site, 0) + 1
        return count > MOST_SINGLE

    def _copied(self, value: Any, depth: int) -> Any:
        """A scalar or a list of them as it is now; None for anything else."""
        if isinstance(value, self.classes.kinds):
            return value
        if isinstance(value, (list, tuple)) and value and depth:
            first = value[0]
            if isinstance(first, self.classes.kinds):
                return list(value)
            if isinstance(first, (list, tuple)):
                inner = [self._copied(each, depth - 1) for each in value]
                return None if any(each is None for each in inner) else inner
        return None

    def _context(self, frame: Any) -> Any:
        """The functions that are running, outermost first, with their whole-number arguments and loop variables."""
        out: list[tuple[str, dict[str, Any]]] = []
        files, methods = self.sources.files, self.positions.methods
        inner: dict[str, Any] = {}
        while frame is not None:
            code = frame.f_code
            if code.co_filename in files and id(code) not in methods:
                names = self.positions.variables(code, frame.f_lineno)
                values: dict[str, Any] = {}
                if names:
                    variables = frame.f_locals  # inside a comprehension of a module, Python 3.13 gives only that one's
                    others = frame.f_globals if code.co_name == "<module>" else variables
                    for name in names:
                        value = variables[name] if name in variables else others.get(name)
                        if type(value) is int or type(value) is str:
                            values[name] = value
                if code.co_name[0] == "<" and code.co_name != "<module>":  # a comprehension belongs to its function
                    inner = {**values, **inner}
                else:
                    serial = {"": self.positions.serial(frame)}
                    out.append((self.sources.name_of(code), {**serial, **values, **inner}))
                    inner = {}
            frame = frame.f_back
        out.reverse()
        return out

    # The finished tape.

    def _send(self, record: StepRecord, complete: bool, frame: Any) -> None:
        self._remove_watches()
        if record.backward is None:
            record.end, record.names_end = len(record.nodes), len(record.names)
            self._look(record, frame)
        tape = message(self.step, record, complete, self._walk(frame), self.classes, self.positions)
        self.channel.send("step", **tape)


def _note_nothing(*_: Any) -> None:
    """What notes new scalars while nothing is recorded."""


def _numbers(name: str, nodes: list[Any]) -> array[float]:
    """An attribute of scalars, as numbers; nan where one has none, or no number."""
    with suppress(AttributeError, TypeError):
        return array("d", list(map(operator.attrgetter(name), nodes)))
    found = [getattr(node, name, None) for node in nodes]
    return array("d", [float(each) if isinstance(each, (int, float)) else float("nan") for each in found])
