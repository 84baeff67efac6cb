"""How a route is declared: address, permission and documentation in one place.

Each view is a plain function; `Routes.add` puts the permission check before it and
describes it in the OpenAPI document. A view that nobody gave a permission is public,
and a test lists those.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

import flask_smorest
from flask import Response, current_app, json, request

from ledger.roles import Permission
from service import auth
from service.api.schemas import ProblemSchema
from service.problems import KINDS, MEDIA_TYPE, Problem
from service.runtime import Runtime

__all__ = ["PERMISSION", "Routes", "View", "accepted", "answer", "runtime"]

View = Callable[..., Response]
PERMISSION: Final = "_ledger_permission"  # attribute of a view: the permission it asks for


def runtime() -> Runtime:
    """What this app was built from."""
    found = current_app.extensions["ledger"]
    if not isinstance(found, Runtime):
        raise TypeError("the app was not made by create_app")
    return found


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    response = Response(json.dumps(value), status, content_type="application/json")
    response.headers.update(headers or {})
    return response


def accepted(*offered: str) -> str:
    """The offered media type that the caller prefers, by q-values; the first one on a tie.

    Raises:
        Problem: `not-acceptable`, when the caller takes none of them.
    """
    best = request.accept_mimetypes.best_match(offered)
    if "Accept" not in request.headers:
        return offered[0]
    if best is None:
        raise Problem("not-acceptable", f"Offered here: {', '.join(offered)}.")
    return best


class Routes:
    """The routes of one noun: a blueprint that knows permissions and documentation."""

    def __init__(self, name: str, description: str) -> None:
        # Typed Any: flask-smorest ships no types.
        self.blueprint: Any = flask_smorest.Blueprint(name, __name__, description=description)

    def add(
        self,
        method: str,
        rule: str,
        permission: Permission | None,
        *,
        body: Any = None,
        also: Mapping[str, Any] | None = None,
        returns: Mapping[int, Any],
        problems: tuple[str, ...] = (),
        parameters: tuple[dict[str, Any], ...] = (),
    ) -> Callable[[View], View]:
        """Declare the decorated function as the view of `method rule`.

        Args:
            method: the HTTP method.
            rule: the path, with Flask's converters.
            permission: what the caller's role must carry; None makes it public.
            body: the schema, or mapping of OpenAPI, of the JSON that it reads.
            also: other media types that it reads, each with its schema.
            returns: for each good status, a schema or {media type: schema}.
            problems: slugs of problems particular to it, beyond those of every route.
            parameters: OpenAPI parameters in query or header.
        """

        def declare(view: View) -> View:
            documented = {
                "operationId": f"{self.blueprint.name}_{view.__name__}",
                "responses": _responses(returns, permission, (*problems, *_implied(body))),
                "security": [{"key": []}] if permission else [],
                "parameters": [*parameters, *(_ACCESS_HEADERS if permission else ())],
            }
            if body is not None:
                documented["requestBody"] = {
                    "required": True,
                    "content": {
                        media: {"schema": schema}
                        for media, schema in {"application/json": body, **(also or {})}.items()
                    },
                }
            guarded = _guarded(view, permission)
            described = self.blueprint.doc(**documented)(guarded)
            self.blueprint.add_url_rule(
                rule, endpoint=view.__name__, view_func=described, methods=[method]
            )
            return view

        return declare


def _guarded(view: View, permission: Permission | None) -> View:
    @wraps(view)
    def guarded(**arguments: Any) -> Response:
        if permission is not None:
            auth.permit(runtime(), permission)
        return view(**arguments)

    setattr(guarded, PERMISSION, permission)
    return guarded


def _implied(body: Any) -> tuple[str, ...]:
    return () if body is None else ("malformed", "too-large", "unsupported-media-type", "invalid")


def _responses(
    returns: Mapping[int, Any], permission: Permission | None, slugs: tuple[str, ...]
) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shape in returns.items():
        content = shape if isinstance(shape, dict) else {"application/json": shape}
        responses[str(status)] = {
            "description": _REASONS.get(status, "Done."),
            "content": {media: {"schema": schema} for media, schema in content.items()},
        }
    for slug in (*slugs, *(("unauthenticated", "refused") if permission else ()), "internal"):
        kind = KINDS[slug]
        responses.setdefault(
            str(kind.status),
            {"description": kind.title, "content": {MEDIA_TYPE: {"schema": ProblemSchema}}},
        )
    return responses


_REASONS: Final = {200: "Here it is.", 201: "Recorded.", 304: "Unchanged."}
_ACCESS_HEADERS: Final = (
    {
        "in": "header",
        "name": "Ledger-Purpose",
        "schema": {"type": "string", "default": auth.DEFAULT_PURPOSE},
        "description": "Why you read: a code that goes on the access log.",
    },
    {
        "in": "header",
        "name": "Ledger-Case",
        "schema": {"type": "string"},
        "description": "The case it belongs to: a reference, never a person's name.",
    },
)
