"""Entries: the bytes they are, and the bytes they are not."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import MAX_COUNT, MAX_ENTRY_BYTES, Body, Entry, Erased, parse_entry
from ledger.errors import MalformedError
from tests.ledger.entries.samples import BODIES, COMMITMENT, sample_id

AT = datetime(2026, 5, 14, 9, 31, 7, 250, tzinfo=UTC)


def entry(body: Body = BODIES[4]) -> Entry:
    return Entry(sample_id(9), 7, AT, COMMITMENT, body)


def changed(**members: object) -> bytes:
    document = json.loads(entry().format())
    for name, value in members.items():
        if value is ...:
            del document[name]
        else:
            document[name] = value
    return rfc8785.dumps(document)


def test_the_bytes_of_a_decision() -> None:
    # These bytes are final: a second implementation can be checked against them.
    digest, hash_text = "ab" * 32, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert entry().format().decode() == (
        f'{{"at":"2026-05-14T09:31:07.000250Z","attributions":"{hash_text}",'
        f'"context":"{hash_text}","id":"018bcfe5-6809-7000-8000-000000000000",'
        f'"input":"{hash_text}","kind":"decision","model":"{digest}","output":"{hash_text}",'
        f'"policy":"{digest}","prev":"{hash_text}","seq":7,'
        f'"source":{{"id":"loan-desk","seq":17}},"v":1}}'
    )


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body.kind))
def test_every_kind_is_read_back(body: Body) -> None:
    written = entry(body).format()
    assert parse_entry(written) == entry(body)
    assert rfc8785.dumps(json.loads(written)) == written


def test_the_first_entry_has_no_entry_before_it() -> None:
    first = Entry(sample_id(9), 0, AT, None, BODIES[12])
    assert b'"prev"' not in first.format()
    assert parse_entry(first.format()) == first


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", "018BCFE5-6809-7000-8000-000000000000"),
        ("seq", -1),
        ("seq", MAX_COUNT + 1),
        ("seq", True),
        ("seq", 0),
        ("at", AT.replace(tzinfo=None)),
        ("at", AT.astimezone(timezone(timedelta(hours=1)))),
        ("prev", None),
        ("prev", b"short"),
    ],
)
def test_an_entry_is_checked_at_birth(member: str, value: Any) -> None:
    with pytest.raises(MalformedError):
        dataclasses.replace(entry(), **{member: value})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *[("v", value) for value in (..., 2, "1", True, None)],
        *[("kind", value) for value in (..., "gossip", 1, ["decision"])],
        *[("id", value) for value in (..., 5, "x", "018BCFE5-6809-7000-8000-000000000000")],
        *[("seq", value) for value in (..., "7", 7.5, -1, None, True)],
        *[
            ("at", value)
            for value in (
                ...,
                7,
                "2026-05-14T09:31:07Z",
                "2026-05-14T09:31:07.000250+00:00",
                "2026-05-14 09:31:07.000250Z",
                "2026-5-14T09:31:07.000250Z",
                "2026-05-14T09:31:07.00025Z",
                "2026-02-30T09:31:07.000250Z",
                "2026-05-14T09:31:60.000250Z",
                "٢٠٢٦-05-14T09:31:07.000250Z",
            )
        ],
        *[("prev", value) for value in (..., 5, "", "AA==", "é", "not base64")],
        ("prev", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="),  # padding bits not zero
        ("note", "free text"),
        ("model", ...),
    ],
)
def test_hostile_members_are_refused(member: str, value: object) -> None:
    with pytest.raises(MalformedError):
        parse_entry(changed(**{member: value}))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"{}", b"\xff", b" " + entry().format(), entry().format() + b"\n"],
    ids=["nothing", "array", "null", "empty", "not UTF-8", "blank before", "line after"],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_entry(data)


def test_members_in_another_order_are_refused() -> None:
    document = json.loads(entry().format())
    shuffled = json.dumps(dict(reversed(document.items())), separators=(",", ":")).encode()
    assert json.loads(shuffled) == document
    with pytest.raises(MalformedError):
        parse_entry(shuffled)


def test_the_largest_tombstone_fits_into_a_bundle() -> None:
    records = tuple(sample_id(number) for number in range(1024))
    body = Erased(records, "g" * 64, "m" * 64, "r" * 64)
    written = entry(body).format()
    assert len(written) <= MAX_ENTRY_BYTES
    assert parse_entry(written) == entry(body)


def test_an_entry_longer_than_a_bundle_takes_is_refused() -> None:
    with pytest.raises(MalformedError):
        parse_entry(b'{"a":"' + b"x" * MAX_ENTRY_BYTES + b'"}')


@given(st.binary(max_size=64))
def test_any_bytes_give_an_entry_or_our_error(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_entry(data)


@given(st.integers(0, len(entry().format()) - 1), st.integers(1, 255))
def test_one_changed_byte_is_refused_or_is_another_entry(at: int, flip: int) -> None:
    data = bytearray(entry().format())
    data[at] ^= flip
    try:
        parsed = parse_entry(bytes(data))
    except MalformedError:
        return
    assert parsed != entry()
    assert parsed.format() == bytes(data)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_is_read_back(moment: datetime) -> None:
    there = dataclasses.replace(entry(), at=moment)
    assert parse_entry(there.format()) == there
