"""Documents refuse what no document may say."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from explain.explanation import Gate
from reports.documents import (
    Attachment,
    Contact,
    FairnessTable,
    Finding,
    GroupOutcome,
    InputUsed,
    Month,
    ReasonCount,
    Regime,
)
from reports.errors import DocumentError
from tests.reports import samples


def refused(make: object, member: str, **changes: object) -> None:
    assert callable(make)
    with pytest.raises(DocumentError) as caught:
        make(**changes)
    assert caught.value.member == member


@pytest.mark.parametrize(
    ("member", "changes"),
    [
        ("reference", {"reference": None}),
        ("scores", {"reference": date(2026, 2, 1)}),
        ("scores", {"scores": samples.moved().scores[::-1]}),
        ("last", {"last": None}),
    ],
)
def test_nothing_is_compared_with_nothing(member: str, changes: dict[str, object]) -> None:
    refused(lambda **values: replace(samples.moved(), **values), member, **changes)


def test_a_failed_gate_stops_the_letter() -> None:
    failed = replace(
        samples.explanation(), gates=(Gate("rerun", False, "drifted"),), automatic_text_allowed=False
    )  # fmt: skip
    refused(samples.letter, "explanation", explained=failed)


@pytest.mark.parametrize("regimes", [(), (Regime.GDPR, Regime.GDPR)])
def test_a_letter_names_each_law_once(regimes: tuple[Regime, ...]) -> None:
    refused(samples.letter, "regimes", regimes=regimes)


@pytest.mark.parametrize(("regime", "party"), [(Regime.GDPR, "authority"), (Regime.ECOA, "agency")])
def test_a_law_names_its_authority(regime: Regime, party: str) -> None:
    contacts = replace(samples.letter().contacts, **{party: None})  # type: ignore[arg-type]
    refused(samples.letter, f"contacts.{party}", regimes=(regime,), contacts=contacts)


def test_an_adverse_action_needs_reasons() -> None:
    bare = replace(samples.explanation(), reasons=())
    refused(samples.letter, "explanation", explained=bare)


def test_every_input_is_listed() -> None:
    refused(samples.letter, "inputs", inputs=())
    refused(samples.letter, "inputs", inputs=samples.inputs(samples.explanation()) * 40)


def test_a_text_that_reorders_its_neighbours_is_refused() -> None:
    rows = (InputUsed("x", "Label", "\u202eeman", "form"),)
    refused(samples.letter, "inputs[0].value_text", inputs=rows)


def test_a_time_has_a_zone() -> None:
    naive = datetime(2026, 5, 14)  # noqa: DTZ001 - the fault under test
    with pytest.raises(DocumentError):
        replace(samples.letter().decision, decided_at=naive)
    with pytest.raises(DocumentError):
        replace(samples.report().verification, verified_at=naive)


def test_the_checkpoint_covers_the_entry() -> None:
    place = samples.letter().place
    for change in ({"size": place.index}, {"leaf_hash": b"short"}, {"index": -1}):
        with pytest.raises(DocumentError):
            replace(place, **change)


def test_a_contact_can_be_reached() -> None:
    with pytest.raises(DocumentError):
        Contact("An office")


@pytest.mark.parametrize(
    "changes",
    [
        {"since": date(2027, 1, 1)},
        {"months": ()},
        {"months": (Month(date(2026, 2, 1), 1, 1), Month(date(2026, 1, 1), 1, 1))},
        {"sample": samples.sampled(1) * 1_001},
        {"findings": ()},
        {"reasons": (ReasonCount("A", "a", 10_000),)},
        {"findings": (Finding("A\n", "a"),)},
    ],
)
def test_a_report_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DocumentError):
        samples.report(**changes)


def test_parts_are_not_more_than_wholes() -> None:
    report = samples.report()
    faults = (
        lambda: Month(date(2026, 1, 1), 1, 2),
        lambda: Month(date(2026, 1, 2), 1, 1),
        lambda: GroupOutcome("a", 1, 2),
        lambda: FairnessTable("t", "b", "s", (GroupOutcome("a", 1, 1),)),
        lambda: replace(report.recomputation, matched=201),
        lambda: replace(report.verification, size=report.verification.last),
        lambda: replace(report.verification, root_hash=b""),
    )
    for fault in faults:
        with pytest.raises(DocumentError):
            fault()


def test_totals_are_sums() -> None:
    report = samples.report()
    assert (report.decisions, report.approved, report.declined) == (2_380, 2_101, 279)


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a b", ".hidden", "x" * 101])
def test_an_attachment_has_a_plain_name(name: str) -> None:
    with pytest.raises(DocumentError) as caught:
        Attachment(name, "d", b"")
    assert caught.value.member == "name"


def test_an_attachment_has_an_end() -> None:
    with pytest.raises(DocumentError) as caught:
        Attachment("a.bin", "d", bytes(16 * 1024 * 1024 + 1))
    assert caught.value.member == "content"
