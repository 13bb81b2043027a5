"""CONTRIBUTING.md and docs/architecture.md speak of files and names that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCS = (CONTRIBUTING, ROOT / "docs" / "architecture.md")
BASES = (ROOT, ROOT / "engine", ROOT / "microgpt_tui")
FILES = [
    path
    for folder in ("engine", "microgpt_tui", "tests", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".toml", ".txt", ".md", ".tcss")
]
NOT_OURS = {"microgpt.py"}
PATH = re.compile(r"[a-z_0-9./]+(?:\.(?:py|toml|txt|md|tcss)|/)|[a-z_0-9]+(?:/[a-z_0-9]+)+")
NAME = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)(?:\(.*\))?")


def quoted(doc: Path) -> set[str]:
    """What stands between backquotes in the prose of a page."""
    prose = re.sub(r"^```.*?^```$", "", doc.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {" ".join(each.split()) for each in re.findall(r"`([^`]+)`", prose)}


def files_of(path: str) -> list[Path]:
    """What a path may stand for: below the project or one of its packages; for a name alone, any file of that name."""
    found = [base / path for base in BASES if (base / path).exists()]
    return found or [file for file in FILES if "/" not in path and file.name == path]


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_every_path_exists(doc: Path) -> None:
    paths = {each for each in quoted(doc) if PATH.fullmatch(each)} - NOT_OURS
    assert len(paths) > 15
    assert not [path for path in paths if not files_of(path)]


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_every_name_is_in_the_code(doc: Path) -> None:
    words = set(
        re.findall(r"\w+", "\n".join(file.read_text(encoding="utf-8") for file in FILES if file.suffix != ".md"))
    )
    names = {match[1] for each in quoted(doc) if not PATH.fullmatch(each) and (match := NAME.fullmatch(each))}
    assert len(names) > 15
    assert not [name for name in names if not words.issuperset(name.split("."))]


def test_every_call_of_say_that_is_an_example_is_in_the_code() -> None:
    code = "\n".join(file.read_text(encoding="utf-8") for file in FILES if file.suffix == ".py")
    calls = {each.partition(",")[0].rstrip(")") for each in quoted(CONTRIBUTING) if each.startswith("say(")}
    assert len(calls) == 2
    assert not [call for call in calls if call not in code]


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_a_name_beside_its_file_is_in_it(doc: Path) -> None:
    pairs = re.findall(r"`([a-z_0-9/]+\.py)` `(\w+(?:\.\w+)*)`", doc.read_text(encoding="utf-8"))
    texts = {path: "\n".join(file.read_text(encoding="utf-8") for file in files_of(path)) for path, _ in pairs}
    missing = [
        (path, name)
        for path, name in pairs
        if not all(re.search(rf"\b{re.escape(part)}\b", texts[path]) for part in name.split("."))
    ]
    assert not missing


@pytest.mark.parametrize("package", ["engine", "microgpt_tui"])
def test_the_tree_has_the_order_of_the_imports(package: str) -> None:
    """Each package and module once, from what stands on none to what stands on all, as the import contracts have it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == [package])
    tree = re.search(rf"^{package}/\n((?: .*\n)+)", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    assert tree is not None
    heads = re.findall(r"^  ((?:\w+(?:/|\.py) +)+)", tree[1], re.MULTILINE)
    listed = [name.removesuffix("/").removesuffix(".py") for head in heads for name in head.split()]
    for layer in reversed(layers):
        names = set(layer.split(" | ")) - {"__main__"}
        assert set(listed[: len(names)]) == names
        listed = listed[len(names) :]
    assert not listed
