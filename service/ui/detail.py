"""The decision page's panels from an explanation, a manifest and entries of the log.

Pure: values in, page values out. The explanation's sentences are finished; nothing here
says anything about the model that it does not say.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from explain.explanation import Contribution, Explanation, Gate
from ledger import entries
from ledger.canonical import JsonValue
from ledger.entries import Body, Entry
from ledger.operate.attributions import Attributed
from service.manifest_texts import spoken
from service.ui import drawing, wording
from service.ui.views import (
    Event,
    Fact,
    Icon,
    InputRow,
    Moment,
    Tag,
    Tone,
    Waterfall,
    WaterfallRow,
    WhyPanel,
)

Manifest = Mapping[str, JsonValue]

MAX_ROWS: Final = 18  # of a waterfall; the smallest contributions beyond are shown as one sum


def why(explanation: Explanation, standing: str, later: Attributed | None = None) -> WhyPanel:
    """Return the explanation as a panel, with its figures as a waterfall.

    `standing` says in words whether and when it was given; `later` are its attributions, if
    they were worked out after the decision.
    """
    return WhyPanel(
        standing=standing,
        summary=explanation.summary,
        paragraphs=explanation.paragraphs,
        waterfall=waterfall(explanation),
        counterfactuals=tuple(item.text for item in explanation.counterfactuals),
        counterfactual_note=explanation.counterfactual_note,
        limits=(
            f"Reference group: {explanation.reference}",
            explanation.method,
            *explanation.limits,
        ),
        gates=tuple(_gate(gate) for gate in explanation.gates),
        late=_late(later),
        language=explanation.language,
    )


def _late(later: Attributed | None) -> str:
    if later is None or later.at is None:
        return ""
    return (
        f"The contributions were worked out on {wording.day(later.at)}, after the decision, from"
        " the archived model and the same data. The log commits to them in entry"
        f" {wording.number(later.seq or 0)}, and not in that of the decision."
    )


def waterfall(explanation: Explanation) -> Waterfall:
    """Return how the features lead from the reference to the score, adverse ones first."""
    points = explanation.points
    shown, rest = _split(explanation.contributions)
    moves = [item.points for item in shown] + ([sum(rest, Decimal(0))] if rest else [])
    placed = drawing.steps(points.reference, moves, points.limit)
    rows = [
        WaterfallRow(item.label, item.value_text, item.points_text, x, width, item.favourable)
        for item, (x, width) in zip(shown, placed.bars, strict=False)
    ]
    if rest:
        (x, width), total = placed.bars[-1], moves[-1]
        label = wording.counted(len(rest), "smaller fact", "smaller facts")
        rows.append(WaterfallRow(label, "", wording.signed(total), x, width, total >= 0))
    return Waterfall(
        start_label="Average of the reference group",
        start=points.reference_text,
        start_x=placed.start,
        result_label="This decision",
        result=points.score_text,
        result_x=placed.result,
        limit=f"limit, {points.limit_text}",
        limit_x=placed.limit,
        rows=tuple(rows),
        caption="How each fact moved the score, in points",
    )


def inputs(
    manifest: Manifest, given: Mapping[str, JsonValue], explained: Explanation | None
) -> tuple[InputRow, ...]:
    """Return the inputs in the order of the model's features, in the explanation's words.

    An input that the explanation does not know (a hash, a context member) is shown as sent.
    """
    known = {item.feature: item for item in explained.contributions} if explained else {}
    rows = []
    for name, feature in _features(manifest, given).items():
        item = known.get(name)
        label = item.label if item else _label(feature, name)
        value = item.value_text if item else plain(given.get(name))
        rows.append(InputRow(label, value, spoken(feature.get("source"), "en")))
    return tuple(rows)


def plain(value: JsonValue) -> str:
    """Return a recorded value in words where no catalogue has better ones."""
    match value:
        case None:
            return "not stated"
        case bool():
            return "yes" if value else "no"
        case int():
            return wording.number(value)
        case list() | dict():
            return f"{len(value)} values"
        case _:
            return str(value)


def timeline(history: Sequence[Entry]) -> tuple[Event, ...]:
    """Return what the log holds about one decision, oldest first, the last one marked."""
    events = []
    for position, entry in enumerate(history):
        title, text = _told(entry.body)
        place = f"Entry {wording.number(entry.seq)}."
        events.append(
            Event(
                title=title,
                moment=Moment(wording.minute(entry.at), wording.iso(entry.at)),
                text=f"{place} {text}".strip(),
                latest=position == len(history) - 1,
            )
        )
    return tuple(events)


def provenance(manifest: Manifest, model: str, policy: str, policy_name: str) -> tuple[Fact, ...]:
    """Return where the decision and its figures come from; members a manifest lacks are left out.

    `model` and `policy` are hexadecimal digests of the manifests.
    """
    explainer, background = _object(manifest, "explainer"), _object(manifest, "background")
    artefact = _object(_object(manifest, "artefacts"), "model")
    code = _object(manifest, "code")
    versions = ", ".join(f"{k} {v}" for k, v in sorted(_object(explainer, "versions").items()))
    told = (
        Fact("Model", _join(manifest, "name", "version", "kind"), code=model),
        Fact("Model file", _join(artefact, "format"), code=_text(artefact, "sha256")),
        Fact("Explainer", _join(explainer, "engine", "space"), code=versions),
        Fact("Background", _join(background, "population"), code=_text(background, "sha256")),
        Fact("Policy", policy_name, code=policy),
        Fact("Code", _join(code, "repository"), code=_text(code, "commit")),
        Fact("Purpose", _join(manifest, "purpose")),
        Fact("Owner", _join(manifest, "owner", "team")),
        Fact("Approved by", _join(manifest, "approver")),
    )
    return tuple(fact for fact in told if fact.text or fact.code)


def _split(
    contributions: Sequence[Contribution],
) -> tuple[Sequence[Contribution], list[Decimal]]:
    if len(contributions) <= MAX_ROWS:
        return contributions, []
    largest = sorted(contributions, key=lambda item: abs(item.amount), reverse=True)
    kept = {item.feature for item in largest[: MAX_ROWS - 1]}
    shown = [item for item in contributions if item.feature in kept]
    return shown, [item.points for item in contributions if item.feature not in kept]


def _gate(gate: Gate) -> Tag:
    word = f"{wording.words(gate.name)}: {gate.detail}" if gate.detail else wording.words(gate.name)
    return Tag(word, Tone.PLAIN, Icon.TICK) if gate.passed else Tag(word, Tone.ADVERSE, Icon.CROSS)


def _told(body: Body) -> tuple[str, str]:
    match body:
        case entries.Decision():
            source = f"From {body.source.id}, its number {wording.number(body.source.seq)}."
            return "Decision recorded", source
        case entries.AttributionsAttached():
            return _TITLES[type(body)], "Worked out after the decision; what came of it is sealed."
        case entries.ExplanationIssued() | entries.NoticeIssued():
            return _TITLES[type(body)], "Its text is sealed; the log holds a commitment to it."
        case entries.Review():
            return f"Review: {wording.words(body.state).lower()}", "Its detail is sealed."
        case entries.Erased() | entries.Expired():
            return _TITLES[type(body)], f"Ground: {wording.words(body.ground).lower()}."
        case _:
            return _TITLES.get(type(body), wording.words(body.kind)), ""


_TITLES: Final[Mapping[type[Body], str]] = {
    entries.AttributionsAttached: "Attributions attached",
    entries.Correction: "Correction recorded",
    entries.Erased: "Erased",
    entries.Expired: "Erased at the end of its time",
    entries.ExplanationIssued: "Explanation issued",
    entries.NoticeIssued: "Letter issued",
    entries.OutcomeObserved: "Outcome fed back",
}


def _features(
    manifest: Manifest, given: Mapping[str, JsonValue]
) -> dict[str, Mapping[str, JsonValue]]:
    listed = manifest.get("features")
    rows = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    known: dict[str, Mapping[str, JsonValue]] = {
        str(item.get("name")): item for item in rows if item.get("name") in given
    }
    return known | {name: {} for name in given if name not in known}


def _label(feature: Mapping[str, JsonValue], name: str) -> str:
    label = _object(feature, "label").get("en")
    return label if isinstance(label, str) else wording.words(name)


def _object(values: Mapping[str, JsonValue], name: str) -> Mapping[str, JsonValue]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _text(values: Mapping[str, JsonValue], name: str) -> str:
    return spoken(values.get(name), "en")


def _join(values: Mapping[str, JsonValue], *names: str) -> str:
    return ", ".join(text for text in (_text(values, name) for name in names) if text)
