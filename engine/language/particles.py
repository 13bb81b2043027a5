"""Korean particles, whose form depends on how the word before them ends: 값을, but 행렬은 and 점수를.

A text writes both forms, the one after a final consonant first: `{name:을/를}`. Only 으로/로 counts a final ㄹ as none.
"""

from __future__ import annotations

import re
import string
from typing import Any

_SYLLABLES = range(ord("가"), ord("힣") + 1)
_FINALS = 28  # final consonants of a syllable, none among them
_CONSONANTS = range(ord("ㄱ"), ord("ㅎ") + 1)  # 기역, 니은, ...: the name of each ends with one
_RIEUL = 8  # the place of ㄹ among them
_FINAL_OF_SIGN = dict.fromkeys("036mn", 1) | dict.fromkeys("178lr", _RIEUL)  # 영, 삼, 육, 엠, 엔; 일, 칠, 팔, 엘, 알
_FINAL_OF_WORD = dict.fromkeys("bckpt", 1) | dict.fromkeys("mn", 1) | {"l": _RIEUL}  # 블록, 스텝, 로짓; not 텐서
_SPELLED = re.compile(r"(?<![^\W_])(?=[A-Z\d]*[A-Z][A-Z\d])[A-Z\d]+$")  # a code or abbreviation, read sign by sign


def _final(word: str) -> int:
    """The final consonant that a word is read with, 0 for none. Of Latin words it is guessed by their last letter."""
    end = next((i for i in reversed(range(len(word))) if word[i].isalnum()), None)
    if end is None or word.rstrip().endswith("%"):  # read as 퍼센트
        return 0
    last = word[end].lower()
    if ord(last) in _SYLLABLES:
        return (ord(last) - _SYLLABLES.start) % _FINALS
    if ord(last) in _CONSONANTS:
        return _RIEUL if last == "ㄹ" else 1
    spelled = _SPELLED.search(word[: end + 1]) is not None
    in_word = not spelled and end > 0 and last.isalpha() and word[end - 1].isalpha()
    if in_word and word.rstrip().lower().endswith("ng"):
        return 1
    return (_FINAL_OF_WORD if in_word else _FINAL_OF_SIGN).get(last, 0)


def with_particle(word: str, forms: str) -> str:
    """A word and the one of two particles, such as "을/를", that goes with it."""
    after_final, after_vowel = forms.split("/")
    final = _final(word)
    closed = final != 0 and not (after_final == "으로" and final == _RIEUL)
    return word + (after_final if closed else after_vowel)


class ParticleFormatter(string.Formatter):
    """Fills in templates in which a format may be a pair of particles."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """One value in its format, or as it is, followed by its particle."""
        if "/" in format_spec:
            return with_particle(str(value), format_spec)
        return str(super().format_field(value, format_spec))
