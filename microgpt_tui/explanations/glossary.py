"""The glossary: each term of the program in English and Korean, and what it means in a line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from engine.immutable import immutable
from engine.language.catalog import read_part
from engine.language.chosen import LANGUAGES

_TEXTS = "microgpt_tui.texts"
_REMARK = re.compile(r"\s*\(.*?\)")  # what tells two terms of one word apart


@immutable
class GlossaryTerm:
    """A term as a language calls it, in English, and its meaning in that language."""

    word: str
    english: str
    meaning: str

    @property
    def names(self) -> tuple[str, ...]:
        """What is looked for in a text: of "row, column", each."""
        return tuple(_REMARK.sub("", self.word).split(", "))


@cache
def terms(of: str) -> tuple[GlossaryTerm, ...]:
    """All terms in the order of a language's alphabet; in English where that language is not known."""
    korean = read_part(_TEXTS, ".", "glossary")["terms"]  # beside the languages
    meanings = (read_part(_TEXTS, of, "glossary") or read_part(_TEXTS, LANGUAGES[0], "glossary"))["terms"]
    found = [GlossaryTerm(korean[term] if of == "ko" else term, term, meanings[term]) for term in korean]
    return tuple(sorted(found, key=lambda term: (term.word.casefold(), term.english)))


def terms_in(texts: Iterable[str], of: str) -> tuple[GlossaryTerm, ...]:
    """The terms that occur in some texts of a language."""
    whole = "\n".join(texts)
    return tuple(
        term
        for term in terms(of)
        if any(re.search(rf"(?<!\w){re.escape(name)}", whole, re.IGNORECASE) for name in term.names)
    )
