"""The web application, put together: routes, documentation, headers, request log.

Nothing here decides anything about decisions; it decides what every response carries.
"""

import logging
import re
import time
import uuid
from http import HTTPStatus
from typing import Any, Final

import flask_smorest
from flask import Flask, Request, Response, g, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from service import problems
from service.api import (
    accesses,
    corrections,
    decisions,
    disclosures,
    events,
    evidence,
    health,
    log,
    models,
    outcomes,
    retirement,
    sources,
    stages,
    subjects,
)
from service.meters import meters
from service.readiness import Readiness
from service.runtime import Runtime
from service.settings import Settings
from service.ui.blueprint import blueprint as ui

__all__ = ["assemble"]

_REQUEST_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(-?)(?:[0-9A-Fa-f]{4}\1){3}[0-9A-Fa-f]{12}")
_requests = logging.getLogger("service.requests")

HEADERS: Final = {
    # Pages set a policy of their own before this default is applied.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Most answers hold personal data: nothing on the way may keep them.
    "Cache-Control": "no-store",
}
METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")  # told apart
HSTS: Final = "max-age=31536000; includeSubDomains"

DESCRIPTION: Final = """\
Records every decision of a model in a tamper-evident log, explains it months later, and lets
anyone check both offline. Errors are RFC 9457 problems. Every read of a decision is written
to an access log before anything is shown: state why with `Ledger-Purpose` and `Ledger-Case`.
"""


def assemble(runtime: Runtime) -> Flask:
    """The application that serves the runtime."""
    app = Flask("service", static_folder=None)
    app.extensions["ledger"] = runtime
    app.extensions[health.READINESS] = Readiness(runtime)
    app.config.update(
        API_TITLE="Decision ledger",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        # What a form of the audit UI may send; the interfaces state their own limits.
        MAX_CONTENT_LENGTH=1_000_000,
        SECRET_KEY=runtime.session_key,
        SESSION_COOKIE_NAME=_cookie(runtime.settings),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=runtime.settings.https,
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.session_interface = _Sessions()
    app.before_request(_begin)
    app.after_request(_finish)
    _document(app, runtime.settings.mount)
    app.register_blueprint(ui)
    problems.register(app)
    return app


class _Sessions(SecureCookieSessionInterface):
    """Sessions of the audit UI; the interface for programs has none, and opens none."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of this request, unless it is a program's."""
        return None if request.path.startswith("/v1/") else super().open_session(app, request)


def _cookie(settings: Settings) -> str:
    """One name for each ledger: whoever is signed in to two at once stays so."""
    name = f"ledger-{settings.tenant}" if settings.tenant else "ledger"
    # A cookie named so is only taken back from this very host, over TLS (RFC 6265bis).
    return f"__Host-{name}" if settings.https else name


def _document(app: Flask, mount: str) -> None:
    options: dict[str, Any] = {
        "servers": [{"url": mount or "/"}],
        "info": {"description": DESCRIPTION, "license": {"name": "Apache-2.0"}},
        "security": [{"key": []}],
    }
    api: Any = flask_smorest.Api(spec_kwargs=options)
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # its own form of error; ours are RFC 9457
    api.init_app(app)
    api.spec.components.security_scheme(
        "key",
        {
            "type": "http",
            "scheme": "bearer",
            "description": "A key from `decision-ledger key issue`, sent as `Bearer dl_…`.",
        },
    )
    for noun in (
        decisions,
        disclosures,
        events,
        evidence,
        retirement,
        subjects,
        accesses,
        corrections,
        outcomes,
        models,
        stages,
        sources,
        log,
        health,
    ):
        api.register_blueprint(noun.routes.blueprint)


def _begin() -> None:
    g.request_id = _request_id(request.headers.get("X-Request-ID", ""))
    g.began = time.perf_counter()


def _request_id(sent: str) -> str:
    """The caller's id of the request if it is a UUID; anything else could name a person."""
    if sent and _REQUEST_ID.fullmatch(sent):
        return str(uuid.UUID(sent))
    return str(uuid.uuid4())


def _finish(response: Response) -> Response:
    given = {name.lower() for name, _ in response.headers}
    response.headers.extend(
        [(name, value) for name, value in HEADERS.items() if name.lower() not in given]
    )
    response.headers["Request-Id"] = response.headers["X-Request-ID"] = g.get("request_id", "")
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        response.close()  # it is sent without its body, so nobody else would close the file
    settings = _settings()
    if settings.https:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    # The rule and not the path, and never the query: addresses can name records and people.
    rule = request.url_rule.rule if request.url_rule else "-"
    began = g.get("began", time.perf_counter())
    fields: dict[str, Any] = {
        "request": g.get("request_id", "-"),
        "method": request.method if request.method in METHODS else "-",
        "rule": f"{settings.mount}{rule}",
        "status": response.status_code,
        "ms": round(1000 * (time.perf_counter() - began)),
    }
    meters().answered(fields["method"], rule, fields["status"], time.perf_counter() - began)
    _requests.info("%s %s %s %d %d ms", *fields.values(), extra=fields)
    return response


def _settings() -> Any:
    from service.api.routes import runtime

    return runtime().settings
