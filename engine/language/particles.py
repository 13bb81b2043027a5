"""Korean particles, whose form depends on how the word before them ends: 값을, but 행렬은 and 점수를.

A text writes both forms, the one after a final consonant first: `{name:을/를}`. Only 으로/로 counts a final ㄹ as none.
How a Latin word is read is a guess from its letters, so a text needs no particle after what a user has written.
"""

from __future__ import annotations

import re
import string
from typing import Any

_SYLLABLES = range(ord("가"), ord("힣") + 1)
_FINALS = 28  # final consonants of a syllable, none among them
_CONSONANTS = range(ord("ㄱ"), ord("ㅎ") + 1)  # 기역, 니은, ...: the name of each ends with one
_RIEUL = 8  # the place of ㄹ among them
_OTHER = 1  # any other
_FINAL_OF_SIGN = (
    dict.fromkeys("036mn²³", _OTHER)  # 영, 삼, 육, 엠, 엔, 제곱
    | dict.fromkeys("178lr", _RIEUL)  # 일, 칠, 팔, 엘, 알
)
_WORD = re.compile(r"[A-Za-z]+$")
_SPELLED = re.compile(r"(?<![^\W_])(?=[A-Z\d]*[A-Z][A-Z\d])[A-Z\d]+$")  # a code or abbreviation, read sign by sign
_BY_THEIR_ENDS = tuple(
    (re.compile(f"(?:{end})$"), final)
    for end, final in (
        (r"^[^aeiouy]+e?", None),  # no word but letters: txt, gpt, wte
        (r"^[aeiou]?[bcdfghjkpqstvwxz]{2,}", None),  # exp, abc
        (r"(?:^|[^a-z])(?:bit|check|dot|net|set)", 0),  # 비트, 체크
        (r"epoch|type", _OTHER),  # 에폭, 타입
        (r"le|l", _RIEUL),  # 파일, 모델
        (r"[aeiouy][^aeiou]*[mn]e", _OTHER),  # 네임, 라인
        (r"[mn]|ng", _OTHER),  # 텀, 토큰, 임베딩
        (r"(?:ai|au|ea|ee|oa)[kpt]|oo[pt]", 0),  # 웨이트, 루프: after a long vowel
        (r"[aeiouy](?:[bckpt]|ck|pp|tt)", _OTHER),  # 탭, 블록, 스텝, 로짓
    )
)


def _final(word: str) -> int:
    """The final consonant that a word is read with, 0 for none."""
    end = next((i for i in reversed(range(len(word))) if word[i].isalnum()), None)
    if end is None or word.rstrip().endswith("%"):  # read as 퍼센트
        return 0
    last = word[end].lower()
    if ord(last) in _SYLLABLES:
        return (ord(last) - _SYLLABLES.start) % _FINALS
    if ord(last) in _CONSONANTS:
        return _RIEUL if last == "ㄹ" else _OTHER
    read = word[: end + 1]
    of_sign = _FINAL_OF_SIGN.get(last, 0)
    latin = _WORD.search(read)
    if latin is None or len(latin[0]) == 1 or _SPELLED.search(read):
        return of_sign
    found = (final for end_of, final in _BY_THEIR_ENDS if end_of.search(latin[0].lower()))
    final = next(found, 0)
    return of_sign if final is None else final


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
