"""The lender's own words in seven languages, from `texts.toml`.

What a model's and a policy's manifests say to people is the lender's to write and to have
translated; the sentences around it come from the catalogues of `explain` and `reports`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

LANGUAGES = ("en", "de", "fr", "es", "nl", "it", "pl")
_FILE = Path(__file__).with_name("texts.toml")
_BY_ENGLISH: dict[str, dict[str, str]] = {
    texts["en"]: texts for texts in tomllib.loads(_FILE.read_text("utf-8"))["text"]
}


def spoken(english: str, **values: str) -> dict[str, str]:
    """Return a text in every language, with `values` in its places; KeyError if nobody wrote it."""
    texts = {tag: _BY_ENGLISH[english][tag] for tag in LANGUAGES}
    for name, value in values.items():
        texts = {tag: text.replace(f"{{{name}}}", value) for tag, text in texts.items()}
    return texts
