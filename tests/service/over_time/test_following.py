"""What became of decisions beside what was predicted: as the records say, and on the access log."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from ledger.operate.erasure import Ground
from ledger.operate.outcomes import Event, Fed, Outcome
from ledger.operate.tombstones import delete_sealed
from ledger.roles import Principal, Role
from reports.calibration import Calibration
from service.erasing import Officer
from service.over_time import following
from service.over_time.fairness import Errors, NoMeasures
from service.over_time.figures import Absence, OverTime, Period
from service.over_time.following import Followed
from service.over_time.groups import grouped
from service.over_time.monitoring import as_csv, latest
from service.reading import Caller, Reading
from service.runtime import Runtime
from tests.service.over_time.conftest import ANN, BEN, COUNT, MODEL, monitored
from tests.service.ui.lender import Lender

SERVICING = Principal("k-servicing", "Servicing", Role.SOURCE)
KNOWN = 70  # of the lender's decisions; of the others nobody knows


def happened(at: int) -> bool:
    return at % 3 != 0


def feed(runtime: Runtime, ids: Sequence[str], *, event: Event = Event.TARGET) -> None:
    today = runtime.clock().date()
    found = runtime.outcomes.record_each(
        SERVICING,
        [Outcome(each, event, happened(at), today, "servicing") for at, each in enumerate(ids)],
    )
    assert all(isinstance(each, Fed) for each in found)


@pytest.fixture
def fed(own: Runtime, lender: Lender) -> Runtime:
    feed(own, lender.ids[:KNOWN])
    return own


def followed(found: OverTime) -> Followed:
    assert found.followed is not None
    return found.followed


def test_without_outcomes_nothing_is_said(own: Runtime) -> None:
    found = monitored(own)
    assert found.followed is None
    assert found.to_json()["outcomes"] is None


def test_figures_are_those_of_the_records(fed: Runtime, lender: Lender) -> None:
    before = fed.logs["access"].size()
    found = followed(monitored(fed, by=Period.YEAR))
    margins = [fed.decisions.read(each).payload.margin for each in lender.ids[:KNOWN]]
    predicted = 1 / (1 + np.exp(-np.array(margins) / 1e6))
    seen = [happened(at) for at in range(KNOWN)]
    assert (found.whole.decided, found.whole.known, found.other) == (COUNT, KNOWN, 0)
    assert isinstance(found.whole.calibration, Calibration)
    assert found.whole.calibration.occurred == sum(seen)
    assert found.whole.calibration.expected == pytest.approx(float(predicted.sum()))
    assert found.whole.calibration.brier == pytest.approx(brier_score_loss(seen, predicted))
    assert found.periods[0].calibration == found.whole.calibration
    noted = [fed.access_log.open(json.loads(r)["id"]) for r in fed.logs["access"].entries(before)]
    looked = {r for each in noted if "outcomes" in each.fields for r in each.records}
    assert looked == set(lender.ids[:KNOWN])


def test_few_give_no_figure_and_are_kept_as_counts_alone(fed: Runtime) -> None:
    found = monitored(fed)
    periods = {each.period: each for each in followed(found).periods}
    assert periods["2026-Q1"].calibration is Absence.TOO_FEW
    assert isinstance(periods["2026-Q2"].calibration, Calibration)
    kept = latest(fed, fed.registry.model(MODEL))["outcomes"]
    assert kept == found.to_json()["outcomes"]
    assert kept["with_outcome"] == KNOWN
    text = json.dumps(kept)
    assert "marks" not in text
    assert "servicing" not in text
    rows = list(csv.DictReader(as_csv(found).splitlines()))
    whole = [each for each in rows if each["figure"] == "reliability" and not each["period"]]
    assert sum(int(each["n"]) for each in whole) == KNOWN
    absent = [each for each in rows if each["figure"] == "calibration"]
    assert {each["absent"] for each in absent} == {"too_few"}


@pytest.mark.parametrize(
    ("counts", "together"),
    [([30, 5], 30), ([30, 5, 5], 30), ([30, 15, 5], 50), ([19, 1], 20), ([25, 0], 25), ([5], 0)],
)
def test_small_periods_cannot_be_worked_out_from_the_whole(
    counts: list[int], together: int
) -> None:
    periods = [[(0.5, True)] * count for count in counts]
    assert sum(map(len, following._together(periods))) == together


def test_only_what_the_model_predicts_is_compared(own: Runtime, lender: Lender) -> None:
    feed(own, lender.ids[:5], event=Event.FRAUDULENT)
    found = followed(monitored(own))
    assert (found.target, found.other, found.whole.known) == ("approved", 5, 0)


def test_the_last_observed_counts(own: Runtime, lender: Lender) -> None:
    one, today = lender.ids[0], own.clock().date()
    early = Outcome(one, Event.TARGET, True, today - timedelta(days=3), "collections")
    own.outcomes.record_each(
        SERVICING,
        [
            Outcome(one, Event.TARGET, True, today, "servicing"),
            Outcome(one, Event.TARGET, False, today, "servicing"),
            early,
        ],
    )
    found = followed(monitored(own))
    assert found.whole.known == 1
    assert sum(found.marks) == 1  # it did not happen


def test_whoever_is_restricted_or_erased_is_in_no_figure(fed: Runtime, lender: Lender) -> None:
    officer = Officer(fed, Caller(ANN, "data_subject_request", ""))
    subject = fed.decisions.read(lender.ids[13]).payload.subject
    officer.restrict("accuracy_contested", lender.now + timedelta(days=9), subject=subject)
    closed = sum(at % 10 == 3 for at in range(KNOWN))
    gone = str(fed.decisions.read(lender.ids[1]).payload.subject)
    request, _ = fed.erasing.request(ANN, Ground.OBJECTION, subject=gone)
    fed.erasing.approve(BEN, request.id)
    found = followed(monitored(fed))
    assert (found.whole.known, found.restricted) == (KNOWN - closed - 1, closed)


def groups_file(path: Path, ids: Sequence[str]) -> Path:
    lines = [f"{each},{'A' if at % 2 else 'B'}" for at, each in enumerate(ids)]
    path.write_text("\n".join(["id,sex", *lines, ""]))
    return path


def test_errors_by_group_are_counted(
    fed: Runtime, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.over_time.fairness.MIN_CASES", 1)
    monkeypatch.setattr("service.over_time.figures.MIN_CASES", 1)
    found = monitored(fed, by=Period.YEAR)
    version = fed.registry.model(MODEL)
    reading = Reading(fed, Caller(ANN, "model_monitoring"))
    path = groups_file(tmp_path / "groups.csv", lender.ids)
    by_group = grouped(fed, reading, version, found, path, "survey")
    (errors,) = by_group.errors
    counted = dict(errors.groups)
    for name, odd in (("A", 1), ("B", 0)):
        members = [
            (happened(at), fed.decisions.read(each).payload.outcome == "approved")
            for at, each in enumerate(lender.ids[:KNOWN])
            if at % 2 == odd
        ]
        assert counted[name] == Errors(
            members.count((True, True)), members.count((True, False)),
            members.count((False, True)), members.count((False, False)),
        )  # fmt: skip
    assert not isinstance(errors.odds, NoMeasures)
    figures = {row["figure"] for row in csv.DictReader(as_csv(found, by_group).splitlines())}
    assert {"group_refused_of_good", "group_equalised_odds_ratio"} <= figures


def test_small_groups_are_not_shown(fed: Runtime, lender: Lender, tmp_path: Path) -> None:
    found = monitored(fed, by=Period.YEAR)
    reading = Reading(fed, Caller(ANN, "model_monitoring"))
    path = groups_file(tmp_path / "groups.csv", lender.ids)
    by_group = grouped(fed, reading, fed.registry.model(MODEL), found, path, "survey")
    (errors,) = by_group.errors
    assert {each for _, each in errors.groups} == {Absence.TOO_FEW}
    assert errors.odds is NoMeasures.ONE_GROUP


def test_a_value_that_is_no_probability_is_not_compared(fed: Runtime) -> None:
    found, version = monitored(fed, by=Period.YEAR), fed.registry.model(MODEL)
    reading = Reading(fed, Caller(ANN, "model_monitoring"))
    manifest = {**version.manifest, "output": {"space": "response", "target": "approved"}}
    other = following.follow(
        fed, reading, replace(version, manifest=manifest), found.size, Period.YEAR, found.periods
    )
    assert other is not None
    assert other.whole.calibration is Absence.NOT_A_PROBABILITY
    assert (other.whole.known, sum(map(bool, other.marks))) == (0, KNOWN)
    assert other.to_json()["calibration"] == {"absent": "not_a_probability"}


def test_one_that_is_destroyed_while_it_is_looked_for_is_counted_as_erased(
    fed: Runtime, lender: Lender
) -> None:
    (outcome,) = fed.outcomes.of(lender.ids[0])
    delete_sealed(fed.databases[0], [outcome.id])
    found = followed(monitored(fed))
    assert (found.erased, found.whole.known) == (1, KNOWN - 1)
