"""Monitoring against the records themselves, through everything that changes what may be counted."""

import csv
import dataclasses
import io
import json
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import text

from ledger.errors import NotFoundError, VerificationError
from ledger.operate.decision import Decision
from ledger.operate.erasure import Ground
from ledger.operate.tombstones import forget
from reports.distributions import Shift, cell
from reports.proportions import wilson_interval
from service.attributing import Attributing
from service.erasing import Officer
from service.over_time import kept
from service.over_time.figures import Absence, Figures, OverTime, Period, Share
from service.over_time.monitoring import as_csv, latest
from service.reading import Caller
from service.runtime import Runtime
from tests.service.over_time.conftest import ANN, BEN, COUNT, MODEL, monitored
from tests.service.test_auditing import report
from tests.service.ui.lender import Lender


def looks(runtime: Runtime) -> int:
    return runtime.logs["access"].size()


def quarter(found: OverTime, name: str) -> Figures:
    return {each.period: each for each in found.periods}[name]


def again(runtime: Runtime, record: str, *, bare: bool = False, **context: str) -> str:
    """A decision recorded once more under a new id."""
    document = runtime.decisions.read(record).payload.to_json()
    document["id"] = runtime.decisions.new_id()
    document["context"] = {**document["context"], **context}  # type: ignore[dict-item]  # an object
    if bare:
        del document["attributions"]
    decision = Decision.from_json(document)
    runtime.decisions.record([decision])
    return decision.id


def test_figures_are_those_of_the_records(lender: Lender) -> None:
    found = monitored(lender.runtime)
    views = [lender.runtime.decisions.read(each).payload for each in lender.ids]
    second = [each for each in views if each.decided_at.month in {4, 5, 6}]
    assert (found.decisions, found.reference) == (COUNT, "2026-Q2")
    shown = quarter(found, "2026-Q2")
    assert (shown.decided, shown.attributed) == (len(second), len(second))
    passed = sum(each.outcome == "approved" for each in second)
    interval = wilson_interval(passed, len(second))
    assert interval is not None
    assert shown.approval == Share(
        len(second), passed, passed / len(second), interval.low, interval.high
    )
    for feature in shown.features:
        sizes = np.array([abs(each.values[feature.name]) for each in second]) / 1e6
        reach = float(stats.t.ppf(0.975, len(sizes) - 1) * stats.sem(sizes))
        assert feature.importance is not None
        assert feature.importance.mean == pytest.approx(float(sizes.mean()))
        assert feature.importance.high == pytest.approx(float(sizes.mean()) + reach, rel=1e-5)
    ranked = [each.importance.mean for each in shown.features if each.importance]
    assert ranked == sorted(ranked, reverse=True)


def test_drift_is_measured_against_the_reference(lender: Lender) -> None:
    found = monitored(lender.runtime)
    views = [lender.runtime.decisions.read(each).payload for each in lender.ids]
    cells = {
        months: [cell(each.margin, 32) for each in views if each.decided_at.month in months]
        for months in ((4, 5, 6), (7, 8, 9))
    }
    third = quarter(found, "2026-Q3")
    assert isinstance(third.score, Shift)
    assert third.score.ks == pytest.approx(
        stats.ks_2samp(*cells.values(), method="asymp").statistic
    )
    assert quarter(found, "2026-Q2").score is Absence.REFERENCE
    other = monitored(lender.runtime, reference="2026-Q3")
    assert quarter(other, "2026-Q3").score is Absence.REFERENCE
    with pytest.raises(NotFoundError):
        monitored(lender.runtime, reference="2020-Q1")


def test_reasons_are_counted_of_the_refusals_that_have_them(lender: Lender) -> None:
    (year,) = monitored(lender.runtime, by=Period.YEAR).periods
    expected = {each.code: each.count for each in report(lender).reasons}
    assert {code: each.part for code, each in year.reasons} == expected
    refused = [lender.runtime.decisions.read(each).payload.outcome for each in lender.ids]
    assert {each.count for _, each in year.reasons} == {refused.count("declined")}


