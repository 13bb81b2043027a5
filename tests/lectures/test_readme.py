"""The README's example of a lecture is a lecture: it is read and checked as any other."""

from __future__ import annotations

import re
from pathlib import Path

from engine import Session
from microgpt_tui.lectures.checking import check

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_example_in_the_readme_can_be_given(tmp_path: Path) -> None:
    (example,) = re.findall(r"```markdown\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "example.md"
    file.write_text(example, encoding="utf-8")
    chapter, mistakes = check(file, "en", Session)
    assert mistakes == []
    assert chapter is not None
    assert len(chapter.pages) == 3
