"""Watches a copy of `microgpt.py` in its process, and sends what it computes: parameters, moments, losses, samples.

It takes the place of the recorder in the process of a script, and is loaded there by its path: it imports nothing of
the engine. A training step is a call of `backward` after which parameters or moments have other values. Hooks in the
syntax tree stand at the start of the body of each loop that trains and after it, and where a sample is whole.
"""

from __future__ import annotations

import ast
import random
import sys
import types
from array import array
from typing import Any, Callable, Iterator  # noqa: UP035

HOOK = "__microgpt_tui_hook__"
SIZES = ("n_layer", "n_embd", "n_head", "block_size", "num_steps")
NUMBERS = (*SIZES, "learning_rate", "beta1", "beta2")
EPSILON = 1e-8
NETWORK = ("socket.connect", "socket.getaddrinfo", "urllib.Request")
DEEP = 200_000  # the original sorts its graph by recursion, deeper than Python's usual limit for larger models
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.While, ast.AsyncFor)


class Incomparable(BaseException):
    """Why this file cannot be compared: the key of a text of the engine, and what that speaks of."""

    def __init__(self, key: str, **what: Any) -> None:
        super().__init__(key)
        self.key, self.what = key, what


# The hooks.


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one, but for those of functions and classes in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            yield child
            yield from own_nodes(child)


def called(node: ast.AST) -> set[str]:
    """The names of the functions and methods that are called in a node."""
    names = [each.func for each in own_nodes(node) if isinstance(each, ast.Call)]
    return {each.attr if isinstance(each, ast.Attribute) else each.id for each in names
            if isinstance(each, (ast.Attribute, ast.Name))}  # fmt: skip


def scopes(tree: ast.AST, is_scalar_class: Callable[[Any], bool]) -> Iterator[Any]:
    """The module and its functions, but for those of the scalar class."""
    if not (isinstance(tree, ast.ClassDef) and is_scalar_class(tree)):
        if isinstance(tree, (ast.Module, *FUNCTIONS)):
            yield tree
        for child in ast.iter_child_nodes(tree):
            yield from scopes(child, is_scalar_class)


def loops_of(scope: ast.AST) -> list[Any]:
    """The loops of a module or function, outer ones first."""
    return [each for each in own_nodes(scope) if isinstance(each, LOOPS)]


def reaching(method: str, functions: list[Any]) -> set[str]:
    """`method`, and those of the functions that call it, themselves or through others, by their names."""
    names, before = {method}, 0
    while len(names) > before:
        before = len(names)
        names |= {each.name for each in functions if called(each) & names}
    return names


class _Instrument(ast.NodeTransformer):
    """Puts the hooks around loops: those that train, those with a document in each turn, and those that draw one."""

    def __init__(self, training: set[Any], documents: dict[Any, int], positions: dict[Any, int], keep: Any) -> None:
        self.training, self.documents, self.positions, self.keep = training, documents, positions, keep

    def _loop(self, node: Any) -> Any:
        self.generic_visit(node)
        if node in self.training:
            node.body.insert(0, _statement(f"if {HOOK}.turn(): break", node))
            return [node, _statement(f"{HOOK}.turn()", node)]
        if node in self.documents:
            node.body = [_finally(node.body, self.documents[node], node)]
        return _finally([node], self.positions[node], node) if node in self.positions else node

    visit_For = visit_While = visit_AsyncFor = _loop  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return node if self.keep(node) else self.generic_visit(node)


def _statement(source: str, place: ast.AST) -> ast.stmt:
    (statement,) = ast.parse(source).body
    for node in ast.walk(statement):
        ast.copy_location(node, place)
    return statement


def _finally(body: list[ast.stmt], site: int, place: ast.AST) -> ast.stmt:
    """The statements, and then the hook of a sample, however they are left."""
    statement: Any = _statement(f"try: pass\nfinally: {HOOK}.sampled({site})", place)
    statement.body = body
    return statement  # type: ignore[no-any-return]


def grown(loop: ast.AST) -> list[str]:
    """The names of the lists and texts that a loop adds to."""
    names = []
    for node in own_nodes(loop):
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            names += [node.func.value.id] if isinstance(node.func.value, ast.Name) else []
    return names


# Variables.


def spaces(frame: Any) -> list[dict[str, Any]]:
    """The variables that code sees or its callers see, up to the script itself: local ones first."""
    local, of_modules = [], []
    while frame is not None:
        local.append(frame.f_locals)
        of_modules.append(frame.f_globals)
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__":
            break
        frame = frame.f_back
    return [*local, *of_modules]


def variable(name: str, variables: list[dict[str, Any]], fits: Callable[[Any], bool]) -> Any:
    """The first variable of this name that fits, or else what an object or dictionary in a variable holds under it.

    None if there is none.
    """
    for space in variables:
        if name in space and fits(space[name]):
            return space[name]
    for space in variables:
        for held in list(space.values()):
            inside: Any = held if type(held) is dict else getattr(held, "__dict__", None)
            if isinstance(held, (types.ModuleType, types.FunctionType)) or not hasattr(inside, "get"):
                continue
            if fits(inside.get(name)):
                return inside[name]
    return None


