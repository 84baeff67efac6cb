"""The page about showing chosen fields of a decision to somebody outside, and who got some.

What is chosen travels in the form, and so does what is asked for: no address names a person.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, g, request

from ledger.canonical import JsonValue
from ledger.errors import MalformedError, NotFoundError, SecondPersonNeeded
from ledger.roles import Permission
from ledger.verify.disclosure import Ground
from service.api.disclosures import handed_over
from service.api.routes import runtime
from service.disclosing import MAX_ALONE, Disclosing, Wanted
from service.reading import Caller
from service.ui import rendering, wording
from service.ui.session import Visit
from service.ui.views import Choice, Moment

__all__ = ["GROUNDS", "add_to"]

MAX_VALUE_CHARS: Final = 120  # of a value beside its box; the page of the decision has all of it
GROUNDS: Final[Mapping[Ground, str]] = {
    Ground.AUTHORITY_ORDER: "Ordered by an authority or a court",
    Ground.LEGAL_OBLIGATION: "A law demands it (GDPR Art. 6(1)(c))",
    Ground.LEGAL_CLAIMS: "Needed for legal claims",
    Ground.DATA_SUBJECT_REQUEST: "The person asks for it",
    Ground.CONSENT: "The person consents (6(1)(a))",
    Ground.CONTRACT: "Needed for a contract with the person (6(1)(b))",
    Ground.PUBLIC_TASK: "A public task (6(1)(e))",
    Ground.LEGITIMATE_INTERESTS: "Legitimate interests, which were weighed (6(1)(f))",
}


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """A field that may be shown, with its value; the `name` stands in the package."""

    code: str
    name: str
    value: str
    selected: bool


@dataclass(frozen=True, slots=True)
class SectionChoice:
    """The fields of one part of a record."""

    title: str
    fields: tuple[FieldChoice, ...]


@dataclass(frozen=True, slots=True)
class DisclosureRow:
    """Who got something, when and what for."""

    at: Moment
    recipient: str
    ground: str
    purpose: str
    id: str


@dataclass(frozen=True, slots=True)
class DisclosuresPage:
    """The disclosures of a decision, and the form for another; no sections: no form.

    `problem` is what went wrong with the last try, `asked` what another officer issues it with.
    """

    id: str
    short_id: str
    rows: tuple[DisclosureRow, ...]
    sections: tuple[SectionChoice, ...]
    grounds: tuple[Choice, ...]
    recipient: str
    purpose: str
    records: str
    token: str
    alone: str
    problem: str = ""
    asked: str = ""


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI these pages."""
    rule = "/decisions/<decision_id>/disclosures"
    for suffix, view, method in (
        ("", disclosures, "GET"),
        ("", disclose, "POST"),
        ("/ask", ask_to_disclose, "POST"),
    ):
        blueprint.add_url_rule(rule + suffix, view_func=view, methods=[method])


def disclosures(decision_id: str) -> Response:
    """To whom a decision was disclosed, and the form for those who may disclose it."""
    return _page(decision_id)


def disclose(decision_id: str) -> Response:
    """The package, as a download."""
    _require()
    try:
        wanted = _wanted(decision_id)
        return handed_over(*_disclosing().issue(wanted, request.form.get("token", "").strip()))
    except (MalformedError, NotFoundError, SecondPersonNeeded) as error:
        return _page(decision_id, problem=f"Not disclosed: {error}.", status=422)


def ask_to_disclose(decision_id: str) -> Response:
    """What another officer needs to issue exactly this."""
    _require()
    try:
        return _page(decision_id, asked=_disclosing().ask(_wanted(decision_id)))
    except (MalformedError, NotFoundError) as error:
        return _page(decision_id, problem=f"Not asked for: {error}.", status=422)


def _wanted(decision_id: str) -> Wanted:
    form = request.form
    return Wanted(
        records=(decision_id, *form.get("records", "").lower().split()),
        fields=tuple(form.getlist("field")),
        recipient=form.get("recipient", "").strip(),
        ground=form.get("ground", ""),
        purpose=form.get("purpose", "").strip(),
    )


def _page(decision_id: str, *, problem: str = "", asked: str = "", status: int = 200) -> Response:
    acting, form = _disclosing(), request.form
    found = acting.about(decision_id)
    may = _caller().principal.may(Permission.DISCLOSURES_ISSUE)
    value = DisclosuresPage(
        id=decision_id,
        short_id=wording.short_id(decision_id),
        rows=tuple(
            DisclosureRow(
                Moment(wording.minute(at), wording.iso(at)),
                each.recipient, GROUNDS[each.ground], each.purpose, each.id,
            )
            for at, each in reversed(found)
        ),
        sections=_sections(acting.choices(decision_id)) if may else (),
        grounds=tuple(
            Choice(code, text, selected=code == form.get("ground"))
            for code, text in GROUNDS.items()
        ),
        recipient=form.get("recipient", ""),
        purpose=form.get("purpose", ""),
        records=form.get("records", ""),
        token=form.get("token", ""),
        alone=wording.number(MAX_ALONE),
        problem=problem,
        asked=asked,
    )  # fmt: skip
    return rendering.page("disclosures", value, here="decisions", exact=False, status=status)


def _sections(found: Mapping[str, Mapping[str, JsonValue]]) -> tuple[SectionChoice, ...]:
    chosen = set(request.form.getlist("field"))
    return tuple(
        SectionChoice(
            wording.words(section),
            tuple(
                FieldChoice(code, name, _written(value), code in chosen)
                for name, value in values.items()
                for code in (f"{section}.{name}",)
            ),
        )
        for section, values in found.items()
        if values
    )


def _written(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"


def _require() -> None:
    _caller().principal.require(Permission.DISCLOSURES_ISSUE)


def _caller() -> Caller:
    visit = g.visit
    if not isinstance(visit, Visit):
        raise TypeError("no session was asked for")
    return visit.caller


def _disclosing() -> Disclosing:
    return Disclosing(runtime(), _caller())
