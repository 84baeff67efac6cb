"""Registering a model version: its files looked at first, by our code alone.

What a file would do when it is opened is found out here from its bytes: one that runs code is
refused whatever it is called, and one of a format that this ledger opens has to hold together.
No library reads it; that happens when it is first asked, in a process of its own.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ledger.canonical import JsonValue
from ledger.errors import MalformedError
from ledger.operate.registry import ModelVersion, Registry

if TYPE_CHECKING:
    from explain.predictor import FeatureSchema

__all__ = ["register_model"]

_MODEL: Final = "model"


def register_model(
    registry: Registry, manifest: Mapping[str, JsonValue], artefacts: Mapping[str, bytes]
) -> ModelVersion:
    """Register a model version whose files may be kept; as :meth:`Registry.register_model`.

    Raises:
        MalformedError: also if a file runs code when it is opened, or does not hold together, or
            the manifest's explainer, space or golden rows are none that it could be opened with;
            `member` says which, and the text how to export a file instead.
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
            schema = FeatureSchema.from_manifest(manifest)
            parts = check_file(data, str(stated), schema)
            _check_explainer(manifest, parts)
            _check_space(manifest, parts)
            _check_golden_rows(manifest, schema)
            _check_words(manifest)
        else:
            refuse_code(data)
    except ExplainError as error:
        place = error.member or f"artefacts.{name}"
        raise MalformedError(str(error), member=place) from error


def _check_explainer(manifest: Mapping[str, JsonValue], parts: object) -> None:
    """An engine that the model has not would come to light with its first decision."""
    from explain.artifacts import SCORING_ONLY
    from explain.attribution import XGBOOST_TOLERANCE
    from explain.engines import check_engine
    from explain.errors import SchemaError

    explainer = manifest.get("explainer")
    if not isinstance(explainer, Mapping):
        raise SchemaError("must be an object", member="explainer")
    engine, tolerance = explainer.get("engine"), explainer.get("tolerance", XGBOOST_TOLERANCE)
    if not isinstance(engine, str):
        raise SchemaError("must be text", member="explainer.engine")
    if engine != SCORING_ONLY:
        check_engine(engine, parts)
    if type(tolerance) is not int or not 0 <= tolerance <= XGBOOST_TOLERANCE:
        text = f"must be a whole number up to {XGBOOST_TOLERANCE}"
        raise SchemaError(text, member="explainer.tolerance")


def _check_space(manifest: Mapping[str, JsonValue], parts: object) -> None:
    from explain.boosters import XGBoostPredictor
    from explain.errors import SchemaError
    from explain.trees import TreeEnsemble

    output = manifest.get("output")
    stated = output.get("space") if isinstance(output, Mapping) else None
    known = XGBoostPredictor if isinstance(parts, TreeEnsemble) else parts
    space = getattr(known, "space", None)
    if None not in (stated, space) and stated != space:
        raise SchemaError(f"the model's margins are in {space}", member="output.space")


def _check_words(manifest: Mapping[str, JsonValue]) -> None:
    """What an explanation and a letter would read years later, where it is stated."""
    from explain.errors import SchemaError

    output, regimes = manifest.get("output"), manifest.get("regimes", [])
    sides = ("higher", "lower")
    if isinstance(output, Mapping) and output.get("favourable", "higher") not in sides:
        raise SchemaError("must be higher or lower", member="output.favourable")
    if not isinstance(regimes, list | tuple) or not all(isinstance(each, str) for each in regimes):
        raise SchemaError("must be a list of texts", member="regimes")


def _check_golden_rows(manifest: Mapping[str, JsonValue], schema: "FeatureSchema") -> None:
    """Their form; whether the model answers them so is found out where it is opened."""
    from explain.errors import SchemaError

    golden = manifest.get("golden_rows", [])
    if not isinstance(golden, list | tuple):
        raise SchemaError("must be a list", member="golden_rows")
    for at, entry in enumerate(golden):
        member = f"golden_rows[{at}]"
        if not isinstance(entry, Mapping):
            raise SchemaError("must be an object", member=member)
        try:
            schema.row(_object(entry, "input", member))
        except SchemaError as error:
            inside = error.member or ""
            place = inside if inside.startswith(member) else f"{member}.{inside}"
            raise SchemaError(str(error), member=place) from error
        if type(entry.get("margin")) is not int:
            raise SchemaError("must be a whole number", member=f"{member}.margin")
        if "values" in entry or not _only_scores(manifest):
            values = _object(entry, "values", member)
            if not all(type(value) is int for value in values.values()):
                raise SchemaError("must be whole numbers", member=f"{member}.values")


def _object(entry: Mapping[str, JsonValue], name: str, member: str) -> Mapping[str, JsonValue]:
    from explain.errors import SchemaError

    part = entry.get(name)
    if not isinstance(part, Mapping):
        raise SchemaError("must be an object", member=f"{member}.{name}")
    return part


def _only_scores(manifest: Mapping[str, JsonValue]) -> bool:
    from explain.artifacts import SCORING_ONLY

    explainer = manifest.get("explainer")
    return isinstance(explainer, Mapping) and explainer.get("engine") == SCORING_ONLY


def _format(manifest: Mapping[str, JsonValue], name: str) -> object:
    found: Any = manifest
    for part in ("artefacts", name, "format"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
