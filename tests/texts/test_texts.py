"""Every text of the program stands in the files of texts, in every language, under a key that is used."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from functools import cache
from pathlib import Path

import pytest
from rich.errors import StyleSyntaxError
from rich.style import Style

from engine.language.chosen import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"engine": ROOT / "engine" / "language", "microgpt_tui": ROOT / "microgpt_tui" / "texts"}
READ_WHOLE = {"microgpt_tui": ("audience_page", "click", "events", "glossary", "lecture")}  # by other means than `say`

WORDS = re.compile(  # two words, a word and what is filled in before or after it, a word that goes on a line, or a
    # key and what it does
    r"[A-Za-z]{2,}[,.:;]? [A-Za-z({]|\ban? [a-z]{3,}|[})][,.:;]* \(?[A-Za-z][a-z]{2,}|^ \(?[a-z]{3,}\)?$"
    r"|· [A-Za-z]+ [a-z]{2,}|· [A-Za-z]{2,}$|[a-z]{3,} ?(?:…|\.\.\.)$"
)
TAG = re.compile(r"<[^<>]*>")
LABEL = re.compile(r"[A-Z][a-z]{2,}[.:]?")  # the engine has none: there, such a word is the name of a class
WORD = re.compile(r"[A-Za-z]{3,}")  # in what is drawn, even a single one
DRAWN = {"add", "most", "fit", "line", "append", "Binding"}  # calls whose arguments are read by people
INTERNAL = {"AssertionError", "KeyError", "RuntimeError", "TypeError", "IndexError"}
NO_TEXTS = {  # by file: what only looks like text
    "engine/__init__.py": {"module {} has no attribute {}"},  # as Python says it
    "engine/errors.py": {  # what libraries say, to be recognised
        "Cannot allocate memory",
        "cannot map zero-fill pages",
        "failed to map segment",
        "not permitted",
        "can't start new thread",
    },
    "engine/immutable.py": {  # code
        "def __eq__(self, other):\n return {} == {} if other.__class__ is self.__class__ else NotImplemented\n"
        "def __hash__(self):\n return hash({})\n",
        " pass",
        "new_{}() if {} is MISSING else {}",
    },
    "engine/run/address.py": {  # as they are typed
        "step 500, 0 forward {}{}, 99 update {}, 3 backward end",
        "step 500, 0 forward attn_weights@pos=2,head=1, 99 update wte, 3 backward end",
        "step {}",
        "scalar {}",
    },
    "engine/script/child/crash.py": {"{}: {} ({}, line {})"},  # as Python says it
    "engine/script/child/scalar_class.py": {"{} object has no attribute {}"},
    "engine/script/child/wrappers.py": {"_put(self, value)"},  # Python
    "engine/script/findings.py": {  # keys in JSON
        "local gradient",
        "gradient sum",
        "no gradient",
        "not moved",
        "not in the loss",
        "not zeroed",
        "not finite",
    },
    "engine/script/run.py": {"Traceback (most recent call last):", '  File "{}", {}, in {}', "line {}"},  # of Python
    "engine/script/source_file.py": {"unknown encoding", "encoding problem"},  # as Python says it
    "engine/verify/probe.py": {"if {}.turn(): break", "try: pass\nfinally: {}.sampled({})"},  # Python
    "microgpt_tui/__init__.py": {"module {} has no attribute {}"},
    "microgpt_tui/cli/_film.py": {"microgpt-tui: {} – {}"},
    "microgpt_tui/cli/main.py": {"microgpt-tui {}"},
    "microgpt_tui/cli/serve.py": {"microgpt-tui {}"},
    "microgpt_tui/cli/_network.py": {"--public-url: {}"},
    "microgpt_tui/cli/train.py": {"break {}", "at {}", "--break: {}", "--break-at: {}"},  # ids, and options
    "microgpt_tui/debugger/goto.py": {  # as they are typed
        "step 500   +50   pos 3   logits   wte[5, 3]   99 backward q@pos=1   next q[3]   loss < 2",
        "event attn_weights",
        "next wte[5, 3]",
        "back loss > 3",
    },
    "microgpt_tui/debugger/search.py": {"attn_weights   head 2 weights   pos 1 embed   token a   backward wte"},
    "microgpt_tui/export/animated_svg.py": {  # CSS
        "[class]{animation:{}s step-end {}}",
        ".{}{{}animation-name:{}}@keyframes {}{{}}",
    },
    "microgpt_tui/export/graph.py": {  # DOT
        "digraph {} {\n  rankdir=LR;\n  node [shape=box];\n{}\n}\n",
        "  more{} [shape=plaintext, label={}];",
        "  {} -> {} [style=dashed];",
    },
    "microgpt_tui/__main__.py": {  # said where there may be no memory to read a file
        "error: there is not enough memory to start; free some, or raise its limit (ulimit -v)\n"
    },
    "microgpt_tui/export/moment_picture.py": {"microgpt-tui: {}"},
    "microgpt_tui/export/html.py": {"linear-gradient(to {},{} {},{} 0) 0/1ch", "text-decoration:underline {}"},
    "microgpt_tui/lectures/file_map.py": {"class {}"},  # as Python says it
    "microgpt_tui/lectures/speaker_notes.py": {"Audience"},  # the name of a type
    "microgpt_tui/module_path.py": {  # a program
        "import sys; sys.path.insert(0, {}); from microgpt_tui.module_path import run_module; "
        "sys.path.append(sys.path.pop(0)); run_module({})"
    },
    "microgpt_tui/operations/attention.py": {"  exp({} − {}) = "},  # formulas, here and below
    "microgpt_tui/operations/loss.py": {" = −log(", "−log p"},
    "microgpt_tui/operations/probabilities.py": {" = exp(", ") / Σ exp = ", "  exp("},
    "microgpt_tui/operations/vectors.py": {" = max(0, "},
    "microgpt_tui/panes/output.py": {"Traceback (most recent call last):"},  # as Python says it
    "microgpt_tui/panes/source.py": {"( *)(?:async )?def (\\w+)"},
    "microgpt_tui/screens/inference.py": {"names {}"},  # a seed
    "microgpt_tui/screens/lecture.py": {"Pane"},  # a selector of style sheets
    "microgpt_tui/web/access.py": {"Host", "Origin", "Strict", "Upgrade"},  # of HTTP
    "microgpt_tui/web/audience_server.py": {"public, max-age={}, immutable", "public, max-age=1"},  # of HTTP
    "microgpt_tui/web/pages/__init__.py": {  # of HTTP
        "Host",
        " ws://{} wss://{}",
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'{sockets}; "
        "img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    },
}


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax trees of the program, by path."""
    files = sorted(path for package in FOLDERS for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


@cache
def texts(package: str, language: str) -> dict[str, list[str]]:
    """The texts of a language by key: the forms of each."""
    found: dict[str, list[str]] = {}

    def collect(key: str, entry: object) -> None:
        if isinstance(entry, str):
            found[key] = [entry]
        elif isinstance(entry, dict) and "other" in entry:
            found[key] = list(entry.values())
        elif isinstance(entry, dict):
            for name, inner in entry.items():
                collect(f"{key}.{name}", inner)
        else:
            raise AssertionError(f"{package} {language}: {key} is no text")

    for file in sorted((FOLDERS[package] / language).glob("*.toml")):
        collect(file.stem, tomllib.loads(file.read_text(encoding="utf-8")))
    return found


def fields(template: str) -> set[str]:
    """What a template speaks of."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def calls(package: str) -> list[tuple[str, int, ast.Call]]:
    """Every call of `say` in a package: path, line, call."""
    return [
        (path, node.lineno, node)
        for path, tree in modules().items()
        if path.startswith(f"{package}/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"
    ]


def pattern(key: ast.expr, at: str) -> str:
    """A regular expression of the keys that a call may ask for. The beginning of a key is always written out."""
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return re.escape(key.value)
    if isinstance(key, ast.IfExp):
        return f"(?:{pattern(key.body, at)}|{pattern(key.orelse, at)})"
    assert isinstance(key, ast.JoinedStr), f"{at}: write the key of a text where it is asked for"
    first = key.values[0]
    assert isinstance(first, ast.Constant), f"{at}: write the beginning of the key"
    assert "." in first.value, f"{at}: write the part that the text stands in"
    return "".join(re.escape(v.value) if isinstance(v, ast.Constant) else r"[\w-]*" for v in key.values)


@pytest.mark.parametrize("package", FOLDERS)
def test_every_key_asked_for_is_there_with_its_values(package):
    known = texts(package, LANGUAGES[0])
    for path, line, call in calls(package):
        at = f"{path}:{line}"
        keys = [key for key in known if re.fullmatch(pattern(call.args[0], at), key)]
        assert keys, f"{at}: no such text"
        given = {keyword.arg for keyword in call.keywords}
        if None not in given:
            for key in keys:
                missing = {field for form in known[key] for field in fields(form)} - given
                assert not missing, f"{at}: {key} speaks of {missing}"


REFUSALS = {"Unrecordable": "script.child.why", "Incomparable": "verify.probe.why"}
"""Errors of the code that runs in a user's process, without texts: their first argument is the key of one."""


def refusals() -> list[tuple[str, str, set[str]]]:
    """Every such error that is raised: where, the key, and what is told with it."""
    found = []
    for path, tree in modules().items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(key)), *_]) if name in REFUSALS:
                    told = {keyword.arg or "" for keyword in node.keywords}
                    found.append((f"{path}:{node.lineno}", f"{REFUSALS[name]}.{key}", told))
    return found