def _is_size(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_docs(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(doc, str) for doc in value)


def _data(value: Any) -> float:
    try:
        return float(value.data)
    except (AttributeError, TypeError, ValueError):
        raise Incomparable("no_data") from None


def _shapes(matrices: dict[Any, Any]) -> list[tuple[str, list[int]]]:
    """Name and shape of each matrix."""
    shapes = []
    for name, matrix in matrices.items():
        widths = {len(row) if isinstance(row, list) else 0 for row in matrix} if isinstance(matrix, list) else {0}
        if len(widths) != 1 or 0 in widths:
            raise Incomparable("no_matrix", name=str(name))
        shapes.append((str(name), [len(matrix), widths.pop()]))
    return shapes


class Probe:
    """What the hooks call; it looks at the copy's variables and sends what they hold.

    Training is ended after step `until`; 0: where the copy ends it. `no_network` is what a copy is told that reaches
    for the network.
    """

    def __init__(self, channel: Any, is_scalar_class: Callable[[Any], bool], until: int, no_network: str) -> None:
        self.channel, self.is_scalar_class, self.until = channel, is_scalar_class, until
        self.step = 0
        """Training steps that are done."""
        self.module: dict[str, Any] = {}
        self.set_flag: Any = None
        self.record = None
        self.kinds: tuple[type, ...] = ()
        self.classes: list[Any] = []
        self._in_call = self._begun = False
        self._refused: dict[Any, Incomparable] = {}
        """By call site: why what was there at its first call of `backward` is no training."""
        self._seeds: list[Any] = []
        self._held: dict[str, Any] = {}
        """state_dict, m and v, as they were found last."""
        self._state: dict[str, array[float]] = {}
        self._loss: float | None = None
        """Of the last call of `backward`, until its update is known to be done."""
        self._sites: list[list[str]] = []
        sys.setrecursionlimit(DEEP)
        _watch_seeds(self._seeds)
        sys.addaudithook(_refusing_network(no_network))

    def prepare(self, tree: ast.Module) -> ast.Module:
        """Put the hooks into the syntax tree of a file of the copy."""
        all_scopes = list(scopes(tree, self.is_scalar_class))
        functions = [each for each in all_scopes if isinstance(each, FUNCTIONS)]
        trains = reaching("backward", functions)
        training = {loop for scope in all_scopes for loop in loops_of(scope) if called(loop) & trains}
        single = [each for each in functions if not any("choices" in called(loop) for loop in loops_of(each))]
        draws = reaching("choices", single)
        documents: dict[Any, int] = {}
        positions: dict[Any, int] = {}
        for scope in all_scopes:
            loops = [loop for loop in loops_of(scope) if called(loop) & draws and loop not in training]
            inside = {loop: {each for each in own_nodes(loop) if isinstance(each, LOOPS)} for loop in loops}
            for loop in loops:
                names = grown(loop)
                if names and not any(other in inside[loop] for other in loops):
                    around = [other for other in loops if loop in inside[other]]
                    (documents if around else positions)[around[-1] if around else loop] = len(self._sites)
                    self._sites.append(["sample"] if "sample" in names else names[::-1])
        return _Instrument(training, documents, positions, self.is_scalar_class).visit(tree)  # type: ignore[no-any-return]

    def defined(self, kind: Any) -> None:
        """After a class statement."""
        if not isinstance(kind, type) or not all(hasattr(kind, name) for name in ("__add__", "__mul__", "backward")):
            return
        if any(issubclass(kind, each) for each in self.classes):
            return
        self.classes.append(kind)
        inner, probe = kind.backward, self  # type: ignore[attr-defined]

        def backward(self: Any, *args: Any, **named: Any) -> Any:
            if probe._in_call:  # which calls itself
                return inner(self, *args, **named)
            probe._before(sys._getframe(1))
            probe._in_call = True
            try:
                result = inner(self, *args, **named)
            finally:
                probe._in_call = False
            if probe._begun:
                probe._take_loss(self)
            return result

        kind.backward = backward  # type: ignore[attr-defined]

    def _take_loss(self, root: Any) -> None:
        try:
            self._loss = _data(root)
        except Incomparable as why:
            self._cannot(why)

    def turn(self) -> bool:
        """At the start of each turn of a loop that trains, and after it: whether the last step is done."""
        variables = spaces(sys._getframe(1))
        if self._begun:
            self._settle(variables)
        else:
            self._begin(variables)  # or else at the first call of `backward`
        return 0 < self.until <= self.step

    def sampled(self, site: int) -> None:
        """Where a document that the copy makes up is whole."""
        variables = spaces(sys._getframe(1))
        if sys.exc_info()[0] is not None or (not self._begun and self._begin(variables) is not None):
            return
        self._settle(variables)
        local = variables[0]
        found = next((local[name] for name in self._sites[site] if isinstance(local.get(name), (list, str))), None)
        temperature = variable("temperature", variables, _is_number)
        if temperature is None:
            self._cannot(Incomparable("no_temperature"))
        elif found and all(type(each) is int for each in found):
            self.channel.send("sample", tokens=found, temperature=temperature)
        elif found is not None:
            self.channel.send("sample", text="".join(map(str, found)), temperature=temperature)

    def wait(self) -> None:
        """The copy begins at once."""

    def ended(self, whole: bool, _: Any = None) -> None:
        """The copy has ended; `whole` is False where an error stopped it, perhaps within an update."""
        if whole:
            self._settle([])

    def check_end(self) -> None:
        """Say why there was nothing to compare, if so; the copy came to its end."""
        if not self.classes:
            self._cannot(Incomparable("no_class"))
        if not self._begun:
            self._cannot(next(iter(self._refused.values()), Incomparable("no_backward")))

    def _cannot(self, why: Incomparable) -> None:
        """Say why the copy cannot be compared, and wait for the end of this process."""
        self.channel.send("cannot", why=why.key, what=why.what)
        while True:
            self.channel.command()

    def _before(self, frame: Any) -> None:
        """Before a call of `backward`."""
        variables = spaces(frame)
        if self._begun:
            self._settle(variables)
            if 0 < self.until <= self.step:
                self.channel.send("continues")
            return
        site = (frame.f_code, frame.f_lasti)
        why = self._begin(variables)
        if why is not None:
            if site in self._refused:  # so it is a loop
                self._cannot(self._refused[site])
            self._refused[site] = why

    def _begin(self, variables: list[dict[str, Any]]) -> Incomparable | None:
        """Send what training starts from, if it is there; else return what is missing."""
        try:
            outset = self._outset(variables)
            self._held = self._found(variables)
            self._state = self._values()
        except Incomparable as why:
            self._held = {}
            return why
        self._begun = True
        self.channel.send("begin", arrays=self._state, **outset)
        return None

    def _settle(self, variables: list[dict[str, Any]]) -> None:
        """Send the training step of the last call of `backward`, if anything has moved since."""
        if self._loss is None:
            return
        try:
            self._held = self._found(variables)
            values = self._values()
        except Incomparable as why:
            self._cannot(why)
        if values != self._state:
            self._state = values
            self.step += 1
            self.channel.send("step", arrays=values, loss=self._loss.hex())
            self._loss = None

    def _found(self, variables: list[dict[str, Any]]) -> dict[str, Any]:
        """Those of state_dict, m and v that are there; what is not found here is as it was found before."""
        known = self._held.get
        matrices = variable("state_dict", variables, lambda each: isinstance(each, dict)) or known("state_dict")
        count = None if matrices is None else sum(height * width for _, (height, width) in _shapes(matrices))

        def fits(value: Any) -> bool:
            is_list = isinstance(value, list) and bool(value) and _is_number(value[0])
            return is_list and len(value) == (count or len(value))

        moments = {name: variable(name, variables, fits) or known(name) for name in ("m", "v")}
        return {name: value for name, value in {"state_dict": matrices, **moments}.items() if value is not None}

    def _values(self) -> dict[str, array[float]]:
        """Parameters and moments, in the order of state_dict."""
        params = [_data(each) for matrix in self._held["state_dict"].values() for row in matrix for each in row]
        return {"params": array("d", params), "m": array("d", self._held["m"]), "v": array("d", self._held["v"])}

    def _outset(self, variables: list[dict[str, Any]]) -> dict[str, Any]:
        numbers = {name: variable(name, variables, _is_size if name in SIZES else _is_number) for name in NUMBERS}
        docs, epsilon = variable("docs", variables, _is_docs), variable("eps_adam", variables, _is_number)
        held = self._found(variables)
        lists = [name for name in ("m", "v") if name not in held]
        lacking = [
            ("numbers", [name for name, value in numbers.items() if value is None]),
            ("docs", ["docs"] if docs is None else []),
            ("matrices", ["state_dict"] if "state_dict" not in held else []),
            ("moments", lists),
            ("seed", [] if self._seeds else ["seed"]),
        ]
        missing = [each for each in lacking if each[1]]
        if missing:
            raise Incomparable("lacking", missing=missing)
        if len(self._seeds) != 1 or type(self._seeds[0]) is not int:
            raise Incomparable("other_seeds")
        if epsilon not in (None, EPSILON):
            raise Incomparable("other_epsilon", epsilon=repr(epsilon))
        return {"config": {**numbers, "seed": self._seeds[0]}, "docs": docs, "shapes": _shapes(held["state_dict"])}


def _refusing_network(text: str) -> Callable[[str, Any], None]:
    def refuse(event: str, _: Any) -> None:
        if event in NETWORK:
            raise OSError(text)

    return refuse


def _watch_seeds(seeds: list[Any]) -> None:
    seed = random.seed

    def watched(a: Any = None, *rest: Any, **named: Any) -> None:
        seeds.append(a)
        seed(a, *rest, **named)

    random.seed = watched
