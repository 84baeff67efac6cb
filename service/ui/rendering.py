"""How a page leaves the server: its template, its shell, and the headers that bind the browser.

The policy allows nothing that is not ours: no inline script or style, no frame, no address
outside. Pages may hold a person's data, so that no cache keeps one.
"""

from typing import Final

from flask import Response, g, make_response, render_template

from ledger.roles import Permission
from service.ui import wording
from service.ui.session import PURPOSES, Visit
from service.ui.views import Viewer

__all__ = ["CONTENT_SECURITY_POLICY", "guard", "page"]

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # Forms are checked by where they come from, so that our own address may be sent to us.
    "Referrer-Policy": "same-origin",
}


def page(
    name: str, value: object, *, here: str = "", exact: bool = True, status: int = 200
) -> Response:
    """Return the page `name` filled with `value`.

    Args:
        name: the template's name without folder and suffix.
        value: a page of `service.ui.views`.
        here: the section of the main menu that it belongs to.
        exact: whether the menu's entry leads to this very page.
        status: HTTP status.
    """
    text = render_template(f"ui/{name}.html", page=value, viewer=_viewer(), here=here, exact=exact)
    return make_response(text, status)


def guard(response: Response) -> Response:
    """Add the headers that a browser needs; the app's own defaults come after and yield."""
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


def _viewer() -> Viewer | None:
    visit = g.get("visit")
    if not isinstance(visit, Visit):
        return None
    principal = visit.caller.principal
    return Viewer(
        name=principal.name,
        role=wording.words(principal.role).lower(),
        purpose=PURPOSES.get(visit.caller.purpose, wording.words(visit.caller.purpose)),
        sees_erasures=principal.may(Permission.ERASURES_READ),
        answers_people=principal.may(Permission.SUBJECTS_EXPORT),
        sees_disclosures=principal.may(Permission.DISCLOSURES_READ),
        reviews_accesses=principal.may(Permission.ACCESSES_REVIEW),
    )
