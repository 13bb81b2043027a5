"""docs/performance.md: its links lead somewhere, its commands exist, its figures are lines that benchmarks print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from microgpt_tui.cli import cli

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BENCHMARKS = ROOT / "tests" / "benchmarks"
ROW = r"^\| ([^`|]+) \| ([^|]*\d[^|]*) \| `(\w+\.py)` \|$"  # a figure: what a line says, the figure, and what prints it


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def heading_names(page: Path) -> set[str]:
    """The names by which links reach the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    links = [link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", text())]
    assert links
    for path, _, heading in links:
        page = PAGE.parent / path if path else PAGE
        assert page.is_file(), path
        assert not heading or heading in heading_names(page), heading


def test_commands_exist() -> None:
    commands = [shlex.split(span) for span in re.findall(r"`((?:python|microgpt-tui) [^`]+)`", text())]
    assert {words[0] for words in commands} == {"python", "microgpt-tui"}
    for program, first, *rest in commands:
        if program == "python":
            assert (ROOT / first).is_file(), first
            continue
        known = {option for param in cli.commands[first].params for option in param.opts}
        assert {word for word in rest if word.startswith("--")} <= known, (first, rest)


def test_figures_are_lines_that_benchmarks_print() -> None:
    rows = re.findall(ROW, text(), re.MULTILINE)
    assert len(rows) > 12
    for label, _, file in rows:
        assert label in (BENCHMARKS / file).read_text(encoding="utf-8"), (label, file)


def test_every_benchmark_of_time_or_memory_has_figures() -> None:
    others = {"fuzz.py", "size.py", "script.py"}  # faults, disk, and scripts of the user's own
    measuring = {file.name for file in BENCHMARKS.glob("*.py")} - others
    assert {file for *_, file in re.findall(ROW, text(), re.MULTILINE)} == measuring
