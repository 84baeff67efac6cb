"""The pages of erasures and legal holds: for officers who decide, and others who look.

Each is on the access log before it is shown or done (`service.erasing`). References to
people travel in forms only.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from flask import Blueprint, Response, g, json, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ledger.canonical import JsonValue
from ledger.errors import MalformedError
from ledger.operate.erasure import (
    Ending,
    Erasure,
    Ground,
    Hold,
    HoldTerms,
    Refusal,
    Restriction,
    Stage,
)
from ledger.operate.holds import MAX_REVIEW
from ledger.roles import Permission
from service.api.routes import runtime
from service.erasing import Officer
from service.reading import Caller
from service.ui import rendering, wording
from service.ui.officer_views import (
    ErasurePage,
    ErasureRow,
    ErasuresPage,
    HoldRow,
    HoldsPage,
)
from service.ui.session import Visit
from service.ui.views import Choice, Fact, Icon, Moment, Tag, Tone

__all__ = ["add_to"]

GROUNDS: Final[Mapping[Ground, str]] = {
    Ground.NO_LONGER_NECESSARY: "No longer necessary (GDPR Art. 17(1)(a))",
    Ground.CONSENT_WITHDRAWN: "Consent was withdrawn (17(1)(b))",
    Ground.OBJECTION: "The person objects (17(1)(c))",
    Ground.UNLAWFUL_PROCESSING: "Processed unlawfully (17(1)(d))",
    Ground.LEGAL_OBLIGATION: "A law demands it (17(1)(e))",
    Ground.CHILD_INFORMATION_SERVICE: "Collected from a child by a service (17(1)(f))",
    Ground.AUTHORITY_ORDER: "Ordered by an authority (58(2)(g))",
}
REASONS: Final[Mapping[Refusal, str]] = {
    Refusal.WITHDRAWN: "The person withdrew the request",
    Refusal.IDENTITY_NOT_SHOWN: "Who asks was not shown (12(2), 12(6))",
    Refusal.MANIFESTLY_UNFOUNDED: "Manifestly unfounded or excessive (12(5))",
    Refusal.LEGAL_OBLIGATION_TO_KEEP: "A law of the Union or a Member State demands it (17(3)(b))",
    Refusal.LEGAL_CLAIMS: "Needed for legal claims (17(3)(e))",
    Refusal.FREEDOM_OF_EXPRESSION: "Freedom of expression and information (17(3)(a))",
    Refusal.PUBLIC_HEALTH: "Public health (17(3)(c))",
    Refusal.ARCHIVING_OR_RESEARCH: "Archiving or research (17(3)(d))",
    Refusal.HOLD_IN_FORCE: "A legal hold keeps all of it",
}
RESTRICTIONS: Final[Mapping[Restriction, str]] = {
    Restriction.ACCURACY_CONTESTED: "The person contests the data (GDPR Art. 18(1)(a))",
    Restriction.UNLAWFUL_PROCESSING: "Unlawful, and the person wants no erasure (18(1)(b))",
    Restriction.NEEDED_BY_PERSON: "The person needs it for legal claims (18(1)(c))",
    Restriction.OBJECTION: "An objection is being weighed (18(1)(d))",
}
_STAGES: Final[Mapping[Stage, Tag]] = {
    Stage.REQUESTED: Tag("Waits for a second person", Tone.CAUTION, Icon.HOURGLASS),
    Stage.APPROVED: Tag("Being erased", Tone.CAUTION, Icon.HOURGLASS),
    Stage.GATHERED: Tag("Being erased", Tone.CAUTION, Icon.HOURGLASS),
    Stage.DONE: Tag("Erased", Tone.PLAIN, Icon.TICK),
    Stage.REFUSED: Tag("Refused", Tone.ADVERSE, Icon.CROSS),
}
_UNDER_WAY: Final = "It was approved and is under way; cut short, it goes on at the next start."
_LEADS: Final[Mapping[Stage, str]] = {
    Stage.REQUESTED: "Nothing is erased yet. Once a second officer approves, it cannot be taken "
    "back.",
    Stage.APPROVED: _UNDER_WAY,
    Stage.GATHERED: _UNDER_WAY,
    Stage.DONE: "Erased, key destroyed. Nothing that is kept here opens these records again; the "
    "log still verifies, and says that they were erased.",
    Stage.REFUSED: "Nothing was erased. The person has to be told why within one month, and that "
    "they may complain to a supervisory authority or go to court (GDPR Art. 12(4), 77, 79).",
}


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI these pages."""
    for rule, view, method in (
        ("/erasures", erasures, "GET"),
        ("/erasures", request_erasure, "POST"),
        ("/erasures/<erasure_id>", erasure, "GET"),
        ("/erasures/<erasure_id>/approve", approve_erasure, "POST"),
        ("/erasures/<erasure_id>/refuse", refuse_erasure, "POST"),
        ("/erasures/<erasure_id>/certificate.json", certificate, "GET"),
        ("/holds", holds, "GET"),
        ("/holds", set_hold, "POST"),
        ("/holds/<hold_id>/release", release_hold, "POST"),
        ("/holds/<hold_id>/informed", informed, "POST"),
        ("/restrictions", restrict, "POST"),
    ):
        blueprint.add_url_rule(rule, view_func=view, methods=[method])


