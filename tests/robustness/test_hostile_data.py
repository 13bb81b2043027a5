"""Hostile data quoted in a lecture is shown as text on the screen, in the speaker notes and in the handout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine import Config, Session
from microgpt_tui.drawing.markdown import bare_marks, literal, parser, prose, without_literals
from microgpt_tui.drawing.terminal_text import printable
from microgpt_tui.explanations.sentences import lecture_words
from microgpt_tui.export.handout import handout, printed
from microgpt_tui.lectures.speaker_notes import Notes, SharedNotes, newest
from microgpt_tui.speaker_app import NotesApp
from tests.robustness.test_hostile_lectures import Looked, page
from tests.robustness.test_odd_screens import check
from tests.support.hostile_texts import SEQUENCES
from tests.support.lecture_harness import lecture_app, lecture_of

MARKED = [
    "![](http://x/y)", "[a](http://x/y)", "<http://x/y>", "[a]: http://x/y", "**a**", "*a*", "__a__", "a ** b", "`a`",
    "``", "```", "# a", "- a", "1. a", "> a", "---", "===", "&lt;&#60;", "\\*", "<b>a</b>", "<!-- a", "[bold]a[/]",
]  # fmt: skip
DOCS = ["![](http://x/y)", "**a**", "`a", "1. a", "<b>&lt;", "[bold]a[/]"] + [
    SEQUENCES[what].strip() for what in ("title", "C1 title", "bidi override", "family", "tag")
]
HEADER = "ask: 'Is it {doc}?'\noptions: [x, '{doc}']\nanswer: '1'\nthen: 'It is {doc}.'\nnotes: 'Say `{doc}`.'"
BODY = "{doc}\n\nIn **{doc}**\n\nand `{doc}`."


@pytest.mark.parametrize("around", ["{}", "a {} b", "**{}**", "`{}`", "- {}", "![{}](x)", "```\n{}\n```"])
def test_markup_in_data_has_no_effect(around: str) -> None:
    for document in MARKED:
        said = around.format(literal(document))
        assert document in "\n".join(line.plain for line in prose(said, 200))
        looked = Looked()
        looked.feed(parser().render(said))
        assert document in looked.said
        assert looked.found == []
        assert all(link == "x" for link in looked.links)  # the author's own
        assert not bare_marks(said)
        assert without_literals(said) == around.format(document)


def test_links_in_data_are_not_links() -> None:
    looked = Looked()
    looked.feed("".join(parser().render(f"[a]({literal(each)})") for each in ("javascript:alert(1)", "http://x/y")))
    assert not any(":" in str(link) for link in looked.links)


@cache
def run() -> Session:
    """A run whose documents are these, in an order of its own."""
    return Session(Config(n_embd=4, n_head=2, block_size=4, num_steps=50), DOCS)


def pages() -> str:
    """A page on each of them."""
    one = page(HEADER, "On {doc}", BODY).decode()
    return "".join(one.replace("step 0", f"step {n}").replace("config:", "#") for n in range(len(DOCS)))


async def test_the_lecture_and_its_notes_show_it(tmp_path: Path) -> None:
    shown, shared, heard = [printable(document) for document in run().docs], SharedNotes(tmp_path), list[Notes]()
    shared.open()
    lecture = lecture_of(tmp_path, pages())
    async with lecture_app(lecture, (120, 60), shared, run().restart_copy()) as pilot:
        for document in shown:
            await pilot.press("space")
            await pilot.pause()
            on_screen = " ".join(check(pilot).split())
            for sentence in ("On {}", "In {}", "and {}.", "Is it {}?", "b) {}", "It is {}."):
                assert sentence.format(document) in on_screen
            found = newest(tmp_path)
            assert found is not None
            heard.append(found.notes)
            await pilot.press("space")
    notes = NotesApp(tmp_path / "no lecture")
    async with notes.run_test(size=(80, 24)) as pilot:
        for place, document in enumerate(shown):
            notes.shown.show_notes(heard[place])
            await pilot.pause()
            on_screen = " ".join(check(pilot).split())
            for sentence in ("On {}", "Say {}.", "b) {}", "It is {}."):
                assert sentence.format(document) in on_screen
            assert place + 1 == len(shown) or f"On {shown[place + 1]}" in on_screen


async def test_the_handout_shows_it(tmp_path: Path) -> None:
    lecture = lecture_of(tmp_path, pages())
    whole = handout("a", "en", lecture_words("en"), [await printed(lecture, run().restart_copy())])
    looked = Looked()
    looked.feed(whole)
    assert looked.found == looked.links == []
    for document in map(printable, run().docs):
        for sentence in ("On {}", "In {}", "and {}.", "Is it {}?", "Answer: b) {}", "It is {}."):
            assert sentence.format(document) in looked.said
