"""What every Timestamper promises, on every implementation."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.errors import LedgerError, MalformedError
from ledger.operate.timestamper import HttpTimestamper, Timestamper
from ledger.verify.timestamps import Roots, TimestampRefused, read_timestamp, verify_timestamp
from tests import timestamp_authority as tsa
from tests.ledger.verify.tile_log import entries, note

NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)
NOTE = note(entries(3))


def noon() -> datetime:
    return NOON


@dataclass(frozen=True)
class Door:
    """An authority, and a way to make somebody who asks it."""

    authority: tsa.Authority
    timestamper: Callable[[Roots], Timestamper]


@pytest.fixture(params=["http", "memory"])
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    authority = tsa.Authority(noon)
    with contextlib.ExitStack() as stack:

        def http(roots: Roots) -> Timestamper:
            return HttpTimestamper(stack.enter_context(tsa.serving(authority)), roots, noon)

        def memory(roots: Roots) -> Timestamper:
            authority.trusted = roots
            return authority

        yield Door(authority, http if request.param == "http" else memory)


def test_a_token_is_over_the_note_and_says_the_time(door: Door) -> None:
    timestamper = door.timestamper(tsa.roots())
    assert timestamper.address.startswith("http://")
    stamped = timestamper.stamp(NOTE)
    assert stamped.timestamp.at == NOON
    assert stamped.timestamp == verify_timestamp(stamped.token, NOTE, tsa.roots())


def test_each_note_gets_its_own(door: Door) -> None:
    timestamper = door.timestamper(tsa.roots())
    other = note(entries(4))
    assert timestamper.stamp(NOTE).token != timestamper.stamp(other).token
    assert len(set(door.authority.asked)) == 2


def test_without_roots_all_but_the_signature_is_checked(door: Door) -> None:
    door.authority.lies["by"] = tsa.holder("Stranger", purposes=tsa.TIME_STAMPING)
    stamped = door.timestamper(()).stamp(NOTE)
    assert stamped.timestamp == read_timestamp(stamped.token, NOTE)
    door.authority.lies["imprint"] = bytes(32)
    with pytest.raises(TimestampRefused):
        door.timestamper(()).stamp(NOTE)


@pytest.mark.parametrize(
    ("lies", "found_out"),
    [
        ({"status": 1}, "not granted as asked, status 1"),
        ({"status": 2}, "not granted as asked, status 2"),
        ({"imprint": bytes(32)}, "over something else"),
        ({"nonce": 5}, "another request"),
        ({"at": NOON + timedelta(hours=1)}, "not about the time"),
        ({"at": NOON - timedelta(hours=1)}, "not about the time"),
        ({"chain": ()}, "one certificate"),
        ({"by": tsa.holder("Stranger", purposes=tsa.TIME_STAMPING), "chain": None}, "no root"),
    ],
)
def test_a_lie_is_refused(door: Door, lies: dict[str, Any], found_out: str) -> None:
    door.authority.lies.update(lies)
    with pytest.raises(TimestampRefused, match=found_out):
        door.timestamper(tsa.roots()).stamp(NOTE)


def test_an_old_answer_is_refused(door: Door) -> None:
    timestamper = door.timestamper(tsa.roots())
    door.authority.forged = timestamper.stamp(NOTE).token
    with pytest.raises(TimestampRefused, match="another request"):
        timestamper.stamp(NOTE)


@pytest.mark.parametrize("forged", [b"", b"junk", bytes(65_536), b"\x30\x80" * 20_000])
def test_an_answer_that_is_none_is_refused(door: Door, forged: bytes) -> None:
    door.authority.forged = forged
    with pytest.raises(LedgerError):
        door.timestamper(tsa.roots()).stamp(NOTE)


def test_a_note_that_the_log_did_not_sign_is_not_sent(door: Door) -> None:
    with pytest.raises(MalformedError):
        door.timestamper(tsa.roots()).stamp("nonsense")
    assert door.authority.asked == []
