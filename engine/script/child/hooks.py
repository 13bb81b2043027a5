"""Hooks in the syntax tree of a script: after assignments, around returned values, after classes, at one chosen line.

Each hook stands behind a flag, so that it costs next to nothing while nothing is recorded. The script's own scalar
class gets none.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from typing import Any, Callable

from .scalar_class import DATA

FLAG = "__microgpt_tui_recording__"
HOOK = "__microgpt_tui_hook__"
KEPT = "__microgpt_tui_kept__"
"""The variable that holds what is about to be returned or assigned."""
IS_FUNCTION = 0x02  # flag of a code with local variables: of a function, not of a class
OWN_FUNCTIONS = frozenset(dir(builtins)) - {"exec", "eval"}
SIMPLE = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop,
    ast.expr_context, ast.Slice, ast.Tuple,
)  # fmt: skip


class Site:
    """Where a hook stands: its position, the names that it is about, and what kind of naming it is."""

    __slots__ = ("kind", "names", "position")

    def __init__(self, position: tuple[Any, ...], names: list[str], kind: str) -> None:
        self.position, self.names, self.kind = position, names, kind


class Sources:
    """The files that belong to the script, their hooks and their loops."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        self.paths: list[str] = []
        self.texts: list[list[str]] = []
        self.loops: list[list[tuple[int, int, list[str]]]] = []
        self.sites: list[Site] = []
        self.ends_steps = False
        """Whether there is a hook where the user lets steps end."""
        self.ends_in_update = False
        """Whether that is within a loop that moves parameters, which is not over there."""
        self._qualified: dict[int, tuple[types.CodeType, str]] = {}
        """Codes, kept so that their id stays theirs, and their qualified names."""
        self.prepare: Callable[[ast.Module], ast.Module] = lambda tree: tree
        """What is done to a syntax tree first."""
        self.hidden_writes = False
        """Whether there may be writes of a scalar's value, outside of its `__init__`, that no hook tells of."""

    def compile(self, source: str | bytes, path: str, step_at: int | None = None) -> types.CodeType:
        """The code of a file with hooks in it. Raises SyntaxError, as Python does."""
        tree = self.prepare(ast.parse(source, path))
        text = source if isinstance(source, str) else _decoded(source)
        at = self.files[path] = len(self.paths)
        self.paths.append(path)
        self.texts.append(_lines(text))
        self.loops.append([])
        written = _written(tree)
        hooks = _Hooks(self, at, step_at)
        hooked = hooks.visit(tree)
        self.hidden_writes |= written != hooks.watched
        code: types.CodeType = compile(ast.fix_missing_locations(hooked), path, "exec", dont_inherit=True)
        if sys.version_info < (3, 11):
            self._qualify(code, "")
        return code

    def _qualify(self, code: types.CodeType, prefix: str) -> None:
        """Note the qualified names of the functions in a module, a class or a function."""
        for each in code.co_consts:
            if isinstance(each, types.CodeType):
                name = prefix + each.co_name
                self._qualified[id(each)] = (each, name)
                self._qualify(each, f"{name}.<locals>." if each.co_flags & IS_FUNCTION else f"{name}.")

    def name_of(self, code: types.CodeType) -> str:
        """The qualified name of a function. Before Python 3.11 its code does not tell it."""
        if sys.version_info >= (3, 11):
            return code.co_qualname
        return self._qualified.get(id(code), (code, code.co_name))[1]

    def add(self, path: str) -> None:
        """Take in a file that gets no hooks, for its positions."""
        self.hidden_writes = True
        with open(path, "rb") as file:
            text = _decoded(file.read())
        self.files[path] = len(self.paths)
        self.paths.append(path)
        self.texts.append(_lines(text))
        self.loops.append([])

    def line(self, file: int, line: int) -> str:
        """The text of a line, without the spaces around it."""
        lines = self.texts[file]
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""


def _lines(text: str) -> list[str]:
    """The lines of a text as Python counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _decoded(source: bytes) -> str:
    import io
    import tokenize

    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    return source.decode(encoding, "replace").lstrip("\ufeff")


def targets(target: ast.expr) -> list[str]:
    """The plain names that an assignment target binds."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for each in target.elts for name in targets(each)]
    return targets(target.value) if isinstance(target, ast.Starred) else []


def _attributes(target: ast.expr) -> list[ast.Attribute]:
    """The attributes that an assignment target writes."""
    if isinstance(target, ast.Attribute):
        return [target]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [found for each in target.elts for found in _attributes(each)]
    return []


