"""Models and policies in plain words, from the manifests that were registered."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from service.manifest_texts import spoken
from service.subject_copy.gathering import printable

if TYPE_CHECKING:
    # Imported for real inside the functions: the doors open without it.
    from reports.documents.subject_copy import CopiedModel

__all__ = ["described", "named"]


def described(
    models: Iterable[Mapping[str, Any]], policies: Iterable[Mapping[str, Any]], language: str
) -> "tuple[CopiedModel, ...]":
    """What the models are for and use, and how long what the policies decide is kept."""
    from reports.documents.subject_copy import CopiedModel
    from reports.html import COPY
    from reports.wording import load_wording

    say = load_wording(language, COPY).say
    found = [_model(each, language) for each in models]
    for each in policies:
        name = f"{each.get('name')}@{each.get('version')}"
        kept = each.get("retention_class")
        if isinstance(kept, str) and kept:
            text = say("copy.retention.class", policy=name, held=printable(kept))
        else:
            text = say("copy.retention.unstated", policy=name)
        found.append(CopiedModel(name, "", "", text, ()))
    return tuple(found)


def _model(manifest: Mapping[str, Any], language: str) -> "CopiedModel":
    from reports.documents.subject_copy import CopiedModel

    sources = []
    for each in manifest.get("features", ()):
        text = spoken(each.get("label"), language) or each["name"]
        source = spoken(each.get("source"), language)
        sources.append(printable(f"{text} ({source})" if source else text))
    return CopiedModel(
        name=f"{manifest.get('name')}, version {manifest.get('version')}",
        purpose=printable(spoken(manifest.get("purpose"), language)),
        kind=printable(spoken(manifest.get("kind"), language)),
        retention="",
        sources=tuple(sources),
    )


def named(digest: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as the machine-readable file names it."""
    return {
        "digest": digest,
        "name": manifest.get("name"),
        "version": manifest.get("version"),
        "purpose": spoken(manifest.get("purpose"), "en") or None,
    }
