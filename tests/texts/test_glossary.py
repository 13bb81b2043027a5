"""The glossary: every term has a meaning in each language, a key shows them, and the Korean texts keep to them."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine.language import chosen
from engine.language.catalog import read_part
from engine.language.chosen import LANGUAGES
from microgpt_tui.dialogs.help import HelpScreen
from microgpt_tui.explanations.glossary import terms, terms_in
from microgpt_tui.explanations.sentences import lecture_words
from microgpt_tui.export.handout import handout, printed
from tests.support.harness import debugger, screen, session, text, until
from tests.support.lecture_harness import lecture_of

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = tomllib.loads((resources.files("microgpt_tui.texts") / "glossary.toml").read_text(encoding="utf-8"))
KOREAN = [*(ROOT / "microgpt_tui/texts/ko").glob("*.toml"), *(ROOT / "engine/language/ko").glob("*.toml")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_term_has_a_meaning_of_one_line(language: str) -> None:
    meanings = read_part("microgpt_tui.texts", language, "glossary")["terms"]
    assert list(meanings) == list(GLOSSARY["terms"])
    assert [term for term in terms(language) if "\n" in term.meaning or not 5 < cell_len(term.meaning) < 110] == []
    assert len({term.meaning for term in terms(language)}) == len(meanings)


def test_terms_are_in_the_order_of_the_language() -> None:
    assert [term.word for term in terms("ko")] == sorted(map(str, GLOSSARY["terms"].values()), key=str.casefold)
    assert [term.word for term in terms("en")] == sorted(GLOSSARY["terms"], key=str.casefold)
    assert terms("fr") == terms("en")


def test_terms_of_a_text_are_found_at_the_beginning_of_words() -> None:
    assert [term.word for term in terms_in(["We assume nothing"], "en")] == []
    assert [term.word for term in terms_in(["A query is a row"], "en")] == ["query", "row, column"]
    assert [term.word for term in terms_in(["쿼리는 행에"], "ko")] == ["쿼리", "행, 열"]


@pytest.mark.parametrize("file", KOREAN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_korean_texts_keep_to_the_glossary(file: Path) -> None:
    written = [line.partition(" = ")[2] for line in file.read_text(encoding="utf-8").split("\n")]
    found = [(line, better) for line in written for word, better in GLOSSARY["instead"].items() if word in line]
    assert found == []


async def test_a_key_shows_the_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    async with debugger((120, 36)) as pilot:
        for language, first in (("en", r"accumulate \(gradients\): adding"), ("ko", r"Adam: 옵티마이저의 하나")):
            monkeypatch.setattr(chosen, "_chosen", [language])
            await pilot.press("K")
            await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
            await until(pilot, lambda first=first: re.search(first, text(pilot)))  # type: ignore[misc]
            await pilot.press("K")
            await until(pilot, lambda: pilot.app.screen is screen(pilot))


async def test_a_handout_tells_what_its_terms_mean(tmp_path: Path) -> None:
    page = "---\nmoment: step 0\n---\n# 쿼리\n점수는 두 벡터의 내적입니다.\n"
    chapter = await printed(lecture_of(tmp_path, page), session().restart_copy())
    whole = handout("small", "ko", lecture_words("ko"), [chapter])
    assert re.findall("<dt>(.*?)</dt>", whole) == [
        "내적 (dot product)",
        "벡터 (vector)",
        "점수 (score (attention))",
        "쿼리 (query)",
    ]
    assert ">용어</h1>" in whole
