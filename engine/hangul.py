"""Korean syllables as their letters, and the syllables that letters make.

A letter (jamo) is the character that keyboards write and terminals draw two cells wide, such as ㄱ and ㅏ: the same one
at the beginning and at the end of a syllable. Vowels such as ㅘ and finals such as ㄳ, which have a character, are one.
"""

from __future__ import annotations

import re
import unicodedata

SPLITS = SYLLABLES, JAMO = "syllables", "jamo"  # what a token of Korean text can be: a character, or a letter
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
ENDINGS: tuple[str, ...] = ("", *FINALS)  # what can follow the vowel of a syllable
FIRST = ord("가")
COUNT = len(INITIALS) * len(VOWELS) * len(ENDINGS)
KOREAN = re.compile("[가-힣\u1100-\u11ff]+")  # composed, and decomposed
SYLLABLE = re.compile(f"([{INITIALS}])([{VOWELS}])(?:([{FINALS}])(?![{VOWELS}]))?")


def letters(text: str) -> str:
    """The text with every Korean syllable, in either spelling, as its two or three letters; all else as it is."""
    return KOREAN.sub(lambda found: "".join(map(_letters_of, unicodedata.normalize("NFC", found[0]))), text)


def _letters_of(char: str) -> str:
    place = ord(char) - FIRST
    if not 0 <= place < COUNT:
        return char
    start, ending = divmod(place, len(ENDINGS))
    initial, vowel = divmod(start, len(VOWELS))
    return INITIALS[initial] + VOWELS[vowel] + ENDINGS[ending]


def syllables(text: str) -> str:
    """The text with letters put together to syllables where they make some: what `letters` was given.

    Each syllable begins with a consonant, so one that a vowel follows begins the next. Letters that make no syllable
    stay as they are.
    """
    return SYLLABLE.sub(_joined, text)


def _joined(found: re.Match[str]) -> str:
    initial, vowel, ending = str(found[1]), str(found[2]), str(found[3] or "")
    start = INITIALS.index(initial) * len(VOWELS) + VOWELS.index(vowel)
    return chr(FIRST + start * len(ENDINGS) + ENDINGS.index(ending))
