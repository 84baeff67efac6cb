"""How hard a text is to read, by the formula published for its language.

Syllables are counted twice, by hyphenation patterns (pyphen), which miss some, and by groups of
vowels, which find some too many; the higher count stands, so that a text is not made to look
easier than it is. Numbers are not words. No formula knows whether a reader understands: it
measures the length of words and sentences.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

import pyphen

_WORD: Final = re.compile(r"[^\W\d_]+(?:[-’'][^\W\d_]+)*")
_VOWELS: Final = re.compile(r"[aeiouyàáâäæèéêëìíîïòóôöœùúûüąęó]+")
_SENTENCE: Final = re.compile(r"[.!?](?:\s|$)|\n")


@dataclass(frozen=True, slots=True)
class Counts:
    """What the formulas are made of."""

    words: int
    sentences: int
    syllables: int
    letters: int
    long: int  # words of four syllables or more, as the Polish index counts them

    @property
    def words_per_sentence(self) -> float:
        return self.words / self.sentences

    @property
    def syllables_per_word(self) -> float:
        return self.syllables / self.words


def count(text: str, language: str) -> Counts:
    hyphens = pyphen.Pyphen(lang=language, left=1, right=1)
    parts = [part for part in _SENTENCE.split(text) if _WORD.search(part)]
    words = [word for part in parts for word in _WORD.findall(part)]
    syllables = [
        max(len(hyphens.positions(word.lower())) + 1, _vowel_groups(word.lower(), language))
        for word in words
    ]
    return Counts(
        words=len(words),
        sentences=len(parts),
        syllables=sum(syllables),
        letters=sum(letter.isalpha() for word in words for letter in word),
        long=sum(each > 3 for each in syllables),
    )


def _vowel_groups(word: str, language: str) -> int:
    # An English e at the end is silent, except after l: "made", but "table".
    mute = language == "en" and word.endswith("e") and not word.endswith("le")
    return len(_VOWELS.findall(word.removesuffix("e") if mute else word))


@dataclass(frozen=True, slots=True)
class Formula:
    """An index, what it gives, and the bounds that the letter's text has to keep."""

    name: str
    value: Callable[[Counts], float]
    lowest: float = -inf
    highest: float = inf


# Flesch and Kincaid 1975 (US school years); Amstad 1978, Kandel and Moles 1958, Fernández Huerta
# 1959, Douma 1960 (0 to 100, more is easier); Lucisano and Piemontese 1988 (0 to 100, more is
# easier); Gunning's fog index with four syllables, as used for Polish (school years).
FORMULAS: Final = {
    "en": Formula(
        "Flesch-Kincaid grade",
        lambda n: 0.39 * n.words_per_sentence + 11.8 * n.syllables_per_word - 15.59,
        highest=9,
    ),
    "de": Formula(
        "Amstad",
        lambda n: 180 - n.words_per_sentence - 58.5 * n.syllables_per_word,
        lowest=48,
    ),
    "fr": Formula(
        "Kandel-Moles",
        lambda n: 207 - 1.015 * n.words_per_sentence - 73.6 * n.syllables_per_word,
        lowest=55,
    ),
    "es": Formula(
        "Fernández Huerta",
        lambda n: 206.84 - 1.02 * n.words_per_sentence - 60 * n.syllables_per_word,
        lowest=70,
    ),
    "nl": Formula(
        "Flesch-Douma",
        lambda n: 206.84 - 0.93 * n.words_per_sentence - 77 * n.syllables_per_word,
        lowest=52,
    ),
    "it": Formula(
        "Gulpease", lambda n: 89 + (300 * n.sentences - 10 * n.letters) / n.words, lowest=60
    ),
    "pl": Formula(
        "FOG-PL", lambda n: 0.4 * (n.words_per_sentence + 100 * n.long / n.words), highest=11
    ),
}
