"""The lectures in the documentation's examples have no mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import Session
from microgpt_tui.lectures.check import check_lecture
from microgpt_tui.panes.registry import screen_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("document", "pages"), [("README.md", 2), ("docs/lectures.md", 3)])
def test_the_example_has_no_mistakes(document: str, pages: int, tmp_path: Path) -> None:
    (example,) = re.findall(r"```markdown\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "example.md"
    file.write_text(example, encoding="utf-8")
    chapter, mistakes = check_lecture(file, "en", Session, screen_names())
    assert mistakes == []
    assert chapter is not None
    assert len(chapter.pages) == pages


def test_pictures_and_links_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len([link for link in links if link.endswith(".svg")]) >= 6
    assert [link for link in links if not (ROOT / link).is_file()] == []
