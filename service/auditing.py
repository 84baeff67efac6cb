"""The audit report on one model over one period: counted, recomputed and verified now.

Every figure comes from the records themselves, opened one by one; a random sample of them
is run again on the archived model, and the whole log is re-derived from its entries'
bytes. What was not looked at is said, not assumed.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from explain.attribution import Attribution
from explain.explanation import MAX_REASONS
from explain.judgement import judge
from explain.model import Model
from explain.policy import Policy, rounded
from explain.replay import Replay
from ledger.errors import NotFoundError
from ledger.operate.access_log import Manner
from ledger.operate.decisions import DecisionQuery, DecisionRow, DecisionView
from ledger.operate.registry import ModelVersion, PolicyVersion
from ledger.tlog.cosignature import open_note
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.policy import Policy as TrustPolicy
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.completeness import Reconciled
from ledger.verify.directory_reader import DirectoryLogReader
from reports import documents
from reports.html import REPORT_LANGUAGE
from service.completeness_report import completeness_of, gap_findings, gaps_files
from service.lineage_words import lineage_in_words
from service.model_card import model_card
from service.over_time.movement import movement
from service.population import population
from service.publishing import publish
from service.reading import Reading
from service.replaying import Tally, line_of
from service.runtime import Runtime

__all__ = ["AuditRequest", "audit_report"]

MAX_POPULATION: Final = 50_000  # decisions opened for one report; some three minutes
NOTED_AT_ONCE: Final = 10_000  # records per entry of the access log
ALGORITHMS: Final = {0x01: "Ed25519", 0x06: "ML-DSA-44"}
LIMITS: Final = (
    (
        "Completeness is judged by the sources' own counters: a source that does not count "
        "honestly is not seen through."
    ),
    (
        "Contributions say how the model used an input compared with its reference group, not "
        "what caused anything."
    ),
    "Recomputation covers the sample that is named, not every decision.",
)
SIGNATORIES: Final = (
    documents.Signatory("Model owner", "The description of the model is complete."),
    documents.Signatory("Internal audit", "The sample was drawn and recomputed as stated."),
    documents.Signatory("Data protection officer", "The register of rights is complete."),
)
_REGISTER: Final = (
    ("explanation_issued", "Explanations issued"),
    ("notice_issued", "Notices issued"),
    ("review", "Steps of reviews by people"),
    ("correction", "Corrections"),
    ("outcome_observed", "Outcomes fed back"),
    ("erased", "Erasures on request"),
    ("expired", "Erasures at the end of retention"),
    ("hold_set", "Legal holds set"),
    ("incident", "Incidents"),
)


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What to report on.

    Attributes:
        model: `name@version` or digest.
        since: first day, by the time of decision in UTC.
        until: last day, included.
        sample: how many decisions to recompute and list, at most 1,000.
        seed: of the sample; printed, so that the draw can be repeated.
        groups: trait → decision id → group, from a file kept apart from the ledger.
        groups_source: where that file comes from, in words.
    """

    model: str
    since: date
    until: date
    sample: int
    seed: int
    groups: Mapping[str, Mapping[str, str]]
    groups_source: str


@dataclass(frozen=True, slots=True)
class _Case:
    """One decision, opened, and its reasons if it was adverse."""

    view: DecisionView
    attribution: Attribution | None  # None: there are none, or not yet
    reasons: tuple[str, ...]
    passed: bool
    late: date | None = None  # when the attribution was worked out, if that was afterwards


