"""The pages about wrong data: what was corrected of a decision, and what waits to be decided."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import MalformedError
from ledger.operate.corrections import Corrected, Follow
from ledger.roles import Permission
from service.api.routes import runtime
from service.correcting import Case, Correcting
from service.reading import Caller
from service.ui import rendering, wording
from service.ui.session import Visit
from service.ui.views import Choice, Fact, Icon, Tag, Tone

__all__ = ["add_to", "corrected_facts"]

MAX_VALUE_BYTES = 4_096  # of one value in a form
_OPEN = Tag("Decide again", Tone.CAUTION, Icon.HOURGLASS)
_FOLLOWED = {
    Follow.DECIDED_AGAIN: Tag("Decided again", Tone.PLAIN, Icon.TICK),
    Follow.STANDS: Tag("Decision stands", Tone.PLAIN, Icon.DASH),
}


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """One correction; `close` is where to post to while it waits, `new` the new decision."""

    id: str
    title: str
    state: Tag
    facts: tuple[Fact, ...]
    close: str
    new: str


@dataclass(frozen=True, slots=True)
class CorrectionsPage:
    """The corrections of a decision, what the model gives with them, and the form for another."""

    id: str
    short_id: str
    rows: tuple[CorrectionRow, ...]
    rescored: str
    fields: tuple[Choice, ...]
    may_correct: bool


@dataclass(frozen=True, slots=True)
class TasksPage:
    """The decisions that wait to be decided again."""

    rows: tuple[Fact, ...]


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI these pages."""
    for rule, view, method in (
        ("/corrections", tasks, "GET"),
        ("/decisions/<decision_id>/corrections", corrections, "GET"),
        ("/decisions/<decision_id>/corrections", correct, "POST"),
        ("/decisions/<decision_id>/corrections/<correction_id>/close", close_correction, "POST"),
    ):
        blueprint.add_url_rule(rule, view_func=view, methods=[method])


def tasks() -> Response:
    """What waits to be decided again."""
    waiting = _correcting().tasks()
    rows = tuple(
        Fact(wording.short_id(each), each, href=url_for("ui.corrections", decision_id=each))
        for each in waiting
    )
    return rendering.page("correction_tasks", TasksPage(rows), here="decisions", exact=False)


def corrections(decision_id: str) -> Response:
    """What was corrected of one decision."""
    value = _page(_correcting().case(decision_id))
    return rendering.page("corrections", value, here="decisions", exact=False)


def correct(decision_id: str) -> AnyResponse:
    """Correct one field."""
    form = request.form
    name, why = form.get("field", ""), form.get("why", "").strip()
    _correcting().correct(decision_id, {name: _value(form.get("value", ""))}, why)
    return redirect(url_for("ui.corrections", decision_id=decision_id), 303)


def close_correction(decision_id: str, correction_id: str) -> AnyResponse:
    """Close the task of a correction."""
    new = request.form.get("decision", "").strip().lower() or None
    _correcting().close(decision_id, correction_id, request.form.get("why", "").strip(), new)
    return redirect(url_for("ui.corrections", decision_id=decision_id), 303)


def corrected_facts(found: Sequence[Corrected]) -> tuple[Fact, ...]:
    """The values that stand beside recorded ones, with the day on which each was corrected."""
    return tuple(
        Fact(f"{name}, corrected on {wording.day(each.at)}", _written(value))
        for each in found
        for name, value in each.changes.items()
    )


def _page(case: Case) -> CorrectionsPage:
    data = {
        f"{part}.{name}": value
        for part in ("input", "context")
        for name, value in getattr(case.current, part).items()
        if (part, name) != ("context", "decided_at")
    }
    return CorrectionsPage(
        id=case.view.id,
        short_id=wording.short_id(case.view.id),
        rows=tuple(_row(case.view.id, each) for each in reversed(case.corrections)),
        rescored=_rescored(case),
        fields=tuple(Choice(name, f"{name}: {_written(value)}") for name, value in data.items()),
        may_correct=_caller().principal.may(Permission.CORRECTIONS_MAKE),
    )


def _row(decision_id: str, each: Corrected) -> CorrectionRow:
    may = each.follow is None and _caller().principal.may(Permission.CORRECTIONS_MAKE)
    address = url_for("ui.close_correction", decision_id=decision_id, correction_id=each.id)
    facts = [Fact(name, _written(value)) for name, value in each.changes.items()]
    facts.append(Fact("Because", each.why))
    facts.append(Fact("By", wording.words(each.role).lower()))
    return CorrectionRow(
        id=each.id,
        title=f"Corrected on {wording.day(each.at)}",
        state=_FOLLOWED[each.follow] if each.follow else _OPEN,
        facts=tuple(facts),
        close=address if may else "",
        new=each.decision or "",
    )


def _rescored(case: Case) -> str:
    found = case.rescored
    if found is None:
        return ""
    if found.why:
        return f"The archived model cannot say what it gives with the corrected data: {found.why}."
    same = "the same outcome" if found.outcome == case.view.payload.outcome else "another outcome"
    return (
        "With the corrected data the same model gives a margin of"
        f" {wording.number(found.margin)} instead of"
        f" {wording.number(case.view.payload.margin)} (in millionths), and the same cut-off {same}:"
        f" {wording.words(found.outcome).lower()}. Rules outside the policy were not run."
        " This is information for whoever decides again, not a decision."
    )


def _value(text: str) -> JsonValue:
    """A value as JSON, or the text itself where it is none."""
    try:
        return canonical.parse(text.encode(), max_bytes=MAX_VALUE_BYTES)
    except MalformedError:
        return text


def _written(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not stated" if value is None else str(value)


def _caller() -> Caller:
    visit = g.visit
    if not isinstance(visit, Visit):
        raise TypeError("no session was asked for")
    return visit.caller


def _correcting() -> Correcting:
    return Correcting(runtime(), _caller())
