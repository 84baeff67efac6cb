"""Errors as pages: what happened and what to do now, for a person with a browser.

The kinds are those of `service.problems`; a program that asks for JSON gets the problem.
"""

import logging
from typing import Final

from flask import Response, g, request

from ledger.errors import LedgerError, PermissionRefused
from service import problems
from service.api.routes import runtime
from service.log_lines import place_of
from service.meters import meters
from service.problems import Problem, problem_of
from service.ui import rendering
from service.ui.session import Visit
from service.ui.views import ErrorPage

__all__ = ["answer", "prefers_pages"]

_log = logging.getLogger("service.ui")

_INTERNAL: Final = (
    "Something went wrong here",
    "It is not your doing, and it has been noted.",
    "Try again. If it stays, give the operator the number at the foot of this page.",
)
_WORDS: Final = {
    "malformed": (
        "This address or form is not one of ours",
        "A part of it is not in the form that our own pages write.",
        "Go back and try again from the page before.",
    ),
    "unauthenticated": ("Sign in first", "This page is for holders of a key.", "Sign in."),
    "refused": (
        "Your role does not allow this",
        "The key that you signed in with does not carry this permission.",
        "Ask someone whose role does, or ask the operator for another key.",
    ),
    "second-person": (
        "Another person has to agree",
        "You asked for this yourself, so somebody else has to approve it.",
        "Ask a second officer to sign in with a key of their own.",
    ),
    "restricted": (
        "A legal hold restricts this record",
        "It is kept for one matter, and may be used for nothing else.",
        "Sign in for a complaint or a request by the person, or ask the data protection officer.",
    ),
    "wrong-stage": (
        "This was decided meanwhile",
        "It is no longer at the stage at which this can be done.",
        "Go back and look at where it stands now.",
    ),
    "hold-in-force": (
        "A legal hold forbids this erasure",
        "Everything that it is about is kept for a matter, so the request was refused.",
        "Tell the person why within one month, and that they may complain or go to court.",
    ),
    "not-found": (
        "There is nothing here",
        "No page and no decision has this address.",
        "Check it, or search for the decision by its id.",
    ),
    "not-issued": (
        "There is no letter yet",
        "No explanation of this decision was issued, or the operator has not said who signs.",
        "Someone whose role may issue explanations can do it on the page of the decision.",
    ),
    "method-not-allowed": (
        "This address does not take that",
        "It is not a page to open or a form to send.",
        "Go back and try again from the page before.",
    ),
    "erased": (
        "This was erased",
        "Its key has been destroyed, and nobody can open it again.",
        "The log still proves that there was an entry.",
    ),
    "unverified": (
        "What is stored is not what was logged",
        "A check of this record failed, so nothing of it is shown.",
        "Tell the operator and keep any receipt you have: the record may have been changed.",
    ),
    "not-explainable": (
        "This cannot be explained as asked",
        "The record and the model that it names do not give a letter.",
        "The page of the decision says which check failed; a person has to write to the subject.",
    ),
    "unavailable": (
        "The ledger cannot answer right now",
        "Nothing was shown, because nothing could be written to the access log.",
        "Wait a few seconds and try again.",
    ),
}


def prefers_pages() -> bool:
    """Return whether the caller would rather read a page than a JSON problem."""
    offered = ("application/problem+json", "application/json", "text/html")
    return request.accept_mimetypes.best_match(offered) == "text/html"


def answer(error: Exception) -> Response:
    """Return the answer to a request that failed: a page, or a problem for a program."""
    problem = problem_of(error)
    if isinstance(error, PermissionRefused):
        try:
            _note_refusal()
        except LedgerError as unlogged:
            problem = problem_of(unlogged)
    if problem.slug == "internal":
        # The class and the line alone: its text could hold a person's data.
        _log.error(
            "request %s failed: %s at %s",
            g.get("request_id", "-"),
            type(error).__name__,
            place_of(error.__traceback__),
        )
    if not prefers_pages():
        return problems.render(problem)
    meters().problems.labels(problem.slug).inc()
    return _page(problem)


def _page(problem: Problem) -> Response:
    title, text, advice = _WORDS.get(problem.slug, _INTERNAL)
    value = ErrorPage(problem.kind.status, title, text, advice, request=g.get("request_id", ""))
    response = rendering.guard(rendering.page("error", value, status=problem.kind.status))
    response.headers.update(problem.headers)
    return response


def _note_refusal() -> None:
    """Put the refusal on the access log; if that cannot be, the answer says so."""
    visit = g.get("visit")
    if isinstance(visit, Visit):
        caller = visit.caller
        runtime().access_log.deny(
            caller.principal, purpose=caller.purpose, case=caller.case, records=(), fields=()
        )
