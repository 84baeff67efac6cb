"""Files of rules as an operator writes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def rule(**members: Any) -> dict[str, Any]:
    return {
        "id": "test-floor",
        "regime": "test",
        "jurisdiction": "EU",
        "kinds": ["decision"],
        "bound": "floor",
        "period": "P1Y",
        "start": "decision",
        "source": "Test Act s. 1",
        "read_on": "2026-11-23",
        "mark": "verified",
    } | members


def retention_class(**members: Any) -> dict[str, Any]:
    return {
        "id": "credit",
        "regimes": ["test"],
        "jurisdictions": ["EU"],
        "ceiling": {"period": "P7Y", "reason": "claims are time-barred"},
    } | members


def file_of(
    rules: Sequence[Mapping[str, Any]] = (),
    classes: Sequence[Mapping[str, Any]] = (),
    **members: Any,
) -> dict[str, Any]:
    return {
        "v": 1,
        "regimes": [{"id": "test", "title": "Test"}],
        "rules": list(rules),
        "classes": list(classes),
    } | members


def written(directory: Path, *documents: Any) -> Path:
    """A directory with these files."""
    directory.mkdir(exist_ok=True)
    for count, document in enumerate(documents):
        (directory / f"{count}.json").write_text(json.dumps(document))
    return directory