def test_few_decisions_give_no_figure(lender: Lender) -> None:
    shown = quarter(monitored(lender.runtime), "2026-Q1")
    assert 0 < shown.decided < 20
    assert (shown.approval, shown.score) == (Absence.TOO_FEW, Absence.TOO_FEW)
    assert (shown.features, shown.reasons) == ((), ())


def test_every_record_is_noted_once_and_not_opened_again(own: Runtime, lender: Lender) -> None:
    before = looks(own)
    first = monitored(own)
    asked, *entries = own.logs["access"].entries(before)
    assert own.access_log.open(json.loads(asked)["id"]).fields == ("over_time",)
    opened = [own.access_log.open(json.loads(raw)["id"]) for raw in entries]
    assert sorted(record for each in opened for record in each.records) == sorted(lender.ids)
    assert {json.loads(raw)["purpose"] for raw in entries} == {"model_monitoring"}
    before = looks(own)
    assert monitored(own).periods == first.periods
    assert looks(own) == before + 1
    late = again(own, lender.ids[-1])
    assert monitored(own).decisions == COUNT + 1
    raw = list(own.logs["access"].entries(before))[-1]
    assert late in own.access_log.open(json.loads(raw)["id"]).records
    assert monitored(own, anew=True).decisions == COUNT + 1
    assert looks(own) > before + 4


def test_a_run_that_was_cut_short_goes_on(own: Runtime, lender: Lender) -> None:
    def die(done: int, _of: int) -> None:
        if done == 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        monitored(own, told=die)
    before = looks(own)
    found = monitored(own)
    entries = list(own.logs["access"].entries(before))
    opened = {r for raw in entries for r in own.access_log.open(json.loads(raw)["id"]).records}
    places = own.logs["decisions"].locate(lender.ids)
    assert opened == {record for record, at in places.items() if at >= 32}
    assert sum(each.decided for each in found.periods) == COUNT


def test_a_record_without_its_key_counts_as_erased(own: Runtime, lender: Lender) -> None:
    forget(own.databases[1], lender.ids[40:42])
    assert monitored(own).unseen.erased == 2


def test_who_is_erased_leaves_the_counts(own: Runtime, lender: Lender) -> None:
    before = quarter(monitored(own), "2026-Q2")
    wanted, _ = own.erasing.request(ANN, Ground.OBJECTION, records=lender.ids[20:25])
    own.erasing.approve(BEN, wanted.id)
    found = monitored(own)
    assert found.unseen.erased == 5
    after = quarter(found, "2026-Q2")
    assert after.decided == before.decided - 5
    assert found.periods == monitored(own, anew=True).periods


def test_what_is_restricted_is_left_out_until_it_is_lifted(own: Runtime, lender: Lender) -> None:
    whole = monitored(own)
    officer = Officer(own, Caller(ANN, "data_subject_request", ""))
    subject = own.decisions.read(lender.ids[13]).payload.subject
    hold = officer.restrict("accuracy_contested", lender.now + timedelta(days=9), subject=subject)
    found = monitored(own)
    assert found.unseen.restricted > 0
    assert found.unseen.restricted == COUNT - sum(each.decided for each in found.periods)
    own.holds.informed(ANN, hold.id)
    own.holds.release(ANN, hold.id, "checked")
    own.holds.release(BEN, hold.id, "checked")
    assert monitored(own).periods == whole.periods


def test_contributions_that_come_later_are_counted_then(own: Runtime, lender: Lender) -> None:
    again(own, lender.ids[30], bare=True)
    found = monitored(own)
    assert found.unseen.pending == 1
    attributed = sum(each.attributed for each in found.periods)
    assert Attributing.of(own).work() == 1
    found = monitored(own)
    assert found.unseen.pending == 0
    assert sum(each.attributed for each in found.periods) == attributed + 1