def audit_report(
    runtime: Runtime, reading: Reading, request: AuditRequest, organisation: str
) -> documents.AuditReport:
    """The report as a value.

    Raises:
        NotFoundError: no such model, or no decision in the period.
        DocumentError, ExplainError: a part cannot be stated.
    """
    version = runtime.registry.model(request.model)
    found = tuple(population(runtime.decisions, _query(request, version), MAX_POPULATION))
    closed = reading.restricted([row.id for row in found])
    rows = tuple(row for row in found if row.id not in closed)
    if not rows:
        raise NotFoundError("the model made no decision in this period")
    for start in range(0, len(rows), NOTED_AT_ONCE):
        ids = [row.id for row in rows[start : start + NOTED_AT_ONCE]]
        reading.note(ids, ("attributions", "input", "output"), manner=Manner.EXPORT)
    policies = [runtime.registry.policy(digest) for digest in sorted({row.policy for row in rows})]
    model = runtime.explaining.opened(version)
    read = {
        each.digest: Policy.from_manifests(each.manifest, version.manifest) for each in policies
    }
    cases = tuple(_case(runtime, row, model, read[row.policy]) for row in rows)
    drawn = random.Random(request.seed).sample(cases, min(request.sample, len(cases)))  # noqa: S311  # repeatable by its printed seed, not secret
    replays = {each.view.id: _replayed(runtime, each) for each in drawn}
    result = _audited(runtime)
    totals = runtime.completeness.totals()
    verification = _verification(runtime, result, cases, totals)
    gaps = gap_findings(result.sources, totals)
    findings = (*_log_findings(result), *gaps, *_drift_findings(replays))
    newest = policies[-1]
    return documents.AuditReport(
        reference=f"{version.reference} {request.since} {request.until}",
        organisation=organisation,
        prepared=runtime.clock().date(),
        since=request.since,
        until=request.until,
        scope=_scope(version, policies, cases, request, len(closed)),
        card=model_card(version, newest, lineage_in_words(runtime, version, REPORT_LANGUAGE)),
        months=_months(cases),
        weights=_weights(cases, model, read[newest.digest]),
        reasons=_reasons(cases, read[newest.digest], runtime.settings.language),
        verification=verification,
        recomputation=_recomputation(cases, replays, model, request.seed),
        fairness=tuple(_fairness(cases, request)),
        findings=findings,
        register=_register(result),
        limits=LIMITS,
        signatories=SIGNATORIES,
        sample=tuple(_sampled(each, read) for each in sorted(drawn, key=lambda one: one.view.seq)),
        attachments=gaps_files(result.sources),
        movement=movement(((each.view, each.attribution) for each in cases), _labels(model)),
    )


def _query(request: AuditRequest, version: ModelVersion) -> DecisionQuery:
    return DecisionQuery(
        model=version.digest,
        since=datetime.combine(request.since, time(), UTC),
        until=datetime.combine(request.until + timedelta(days=1), time(), UTC),
    )


def _case(runtime: Runtime, row: DecisionRow, model: Model, policy: Policy) -> _Case:
    view = runtime.decisions.read(row.id)
    attributed = runtime.attributions.of(view)
    attribution = Attribution.from_json(attributed.value) if attributed.complete else None
    passed = view.payload.outcome == policy.passed
    late = attributed.at.date() if attributed.at and attribution else None
    if passed or attribution is None:
        return _Case(view, attribution, (), passed, late)
    judged = judge(model.schema, policy, view.payload.input, attribution, view.payload.outcome)
    return _Case(view, attribution, judged.codes[:MAX_REASONS], passed, late)


def _replayed(runtime: Runtime, case: _Case) -> Replay:
    attributed = runtime.attributions.of(case.view)
    return runtime.explaining.replay_of(case.view, attributed)


def _audited(runtime: Runtime) -> AuditResult:
    policy = TrustPolicy.parse(runtime.policy_text)
    with tempfile.TemporaryDirectory(prefix="audit") as directory:
        publish(runtime.logs["decisions"], Path(directory))
        return audit(DirectoryLogReader(Path(directory)), policy)


def _verification(
    runtime: Runtime,
    result: AuditResult,
    cases: Sequence[_Case],
    totals: Sequence[Reconciled],
) -> documents.LogVerification:
    if result.root is None:
        raise NotFoundError("entries of the log are missing: run decision-ledger verify first")
    note = runtime.logs["decisions"].checkpoint()
    signed = open_note(note, runtime.verifier_keys["decisions"]).signatures
    return documents.LogVerification(
        origin=result.origin,
        first=min(each.view.seq for each in cases),
        last=max(each.view.seq for each in cases),
        size=result.size,
        root_hash=result.root,
        verified_at=runtime.clock(),
        signatures=tuple(
            documents.Signature(each.key.name, ALGORITHMS.get(each.key.kind, "unknown"))
            for each in signed
        ),
        completeness=completeness_of(result.sources, totals),
        findings=len(result.findings) + result.omitted,
    )


def _log_findings(result: AuditResult) -> Iterator[documents.Finding]:
    for each in result.findings:
        yield documents.Finding(str(each.code), each.detail, owner="Operator of the ledger")
    for _ in range(result.omitted):
        yield documents.Finding("omitted", "One more finding of the log, not listed here.")


