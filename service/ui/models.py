"""The pages of models and policies: what a version is, where it stands, what happened to it.

Nothing here opens a record of a person, so nothing is noted on the access log. What is done
about a stage is on the log of decisions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from ledger.errors import MalformedError, SecondPersonNeeded, WrongStage
from ledger.operate.approvals import pending
from ledger.operate.model_stage import FOLLOWING, PROPOSALS, Act, Stage, StageEvent
from ledger.operate.registry import ModelVersion, PolicyVersion
from ledger.roles import Permission, Principal
from reports.errors import DocumentError
from reports.formatting import Formatting
from reports.lineage_chart import lineage as draw_lineage
from service.api.routes import answer, runtime
from service.approving import Approver
from service.lineage import Lineage, NodeKind, lineage
from service.lineage_words import lineage_stages
from service.manifest_texts import spoken
from service.ui import rendering, wording
from service.ui.model_views import (
    EventRow,
    LineagePart,
    ModelPage,
    ModelsPage,
    StageForm,
    VersionRow,
)
from service.ui.session import visitor
from service.ui.views import Fact, Icon, Moment, Tag, Tone

__all__ = ["STATES", "add_to"]

LANGUAGE: Final = "en-GB"  # as all of these pages are written

STATES: Final[Mapping[str, Tag]] = {
    Stage.REGISTERED: Tag("Registered, not approved", Tone.CAUTION, Icon.HOURGLASS),
    Stage.APPROVED: Tag("Approved", Tone.FAVOURABLE, Icon.TICK),
    Stage.PROMOTED: Tag("In use", Tone.FAVOURABLE, Icon.TICK),
    Stage.SUSPENDED: Tag("Suspended", Tone.ADVERSE, Icon.CROSS),
    Stage.RETIRED: Tag("Retired", Tone.PLAIN, Icon.DASH),
}
_ACTS: Final[Mapping[str, Tag]] = {
    **STATES,
    Stage.REGISTERED: Tag("Registered", Tone.PLAIN, Icon.DASH),
    Stage.PROMOTED: Tag("Promoted", Tone.FAVOURABLE, Icon.TICK),
    Act.APPROVAL_PROPOSED: Tag("Approval proposed", Tone.CAUTION, Icon.HOURGLASS),
    Act.RETIREMENT_PROPOSED: Tag("Retirement proposed", Tone.CAUTION, Icon.HOURGLASS),
    Act.PROPOSAL_REFUSED: Tag("Proposal refused", Tone.ADVERSE, Icon.CROSS),
}
_LEADS: Final[Mapping[str, str]] = {
    Stage.REGISTERED: "It is on record with its files. Nobody has approved it yet; decisions by "
    "it are taken all the same.",
    Stage.APPROVED: "Two people agreed that it may be used.",
    Stage.PROMOTED: "It was approved by two people, and its owner says that it is in use.",
    Stage.SUSPENDED: "It was stopped: new decisions by it are refused, recorded ones stay "
    "readable. It has to be approved again before it decides again.",
    Stage.RETIRED: "Its use is over for good. Decisions by it that still arrive are recorded.",
}
_PROPOSED: Final[Mapping[str, str]] = {
    Stage.APPROVED: "approved: it may be used",
    Stage.RETIRED: "retired: its use is over for good",
}


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI these pages."""
    for rule, view, method in (
        ("/models", models, "GET"),
        ("/models/<reference>", model, "GET"),
        ("/models/<reference>/lineage.json", lineage_file, "GET"),
        ("/models/<reference>/proposals", propose, "POST"),
        ("/models/<reference>/proposals/<proposal_id>/agree", agree, "POST"),
        ("/models/<reference>/proposals/<proposal_id>/refuse", refuse, "POST"),
        ("/models/<reference>/promote", promote, "POST"),
        ("/models/<reference>/suspend", suspend, "POST"),
    ):
        blueprint.add_url_rule(rule, view_func=view, methods=[method])


