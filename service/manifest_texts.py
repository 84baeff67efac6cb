"""A manifest's texts that need no catalogue: plain, or by language."""

from collections.abc import Mapping

__all__ = ["spoken", "stated"]


def spoken(text: object, language: str) -> str:
    """The text in this language; else in English, else in the first one there is; "" for none.

    A plain text is in whatever language its author chose.
    """
    if isinstance(text, Mapping):
        text = text.get(language) or text.get("en") or next(iter(text.values()), "")
    return text if isinstance(text, str) else ""


def stated(part: Mapping[str, object], name: str) -> str:
    """The text of a member of a manifest; "" where it is absent, or something else."""
    text = part.get(name)
    return text if isinstance(text, str) else ""