def erasures() -> Response:
    """Every request to erase, and the form for another."""
    found = reversed(_officer().erasures())
    may = _caller().principal.may(Permission.ERASURES_MANAGE)
    value = ErasuresPage(
        rows=tuple(_row(each) for each in found),
        grounds=tuple(Choice(code, text) for code, text in GROUNDS.items()) if may else (),
    )
    return rendering.page("erasures", value, here="erasures")


def request_erasure() -> AnyResponse:
    """Ask for an erasure, of a person by reference or of decisions by id."""
    subject, records = _whom()
    found, _ = _officer().request(request.form.get("ground", ""), subject=subject, records=records)
    return redirect(url_for("ui.erasure", erasure_id=found.id), 303)


def erasure(erasure_id: str) -> Response:
    """One request."""
    found, kept = _officer().erasure(erasure_id)
    value = _page(found, kept)
    return rendering.page("erasure", value, here="erasures", exact=False)


def approve_erasure(erasure_id: str) -> AnyResponse:
    """Agree to somebody else's request, and erase."""
    _officer().approve(erasure_id)
    return redirect(url_for("ui.erasure", erasure_id=erasure_id), 303)


def refuse_erasure(erasure_id: str) -> AnyResponse:
    """Refuse a request."""
    _officer().refuse(erasure_id, request.form.get("reason", ""))
    return redirect(url_for("ui.erasure", erasure_id=erasure_id), 303)


def certificate(erasure_id: str) -> Response:
    """The certificate of an erasure as a file, for the person concerned."""
    body = json.dumps(_officer().certificate(erasure_id).to_json(), indent=2)
    response = Response(body, content_type="application/json")
    name = f"erasure-{erasure_id}.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def holds() -> Response:
    """Every legal hold, and the form for another."""
    found = reversed(_officer().holds())
    now = runtime().clock()
    value = HoldsPage(
        rows=tuple(_hold(each, terms) for each, terms in found),
        may_set=_caller().principal.may(Permission.HOLDS_MANAGE),
        earliest=f"{now + timedelta(days=1):%Y-%m-%d}",
        latest=f"{now + MAX_REVIEW:%Y-%m-%d}",
    )
    return rendering.page("holds", value, here="holds")


def set_hold() -> AnyResponse:
    """Set a hold, on a person by reference or on decisions by id."""
    subject, records = _whom()
    review = _day("review")
    text = {name: request.form.get(name, "").strip() for name in ("matter", "ground", "owner")}
    _officer().set_hold(HoldTerms(**text, review_at=review), subject=subject, records=records)
    return redirect(url_for("ui.holds"), 303)


def release_hold(hold_id: str) -> AnyResponse:
    """Ask for the release of a hold, or release it as the second who asks."""
    _officer().release_hold(hold_id, request.form.get("reason", "").strip())
    return redirect(url_for("ui.holds"), 303)


def restrict() -> AnyResponse:
    """Restrict the use of a person's decisions, or of decisions by id."""
    subject, records = _whom()
    _officer().restrict(
        request.form.get("ground", ""), _day("review"), subject=subject, records=records
    )
    return redirect(url_for("ui.holds"), 303)


def informed(hold_id: str) -> AnyResponse:
    """Note that the person was told that a restriction is to be lifted."""
    _officer().informed(hold_id)
    return redirect(url_for("ui.holds"), 303)


def _day(member: str) -> datetime:
    try:
        return datetime.fromisoformat(request.form.get(member, "")).replace(tzinfo=UTC)
    except ValueError:
        raise MalformedError("not a date", member=member) from None


def _whom() -> tuple[str | None, tuple[str, ...]]:
    """The person, or the decisions, that a form names."""
    subject = request.form.get("subject", "").strip()
    records = tuple(request.form.get("records", "").lower().split())
    return subject or None, records


def _caller() -> Caller:
    visit = g.visit
    if not isinstance(visit, Visit):
        raise TypeError("no session was asked for")
    return visit.caller


def _officer() -> Officer:
    return Officer(runtime(), _caller())


def _moment(at: datetime) -> Moment:
    return Moment(wording.minute(at), wording.iso(at))