def models() -> Response:
    """Every version of every model and policy."""
    visitor().require(Permission.MODELS_READ)
    registry = runtime().registry
    value = ModelsPage(
        models=tuple(
            _row(each, STATES[each.status], waits=_waits(each)) for each in registry.models()
        ),
        policies=tuple(_row(each) for each in registry.policies()),
    )
    return rendering.page("models", value, here="models")


def model(reference: str) -> Response:
    """One model version."""
    return _model(reference)


def lineage_file(reference: str) -> Response:
    """The graph from data to decisions, for programs."""
    visitor().require(Permission.MODELS_READ)
    return answer(asdict(lineage(runtime(), runtime().registry.model(reference))))


def propose(reference: str) -> AnyResponse:
    """Propose that it is approved, or retired."""
    status = request.form.get("status", "")
    return _done(reference, lambda to, why: to.propose(reference, status, why))


def agree(reference: str, proposal_id: str) -> AnyResponse:
    """Agree to what somebody else proposed."""
    return _done(reference, lambda to, why: to.agree(reference, proposal_id, why))


def refuse(reference: str, proposal_id: str) -> AnyResponse:
    """Refuse a proposal, or take it back."""
    return _done(reference, lambda to, why: to.refuse(reference, proposal_id, why))


def promote(reference: str) -> AnyResponse:
    """Say that it is in use from now on."""
    return _done(reference, lambda to, why: to.promote(reference, why))


def suspend(reference: str) -> AnyResponse:
    """Stop it."""
    return _done(reference, lambda to, why: to.suspend(reference, why))


def _done(reference: str, act: Callable[[Approver, str], ModelVersion]) -> AnyResponse:
    """The page after an act; one that cannot be done now says so on the page itself."""
    try:
        act(Approver(runtime(), visitor()), request.form.get("reason", ""))
    except (MalformedError, WrongStage, SecondPersonNeeded) as error:
        status = 403 if isinstance(error, SecondPersonNeeded) else 422
        return _model(reference, problem=f"Nothing was done: {error}.", status=status)
    return redirect(url_for("ui.model", reference=reference), 303)


def _model(reference: str, *, problem: str = "", status: int = 200) -> Response:
    me = visitor()
    me.require(Permission.MODELS_READ)
    found = runtime().registry.model(reference)
    history = runtime().approvals.history(found.digest)
    waits = pending(history)
    graph = lineage(runtime(), found)
    value = ModelPage(
        name=f"{found.name} {found.version}",
        home=url_for("ui.models"),
        state=STATES[found.status],
        lead=_LEADS[found.status],
        waits=_told(waits, me),
        facts=_facts(found),
        features=url_for("ui.features", reference=found.reference),
        forms=tuple(_forms(found, waits, me)),
        history=tuple(map(_event, reversed(history))),
        lineage=_lineage(found, graph),
        late=_late(graph, history),
        problem=problem,
    )
    return rendering.page("model", value, here="models", exact=False, status=status)


def _row(
    found: ModelVersion | PolicyVersion, state: Tag | None = None, *, waits: bool = False
) -> VersionRow:
    return VersionRow(
        href=url_for("ui.model" if state else "ui.policy", reference=found.reference),
        name=f"{found.name} {found.version}",
        digest=wording.short_digest(found.digest),
        state=state,
        waits=waits,
    )


def _waits(found: ModelVersion) -> bool:
    return pending(runtime().approvals.history(found.digest)) is not None


def _told(waits: StageEvent | None, me: Principal) -> str:
    if waits is None:
        return ""
    aim = _PROPOSED[PROPOSALS[Act(waits.act)]]
    who = "You proposed" if waits.actor == me.id else f"{_name(waits.actor)} proposed"
    return f"{who} that it is {aim}. Somebody else, in a role that may approve, has to agree."


