"""What decisions were made with: model versions and policies."""

import base64
import binascii
from typing import Any, Final

from flask import Response, request

from ledger.operate.registry import ModelVersion, PolicyVersion
from ledger.roles import Permission
from service.api import bodies, schemas
from service.api.over_time_schemas import OverTimeSchema
from service.api.routes import Routes, answer, runtime
from service.over_time.monitoring import latest
from service.problems import Problem

__all__ = ["routes"]

routes = Routes("registry", "Model versions and policies.")

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
        version = runtime().registry.register_model(read["manifest"], files)
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
    "GET", "/v1/models/<reference>/over-time", Permission.MODELS_READ,
    returns={200: OverTimeSchema}, problems=("not-found",),
)  # fmt: skip
def over_time(reference: str) -> Response:
    """What a model version did in each period, as `decision-ledger monitor` found it last.

    Nothing is counted when you ask: `computed_at` says when it was.
    """
    version = runtime().registry.model(reference)
    return answer(latest(runtime(), version))


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


def _version(version: ModelVersion | PolicyVersion) -> dict[str, Any]:
    shown = {"digest": version.digest, "name": version.name, "version": version.version}
    return shown | ({"status": version.status} if isinstance(version, ModelVersion) else {})


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(
            "invalid", "Give the file in standard base64.", f"artefacts.{name}"
        ) from error
