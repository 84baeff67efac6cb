"""The sentences of a letter in one language, read from `locale/`.

A catalogue is data: translators change it, and lawyers, and no code. Only names in braces
are filled in, and only from values that the caller gives.
"""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Final, cast

from reports.errors import DocumentError
from reports.formatting import Formatting

__all__ = ["Wording", "languages", "load_wording"]

LOCALE: Final = Path(__file__).parent / "locale"


class Wording:
    """Sentences by dotted name; `apart` marks a value that is filled into one."""

    def __init__(self, texts: dict[str, Any], apart: Callable[[str], str] = str) -> None:
        self._texts = texts
        self._apart = apart

    def say(self, name: str, **values: str) -> str:
        """Return the sentence `name` with its placeholders filled.

        Raises:
            DocumentError: the language has no such sentence, or it needs another value.
        """
        found: Any = self._texts
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if not isinstance(found, str):
            raise DocumentError("the language lacks a sentence", member=name)
        return self.fill(found, **values)

    def fill(self, sentence: str, **values: str) -> str:
        """Return `sentence` with its placeholders filled; a value is never read as one."""
        parts = []
        for text, name, _, _ in Formatter().parse(sentence):
            if name is not None and name not in values:
                raise DocumentError("a sentence needs a value that is missing", member=name)
            parts += [text, self._apart(values[name]) if name is not None else ""]
        return "".join(parts)

    def items(self, document: str, section: str) -> tuple[dict[str, Any], ...]:
        """Return the items that the catalogue lists under two names, in order."""
        return tuple(cast("list[dict[str, Any]]", self._texts.get(document, {}).get(section, [])))

    def has(self, name: str) -> bool:
        """Say whether the language has the sentence `name`."""
        try:
            return bool(self.say(name))
        except DocumentError as error:
            return error.member != name

    def regime(self, name: str, section: str) -> tuple[dict[str, Any], ...]:
        """Return what a regime says in `section`: the items of the catalogue, in order."""
        regime = self._texts.get("regimes", {}).get(name, {})
        return tuple(cast("list[dict[str, Any]]", regime.get(section, [])))


def languages(document: str = "") -> tuple[str, ...]:
    """The languages that there are sentences in; of letters, or of the `document` named."""
    return tuple(sorted(path.stem for path in (LOCALE / document).glob("*.toml")))


@cache
def load_wording(language: str, document: str = "") -> Wording:
    """Return the sentences of `language`, a BCP 47 tag; of letters, or of the `document` named.

    Raises:
        DocumentError: no catalogue speaks this language.
    """
    for path in (LOCALE / document).glob("*.toml"):
        if path.stem == language:
            return Wording(tomllib.loads(path.read_text("utf-8")), Formatting(language).apart)
    raise DocumentError("no catalogue speaks this language", member="language")