def _is_simple(node: ast.AST) -> bool:
    """Whether an expression can be computed once more without any effect."""
    return all(isinstance(each, SIMPLE) for each in ast.walk(node))


def _loaded(node: ast.expr) -> ast.expr:
    """A copy of an expression."""
    return ast.parse(ast.unparse(node), mode="eval").body


def _written(tree: ast.AST) -> int:
    """How many writes of a scalar's value there may be, outside of the `__init__` of scalar classes; -1: any number."""
    count = 0
    exempt: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and is_scalar_class(node):
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and each.name == "__init__":
                    exempt.update(map(id, ast.walk(each)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in ("setattr", "vars", "exec", "eval"):
            return -1
        if isinstance(node, ast.Attribute):
            if node.attr in ("__dict__", "__setattr__"):
                return -1
            count += isinstance(node.ctx, ast.Store) and node.attr in DATA and id(node) not in exempt
    return count


def _is_update(loop: ast.AST) -> bool:
    """Whether a loop surely moves parameters and calls no `backward`: it calls nothing but what Python brings."""
    nodes = list(ast.walk(loop))
    writes = any(
        isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and each.attr in DATA for each in nodes
    )
    return writes and all(_is_known(each.func) for each in nodes if isinstance(each, ast.Call))


def _is_known(function: ast.expr) -> bool:
    """Whether a function is one of Python's own, called as it is."""
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id == "math"
    return isinstance(function, ast.Name) and function.id in OWN_FUNCTIONS


def _short(function: str) -> str:
    """What the result of a function is called by: its name, or its class where that is what is called."""
    called = ".__call__"
    named = function[: -len(called)] if function.endswith(called) else function
    return named.rsplit(".", 1)[-1]


def is_scalar_class(node: ast.ClassDef) -> bool:
    """Whether a class looks like the scalars of an autograd engine."""
    names = {each.name for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return {"__add__", "__mul__"} <= names


class _Hooks(ast.NodeTransformer):
    """Puts the hooks into one file."""

    def __init__(self, sources: Sources, file: int, step_at: int | None) -> None:
        self.sources, self.file, self.step_at = sources, file, step_at
        self.function = "<module>"  # the qualified name of the function that is visited
        self._prefix = ""  # what a qualified name in it begins with
        self._step_line = 0
        self._loops: list[ast.AST] = []  # those around the statement that is visited, in its function
        self.watched = 0  # writes of attributes called as a scalar's value may be

    def visit_Module(self, node: ast.Module) -> ast.Module:
        if self.step_at is not None:
            lines = [each.lineno for each in ast.walk(node) if isinstance(each, ast.stmt)]
            self._step_line = min((line for line in lines if line >= self.step_at), default=0)
        skip = 0
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            skip = 1  # the docstring
        while (
            skip < len(node.body)
            and isinstance(node.body[skip], ast.ImportFrom)
            and getattr(node.body[skip], "module", "") == "__future__"
        ):
            skip += 1
        node.body = node.body[:skip] + self._block(node.body[skip:])
        return node

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for each in body:
            if each.lineno == self._step_line:
                self._step_line = 0
                self.sources.ends_steps = True
                self.sources.ends_in_update = bool(self._loops) and _is_update(self._loops[-1])
                out.append(ast.copy_location(ast.Expr(self._call("step_at", [], each)), each))
            done = self.visit(each)
            out += done if isinstance(done, list) else [done]
        return out

    def _blocks(self, node: Any) -> Any:
        """Visit the blocks of a compound statement; expressions hold no statements."""
        for field in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, field, None), list):
                setattr(node, field, self._block(getattr(node, field)))
        for handler in getattr(node, "handlers", []):
            handler.body = self._block(handler.body)
        for case in getattr(node, "cases", []):
            case.body = self._block(case.body)
        return node

    visit_If = visit_With = visit_AsyncWith = visit_Try = visit_TryStar = visit_Match = _blocks

    def _loop(self, node: Any, names: list[str]) -> Any:
        self.sources.loops[self.file].append((node.lineno, node.end_lineno, names))
        self._loops.append(node)
        try:
            return self._blocks(node)
        finally:
            self._loops.pop()

    def visit_For(self, node: Any) -> Any:
        return self._loop(node, targets(node.target))

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> Any:
        tested = {each.id for each in ast.walk(node.test) if isinstance(each, ast.Name)}
        counted = [
            each.target.id
            for each in ast.walk(node)
            if isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name) and each.target.id in tested
        ]
        return self._loop(node, list(dict.fromkeys(counted)))

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        if not is_scalar_class(node):
            outer = self.function, self._prefix
            self._prefix += f"{node.name}."
            node.body = self._block(node.body)
            self.function, self._prefix = outer
        tell = ast.Expr(self._call("defined", [ast.Name(node.name, ast.Load())], node))
        return [node, ast.copy_location(tell, node)]

    def visit_FunctionDef(self, node: Any) -> Any:
        outer = self.function, self._prefix, self._loops
        self.function = self._prefix + node.name
        self._prefix, self._loops = f"{self.function}.<locals>.", []
        node.body = self._block(node.body)
        self.function, self._prefix, self._loops = outer
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def _site(self, node: Any, names: list[str], kind: str) -> ast.Constant:
        position = (self.file, node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, self.function)
        self.sources.sites.append(Site(position, names, kind))
        return ast.Constant(len(self.sources.sites) - 1)

    def _call(self, method: str, args: list[ast.expr], at: Any) -> ast.expr:
        call = ast.Call(ast.Attribute(ast.Name(HOOK, ast.Load()), method, ast.Load()), args, [])
        for each in (call, *ast.walk(call.func)):  # not what is in the user's expressions
            ast.copy_location(each, at)
        return call

    def _named(self, node: Any, names: list[str]) -> Any:
        """The statement, and after it a hook that looks at the names that it has bound."""
        if not names:
            return node
        values = [ast.Name(name, ast.Load()) for name in names]
        call = self._call("named", [self._site(node, names, "assign"), *values], node)
        return [node, self._guarded(call, node)]

    def _stored(self, node: Any, target: ast.expr) -> list[ast.stmt]:
        """An assignment to an attribute or an element, whose value goes through a hook while something is recorded."""
        before, value = self._kept(node)
        site = self._site(node, [ast.unparse(target)], "assign")
        hook = self._guarded(self._call("passed", [site, _loaded(value)], node), node)
        after = [ast.copy_location(ast.Delete([ast.Name(KEPT, ast.Del())]), node)] if before else []
        for each in after:
            ast.copy_location(each.targets[0], node)
        return [*before, hook, node, *after]

    @staticmethod
    def _kept(node: Any) -> tuple[list[ast.stmt], ast.expr]:
        """What computes the value of a statement and keeps it, and the variable that the statement then has as value.

        The flag is looked at after that: the value may begin the step that is recorded.
        """
        value = node.value
        if isinstance(value, ast.Name):
            return [], value
        kept = ast.copy_location(ast.Assign([ast.copy_location(ast.Name(KEPT, ast.Store()), value)], value), node)
        node.value = ast.copy_location(ast.Name(KEPT, ast.Load()), value)
        return [kept], node.value

    def _watched(self, node: Any, targets_: list[ast.expr], done: Any) -> Any:
        """The statements that stand for an assignment, and around them hooks for the scalars whose value it writes."""
        scalars = [each.value for target in targets_ for each in _attributes(target) if each.attr in DATA]
        if not all(map(_is_simple, scalars)):
            return done
        self.watched += len(scalars)
        before, after = [], []
        for each in scalars:
            before.append(self._guarded(self._call("writing", [_loaded(each)], node), node))
            after.append(self._guarded(self._call("wrote", [_loaded(each)], node), node))
        return [*before, *(done if isinstance(done, list) else [done]), *after]

    def _guarded(self, call: ast.expr, node: Any) -> ast.If:
        guard = ast.If(ast.Name(FLAG, ast.Load()), [ast.Expr(call)], [])
        for each in ast.walk(guard):
            ast.copy_location(each, node)
        return guard

    def visit_Assign(self, node: ast.Assign) -> Any:
        names = [name for each in node.targets for name in targets(each)]
        if not names and len(node.targets) == 1 and not isinstance(node.targets[0], (ast.Tuple, ast.List)):
            return self._watched(node, node.targets, self._stored(node, node.targets[0]))
        return self._watched(node, node.targets, self._named(node, names))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return node
        if not isinstance(node.target, ast.Name):
            return self._watched(node, [node.target], self._stored(node, node.target))
        return self._watched(node, [node.target], self._named(node, targets(node.target)))

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        return self._watched(node, [node.target], self._named(node, targets(node.target)))

    def visit_Return(self, node: ast.Return) -> Any:
        if node.value is None or isinstance(node.value, ast.Constant):
            return node
        before, value = self._kept(node)
        site = self._site(node, [f"{_short(self.function)}()"], "return")
        return [*before, self._guarded(self._call("passed", [site, _loaded(value)], node), node), node]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        return node
