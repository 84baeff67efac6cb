import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from ledger.errors import NotFoundError
from ledger.roles import Principal, Role
from reports.documents import AuditReport
from reports.html import report_html
from service.auditing import AuditRequest, audit_report
from service.reading import Caller, Reading
from tests.service.ui.lender import MISSING, Lender

COUNT = 12


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("audited") / "data")
    made.record(COUNT)
    yield made
    made.runtime.close()


def report(lender: Lender, **changes: object) -> AuditReport:
    values: dict[str, object] = {
        "model": "mortgage-approval@1.0.0",
        "since": date(2026, 1, 1),
        "until": date(2026, 12, 31),
        "sample": 5,
        "seed": 7,
        "groups": {},
        "groups_source": "",
    }
    request = AuditRequest(**(values | changes))  # type: ignore[arg-type]  # by name, as above
    auditor = Caller(Principal("a", "auditor", Role.AUDITOR))
    return audit_report(lender.runtime, Reading(lender.runtime, auditor), request, "Harbour Bank")


def test_every_decision_is_counted(lender: Lender) -> None:
    found = report(lender)
    views = [lender.runtime.decisions.read(each) for each in lender.ids]
    outcomes = Counter(view.payload.outcome for view in views)
    assert (found.decisions, found.approved) == (COUNT, outcomes["approved"])
    months = {view.payload.decided_at.date().replace(day=1) for view in views}
    assert [month.first for month in found.months] == sorted(months)
    assert sum(reason.count for reason in found.reasons) >= found.declined


def test_the_sample_is_recomputed_and_drawn_again_by_its_seed(lender: Lender) -> None:
    found = report(lender)
    assert (found.recomputation.sample, found.recomputation.matched) == (5, 5)
    assert (found.recomputation.exact, found.recomputation.impossible) == (5, 0)
    assert found.recomputation.largest <= found.recomputation.tolerance == Decimal("0.000100")
    assert [each.id for each in found.sample] == [each.id for each in report(lender).sample]
    assert {each.id for each in report(lender, seed=8).sample} != {each.id for each in found.sample}


def test_the_whole_log_is_verified_and_gaps_are_findings(lender: Lender) -> None:
    found = report(lender)
    assert found.verification.findings == 0
    assert found.verification.size == lender.runtime.logs["decisions"].size()
    assert {each.algorithm for each in found.verification.signatures} == {"Ed25519", "ML-DSA-44"}
    (finding,) = found.findings
    assert finding.code == "source_gap"
    assert "loan-desk: 1 numbers in one range are missing" in finding.text
    section = found.verification.completeness
    (source,) = section.sources
    assert (source.received, source.unexplained, source.lanes) == (COUNT, 1, 1)
    assert [(gap.lane, gap.first, gap.last) for gap in section.gaps] == [
        ("loan-desk", MISSING, MISSING)
    ]
    (file,) = found.attachments
    assert file.name == section.attachment
    assert file.content.splitlines()[1].startswith(
        b"loan-desk,loan-desk,%d,%d,1,," % ((MISSING,) * 2)
    )


def test_every_record_read_is_on_the_access_log(lender: Lender) -> None:
    log = lender.runtime.access_log.log
    before = log.size()
    report(lender)
    (raw,) = list(log.entries(before))
    detail = lender.runtime.access_log.open(json.loads(raw)["id"])
    assert sorted(detail.records) == sorted(lender.ids)


def test_groups_come_from_outside_and_are_compared_with_the_largest(lender: Lender) -> None:
    groups = {"sex": dict.fromkeys(lender.ids[:8], "A") | dict.fromkeys(lender.ids[8:11], "B")}
    (table,) = report(lender, groups=groups, groups_source="survey").fairness
    assert (table.trait, table.reference, table.source) == ("sex", "A", "survey")
    assert {each.group: each.decisions for each in table.groups} == {
        "A": 8,
        "B": 3,
        "not stated": 1,
    }


def test_a_period_without_decisions_has_no_report(lender: Lender) -> None:
    with pytest.raises(NotFoundError):
        report(lender, since=date(2020, 1, 1), until=date(2020, 12, 31))


def test_the_report_can_be_laid_out(lender: Lender) -> None:
    page = report_html(report(lender))
    assert "Harbour Bank" in page
    assert "mortgage-approval" in page