def test_what_a_process_without_texts_sends_is_a_text_with_its_values():
    known = texts("engine", LANGUAGES[0])
    assert {key.rpartition(".")[0] for _, key, _ in refusals()} == set(REFUSALS.values())
    for at, key, told in refusals():
        given = told | {"place"} if "line" in told else told  # the parent knows what a line is called
        missing = fields(known[key][0]) - given if key in known else {"all"}
        assert not missing, f"{at}: {key} speaks of {missing}"


@pytest.mark.parametrize("package", FOLDERS)
def test_every_text_is_asked_for(package):
    patterns = [pattern(call.args[0], f"{path}:{line}") for path, line, call in calls(package)]
    asked = re.compile("|".join(patterns) or "(?!)")
    whole = READ_WHOLE.get(package, ())
    unused = [
        key for key in texts(package, LANGUAGES[0]) if key.split(".")[0] not in whole and not asked.fullmatch(key)
    ]
    assert not unused


@pytest.mark.parametrize("language", LANGUAGES[1:])
@pytest.mark.parametrize("package", FOLDERS)
def test_languages_have_the_same_texts(package, language):
    english, other = texts(package, LANGUAGES[0]), texts(package, language)
    assert english.keys() == other.keys()
    for key, forms in english.items():
        spoken = {field for form in forms for field in fields(form)} - {"n"}
        assert {field for form in other[key] for field in fields(form)} - {"n"} == spoken, key
        assert [not form for form in other[key]] == [not forms[-1]] * len(other[key]), key