def _scope(*, whole_person: bool) -> str:
    return "A person" if whole_person else "Single decisions"


def _row(found: Erasure) -> ErasureRow:
    return ErasureRow(
        href=url_for("ui.erasure", erasure_id=found.id),
        short_id=wording.short_id(found.id),
        asked=_moment(found.requested_at),
        stage=_STAGES[found.stage],
        scope=_scope(whole_person=found.whole_person),
        ground=wording.words(found.ground),
        counts=wording.number(found.decisions) if found.decisions else "",
    )


def _page(found: Erasure, kept: tuple[tuple[str, str], ...]) -> ErasurePage:
    me = _caller().principal
    planned = isinstance(found.ground, Ending)  # a run of retention is agreed to in a terminal
    open_ = found.stage is Stage.REQUESTED and me.may(Permission.ERASURES_MANAGE) and not planned
    mine = found.requester == me.id
    done = found.stage is Stage.DONE
    return ErasurePage(
        id=found.id,
        short_id=wording.short_id(found.id),
        stage=_STAGES[found.stage],
        lead=_LEADS[found.stage],
        facts=_facts(found),
        kept=tuple(Fact(hold, "", record) for record, hold in kept),
        approve=url_for("ui.approve_erasure", erasure_id=found.id) if open_ and not mine else "",
        waits="You asked for it, so another officer has to approve it." if open_ and mine else "",
        refuse=url_for("ui.refuse_erasure", erasure_id=found.id) if open_ else "",
        reasons=tuple(
            Choice(code, text)
            for code, text in REASONS.items()
            if code is not Refusal.HOLD_IN_FORCE
        ),
        certificate=url_for("ui.certificate", erasure_id=found.id) if done else "",
    )


def _ground(ground: Ground | Ending) -> str:
    return "End of retention" if isinstance(ground, Ending) else GROUNDS[ground]


def _facts(found: Erasure) -> tuple[Fact, ...]:
    names = {each.id: each.name for each in runtime().api_keys.list()}
    who = names.get(found.requester, found.requester)
    facts = [
        Fact("What", _scope(whole_person=found.whole_person)),
        Fact("Ground", _ground(found.ground)),
        Fact("Asked", f"{wording.minute(found.requested_at)}, by {who}"),
    ]
    if found.approved_at is not None and found.approver is not None:
        decided = names.get(found.approver, found.approver)
        facts.append(Fact("Decided", f"{wording.minute(found.approved_at)}, by {decided}"))
    if found.reason is not None:
        facts.append(Fact("Refused because", REASONS[Refusal(found.reason)]))
    if found.decisions:
        facts.append(Fact("Decisions", wording.number(found.decisions)))
    if found.attached:
        facts.append(Fact("Attached to them", wording.number(found.attached)))
    if found.done_at is not None:
        facts.append(Fact("Done", wording.second(found.done_at)))
        clean = "Not yet: run decision-ledger erasure clean-up"
        if found.cleaned_at is not None:
            clean = wording.minute(found.cleaned_at)
        facts.append(Fact("Files cleaned up", clean))
    return tuple(facts)


def _hold(found: Hold, terms: Mapping[str, JsonValue] | None) -> HoldRow:
    me = _caller().principal
    said = {name: str(terms[name]) if terms else "" for name in ("matter", "ground", "owner")}
    in_force = found.released_at is None
    may = in_force and me.may(Permission.HOLDS_MANAGE) and found.releaser != me.id
    scope = _scope(whole_person=True)
    if not found.whole_person:
        scope = wording.counted(found.records, "decision", "decisions")
    note = "" if found.logged else "It is in force, but not on record: release it and set it again."
    if in_force and found.releaser is not None:
        note = "Its release was asked for; another officer has to agree."
    waits = may and found.restriction is not None and found.informed_at is None
    if waits:
        note = "Before it is lifted the person has to be told (GDPR Art. 18(3))."
    return HoldRow(
        id=found.id,
        short_id=wording.short_id(found.id),
        state=_state(found),
        review=_moment(found.review_at),
        scope=scope,
        **said,
        release=url_for("ui.release_hold", hold_id=found.id) if may and not waits else "",
        act="Release" if found.releaser else "Ask for release",
        note=note,
        restriction=RESTRICTIONS[found.restriction] if found.restriction else "",
        inform=url_for("ui.informed", hold_id=found.id) if waits else "",
    )


def _state(found: Hold) -> Tag:
    if found.released_at is not None:
        return Tag("Released", Tone.PLAIN, Icon.DASH)
    if runtime().holds.overdue(found):
        return Tag("Review overdue", Tone.ADVERSE, Icon.HOURGLASS)
    return Tag("In force", Tone.CAUTION, Icon.TICK)