def test_contributions_that_nobody_can_work_out_are_counted(own: Runtime, lender: Lender) -> None:
    record = again(own, lender.ids[30], bare=True)
    own.attributions.attach({record: {"status": "not_reproduced"}})
    found = monitored(own)
    assert (found.unseen.without, found.unseen.pending) == (1, 0)
    assert sum(each.decided for each in found.periods) == COUNT + 1


def test_a_time_that_cannot_be_is_counted_apart(own: Runtime, lender: Lender) -> None:
    again(own, lender.ids[0], decided_at="9999-01-01T00:00:00Z")
    again(own, lender.ids[0], decided_at="1905-01-01T00:00:00Z")
    found = monitored(own)
    assert found.unseen.undated == 2
    assert sum(each.decided for each in found.periods) == COUNT


def test_damaged_files_are_made_anew(own: Runtime) -> None:
    first = monitored(own)
    paths = sorted(own.settings.monitoring_dir.rglob("stretch-*.json"))
    document = json.loads(paths[0].read_bytes())
    document["content"]["months"]["2026-03"] = {"decided": 1_000}
    damages = (json.dumps(document).encode(), b"[]", b"{")
    for path, damage in zip(paths, damages, strict=True):
        path.write_bytes(damage)
    assert monitored(own).periods == first.periods


def test_a_file_that_is_too_large_is_not_read(
    own: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = monitored(own)
    monkeypatch.setattr(kept, "MAX_BYTES", 10)
    before = looks(own)
    assert monitored(own).periods == first.periods
    assert looks(own) > before + 1


def test_files_are_for_their_owner_alone_and_name_nobody(own: Runtime, lender: Lender) -> None:
    monitored(own)
    paths = [path for path in own.settings.monitoring_dir.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    written = "".join(path.read_text() for path in paths)
    assert not any(record in written for record in lender.ids)
    assert "MTG" not in written


def test_a_record_that_was_changed_is_an_alarm(own: Runtime, lender: Lender) -> None:
    with own.databases[0].begin() as connection:
        sealed = connection.execute(
            text("SELECT sealed FROM sealed_payload WHERE record_id = :id"), {"id": lender.ids[3]}
        ).scalar_one()
        changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
        connection.execute(text("DELETE FROM sealed_payload WHERE record_id = :id"),
                           {"id": lender.ids[3]})  # fmt: skip
        connection.execute(
            text(
                "INSERT INTO sealed_payload (record_id, log_id, sealed)"
                " SELECT :id, id, :sealed FROM log WHERE origin LIKE '%decisions'"
            ),
            {"id": lender.ids[3], "sealed": changed},
        )
    with pytest.raises(VerificationError):
        monitored(own)


def test_what_was_found_is_kept_for_pages(own: Runtime) -> None:
    version = own.registry.model(MODEL)
    with pytest.raises(NotFoundError, match="decision-ledger monitor"):
        latest(own, dataclasses.replace(version, digest="0" * 64))
    found = monitored(own)
    assert latest(own, version) == json.loads(json.dumps(found.to_json()))


def test_csv_says_the_same_with_coverage_first(lender: Lender) -> None:
    found = monitored(lender.runtime)
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert rows[0]["figure"] == "decisions"
    assert rows[0]["n"] == str(COUNT)
    assert {row["name"] for row in rows if row["figure"] == "not_counted"} == {
        "erased",
        "restricted",
        "undated",
    }
    of_second = [row for row in rows if row["period"] == "2026-Q2"]
    assert {row["figure"] for row in of_second} >= {
        "decided",
        "approval",
        "score_drift",
        "importance",
        "contribution_drift",
        "reason",
    }
    third = {row["figure"]: row for row in rows if row["period"] == "2026-Q3" and not row["name"]}
    shown = quarter(found, "2026-Q3").score
    assert isinstance(shown, Shift)
    assert float(third["score_psi"]["value"]) == pytest.approx(shown.psi, abs=1e-6)
    assert third["score_psi"]["reference_n"] == str(shown.reference)
    few = [row for row in rows if row["period"] == "2026-Q1" and row["absent"]]
    assert {row["absent"] for row in few} == {"too_few"}