def is_text(value: str, labels: bool) -> bool:
    """Whether a string looks like something said to a person: two words or, if labels are looked for, one of those."""
    value = TAG.sub(" ", value)
    if not WORDS.search(value) and not (labels and LABEL.fullmatch(value)):
        return False
    try:
        Style.parse(value)  # such as "bold red"
    except StyleSyntaxError:
        return True
    return False


def read_by_people(call: ast.Call) -> list[ast.expr]:
    """The strings that a call draws or describes a key with, also those that a condition chooses between."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in DRAWN:
        return []
    waiting: list[ast.expr] = call.args[2:3] if name == "Binding" else call.args[:1]
    found = []
    while waiting:
        match waiting.pop():
            case ast.IfExp(body=body, orelse=orelse):
                waiting += [body, orelse]
            case ast.BinOp(left=left, right=right):
                waiting += [left, right]
            case (ast.Constant() | ast.JoinedStr()) as text:
                found.append(text)
    return found


def without_texts(tree: ast.Module) -> set[ast.AST]:
    """The nodes of a module that nobody but a programmer reads: docstrings, errors of programmers, style sheets."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                found.add(node.value)
            case ast.Call(func=ast.Name(id="examples")):  # command lines
                found |= set(ast.walk(node))
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name))) if name in INTERNAL:
                found |= set(ast.walk(node))
            case ast.Assert(msg=message) if message is not None:
                found |= set(ast.walk(message))
            case (
                ast.Assign(targets=[ast.Name(id="DEFAULT_CSS" | "CSS" | "STYLE" | "FONTS" | "INIT" | "GRAD")])
                | ast.AnnAssign(target=ast.Name(id="DEFAULT_CSS"))
            ):
                found |= set(ast.walk(node))
            case ast.JoinedStr(values=values):  # seen as a whole
                found |= set(values)
    return found


def text_nodes(tree: ast.Module, labels: bool = True) -> list[tuple[ast.expr, str]]:
    """The strings of a module that look like text, each with what it says; {} stands for what is filled in."""
    left_out = without_texts(tree)
    drawn = {each for node in ast.walk(tree) if labels and isinstance(node, ast.Call) for each in read_by_people(node)}
    found: list[tuple[ast.expr, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values):
                value = "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in values)
            case ast.Constant(value=str(value)):
                pass
            case _:
                continue
        if node not in left_out and (is_text(value, labels) or (node in drawn and WORD.search(TAG.sub(" ", value)))):
            found.append((node, value))
    return found


def texts_in(tree: ast.Module, labels: bool = True) -> list[str]:
    """The strings of a module that look like text, in the order of the alphabet."""
    return sorted(value for _, value in text_nodes(tree, labels))


@pytest.mark.parametrize("path", modules())
def test_no_text_in_code(path):
    found = text_nodes(modules()[path], labels=not path.startswith("engine/"))
    assert not [(node.lineno, value) for node, value in found if value not in NO_TEXTS.get(path, ())]


def test_text_in_code_is_found():
    tree = ast.parse('"""A docstring."""\nraise ConfigError(f"no {x} here, use y")\nhint = "Choose the stage"\n')
    assert texts_in(tree) == ["Choose the stage", "no {} here, use y"]
    tree = ast.parse(
        'line.add("gone" if x else f"{n} left").fit(name, 3)\nBinding("q", "quit", "leave")\nnames = ["wte"]\n'
    )
    assert texts_in(tree) == ["gone", "leave", "{} left"]
    tree = ast.parse('style = "bold red"\nname = "attn_weights"\nraise KeyError("no such key")\nlabel = "Loss"\n')
    assert texts_in(tree) == ["Loss"]
    tree = ast.parse('keys = f"{n} · c compare"\nmore = ways + " · esc"\n')
    assert texts_in(tree) == [" · esc", "{} · c compare"]
    tree = ast.parse(
        'pages = f"{n} pages"\nunits = str(n) + " units"\nmore = "{} ({} more)".format(a, n)\nsize = f"{n} kB"\n'
    )
    assert texts_in(tree) == [" units", "{} ({} more)", "{} pages"]
