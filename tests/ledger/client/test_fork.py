"""A child of a fork counts in a lane of its own, and leaves its parent's alone."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.client import Client
from ledger.client.answers import Seen
from ledger.client.heads import NEWEST, FileHeads
from tests.ledger.client.clients import client_of, until
from tests.ledger.client.simulator import POLICY, Ledger, decision
from tests.ledger.client.spools import directory


def in_child(work: Callable[[], None]) -> None:
    """Do it in a child of a fork, and fail if it fails there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of ours: that is the point
        child = os.fork()
    if not child:
        try:
            work()
        except BaseException:  # noqa: BLE001  # nothing may leave the child
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("disk", [True, False])
def test_parent_and_child_never_share_a_counter(
    ledger: Ledger, url: str, spool: Path, disk: bool
) -> None:
    with client_of(url, spool if disk else None) as client:
        first = client.record(**decision())
        assert client.counters().source

        def child() -> None:
            assert client.counters().accepted == 0
            ticket = client.record(**decision())
            assert ticket.source != first.source
            assert client.submit(**decision()).index
            assert client.close()

        for _ in range(2):
            in_child(child)
        second = client.record(**decision())
        assert (second.source, second.seq) == (first.source, 2)
        assert client.flush()
        until(lambda: len(ledger.decisions) == 6)
    counters = ledger.counters()
    assert counters.pop(first.source) == [1, 2]
    # On disk the second child takes the lane that the first has left, unless its parent is just
    # looking whether anything was left there.
    assert sorted(map(len, counters.values())) in ([[4], [2, 2]] if disk else [[2, 2]])
    assert all(found == list(range(1, len(found) + 1)) for found in counters.values())


def test_a_child_that_records_nothing_does_not_hold_its_parents_lane(
    ledger: Ledger, url: str, spool: Path
) -> None:
    del ledger
    reader, writer = os.pipe()
    client = Client(url, "dl_a-key", source="loan-desk", spool=spool)
    source = client.record(**decision()).source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.close(writer)
        os.read(reader, 1)  # lives until it is told
        os._exit(0)
    client.close()
    with client_of(url, spool) as again:
        assert again.record(**decision()).source == source
    os.write(writer, b"x")
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)


def test_a_client_made_before_the_fork_works_after_it(
    ledger: Ledger, url: str, spool: Path
) -> None:
    with client_of(url, spool) as client:

        def child() -> None:
            assert client.record(**decision()).seq == 1
            assert client.flush()
            client.close()

        in_child(child)
        assert len(ledger.decisions) == 1


def test_a_fork_in_the_middle_of_anything_leaves_no_lock_behind(tmp_path: Path) -> None:
    """The parent's worker may hold any of these when another thread of it forks."""
    heads = FileHeads(tmp_path / "heads")
    log = Ledger()
    seen = Seen(POLICY.check(log.note()), log.note())
    lane = directory(tmp_path).claim()
    reader, writer = os.pipe()
    with heads._held():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            os.read(reader, 1)
            signal.alarm(20)  # ends it where it would wait for ever
            heads.advance(NEWEST, seen)
            other = directory(tmp_path).claim()
            os._exit(0 if other.source == lane.source else 1)
    lane.close()
    os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0
    os.close(reader)
    os.close(writer)
