"""Models and policies in plain words, from the manifests that were registered."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

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

    purpose = manifest.get("purpose")
    if isinstance(purpose, Mapping):
        purpose = purpose.get(language) or next(iter(purpose.values()), "")
    kind = manifest.get("kind")
    sources = []
    for each in manifest.get("features", ()):
        label = each.get("label", {})
        text = label.get(language) or label.get("en") or each["name"]
        sources.append(printable(f"{text} ({each['source']})" if each.get("source") else text))
    return CopiedModel(
        name=f"{manifest.get('name')}, version {manifest.get('version')}",
        purpose=printable(purpose) if isinstance(purpose, str) else "",
        kind=printable(kind) if isinstance(kind, str) else "",
        retention="",
        sources=tuple(sources),
    )


def named(digest: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as the machine-readable file names it."""
    purpose = manifest.get("purpose")
    return {
        "digest": digest,
        "name": manifest.get("name"),
        "version": manifest.get("version"),
        "purpose": purpose if isinstance(purpose, str) else None,
    }
