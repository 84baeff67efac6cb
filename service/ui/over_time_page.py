"""The page of a model over time: what the last run of the command found, and when that was.

Nothing is opened or counted here: the figures name nobody, so nothing is noted.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from flask import Blueprint, Response, request, url_for

from ledger.errors import NotFoundError
from ledger.operate.registry import ModelVersion
from ledger.roles import Permission
from service.api.routes import runtime
from service.over_time.monitoring import latest
from service.runtime import Runtime
from service.ui import rendering, wording
from service.ui.drawing import WIDTH
from service.ui.listing import labels
from service.ui.over_time_views import (
    BinRow,
    Chosen,
    FeatureRow,
    Gauge,
    OverTimePage,
    PeriodRow,
    Range,
    ReasonShare,
    Reliability,
)
from service.ui.session import visitor
from service.ui.views import Fact, Icon, Moment, Tag, Tone

__all__ = ["add_to"]

PERIODS: Final = 60  # rows of the table, newest first: five years of months
ROOM: Final = Decimal("1.04")  # of the largest figure, so that no bar ends at the edge
_ABSENT: Final = {
    "no_contributions": Tag("No contributions", Tone.PLAIN, Icon.DASH),
    "no_reference": Tag("Nothing to compare with", Tone.PLAIN, Icon.DASH),
    "reference": Tag("Reference", Tone.PLAIN, Icon.DASH),
    "too_few": Tag("Too few", Tone.PLAIN, Icon.DASH),
}
_UNCALIBRATED: Final = {
    "not_a_probability": "The model's output is no probability, so it cannot come true.",
    "too_few": "Too few outcomes are known for a figure that says nothing about single persons.",
}
_WITHIN: Final = Tag("Within chance", Tone.PLAIN, Icon.TICK)
_BEYOND: Final = Tag("More than chance", Tone.CAUTION, Icon.HOURGLASS)

Address = Callable[[str], str]
"""The address of this page with a period chosen."""


def add_to(blueprint: Blueprint) -> None:
    """Give the audit UI this page."""
    blueprint.add_url_rule("/models/<reference>/over-time", view_func=over_time)


def over_time(reference: str) -> Response:
    """What a model version did in each period, as it was counted last."""
    visitor().require(Permission.MODELS_READ)
    version = runtime().registry.model(reference)
    here = url_for("ui.over_time", reference=version.reference)
    wanted = request.args.get("period", "")
    value = over_time_page(runtime(), version, wanted, lambda period: f"{here}?period={period}")
    return rendering.page("over_time", value, here="models", exact=False)


def over_time_page(
    ledger: Runtime, version: ModelVersion, wanted: str, address: Address
) -> OverTimePage:
    """Return what is known of a model version over time, with the period `wanted` in detail.

    The newest period with enough decisions is chosen where that is none of them.
    """
    try:
        found = latest(ledger, version)
    except NotFoundError:
        return _page(version)
    periods = found["periods"][-PERIODS:][::-1]
    chosen = next((each for each in periods if each["period"] == wanted), None)
    chosen = chosen or next((each for each in periods if each["features"]), None)
    chosen = chosen or next(iter(periods), None)
    reference = [each for each in found["periods"] if each["period"] == found["reference"]]
    return _page(
        version,
        computed=datetime.fromisoformat(found["computed_at"]),
        facts=_facts(found),
        reference=_period(found["reference"]) if found["reference"] else "",
        space=str(found["space"]),
        min_cases=wording.number(found["min_cases"]),
        periods=_rows(periods, chosen, address),
        chosen=_chosen(ledger, version, chosen, reference) if chosen else None,
        reliability=_reliability(found["outcomes"]) if found.get("outcomes") else None,
    )


def _page(
    version: ModelVersion, *, computed: datetime | None = None, **members: Any
) -> OverTimePage:
    values: dict[str, Any] = {
        "facts": (), "reference": "", "space": "", "min_cases": "", "periods": (), "chosen": None,
    }  # fmt: skip
    return OverTimePage(
        home=url_for("ui.models"),
        href=url_for("ui.model", reference=version.reference),
        model=f"{version.name} {version.version}",
        digest=wording.short_digest(version.digest),
        command=f"decision-ledger monitor --model {version.reference}",
        computed=Moment(wording.minute(computed), wording.iso(computed)) if computed else None,
        **(values | members),
    )


def _facts(found: Mapping[str, Any]) -> tuple[Fact, ...]:
    counted = sum(each["decided"] for each in found["periods"])
    named = (
        ("Decisions in the log", found["decisions"]),
        ("Counted here", counted),
        ("Erased", found["not_counted"]["erased"]),
        ("Use restricted", found["not_counted"]["restricted"]),
        ("Dated wrongly", found["not_counted"]["undated"]),
        ("Contributions to come", found["no_contributions"]["pending"]),
        ("Without contributions", found["no_contributions"]["without"]),
    )
    return tuple(Fact(label, wording.number(count)) for label, count in named)


def _rows(
    periods: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any] | None, address: Address
) -> tuple[PeriodRow, ...]:
    drifts = [each["score_drift"] for each in periods]
    most = _most(max(each["psi"], each["psi_chance"]) for each in drifts if "psi" in each)
    return tuple(
        PeriodRow(
            name=_period(each["period"]),
            href=address(each["period"]),
            chosen=each is chosen,
            decided=wording.number(each["decided"]),
            approval=_share(each["approval"]),
            approval_range=_range(each["approval"], "share", Decimal(1)),
            drift=_psi(each["score_drift"]),
            drift_gauge=_gauge(each["score_drift"], most),
            drift_tag=_tag(each["score_drift"]),
        )
        for each in periods
    )


def _chosen(
    ledger: Runtime,
    version: ModelVersion,
    period: Mapping[str, Any],
    reference: Sequence[Mapping[str, Any]],
) -> Chosen:
    known = labels(version.manifest)
    before = {f["name"]: f["importance"] for each in reference for f in each["features"]}
    sizes = [each["importance"] for each in period["features"]]
    most = _most(each["high"] for each in sizes if "high" in each)
    words = _reason_words(ledger)
    return Chosen(
        name=_period(period["period"]),
        features=tuple(
            FeatureRow(
                label=known.get(each["name"], each["name"]),
                importance=_mean(each["importance"]),
                importance_range=_range(each["importance"], "mean", most),
                count=wording.number(each["importance"].get("count", 0)),
                before=_mean(before.get(each["name"], {})),
                drift=_psi(each["drift"]),
                drift_tag=_tag(each["drift"]),
            )
            for each in period["features"]
        ),
        no_features=_why(period["features_absent"]),
        reasons=tuple(
            ReasonShare(
                text=words.get(each["code"], wording.words(each["code"].lower())),
                code=each["code"],
                share=_share(each),
                share_range=_placed(each, "share", Decimal(1)),
            )
            for each in period["reasons"]
        ),
        no_reasons=_why(period["reasons_absent"]),
        refusals=wording.counted(period["refusals_with_reasons"], "refusal", "refusals"),
    )


def _reliability(found: Mapping[str, Any]) -> Reliability:
    """What is known over all periods; `found` is `outcomes` of the figures."""
    told, of = found["calibration"], wording.number(found["decided"])
    facts = [
        Fact("Outcome known", f"{wording.number(found['with_outcome'])} of {of}"),
        Fact("Use restricted", wording.number(found["restricted"])),
        Fact("Of other events", wording.number(found["other_events"])),
    ]
    if "absent" in told:
        return Reliability(tuple(facts), (), _UNCALIBRATED[told["absent"]])
    expected, low, high = (
        wording.decimal(_rounded(Decimal(str(told[name])), "0.1"))
        for name in ("expected", "expected_low", "expected_high")
    )
    brier = {each: told[name] for each, name in (("mean", "brier"), ("low", "brier_low"),
                                                 ("high", "brier_high"))}  # fmt: skip
    facts += [
        Fact("Came true", wording.number(told["occurred"])),
        Fact("Predicted to", f"{expected}, by chance {low} to {high}"),
        Fact("Brier score", _mean(brier)),
    ]
    rows = tuple(
        BinRow(
            predicted=f"{_percent(each['predicted'])} %",
            count=wording.number(each["count"]),
            share=_share(each),
            share_range=_placed(each, "share", Decimal(1)),
            expected=_place(each["predicted"], Decimal(1)),
        )
        for each in told["bins"]
    )
    return Reliability(tuple(facts), rows, "")


def _reason_words(ledger: Runtime) -> dict[str, str]:
    """The text of each reason code in the newest policy that has it."""
    found: dict[str, str] = {}
    for policy in ledger.registry.policies():
        codes = policy.manifest.get("reason_codes")
        for code, text in codes.items() if isinstance(codes, Mapping) else ():
            if isinstance(text, Mapping) and isinstance(text.get("en"), str):
                found[code] = str(text["en"])
    return found


def _period(name: str) -> str:
    """`2026-05` as `May 2026`, `2026-Q2` as `2026, quarter 2`, a year as it is."""
    year, _, part = name.partition("-")
    if part.startswith("Q"):
        return f"{year}, quarter {part[1:]}"
    return wording.month(datetime.fromisoformat(f"{name}-01T00:00:00+00:00")) if part else year


def _why(absent: str | None) -> str:
    if absent is None:
        return ""
    if absent == "no_contributions":
        return "No decision of this period has contributions."
    return "Too few for a figure that says nothing about single persons."


def _share(found: Mapping[str, Any]) -> str:
    if "absent" in found:
        return ""
    low, high = (_percent(found[end]) for end in ("low", "high"))
    return f"{_percent(found['share'])} % ({low} to {high})"


def _percent(share: float) -> str:
    return wording.decimal(_rounded(Decimal(str(share)) * 100, "0.1"))


def _mean(found: Mapping[str, Any]) -> str:
    if "mean" not in found:
        return ""
    mean, low, high = (
        wording.decimal(_rounded(Decimal(str(found[name])), "0.001"))
        for name in ("mean", "low", "high")
    )
    return f"{mean} ({low} to {high})"


def _psi(found: Mapping[str, Any]) -> str:
    if "psi" not in found:
        return ""
    psi, chance = (
        wording.decimal(_rounded(Decimal(str(found[name])), "0.001"))
        for name in ("psi", "psi_chance")
    )
    return f"{psi}, by chance up to {chance}"


def _tag(found: Mapping[str, Any]) -> Tag:
    if "absent" in found:
        return _ABSENT[found["absent"]]
    return _BEYOND if found["psi"] > found["psi_chance"] else _WITHIN


def _rounded(value: Decimal, unit: str) -> Decimal:
    return value.quantize(Decimal(unit), ROUND_HALF_UP)


def _most(values: Any) -> Decimal:
    return Decimal(str(max(values, default=0))) * ROOM or Decimal(1)


def _range(found: Mapping[str, Any], name: str, most: Decimal) -> Range | None:
    return _placed(found, name, most) if name in found else None


def _placed(found: Mapping[str, Any], name: str, most: Decimal) -> Range:
    low, high, value = (_place(found[each], most) for each in ("low", "high", name))
    return Range(low, high, value)


def _gauge(found: Mapping[str, Any], most: Decimal) -> Gauge | None:
    if "psi" not in found:
        return None
    return Gauge(_place(found["psi"], most), _place(found["psi_chance"], most))


def _place(value: float, most: Decimal) -> int:
    return max(0, min(WIDTH, int(Decimal(str(value)) / most * WIDTH)))
