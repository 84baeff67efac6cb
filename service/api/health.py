"""Whether the process lives, whether the ledger can work, and what each problem means."""

from html import escape
from typing import Final

from flask import Response, current_app, request

from service.api.routes import Routes, answer
from service.problems import KINDS, Kind, Problem
from service.readiness import Readiness

__all__ = ["routes"]

routes = Routes("health", "Liveness, readiness, and a page for each kind of problem.")

_STATUS: Final = {
    "application/json": {"type": "object", "properties": {"status": {"type": "string"}}}
}
RETRY_SECONDS: Final = 5
HTML: Final = "text/html; charset=utf-8"
TENANTS_DOWN: Final = "ledger_tenants_down"  # extension of the main app: says their names
READINESS: Final = "ledger_readiness"  # extension of each app


def readiness() -> Readiness:
    """What looks at the parts of this app's ledger."""
    found = current_app.extensions[READINESS]
    if not isinstance(found, Readiness):
        raise TypeError("the app was not made by create_app")
    return found


@routes.add("GET", "/healthz", None, returns={200: _STATUS})
def alive() -> Response:
    """The process answers. Says nothing about databases: see `/readyz`.

    The main ledger's also names the tenants that did not start, if there are any.
    """
    down = current_app.extensions.get(TENANTS_DOWN)
    named = down() if down is not None else ()
    return answer({"status": "alive"} | ({"tenants_down": [*named]} if named else {}))


@routes.add("GET", "/readyz", None, returns={200: _STATUS}, problems=("unavailable",))
def ready() -> Response:
    """The databases, the disk, the clock and the writer allow to work.

    Says which of these do not, in the detail, and of what the operator is warned.
    """
    standing = readiness().standing()
    if not standing.ready:
        raise Problem(
            "unavailable",
            f"Not ready: {', '.join(standing.failed)}.",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    warned = {"warnings": [*standing.warned]} if standing.warned else {}
    return answer({"status": "ready"} | warned)


@routes.add("GET", "/problems/<slug>", None, returns={200: {HTML: {"type": "string"}}},
            problems=("not-found",))  # fmt: skip
def explain_problem(slug: str) -> Response:
    """What this kind of problem means and what to do about it."""
    kind = KINDS.get(slug)
    if kind is None:
        raise Problem("not-found", "There is no such kind of problem.")
    return Response(_page(kind.title, _paragraphs(kind)), content_type=HTML)


@routes.add("GET", "/problems/", None, returns={200: {HTML: {"type": "string"}}})
def list_problems() -> Response:
    """All kinds of problems that this service reports."""
    here = f"{_mount()}/problems"
    rows = "".join(
        f'<li><a href="{here}/{kind.slug}">{escape(kind.title)}</a> ({kind.status})</li>'
        for kind in KINDS.values()
    )
    return Response(_page("Problems", f"<ul>{rows}</ul>"), content_type=HTML)


def _mount() -> str:
    return escape(request.script_root)


def _paragraphs(kind: Kind) -> str:
    return (
        f"<p>Status {kind.status}, type <code>/problems/{kind.slug}</code>.</p>"
        f"<p>{escape(kind.advice)}</p>"
        f'<p><a href="{_mount()}/problems/">All kinds of problems</a></p>'
    )


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<main><h1>{escape(title)}</h1>{body}</main></html>\n"
    )
