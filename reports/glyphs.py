"""Which characters the documents' fonts can draw.

An empty box in a letter is a wrong letter, so a page with a character that no font of
`reports/fonts` has is refused before it is laid out.
"""

import unicodedata
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from reports.errors import DocumentError

__all__ = ["check_drawable", "drawable"]

FONTS: Final = Path(__file__).parent / "fonts"
# Of the markup, and around values in a language that runs right to left: these need no glyph.
_UNSEEN: Final = frozenset("\t\n\r\u200e\u200f\u2068\u2069")


@cache
def drawable() -> frozenset[int]:
    """Return the code points that every weight of the text face has a glyph for."""
    faces = []
    for path in sorted(FONTS.glob("*Sans*.ttf")):
        with TTFont(path) as font:
            faces.append(set(font.getBestCmap()))
    return frozenset(set.intersection(*faces))


def check_drawable(html: str) -> None:
    """Raise unless every character that a page shows has a glyph.

    Raises:
        DocumentError: names the first character that has none, by its Unicode name.
    """
    page = _Shown()
    page.feed(html)
    page.close()
    for character in sorted(set(page.text)):
        # A letter may be composed of its base and its accents, so the composed form counts.
        if character in _UNSEEN or ord(character) in drawable():
            continue
        name = unicodedata.name(character, "unnamed")
        raise DocumentError(f"no font here draws U+{ord(character):04X} {name}")


class _Shown(HTMLParser):
    """Collects the text between tags, and what the margins repeat; style sheets are not shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._parts: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in {"style", "script"}
        # The style sheet prints these in the margins.
        self._parts += [value or "" for name, value in attrs if name.startswith("data-")]

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script"}:
            self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._parts.append(data)

    def close(self) -> None:
        super().close()
        self.text = unicodedata.normalize("NFC", "".join(self._parts))