def _drift_findings(replays: Mapping[str, Replay]) -> Iterator[documents.Finding]:
    for record, outcome in replays.items():
        if outcome.verdict != "reproduced":
            yield documents.Finding(
                f"replay_{outcome.verdict}", f"{record}: {outcome.why}.", owner="Model owner"
            )


def _scope(
    version: ModelVersion,
    policies: Sequence[PolicyVersion],
    cases: Sequence[_Case],
    request: AuditRequest,
    closed: int,
) -> tuple[str, ...]:
    named = ", ".join(each.reference for each in policies)
    without = sum(each.attribution is None for each in cases)
    late = sorted(each.late for each in cases if each.late is not None)
    told = []
    if late:
        told.append(
            f"{len(late):,} of them came without contributions: these were worked out between"
            f" {late[0]} and {late[-1]}, after the decision, from the archived model and the"
            " same data."
        )
    if closed:
        told.append(f"{closed:,} more were left out: their use is restricted (GDPR Art. 18(2)).")
    if without:
        told.append(f"{without:,} of them have no contributions, and are in no figure about those.")
    return (
        f"All {len(cases):,} decisions of {version.reference} in the period, under {named}.",
        *told,
        "Every one of them was opened and compared with its commitments on the log.",
        f"{min(request.sample, len(cases)):,} were drawn with seed {request.seed} and run again.",
    )


def _months(cases: Sequence[_Case]) -> tuple[documents.Month, ...]:
    decided: Counter[date] = Counter()
    approved: Counter[date] = Counter()
    for each in cases:
        first = each.view.payload.decided_at.date().replace(day=1)
        decided[first] += 1
        approved[first] += each.passed
    return tuple(
        documents.Month(first, decided[first], approved[first]) for first in sorted(decided)
    )


def _weights(
    cases: Sequence[_Case], model: Model, policy: Policy
) -> tuple[documents.FeatureWeight, ...]:
    totals: Counter[str] = Counter()
    for each in cases:
        for name, amount in each.attribution.values if each.attribution else ():
            totals[name] += abs(amount)
    labels = _labels(model)
    known = sum(each.attribution is not None for each in cases)
    return tuple(
        documents.FeatureWeight(labels[name], rounded(abs(policy.points(1)) * total / known))
        for name, total in totals.most_common()
    )


def _labels(model: Model) -> dict[str, str]:
    return {feature.name: feature.label.speak("en") for feature in model.schema.features}


def _reasons(
    cases: Sequence[_Case], policy: Policy, language: str
) -> tuple[documents.ReasonCount, ...]:
    counted = Counter(code for each in cases for code in each.reasons)
    found = []
    for code, count in counted.most_common():
        text = policy.reason(code)
        found.append(documents.ReasonCount(code, text.speak(language) if text else code, count))
    return tuple(found)


def _recomputation(
    cases: Sequence[_Case], replays: Mapping[str, Replay], model: Model, seed: int
) -> documents.Recomputation:
    tally = Tally(tolerance=model.tolerance)
    for record, outcome in replays.items():
        tally.add(record, line_of(outcome))
    return tally.recomputation(len(cases), seed)


def _fairness(cases: Sequence[_Case], request: AuditRequest) -> Iterator[documents.FairnessTable]:
    """One table per trait; the largest group is what the others are compared with."""
    for trait, groups in request.groups.items():
        decided = Counter(groups.get(each.view.id, "not stated") for each in cases)
        approved = Counter(groups.get(each.view.id, "not stated") for each in cases if each.passed)
        ranked = decided.most_common()
        stated = [group for group, _ in ranked if group != "not stated"]
        if stated:
            yield documents.FairnessTable(
                trait=trait,
                reference=stated[0],
                source=request.groups_source,
                groups=tuple(
                    documents.GroupOutcome(group, count, approved[group]) for group, count in ranked
                ),
            )


def _register(result: AuditResult) -> tuple[documents.RegisterCount, ...]:
    counts = dict(result.counts)
    return tuple(documents.RegisterCount(label, counts.get(kind, 0)) for kind, label in _REGISTER)


def _sampled(case: _Case, policies: Mapping[str, Policy]) -> documents.SampledDecision:
    payload: Any = case.view.payload
    policy = policies[payload.policy]
    return documents.SampledDecision(
        index=case.view.seq,
        id=case.view.id,
        decided_at=payload.decided_at,
        outcome=payload.outcome,
        score_text=str(policy.shown_score(payload.margin)),
        reasons=case.reasons,
        leaf_hash=leaf_hash(case.view.raw).hex(),
    )
