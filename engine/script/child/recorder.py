"""Finds the scalar class of a script, counts its training steps and records one of them.

A training step ends when an update has moved parameters that the loss of the last backward call depends on. Between
recorded steps only `backward` is wrapped.
"""

from __future__ import annotations

import sys
import types
from array import array
from typing import Any, Callable

from .channel import Channel
from .holders import MISSING, Group, Walk, attributes, best_groups, numbers_of
from .hooks import Sources
from .positions import Positions
from .tape_message import message

LARGEST = 3_000_000
BACKWARD = ("backward", "backprop", "backpropagate", "back")
NAN = float("nan")
DEPTH = 4


class Unrecordable(BaseException):
    """Why a script cannot be recorded, as a sentence."""


class AttributeWatch:
    """Puts functions in the place of an attribute of a class, and takes them away again."""

    def __init__(self, scalar: type, name: str) -> None:
        self.scalar, self.name = scalar, name
        self.before = scalar.__dict__.get(name, MISSING)
        found: Any = next((kind.__dict__[name] for kind in scalar.__mro__ if name in kind.__dict__), MISSING)
        self.described = hasattr(type(found), "__set__")
        self.default = MISSING if self.described else found
        if self.described:
            self.get, self.set = found.__get__, found.__set__
        else:
            self.get, self.set = self._get, self._set

    def _get(self, thing: Any) -> Any:
        value = thing.__dict__.get(self.name, self.default)
        if value is MISSING:
            raise AttributeError(f"{type(thing).__name__!r} object has no attribute {self.name!r}")
        return value

    def _set(self, thing: Any, value: Any) -> None:
        thing.__dict__[self.name] = value

    def install(self, get: Callable[[Any], Any], put: Callable[[Any, Any], None]) -> None:
        setattr(self.scalar, self.name, property(get, put))

    def remove(self) -> None:
        if self.before is MISSING:
            delattr(self.scalar, self.name)
        else:
            setattr(self.scalar, self.name, self.before)


class Backward:
    """What is kept of a backward call until it is known whether an update follows it."""

    def __init__(self, root: Any, loss: float, params: list[Any]) -> None:
        self.root, self.loss, self.params = root, loss, params
        self.data = [each.data for each in params]

    def moved(self) -> bool:
        """Whether a parameter has another value than it had at the call."""
        return any(each.data != before for each, before in zip(self.params, self.data))


