"""The quick reading of entries takes nothing that `parse_entry` refuses, and says the same."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.entries import MAX_COUNT, Decision, Entry, Kind, SourceCounter, parse_entry
from ledger.entries.forms import TextForm, TupleForm
from ledger.errors import MalformedError
from ledger.verify import plain_forms
from ledger.verify.plain_forms import PLAIN, PlainEntries, pattern_of, read_plain
from tests.ledger.entries.samples import BODIES, COMMITMENT, sample_id

PLAIN_BODIES = tuple(body for body in BODIES if isinstance(body, PLAIN))
AT = datetime(2026, 5, 14, 9, 31, 7, 250, tzinfo=UTC)
DECISION = next(body for body in BODIES if isinstance(body, Decision))

counters = st.builds(
    SourceCounter,
    st.text("abcXYZ019._:/-", min_size=1, max_size=128),
    st.integers(0, MAX_COUNT),
)
bodies = st.one_of(
    st.sampled_from(PLAIN_BODIES), counters.map(lambda source: replace(DECISION, source=source))
)
entries = st.builds(
    Entry,
    id=st.integers(0, 10**12).map(sample_id),
    seq=st.integers(1, MAX_COUNT),
    at=st.datetimes(timezones=st.just(UTC)),
    prev=st.binary(min_size=32, max_size=32),
    body=bodies,
)


def slowly(raw: bytes) -> PlainEntries | None:
    """What `read_plain` has to say of one entry, from the parser of entries."""
    try:
        entry = parse_entry(raw)
    except MalformedError:
        return None
    assert entry.prev is not None
    source = entry.body.source if isinstance(entry.body, Decision) else None
    at = entry.at.replace(tzinfo=None).isoformat(timespec="microseconds").encode() + b"Z"
    return PlainEntries(
        [str(entry.body.kind)],
        (at,),
        (entry.id.encode(),),
        (base64.b64encode(entry.prev),),
        [entry.seq],
        [] if source is None else [source.id.encode()],
        [] if source is None else [source.seq],
        [] if source is None else [at],
    )


def written(body: object, **members: object) -> bytes:
    entry = Entry(sample_id(9), 7, AT, COMMITMENT, body)  # type: ignore[arg-type]  # one of BODIES
    return replace(entry, **members).format()  # type: ignore[arg-type]


@pytest.mark.parametrize("body", PLAIN_BODIES, ids=lambda body: str(body.kind))
def test_every_plain_kind_is_read_quickly(body: object) -> None:
    assert read_plain([written(body)]) == slowly(written(body))


def test_kinds_that_mean_more_to_an_audit_are_left_to_it() -> None:
    others = {str(kind) for kind in Kind} - {str(body.kind) for body in PLAIN}
    assert others == {
        *("erased", "expired", "log_created", "log_key_rotated", "source_gap"),
        *("source_period_total", "source_registered", "source_total"),
    }
    for body in BODIES:
        if str(body.kind) in others:
            assert read_plain([written(body)]) is None


@given(entries)
@example(Entry(sample_id(1), MAX_COUNT, AT, COMMITMENT, DECISION))
def test_an_entry_is_read_as_the_parser_reads_it(entry: Entry) -> None:
    found = read_plain([entry.format()])
    assert found in (None, slowly(entry.format()))
    source = entry.body.source.seq if isinstance(entry.body, Decision) else 0
    if entry.seq < 10**15 and source < 10**15:
        assert found is not None


@given(st.data())
def test_changed_bytes_are_never_taken_unless_the_parser_takes_them(data: st.DataObject) -> None:
    raw = bytearray(data.draw(entries).format())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        old = data.draw(st.integers(0, 1))
        new = data.draw(st.binary(max_size=2) | st.sampled_from([b'"', b"9", b"f", b"=", b"\n"]))
        raw[at : at + old] = new
    found = read_plain([bytes(raw)])
    assert found is None or found == slowly(bytes(raw))


@given(st.data(), st.sampled_from([str(body.kind) for body in PLAIN]))
def test_whatever_a_pattern_takes_is_an_entry_if_its_moment_exists(
    data: st.DataObject, kind: str
) -> None:
    raw = data.draw(st.from_regex(pattern_of(kind), fullmatch=True))
    found = read_plain([raw])
    expected = slowly(raw)
    assert (found is None) == (expected is None)
    assert found == expected


@pytest.mark.parametrize(
    "at",
    [
        *("2026-02-30T00:00:00", "2026-13-01T00:00:00", "2026-01-01T24:00:00"),
        *("0000-01-01T00:00:00", "2026-01-01T23:60:00", "2026-01-01T23:59:60"),
    ],
)
def test_a_moment_that_does_not_exist_is_left_to_the_parser(at: str) -> None:
    raw = written(DECISION).replace(b"2026-05-14T09:31:07", at.encode())
    assert read_plain([raw]) is None
    with pytest.raises(MalformedError):
        parse_entry(raw)


def test_several_kinds_in_one_run() -> None:
    raws = [written(body) for body in PLAIN_BODIES]
    found = read_plain(raws)
    assert found is not None
    assert found.kinds == [str(body.kind) for body in PLAIN_BODIES]
    assert (found.sources, found.counters) == ([b"loan-desk"], [17])
    assert read_plain([*raws, b"nonsense"]) is None
    assert read_plain([b"nonsense", *raws]) is None


def test_an_earlier_moment_behind_a_later_one_is_left_to_the_audit() -> None:
    later = written(DECISION, at=AT.replace(year=2027))
    assert read_plain([written(DECISION), later]) is not None
    assert read_plain([later, written(DECISION)]) is None


def test_an_entry_that_would_be_the_first_is_no_plain_one() -> None:
    assert read_plain([written(DECISION).replace(b'"seq":7', b'"seq":0')]) is None


def test_a_form_without_a_pattern_is_not_guessed() -> None:
    with pytest.raises(TypeError):
        plain_forms._value(TupleForm(TextForm(re.compile("a")), most=1, ascending=True))
