"""The closed vocabulary: what each kind may say, and that none may say more."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import get_type_hints

import pytest

from ledger.entries import (
    MAX_COUNT,
    MAX_RECORDS,
    Body,
    Decision,
    Erased,
    HoldSet,
    Kind,
    LogCreated,
    ModelVersionStatus,
    SourceCounter,
    SourceGap,
    SourcePeriodTotal,
    SourceTotal,
)
from ledger.entries import bodies as vocabulary
from ledger.entries.forms import (
    CountForm,
    Form,
    HashForm,
    MomentForm,
    NestedForm,
    TextForm,
    TupleForm,
    forms_of,
)
from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import MalformedError
from tests.ledger.entries.samples import (
    BODIES,
    COMMITMENT,
    DIGEST,
    JUNE,
    MAY,
    ORIGIN,
    VKEY,
    sample_id,
)

# What may stand in an entry, written out once more so that a looser form is noticed.
PATTERNS = {
    "id": UUID7_PATTERN.pattern,
    "code": r"[a-z0-9_]{1,64}",
    "digest": r"[0-9a-f]{64}",
    "pseudonym": r"[0-9a-f]{32}",
    "source id": r"[A-Za-z0-9._:/-]{1,128}",
    "origin": r"[A-Za-z0-9._:/-]{1,255}",
    "software": r"[a-z0-9-]{1,32}/[0-9a-z.]{1,32}",
    "status": r"approved|promoted|suspended|retired",
    "vkey": r"[A-Za-z0-9._:/-]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40,1764}={0,2}",
}
# Values that would be a person's data or free text; no text form may take any of them.
PERSONAL = (
    "Jane Doe",
    "jane.doe@bank.example",
    "born 1980-02-29",
    "+44 20 7946 0958",
    "declined: income too low",
    "Zoë",
    "a\nb",
    "",
)


def text_forms(form: Form) -> list[TextForm]:
    match form:
        case TextForm():
            return [form]
        case TupleForm(item=item):
            return [item]
        case NestedForm(of=of):
            return [text for _, inner in forms_of(of) for text in text_forms(inner)]
        case CountForm() | HashForm() | MomentForm():
            return []
    raise AssertionError(f"a form that nobody judged: {form}")


def test_every_kind_has_one_type_and_one_sample() -> None:
    assert sorted(vocabulary.BODIES) == sorted(Kind)
    assert [body.kind for body in BODIES] == sorted(Kind)
    assert [str(kind) for kind in Kind] == sorted(Kind)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body.kind))
def test_no_kind_has_room_for_free_text_or_a_person(body: Body) -> None:
    for name, form in forms_of(type(body)):
        for text in text_forms(form):
            assert text.pattern.pattern in PATTERNS.values(), name
            assert text.pattern.flags == re.compile("").flags, name
            assert not any(map(text.accepts, PERSONAL)), name


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body.kind))
def test_every_member_names_its_form(body: Body) -> None:
    hints = get_type_hints(type(body), include_extras=True)
    for field in dataclasses.fields(body):
        assert hasattr(hints[field.name], "__metadata__"), field.name


def test_no_member_collides_with_the_envelope() -> None:
    for body in BODIES:
        assert not {name for name, _ in forms_of(type(body))} & {
            "v",
            "kind",
            "id",
            "seq",
            "at",
            "prev",
        }


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body.kind))
def test_json_is_read_back_as_the_same_value(body: Body) -> None:
    assert type(body).from_json(body.to_json()) == body


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body.kind))
def test_an_absent_member_is_named(body: Body) -> None:
    for name in body.to_json():
        document = body.to_json()
        del document[name]
        with pytest.raises(MalformedError) as caught:
            type(body).from_json(document)
        assert caught.value.member == name


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body.kind))
@pytest.mark.parametrize("value", [None, True, -1, 1.5, "Jane Doe", [], ["Jane Doe"], {}], ids=repr)
def test_a_member_of_another_form_is_refused(body: Body, value: None) -> None:
    for name in body.to_json():
        with pytest.raises(MalformedError):
            type(body).from_json(body.to_json() | {name: value})


def test_an_unknown_member_is_refused_and_not_repeated() -> None:
    document = BODIES[0].to_json() | {"jane doe": "x"}
    with pytest.raises(MalformedError, match="not known") as caught:
        type(BODIES[0]).from_json(document)
    assert "jane" not in str(caught.value)
    assert caught.value.member is None


def test_what_is_not_an_object_is_refused() -> None:
    with pytest.raises(MalformedError, match="not an object"):
        SourceCounter.from_json([])


def test_a_nested_member_is_checked() -> None:
    document = BODIES[4].to_json() | {"source": {"id": "loan-desk", "seq": MAX_COUNT + 1}}
    with pytest.raises(MalformedError) as caught:
        Decision.from_json(document)
    assert caught.value.member == "source.seq"
    with pytest.raises(MalformedError) as caught:
        Decision.from_json(document | {"source": "loan-desk"})
    assert caught.value.member == "source"


@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1, True, 1.0])
def test_a_counter_is_an_integer_in_range(count: int) -> None:
    with pytest.raises(MalformedError):
        SourceCounter("loan-desk", count)


@pytest.mark.parametrize("source", ["", "x" * 129, "loan desk", "loan-desk\n", "lo@n", "ǆ"])
def test_a_source_id_is_plain_and_bounded(source: str) -> None:
    with pytest.raises(MalformedError):
        SourceCounter(source, 1)


def test_a_tombstone_lists_a_set_of_records() -> None:
    first, second = sample_id(1), sample_id(2)
    many = tuple(sample_id(number) for number in range(MAX_RECORDS + 1))
    for records in ((), (second, first), (first, first), many, [first]):
        with pytest.raises(MalformedError) as caught:
            Erased(records, "request", "key_destroyed", "administrator")  # type: ignore[arg-type]
        assert caught.value.member == "records"
    assert (
        len(Erased(many[:-1], "request", "key_destroyed", "administrator").records) == MAX_RECORDS
    )


def test_a_model_has_a_stage_of_the_closed_list() -> None:
    for status in ("approved", "promoted", "suspended", "retired"):
        assert ModelVersionStatus(DIGEST, status).status == status
    with pytest.raises(MalformedError):
        ModelVersionStatus(DIGEST, "liked")


def test_a_gap_does_not_end_before_it_begins() -> None:
    assert SourceGap("loan-desk", 3, 3, "outage").last == 3
    with pytest.raises(MalformedError) as caught:
        SourceGap("loan-desk", 3, 2, "outage")
    assert caught.value.member == "last"
    with pytest.raises(MalformedError):
        SourceGap("loan desk", 3, 3, "outage")


@pytest.mark.parametrize(
    ("members", "member"),
    [((3, 2, 0), "last"), ((3, 5, 4), "count"), ((-1, 5, 4), "first"), ((3, 5, -1), "count")],
)
def test_a_total_is_of_counters_that_there_are(members: tuple[int, int, int], member: str) -> None:
    assert SourceTotal("loan-desk", 3, 5, 3).count == 3
    with pytest.raises(MalformedError) as caught:
        SourceTotal("loan-desk", *members)
    assert caught.value.member == member


@pytest.mark.parametrize(
    ("since", "until", "member"),
    [
        (JUNE, MAY, "until"),
        (MAY, MAY, "until"),
        (datetime(2026, 5, 1), JUNE, "since"),  # noqa: DTZ001  a moment without its zone
        (MAY, JUNE.astimezone(timezone(timedelta(hours=2))), "until"),
        ("2026-05-01T00:00:00.000000Z", JUNE, "since"),
    ],
)
def test_a_period_is_of_moments_in_utc(since: object, until: object, member: str) -> None:
    with pytest.raises(MalformedError) as caught:
        SourcePeriodTotal("loan-desk", since, until, 1)  # type: ignore[arg-type]
    assert caught.value.member == member


def test_a_moment_is_written_to_the_microsecond() -> None:
    total = SourcePeriodTotal("loan-desk", MAY, JUNE, 1)
    assert total.to_json()["since"] == "2026-05-01T00:00:00.000000Z"
    early = SourcePeriodTotal("loan-desk", datetime(1, 1, 1, tzinfo=UTC), MAY, 1)
    assert early.to_json()["since"] == "0001-01-01T00:00:00.000000Z"
    for text in ("", "yesterday", 5, None, "2026-05-01", "2026-05-01T00:00:00.000000"):
        with pytest.raises(MalformedError):
            SourcePeriodTotal.from_json(total.to_json() | {"since": text})


def test_a_commitment_is_32_bytes_of_canonical_base64() -> None:
    for text in ("AA==", "A", "é", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"):
        with pytest.raises(MalformedError):
            Decision.from_json(BODIES[4].to_json() | {"input": text})
    with pytest.raises(MalformedError):
        HoldSet(sample_id(1), COMMITMENT[:-1])


def test_a_log_begins_with_different_keys() -> None:
    with pytest.raises(MalformedError):
        LogCreated(ORIGIN, (VKEY, VKEY), "decision-ledger/1.0.0")