class StepRecord:
    """What is recorded of a step, while it is recorded."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.values = array("d")
        self.stacks = array("i")
        self.methods = array("i")
        self.operands: dict[int, tuple[Any, ...]] = {}
        self.wrote: list[tuple[Any, float, int]] = []
        self.names: list[tuple[int, int, str, Any, list[Any]]] = []
        self.back: list[tuple[Any, float, int, int]] = []
        self.read: list[Any] = []
        self.updates: list[tuple[Any, float, int]] = []
        self.scalars: list[tuple[int, int, str, float]] = []
        self.before: list[float] = []
        self.grads: dict[int, float] = {}
        self.begin = 0
        self.root: Any = None
        self.start: dict[int, float] = {}
        self.moments: list[tuple[str, Any, list[float]]] = []
        self.rows: list[Any] = []
        self.n_params = self.n_older = 0
        self.data: list[float] = []
        self.groups: list[Group] = []


class Recorder:
    """Watches the scalar class of a script. `hook` methods are called by the hooks in its syntax tree."""

    def __init__(self, channel: Channel, sources: Sources, is_user: Callable[[type], bool], large: bool) -> None:
        self.channel, self.sources, self.is_user, self.large = channel, sources, is_user, large
        self.positions = Positions(sources)
        self.recording: Callable[[bool], None] = lambda _: None
        """Sets the flag that the hooks stand behind."""
        self.module: dict[str, Any] = {}
        """The variables of the script itself."""
        self.scalar: Any = None
        self.step = 0
        """Training steps that are done."""
        self.calls = 0
        """Backward calls so far."""
        self.target: int | None = None
        self.wanted: int | None = None
        self.phase = ""
        self.tape: StepRecord | None = None
        self.step_at_line = False
        self._pending: Backward | None = None
        self._sites: dict[tuple[int, int], list[Any]] = {}
        self._children: tuple[str, bool] | None = None
        self._locals = ""
        self._note: Callable[[Any, Any], None] = lambda _, __: None

    # What the debugger asks for.

    def wait(self, kind: str = "", **what: Any) -> None:
        """Say where the script stands, and wait for what to do next."""
        if kind:
            self.channel.send(kind, **what)
        command = self.channel.command()
        if command["do"] == "end":
            raise SystemExit(0)
        self.target = self.wanted = None
        if command["do"] == "record":
            self.target = command["step"]
        else:
            self.wanted = command.get("until")

    # The scalar class.

    def defined(self, kind: Any) -> None:
        """After a class statement."""
        if not isinstance(kind, type) or not self._is_scalar(kind):
            return
        if self.scalar is not None and issubclass(kind, self.scalar):
            self._add_methods(kind)
            return
        if self.tape is not None:
            self._unwatch()
        self.scalar = kind
        self._children = None
        self._add_methods(kind)
        self.name = next(name for name in BACKWARD if hasattr(kind, name))
        self.back = getattr(kind, self.name)
        self.init: Any = next(vars(each)["__init__"] for each in kind.__mro__ if "__init__" in vars(each))
        self.own_init = kind.__dict__.get("__init__", MISSING)
        self.own_back = kind.__dict__.get(self.name, MISSING)
        self.data_watch, self.grad_watch = AttributeWatch(kind, "data"), AttributeWatch(kind, "grad")
        code = getattr(self.init, "__code__", None)
        file = self.sources.files.get(code.co_filename) if code else None
        self.channel.send("class", name=kind.__qualname__, file=file, line=code.co_firstlineno if code else 0)
        self._wrap_backward()
        if self.target == self.step:
            self._begin()

    @staticmethod
    def _is_scalar(kind: type) -> bool:
        return (
            callable(getattr(kind, "__add__", None))
            and callable(getattr(kind, "__mul__", None))
            and any(callable(getattr(kind, name, None)) for name in BACKWARD)
            and isinstance(getattr(kind, "__init__", None), types.FunctionType)
        )

    def _add_methods(self, kind: type) -> None:
        for base in kind.__mro__:
            for value in list(base.__dict__.values()):
                function = getattr(value, "__func__", value)
                for each in (function, getattr(value, "fget", None), getattr(value, "fset", None)):
                    if isinstance(each, types.FunctionType):
                        self.positions.add_method(each.__code__)

    def _wrap_backward(self) -> None:
        recorder = self

        def backward(self: Any, *args: Any, **named: Any) -> Any:
            return recorder._backward(self, sys._getframe(1), args, named)

        setattr(self.scalar, self.name, backward)

    def _restore(self, name: str, own: Any) -> None:
        if own is MISSING:
            delattr(self.scalar, name)
        else:
            setattr(self.scalar, name, own)

    # Steps.

    def _backward(self, root: Any, caller: Any, args: Any, named: Any) -> Any:
        self._settle()
        if self.phase == "update" and self.tape is None:
            self._unwatch()
        self.calls += 1
        params = self._params(root, caller)
        self._pending = Backward(root, float(root.data), params)
        tape = self.tape
        self._restore(self.name, self.own_back)
        if tape is not None:
            self._before_backward(tape, root, caller)
        try:
            result = self.back(root, *args, **named)
        finally:
            if tape is not None:
                self.grad_watch.remove()
            self._wrap_backward()
        if tape is not None:
            self._after_backward(tape)
        elif self.step + 1 in (self.target, self.wanted):
            self._watch_update()
        return result

    def _settle(self) -> None:
        """Count the training step of the last backward call, if its update has moved anything by now."""
        pending = self._pending
        if pending is None or self.step_at_line:
            return
        if pending.moved():
            self._done(pending)

    def _done(self, pending: Backward) -> None:
        """A training step is done; stop where the debugger wants to, and begin to record what it wants to see."""
        self._pending = None
        recorded = self.tape
        self.channel.send("loss", step=self.step, value=pending.loss.hex())
        if recorded is not None:
            self._unwatch()
            self._send(recorded, True)
        elif self.phase == "update":
            self._unwatch()
        self.step += 1
        if recorded is not None:
            self.wait()
        elif self.wanted == self.step:
            self.wait("paused", step=self.step)
        if self.target == self.step:
            self._begin()

    def step_at(self) -> None:
        """At the line where a training step ends, if the user has named one."""
        if self._pending is not None:
            self._done(self._pending)

    def ended(self, whole: bool) -> None:
        """The script has ended; `whole` says whether it came to its end."""
        pending, tape = self._pending, self.tape
        if pending is not None and self.phase != "backward" and (self.step_at_line or pending.moved()):
            self._pending = None
            self.channel.send("loss", step=self.step, value=pending.loss.hex())
            if tape is not None:
                self._unwatch()
                self._send(tape, True)
            self.step += 1
        elif tape is not None and tape.nodes and not whole:
            self._unwatch()
            self._send(tape, False)

    def _params(self, root: Any, caller: Any) -> list[Any]:
        """The scalars that the loss of this call site depends on, and that something holds."""
        site = (id(caller.f_code), caller.f_lasti)
        found = self._sites.get(site)
        if not found:
            self.positions.codes[id(caller.f_code)] = caller.f_code
            leaves = {id(each) for each in self._reached(root).values() if not self._kids(each)}
            groups = best_groups(self._walk(caller).groups, lambda each: id(each) in leaves)
            found = self._sites[site] = [each for group in groups for each in group.scalars]
        return found

    def _reached(self, root: Any) -> dict[int, Any]:
        """All scalars that one is computed from, and itself."""
        met = {id(root): root}
        stack = [root]
        kids = self._kids
        while stack:
            for each in kids(stack.pop()):
                if id(each) not in met:
                    met[id(each)] = each
                    stack.append(each)
        return met

    def _roots(self, frame: Any) -> list[tuple[str, Any]]:
        """The variables of the script: of its modules, and of the functions that are running."""
        roots: list[tuple[str, Any]] = []
        seen: set[int] = set()
        while frame is not None:
            if frame.f_code.co_filename in self.sources.files and id(frame.f_code) not in self.positions.methods:
                variables = frame.f_locals
                if id(variables) not in seen:
                    seen.add(id(variables))
                    roots += list(variables.items())
            frame = frame.f_back
        spaces = [self.module]
        spaces += [
            vars(each)
            for each in list(sys.modules.values())
            if isinstance(each, types.ModuleType) and getattr(each, "__file__", None) in self.sources.files
        ]
        for space in spaces:
            if id(space) not in seen:
                seen.add(id(space))
                roots += list(space.items())
        return [(name, value) for name, value in roots if not name.startswith("__")]

    def _walk(self, frame: Any) -> Walk:
        return Walk(self._roots(frame), self.scalar, self.is_user)

    # Children.

    def _kids(self, node: Any) -> Any:
        """The operands that a scalar keeps, in no certain order if it keeps a set."""
        if self._children is None:
            self._find_children(node)
            if self._children is None:
                return ()
        name, pairs = self._children
        kids = getattr(node, name, ())
        return [each[0] for each in kids] if pairs else kids

    def _find_children(self, node: Any) -> None:
        scalar = self.scalar
        for name, value in attributes(node):
            if isinstance(value, (list, tuple, set, frozenset)) and value:
                items = list(value)
                if all(isinstance(each, scalar) for each in items):
                    self._children = (name, False)
                    break
                if all(isinstance(each, (list, tuple)) and each and isinstance(each[0], scalar) for each in items):
                    self._children = (name, True)
                    break
        if self._children is not None:
            for name, value in attributes(node):
                if (
                    name != self._children[0]
                    and isinstance(value, (list, tuple))
                    and len(value) == len(getattr(node, self._children[0]))
                    and all(isinstance(each, (int, float)) for each in value)
                ):
                    self._locals = name

    # Recording: the forward phase.

    def _begin(self) -> None:
        """Record from here on."""
        self.tape = StepRecord()
        self.phase = "forward"
        self._watch_forward(self.tape)
        self.recording(True)

    def _unwatch(self) -> None:
        """Stop watching; the class is as the script has made it, but for `backward`."""
        if self.phase in ("forward", "update"):
            self._restore("__init__", self.own_init)
            self.data_watch.remove()
        self.phase = ""
        self.tape = None
        self.recording(False)
        self.positions.frames.clear()

    def _watch_update(self) -> None:
        """See when the update ends that follows an unrecorded backward call."""
        self.phase = "update"
        recorder, init, put = self, self.init, self.data_watch.set
        written = False

        def set_data(self: Any, value: Any) -> None:
            nonlocal written
            put(self, value)
            written = True

        def __init__(self: Any, *args: Any, **named: Any) -> None:
            nonlocal written
            if written and recorder.phase == "update":
                recorder._settle()
            init(self, *args, **named)
            written = False
            if recorder.phase == "forward":
                recorder._note(self, sys._getframe(1))

        self.positions.add_method(__init__.__code__)
        self.data_watch.install(self.data_watch.get, set_data)
        self.scalar.__init__ = __init__

    def _watch_forward(self, tape: StepRecord) -> None:
        recorder, init, put = self, self.init, self.data_watch.set
        positions = self.positions
        wrote = tape.wrote
        nodes, operands = tape.nodes, tape.operands
        get_frame = sys._getframe
        add_node, add_value, add_method = nodes.append, tape.values.append, tape.methods.append
        add_stack, add_write = tape.stacks.append, wrote.append
        methods, frames = positions.methods, positions.frames
        inside, new_stack, new_method = positions.inside, positions.new_stack, positions.method
        most = sys.maxsize if self.large else LARGEST
        whole = True

        def set_data(self: Any, value: Any) -> None:
            put(self, value)
            add_write((self, value, len(nodes)))

        def note(self: Any, frame: Any) -> None:
            while wrote and wrote[-1][0] is self:
                wrote.pop()
            known = methods.get(id(frame.f_code))
            if known is None:
                add_method(-1)
            else:
                last = frame.f_lasti
                at = known.get(last)
                add_method(new_method(frame.f_code, last) if at is None else at)
                if whole:
                    locals_ = frame.f_locals
                    code = frame.f_code
                    operands[len(nodes)] = tuple(locals_.get(name) for name in code.co_varnames[: code.co_argcount])
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
            add_value(self.data)
            if len(nodes) > most:
                recorder._too_many()

        def __init__(self: Any, *args: Any, **named: Any) -> None:
            init(self, *args, **named)
            note(self, get_frame(1))

        self._note = note
        self.positions.add_method(__init__.__code__)
        self.data_watch.install(self.data_watch.get, set_data)
        self.scalar.__init__ = __init__

    def _too_many(self) -> None:
        raise Unrecordable(
            f"it makes more than {LARGEST:,} scalars in one step; give --large to record it all the same"
        )

    # Recording: the backward phase.

    def _before_backward(self, tape: StepRecord, root: Any, caller: Any) -> None:
        self._restore("__init__", self.own_init)
        self.data_watch.remove()
        self.phase = "backward"
        tape.root = root
        tape.back, tape.read, tape.updates, tape.scalars = [], [], [], []
        self._outset(tape, caller)
        read, back = tape.read, tape.back
        add_read, add_back = read.append, back.append
        get, put = self.grad_watch.get, self.grad_watch.set
        get_frame, place = sys._getframe, self.positions.place
        places: dict[tuple[int, int], int] = {}

        def get_grad(self: Any) -> Any:
            add_read(self)
            return get(self)

        def set_grad(self: Any, value: Any) -> None:
            put(self, value)
            frame = get_frame(1)
            key = (id(frame.f_code), frame.f_lasti)
            at = places.get(key)
            if at is None:
                at = places[key] = place(frame.f_code, frame.f_lasti)
            add_back((self, value, at, len(read)))

        self.grad_watch.install(get_grad, set_grad)

    def _outset(self, tape: StepRecord, caller: Any) -> None:
        """Parameters, gradients and moments as they are before a backward call."""
        walk = self._walk(caller)
        reached = self._reached(tape.root) if tape.root is not None else {}
        made = {id(each): i for i, each in enumerate(tape.nodes)}
        tape.groups = self._groups(walk, reached, made)
        params = {id(each): each for group in tape.groups for each in group.scalars}
        begin = max((made[each] + 1 for each in params if each in made), default=0)
        older = [each for key, each in reached.items() if key not in params and made.get(key, -1) < begin]
        older.reverse()
        tape.begin = begin
        tape.rows = [*params.values(), *older, *tape.nodes[begin:]]
        tape.n_params, tape.n_older = len(params), len(older)
        tape.before = [float(each.grad) for each in tape.rows]
        tape.data = [float(each.data) for each in params.values()]
        tape.moments = [(name, thing, numbers_of(thing) or []) for name, thing in walk.numbers]

    def _groups(self, walk: Walk, reached: dict[int, Any], made: dict[int, int]) -> list[Group]:
        leaves = {key for key, each in reached.items() if not self._kids(each)}
        first = self.step == 0
        return [
            group
            for group in best_groups(walk.groups, lambda each: not self._kids(each) and (first or id(each) not in made))
            if any(id(each) in leaves for each in group.scalars)
        ]

    def _after_backward(self, tape: StepRecord) -> None:
        self.phase = "update"
        recorder, init, put = self, self.init, self.data_watch.set
        updates, get_frame, place = tape.updates, sys._getframe, self.positions.place

        def set_data(self: Any, value: Any) -> None:
            put(self, value)
            frame = get_frame(1)
            updates.append((self, value, place(frame.f_code, frame.f_lasti)))

        def __init__(self: Any, *args: Any, **named: Any) -> None:
            if updates:
                recorder._settle()
            if recorder.phase == "update":
                recorder._unwatch_update()
                recorder._begin()
            init(self, *args, **named)
            if recorder.phase == "forward":
                recorder._note(self, sys._getframe(1))

        self.positions.add_method(__init__.__code__)
        self.data_watch.install(self.data_watch.get, set_data)
        self.scalar.__init__ = __init__

    def _unwatch_update(self) -> None:
        self._restore("__init__", self.own_init)
        self.data_watch.remove()
        self.phase = ""

    # Names: called by the hooks while something is recorded.

    def named(self, site: int, *values: Any) -> None:
        """After an assignment to plain names."""
        if self.phase == "forward":
            for name, value in zip(self.sources.sites[site].names, values):
                self._name(site, name, value, sys._getframe(1))
        elif self.phase == "update":
            for name, value in zip(self.sources.sites[site].names, values):
                self._number(site, name, value)

    def passed(self, site: int, value: Any) -> Any:
        """A value that is returned, or assigned to an attribute or an element."""
        if self.phase == "forward":
            self._name(site, self.sources.sites[site].names[0], value, sys._getframe(1))
        elif self.phase == "update":
            self._number(site, self.sources.sites[site].names[0], value)
        return value

    def _number(self, site: int, name: str, value: Any) -> None:
        if type(value) is float:
            tape = self.tape
            assert tape is not None
            tape.scalars.append((len(tape.updates), site, name, value))

    def _name(self, site: int, name: str, value: Any, frame: Any) -> None:
        copied = self._copied(value, DEPTH)
        if copied is not None:
            tape = self.tape
            assert tape is not None
            tape.names.append((len(tape.nodes), site, name, copied, self._context(frame)))

    def _copied(self, value: Any, depth: int) -> Any:
        """A scalar or a list of them as it is now; None for anything else."""
        if isinstance(value, self.scalar):
            return value
        if isinstance(value, (list, tuple)) and value and depth:
            first = value[0]
            if isinstance(first, self.scalar):
                return list(value)
            if isinstance(first, (list, tuple)):
                inner = [self._copied(each, depth - 1) for each in value]
                return None if any(each is None for each in inner) else inner
        return None

    def _context(self, frame: Any) -> list[Any]:
        """The functions that are running, outermost first, with their whole-number arguments and loop variables."""
        out = []
        files, methods = self.sources.files, self.positions.methods
        while frame is not None:
            code = frame.f_code
            file = files.get(code.co_filename)
            if file is not None and id(code) not in methods:
                line = frame.f_lineno
                names = [*code.co_varnames[: code.co_argcount]]
                names += [n for a, b, ns in self.sources.loops[file] if a <= line <= b for n in ns]
                variables = frame.f_locals
                out.append(
                    [
                        getattr(code, "co_qualname", code.co_name),
                        {name: variables[name] for name in names if type(variables.get(name)) in (int, str)},
                    ]
                )
            frame = frame.f_back
        out.reverse()
        return out

    # The finished tape.

    def _send(self, tape: StepRecord, complete: bool) -> None:
        self.channel.send("step", **message(self, tape, complete))
