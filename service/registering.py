"""Registering a model version: its files looked at first, by our code alone.

What a file would do when it is opened is found out here from its bytes: one that runs code is
refused whatever it is called, and one of a format that this ledger opens has to hold together.
No library reads it; that happens when it is first asked, in a process of its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from ledger.canonical import JsonValue
from ledger.errors import MalformedError
from ledger.operate.registry import ModelVersion, Registry

__all__ = ["register_model"]

_MODEL: Final = "model"


def register_model(
    registry: Registry, manifest: Mapping[str, JsonValue], artefacts: Mapping[str, bytes]
) -> ModelVersion:
    """Register a model version whose files may be kept; as :meth:`Registry.register_model`.

    Raises:
        MalformedError: also if a file runs code when it is opened, or does not hold together;
            `member` says which, and the text how to export it instead.
    """
    for name, data in artefacts.items():
        _check(manifest, name, data)
    return registry.register_model(manifest, artefacts)


def _check(manifest: Mapping[str, JsonValue], name: str, data: bytes) -> None:
    from explain.errors import ExplainError
    from explain.executable_files import refuse_code
    from explain.model_files import FORMATS, check_file
    from explain.predictor import FeatureSchema

    stated = _format(manifest, name)
    try:
        if name == _MODEL and stated in FORMATS:
            parts = check_file(data, str(stated), FeatureSchema.from_manifest(manifest))
            _check_engine(manifest, parts)
        else:
            refuse_code(data)
    except ExplainError as error:
        place = error.member or f"artefacts.{name}"
        raise MalformedError(str(error), member=place) from error


def _check_engine(manifest: Mapping[str, JsonValue], parts: object) -> None:
    """An engine that the model has not would come to light with its first decision."""
    from explain.artifacts import SCORING_ONLY
    from explain.engines import check_engine

    explainer = manifest.get("explainer")
    engine = explainer.get("engine") if isinstance(explainer, Mapping) else None
    if isinstance(engine, str) and engine != SCORING_ONLY:
        check_engine(engine, parts)


def _format(manifest: Mapping[str, JsonValue], name: str) -> object:
    found: Any = manifest
    for part in ("artefacts", name, "format"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