def _forms(found: ModelVersion, waits: StageEvent | None, me: Principal) -> Sequence[StageForm]:
    """What this visitor may do now, the weightiest first."""
    forms = []
    following = FOLLOWING[Stage(found.status)]

    def add(page: str, label: str, hint: str = "", **how: Any) -> None:
        decides = waits is not None and page in {"agree", "refuse"}
        proposal: dict[str, Any] = {"proposal_id": waits.id} if waits and decides else {}
        action = url_for(f"ui.{page}", reference=found.reference, **proposal)
        given = {name: value for name, value in how.items() if name in {"status", "weighty"}}
        forms.append(StageForm(f"{page}{how.get('status', '')}", action, label, hint, **given))

    proposes, agrees = me.may(Permission.MODELS_REGISTER), me.may(Permission.MODELS_APPROVE)
    if waits is not None and agrees and waits.actor != me.id:
        add("agree", "Agree", "You say that you looked at it yourself.", weighty=True)
    if waits is not None and (agrees or proposes):
        mine = waits.actor == me.id
        add("refuse", "Take the proposal back" if mine else "Refuse the proposal")
    if proposes and Stage.PROMOTED in following:
        add("promote", "Promote", "It is in use from now on.", weighty=True)
    if proposes and waits is None and Stage.APPROVED in following:
        hint = "Another person has to agree."
        add("propose", "Propose approval", hint, status="approved", weighty=True)
    if me.may(Permission.MODELS_SUSPEND) and Stage.SUSPENDED in following:
        add("suspend", "Suspend", "At once, and by one person: decisions by it are refused.")
    if proposes and waits is None and Stage.RETIRED in following:
        add("propose", "Propose retirement", "Another person has to agree. Nothing follows it.",
            status="retired")  # fmt: skip
    return forms


def _event(event: StageEvent) -> EventRow:
    who = ""
    if event.actor is not None:
        who = f"{_name(event.actor)}, {wording.words(event.role).lower()}"
    return EventRow(
        what=_ACTS.get(event.act, Tag(wording.words(event.act))),
        when=Moment(wording.minute(event.at), wording.iso(event.at)),
        who=who,
        reason=event.reason,
        entry=f"{wording.number(event.seq)}",
    )


def _late(graph: Lineage, history: Sequence[StageEvent]) -> str:
    """That a retired version went on deciding, by the times that the decisions state."""
    over = [each.at for each in history if each.stage is Stage.RETIRED]
    last = [datetime.fromisoformat(str(each.details["last"]))
            for each in graph.of(NodeKind.DECISIONS)]  # fmt: skip
    if not over or not last or max(last) <= over[0]:
        return ""
    return (
        f"It went on deciding after it was retired: the last decision was made on "
        f"{wording.minute(max(last))}. Ask its owner."
    )


def _lineage(found: ModelVersion, graph: Lineage) -> LineagePart:
    stages = lineage_stages(graph, Formatting(LANGUAGE))
    try:
        picture = draw_lineage(stages, chart_id="lineage", title=f"From data to {found.reference}")
    except DocumentError:  # a text of the manifest that no font has: the table shows it
        picture = ""
    address = url_for("ui.lineage_file", reference=found.reference)
    return LineagePart(address, Markup(picture), stages)  # noqa: S704 - our own drawing, its texts escaped


def _facts(found: ModelVersion) -> tuple[Fact, ...]:
    manifest = found.manifest
    stated = (
        ("Kind", "kind"), ("Purpose", "purpose"), ("Legal role", "legal_role"),
        ("AI Act, Annex III", "annex_iii_point"), ("Owner", "owner"), ("Team", "team"),
    )  # fmt: skip
    facts = [Fact("Manifest", "", found.digest)]
    facts += [
        Fact(label, spoken(manifest[name], "en") or str(manifest[name]))
        for label, name in stated
        if manifest.get(name)
    ]
    code = manifest.get("code")
    if isinstance(code, Mapping):
        facts.append(Fact("Code", str(code.get("repository", "")), str(code.get("commit", ""))))
    return tuple(facts)


def _name(actor: str | None) -> str:
    names = {each.id: each.name for each in runtime().api_keys.list()}
    return names.get(actor or "", actor or "Somebody whose name cannot be opened any more")
