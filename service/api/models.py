"""What decisions were made with: model versions and policies."""

import base64
import binascii
import re
from dataclasses import asdict
from typing import Any, Final

from flask import Response, request

from ledger.operate.registry import ModelVersion, PolicyVersion
from ledger.roles import Permission
from service import registering
from service.api import bodies, schemas
from service.api.registry_schemas import ChangesSchema, DictionarySchema, LineageSchema
from service.api.routes import Routes, answer, runtime
from service.dictionary import feature_dictionary
from service.lineage import lineage
from service.manifest_changes import changes
from service.problems import Problem

__all__ = ["routes"]

routes = Routes("registry", "Model versions and policies.")

_LANGUAGE: Final = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8}){0,3}")  # BCP 47, roughly

_MODEL: Final = schemas.ModelSchema()
_POLICY: Final = schemas.PolicySchema()
_VERSIONS: Final = schemas.VersionListSchema


@routes.add("GET", "/v1/models", Permission.MODELS_READ, returns={200: _VERSIONS})
def list_models() -> Response:
    """Every model version, with the digest that decisions carry."""
    return answer({"versions": [_version(each) for each in runtime().registry.models()]})


@routes.add(
    "POST", "/v1/models", Permission.MODELS_REGISTER,
    body=schemas.ModelSchema, returns={201: schemas.VersionSchema}, problems=("conflict",),
)  # fmt: skip
def register_model() -> Response:
    """Register a model version: its manifest, and its files in base64.

    A file is kept only if its SHA-256 is the one that the manifest claims. A name and
    version are used once; registering the same content again changes nothing.
    """
    read: dict[str, Any] = bodies.checked(_MODEL, bodies.json_body(bodies.MAX_MANIFEST_BYTES))
    files = {name: _decoded(name, text) for name, text in read["artefacts"].items()}
    with bodies.content():
        version = registering.register_model(runtime().registry, read["manifest"], files)
    return answer(
        _version(version), 201, {"Location": f"{request.script_root}/v1/models/{version.digest}"}
    )


@routes.add(
    "GET", "/v1/models/<reference>", Permission.MODELS_READ,
    returns={200: schemas.VersionSchema}, problems=("not-found",),
)  # fmt: skip
def show_model(reference: str) -> Response:
    """One model version with its whole manifest, by digest or `name@version`."""
    version = runtime().registry.model(reference)
    return answer(_version(version) | {"manifest": dict(version.manifest)})


@routes.add(
    "GET", "/v1/models/<reference>/lineage", Permission.MODELS_READ,
    returns={200: LineageSchema}, problems=("not-found",),
)  # fmt: skip
def show_lineage(reference: str) -> Response:
    """The way from training data over files and version to decisions, as a graph."""
    found = lineage(runtime(), runtime().registry.model(reference))
    return answer(asdict(found))


@routes.add(
    "GET", "/v1/models/<reference>/features", Permission.MODELS_READ,
    returns={200: DictionarySchema}, problems=("not-found",),
    parameters=({"in": "query", "name": "language", "schema": {"type": "string"},
                 "description": "Two letters, such as de; the ledger's own if left out."},),
)  # fmt: skip
def show_features(reference: str) -> Response:
    """The feature dictionary: what each input of the version is, in a language."""
    version = runtime().registry.model(reference)
    language = request.args.get("language") or runtime().settings.language
    if _LANGUAGE.fullmatch(language) is None:
        raise Problem("invalid", "Give a language tag, such as en or de-AT.", "language")
    found = feature_dictionary(version.manifest, language)
    shown = asdict(found) | {"model": version.digest, "untranslated": list(found.untranslated)}
    shown["features"] = [asdict(each) | {"values": dict(each.values)} for each in found.features]
    return answer(shown)


@routes.add("GET", "/v1/policies", Permission.MODELS_READ, returns={200: _VERSIONS})
def list_policies() -> Response:
    """Every policy version, with the digest that decisions carry."""
    return answer({"versions": [_version(each) for each in runtime().registry.policies()]})


@routes.add(
    "POST", "/v1/policies", Permission.MODELS_REGISTER,
    body=schemas.PolicySchema, returns={201: schemas.VersionSchema}, problems=("conflict",),
)  # fmt: skip
def register_policy() -> Response:
    """Register a policy version: cut-off, outcomes, points, reason codes."""
    read: dict[str, Any] = bodies.checked(_POLICY, bodies.json_body())
    with bodies.content():
        version = runtime().registry.register_policy(read["manifest"])
    return answer(
        _version(version), 201, {"Location": f"{request.script_root}/v1/policies/{version.digest}"}
    )


@routes.add(
    "GET", "/v1/policies/<reference>", Permission.MODELS_READ,
    returns={200: schemas.VersionSchema}, problems=("not-found",),
)  # fmt: skip
def show_policy(reference: str) -> Response:
    """One policy version with its whole manifest, by digest or `name@version`."""
    version = runtime().registry.policy(reference)
    return answer(_version(version) | {"manifest": dict(version.manifest)})


@routes.add(
    "GET", "/v1/policies/<reference>/changes/<later>", Permission.MODELS_READ,
    returns={200: ChangesSchema}, problems=("not-found",),
)  # fmt: skip
def show_changes(reference: str, later: str) -> Response:
    """What changed from one policy version to another, member by member."""
    old, new = runtime().registry.policy(reference), runtime().registry.policy(later)
    found, total = changes(old.manifest, new.manifest)
    shown = [asdict(each) for each in found]
    return answer({"old": old.digest, "new": new.digest, "changes": shown, "total": total})


def _version(version: ModelVersion | PolicyVersion) -> dict[str, Any]:
    shown = {"digest": version.digest, "name": version.name, "version": version.version}
    if not isinstance(version, ModelVersion):
        return shown
    apart = runtime().quarantine.of(version.digest)
    told = {"quarantine": {"why": apart.why, "since": apart.since}} if apart else {}
    return shown | {"status": version.status} | told


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(
            "invalid", "Give the file in standard base64.", f"artefacts.{name}"
        ) from error
