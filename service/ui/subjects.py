"""The page for requests of data subjects: a copy of everything about one person."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, Response, g, request

from ledger.operate.holds import MAX_REVIEW
from ledger.roles import Permission
from service.api.routes import runtime
from service.api.subjects import asked_for, handed_over
from service.reading import Caller
from service.subject_copy.deadlines import RULE, Deadlines
from service.subject_copy.making import languages, make_copy
from service.ui import rendering, wording
from service.ui.officers import RESTRICTIONS
from service.ui.session import Visit
from service.ui.views import Choice

__all__ = ["add_to"]


@dataclass(frozen=True, slots=True)
class SubjectsPage:
    """The forms for a copy and a restriction; `deadlines` is the rule that days are counted by."""

    today: str
    answer_by: str
    extended_by: str
    deadlines: str
    languages: tuple[str, ...]
    language: str
    grounds: tuple[Choice, ...]
    earliest: str
    latest: str


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI these pages."""
    blueprint.add_url_rule("/subjects", view_func=subjects, methods=["GET"])
    blueprint.add_url_rule("/subjects/export", view_func=export_subject, methods=["POST"])


def subjects() -> Response:
    """What can be done for a person, and the form for a copy."""
    _caller().principal.require(Permission.SUBJECTS_EXPORT)
    found = runtime()
    days = Deadlines.of(found.clock().date())
    value = SubjectsPage(
        today=days.received.isoformat(),
        answer_by=wording.day(days.answer_by),
        extended_by=wording.day(days.extended_by),
        deadlines=RULE,
        languages=languages(),
        language=found.settings.language,
        grounds=tuple(Choice(code, text) for code, text in RESTRICTIONS.items()),
        earliest=f"{found.clock() + timedelta(days=1):%Y-%m-%d}",
        latest=f"{found.clock() + MAX_REVIEW:%Y-%m-%d}",
    )
    return rendering.page("subjects", value, here="subjects")


def export_subject() -> Response:
    """The copy, as a download."""
    form = request.form
    asked = asked_for(
        {
            "subject": form.get("subject", "").strip(),
            "received_on": form.get("received_on"),
            "language": form.get("language"),
            "withhold": form.get("withhold", "").split(),
        }
    )
    return handed_over(make_copy(runtime(), _caller(), asked))


def _caller() -> Caller:
    visit = g.visit
    if not isinstance(visit, Visit):
        raise TypeError("no session was asked for")
    return visit.caller
