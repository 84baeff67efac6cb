"""Monitoring one model version: count, work out the figures, keep them for pages and programs."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ledger.errors import NotFoundError
from ledger.operate.registry import ModelVersion
from service.over_time.counting import Counting, Progress
from service.over_time.figures import (
    Figures,
    OverTime,
    Period,
    by_period,
    figures,
    first_reference,
)
from service.over_time.following import follow
from service.over_time.groups import Grouped
from service.over_time.kept import Kept
from service.reading import Reading
from service.runtime import Runtime

__all__ = ["COLUMNS", "as_csv", "latest", "monitor"]

COLUMNS: Final = (
    "period", "figure", "name", "n", "value", "low", "high", "chance", "reference_n", "absent",
)  # fmt: skip


def monitor(
    runtime: Runtime,
    reading: Reading,
    model: str,
    *,
    by: Period,
    reference: str | None,
    anew: bool,
    told: Progress,
) -> OverTime:
    """The figures of a model version over time, kept for :func:`latest`.

    Args:
        runtime: the ledger.
        reading: opens records for the caller, and notes each on the access log.
        model: `name@version` or digest.
        by: how long a period is.
        reference: the period that the others are compared with; None: the first with enough.
        anew: count everything again.
        told: hears of the progress.

    Raises:
        NotFoundError: there is no such model, or nothing is counted in the reference period.
        VerificationError: a record is not what was logged.
        LedgerError, OSError: as :meth:`Counting.run`.
    """
    version = runtime.registry.model(model)
    reading.note((), ("over_time",))  # what follows is on record too if it opens nothing new
    kept = _kept(runtime, version)
    with kept.alone():
        if anew:
            kept.forget()
        counted = Counting(runtime, reading, version, kept).run(told)
        periods = by_period(counted.months, by)
        if reference is not None and reference not in periods:
            raise NotFoundError(f"the model made no decision in that {by.value}: {reference}")
        base = reference if reference is not None else first_reference(periods)
        shown = tuple(figures(periods, base))
        found = OverTime(
            model=version.reference,
            digest=version.digest,
            space=_space(version),
            computed_at=runtime.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            size=counted.size,
            decisions=counted.decisions,
            unseen=counted.unseen,
            by=by,
            reference=base,
            periods=shown,
            followed=follow(runtime, reading, version, counted.size, by, shown),
        )
        kept.keep_figures(found.to_json())
    return found


def latest(runtime: Runtime, version: ModelVersion) -> Mapping[str, Any]:
    """What the last run of :func:`monitor` found, as JSON; opens no record.

    Raises:
        NotFoundError: there was none.
    """
    found = _kept(runtime, version).figures()
    if found is None:
        raise NotFoundError(
            "nothing is worked out yet: run decision-ledger monitor for this model version"
        )
    return found


def as_csv(found: OverTime, by_group: Grouped | None = None) -> str:
    """The figures as CSV: one a line, with `COLUMNS`; coverage first, with no period."""
    text = io.StringIO()
    lines = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    lines.writeheader()
    shown = found.to_json()
    lines.writerow({"figure": "decisions", "n": found.decisions})
    for group in ("not_counted", "no_contributions"):
        for name, count in shown[group].items():
            lines.writerow({"figure": group, "name": name, "n": count})
    for period, members in zip(found.periods, shown["periods"], strict=True):
        lines.writerows({"period": period.period, **row} for row in _rows(period, members))
    if shown["outcomes"] is not None:
        lines.writerows(_outcome_rows(shown["outcomes"]))
    if by_group is not None:
        lines.writerows(_group_rows(by_group.to_json()))
        lines.writerows(_error_rows(by_group.to_json()))
    return text.getvalue()


def _rows(period: Figures, members: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"figure": "decided", "n": period.decided}
    yield {"figure": "attributed", "n": period.attributed}
    yield {"figure": "approval", **_share(members["approval"])}
    yield from _drift("score", "", members["score_drift"])
    if members["features_absent"]:
        yield {"figure": "importance", "absent": members["features_absent"]}
    for feature in members["features"]:
        name, mean = feature["name"], feature["importance"]
        yield {
            "figure": "importance",
            "name": name,
            "n": mean.get("count", ""),
            "value": mean.get("mean", ""),
            "low": mean.get("low", ""),
            "high": mean.get("high", ""),
            "absent": mean.get("absent", ""),
        }
        yield from _drift("contribution", name, feature["drift"])
    yield {"figure": "refusals_with_reasons", "n": period.explained}
    if members["reasons_absent"]:
        yield {"figure": "reason", "absent": members["reasons_absent"]}
    for reason in members["reasons"]:
        yield {"figure": "reason", "name": reason["code"], **_share(reason)}


def _outcome_rows(shown: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("other_events", "restricted", "erased"):
        yield {"figure": "outcomes_not_counted", "name": name, "n": shown[name]}
    for each in ({"period": "", **shown}, *shown["periods"]):
        where = {"period": each["period"]}
        yield {**where, "figure": "with_outcome", "n": each["with_outcome"]}
        found = each["calibration"]
        if "absent" in found:
            yield {**where, "figure": "calibration", "absent": found["absent"]}
            continue
        n = found["count"]
        yield {**where, "figure": "outcome_occurred", "n": n, "value": found["occurred"]}
        for figure, name in (("outcome_expected", "expected"), ("brier", "brier")):
            ends = {end: found[f"{name}_{end}"] for end in ("low", "high")}
            yield {**where, "figure": figure, "n": n, "value": found[name], **ends}
        for each_bin in found["bins"]:
            yield {
                **where, "figure": "reliability", "name": f"{each_bin['predicted']:.6f}",
                "n": each_bin["count"], "value": each_bin["share"],
                "low": each_bin["low"], "high": each_bin["high"],
            }  # fmt: skip


def _group_rows(shown: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("rows", "unknown", "restricted"):
        yield {"figure": "group_file", "name": name, "n": shown[name]}
    for each in shown["shares"]:
        where = {"period": each["period"]}
        for group in each["groups"]:
            name = f"{each['trait']}={group['group']}"
            yield {**where, "figure": "group_approval", "name": name, **_share(group)}
            if group["impact_ratio"] is not None:
                ratio = {"n": group["count"], "value": group["impact_ratio"]}
                yield {**where, "figure": "group_impact_ratio", "name": name, **ratio}
        measures = each["measures"]
        for measure in ("ratio", "difference"):
            yield {
                **where,
                "figure": f"group_approval_{measure}",
                "name": each["trait"],
                "value": measures.get(measure, ""),
                "absent": measures.get("absent", ""),
            }


def _error_rows(shown: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in shown["errors"]:
        where = {"period": each["period"]}
        for group in each["groups"]:
            name = f"{each['trait']}={group['group']}"
            for rate in ("refused_of_good", "passed_of_bad"):
                found = group if "absent" in group else group[rate]
                yield {**where, "figure": f"group_{rate}", "name": name, **_share(found)}
        odds = each["equalised_odds"]
        for measure in ("difference", "ratio"):
            yield {
                **where,
                "figure": f"group_equalised_odds_{measure}",
                "name": each["trait"],
                "value": odds.get(measure),  # none of a ratio that has no value
                "absent": odds.get("absent", ""),
            }


def _share(found: Mapping[str, Any]) -> dict[str, Any]:
    if "absent" in found:
        return {"absent": found["absent"]}
    named = {"n": "count", "value": "share", "low": "low", "high": "high"}
    return {column: found[member] for column, member in named.items()}


def _drift(what: str, name: str, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "absent" in found:
        yield {"figure": f"{what}_drift", "name": name, "absent": found["absent"]}
        return
    both = {"name": name, "n": found["count"], "reference_n": found["reference"]}
    yield {
        "figure": f"{what}_psi", "value": found["psi"], "chance": found["psi_chance"], **both,
    }  # fmt: skip
    yield {"figure": f"{what}_divergence", "value": found["divergence"], **both}
    yield {"figure": f"{what}_ks", "value": found["ks"], "chance": found["ks_chance"], **both}


def _kept(runtime: Runtime, version: ModelVersion) -> Kept:
    origin = runtime.settings.log_origin("decisions")
    return Kept(runtime.settings.monitoring_dir, origin, version.digest)


def _space(version: ModelVersion) -> str:
    output = version.manifest.get("output")
    return str(output.get("space", "")) if isinstance(output, Mapping) else ""
