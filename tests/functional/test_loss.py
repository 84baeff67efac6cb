"""The server is killed twice and the application once, on a full disk: every decision is accounted for.

The same as `python -m benchmarks.loss`, shortened. The count is made from outside: what the
application wrote down, against the entries of the log.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.loss.account import Account, account
from benchmarks.loss.burst import Act, Burst, Ledger, audit, run
from benchmarks.loss.desk import MEMBERS, Ended, Journal
from benchmarks.loss.ground import ground
from ledger.client import Client, State
from ledger.commitments import SECTIONS, commit
from ledger.entries import Decision, Entry, SourceCounter, SourceGap, uuid7
from ledger.operate.registry import Registry
from ledger.tlog.policy import Policy
from ledger.tlog.proof import Receipt
from service.cli import main
from tests.functional.test_first_run import declined, small_model
from tests.ledger.client.clients import until
from tests.ledger.client.simulator import Ledger as Simulator
from tests.service.ui.lender import POLICY
from tests.small_disk import NoSmallDisk

COUNT = 1_000
ACTS = (
    Act(0.2, "kill server", 0.1),
    Act(0.2, "fill disk", 1.0),
    Act(0.5, "kill client"),
    Act(0.7, "kill server", 0.1),
)
DISK = 6_000_000


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    manifest, files = small_model()

    def register(registry: Registry) -> None:
        registry.register_model(manifest, files)
        registry.register_policy(POLICY)

    folder = tmp_path_factory.mktemp("loss")
    with ground(folder, register, [declined(manifest, files)], workers=1) as made:
        yield made


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_unexplained(ledger: Ledger, tmp_path: Path) -> None:
    options = {"block_seconds": 0.05, "max_bytes": 400_000}
    burst = Burst("loan-desk", COUNT, threads=2, pause=0.001, options=options, acts=ACTS)
    try:
        outcome = run(replace(burst, disk=DISK), ledger, tmp_path / "disk")
    except NoSmallDisk:
        acts = tuple(act for act in ACTS if act.what != "fill disk")
        outcome = run(replace(burst, acts=acts), ledger, tmp_path / "quota")
    found = outcome.account
    assert found.unexplained == ()
    assert (found.asked, found.doubled, found.disordered, found.excused) == (COUNT, 0, 0, 0)
    assert found.accepted == found.recorded == found.receipts
    assert found.recorded + sum(found.refused.values()) == COUNT
    assert found.recorded > COUNT // 10
    assert 0 < found.named <= sum(found.refused.values()) + found.repeated
    assert set(found.refused) == {"spool_full"}
    assert "fine" in audit(ledger)


@pytest.mark.slow
def test_a_rotation_of_the_keys_stops_nothing(ledger: Ledger, tmp_path: Path) -> None:
    def command(*arguments: str) -> None:
        done = CliRunner(env={"LEDGER_DATA": str(ledger.data)}).invoke(main, arguments)
        assert done.exit_code == 0, done.output

    old = Policy.parse(ledger.policy.read_text())
    (decision,) = json.loads(ledger.decisions.read_text())
    members = {name: decision[name] for name in MEMBERS}
    with Client(
        ledger.server.url, ledger.key, source="rotation", spool=tmp_path / "spool", policy=old
    ) as client:
        client.submit(**members)
        command("log", "rotate-keys", "decisions")
        client.submit(**members)
        until(lambda: client.counters().rotations_followed == 1)
        command("log", "retire-keys", "decisions", "--yes")
        client.submit(**members)
        counters = client.counters()
        assert (counters.alarms, counters.recorded) == (0, 3)
        assert counters.state is not State.ALARM
    assert "fine" in audit(ledger)


# The count itself


LANE = "desk.aaaaaaaa"
_COMMITTED = {name: commit(bytes(32), name, {"income": 1}) for name in SECTIONS}


def name_of(number: int) -> str:
    return uuid7(number, bytes(10))


def logged(number: int, seq: int, index: int = 0) -> Entry:
    body = Decision("ab" * 32, "cd" * 32, SourceCounter(LANE, seq), **_COMMITTED)
    at = datetime(2026, 5, 14, tzinfo=UTC)
    return Entry(name_of(number), index + 1, at, bytes(32), body)


def gap(first: int, last: int) -> Entry:
    body = SourceGap(LANE, first, last, "spool_full")
    return Entry(uuid7(10**6, bytes(10)), 1, datetime(2026, 5, 14, tzinfo=UTC), bytes(32), body)


def counted(entries: list[Entry], *outcomes: str, receipts: bool = True) -> Account:
    """The account of decisions 1, 2, … that came to these outcomes."""
    ended = tuple(
        (number, Ended(name_of(number), LANE, number, outcome, 0.0))
        for number, outcome in enumerate(outcomes, 1)
    )
    begun = tuple((number, each.id) for number, each in ended)
    head = Simulator().note()
    kept = {each.id: Receipt(each.format(), 0, (), head) for each in entries if receipts}
    return account("desk", Journal(begun, ended), entries, kept)


def test_the_count_is_right_where_all_is_well() -> None:
    found = counted([logged(1, 1), gap(2, 2), logged(3, 3)], "accepted", "spool_full", "accepted")
    assert found.unexplained == ()
    assert (found.asked, found.accepted, found.recorded, found.receipts) == (3, 2, 2, 2)
    assert (found.named, found.refused, found.doubled) == (1, {"spool_full": 1}, 0)


def test_the_count_shows_what_is_lost_doubled_out_of_order_or_strange() -> None:
    both = ("accepted", "accepted")
    assert counted([logged(1, 1)], *both).unexplained == (
        f"{name_of(2)} was accepted as {LANE} 2 and is nowhere",
        f"{LANE} 2 is neither a decision nor in a gap",
    )
    assert counted([logged(1, 1), gap(2, 2)], *both).excused == 1
    twice = counted([logged(1, 1), logged(2, 2), logged(2, 2)], *both)
    assert (twice.doubled, twice.recorded) == (1, 1)
    resent = counted([logged(1, 1), logged(2, 2), logged(9, 3)], *both)
    assert resent.unexplained == (f"{name_of(9)} is in the log, and nobody asked",)
    assert counted([logged(2, 2), logged(1, 1)], *both).disordered == 1
    assert counted([logged(1, 1)], "accepted", "spool_full").unexplained == (
        f"{LANE} 2 is neither a decision nor in a gap",
    )
    assert len(counted([logged(1, 1)], "accepted", receipts=False).unexplained) == 1
    ended = Ended(name_of(2), "-", None, "raised", 0.0)
    journal = Journal(((1, name_of(1)), (2, ended.id)), ((2, ended),))
    assert account("desk", journal, [logged(1, 1)], {}).unexplained == ()
    journal = Journal(journal.begun, (*journal.ended, (1, replace(ended, id=name_of(1)))))
    assert account("desk", journal, [logged(1, 1)], {}).unexplained == (
        "1 refused decisions have no counter",
    )


def test_a_journal_that_ends_in_the_middle_of_a_line_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert Journal.read(path).left(2) == [(0, None), (1, None)]
    path.write_text("begin 0 a\nbegin 1 b\nend 0 a desk.x 1 accepted 0.1\nend 1 b des")
    assert Journal.read(path).left(3) == [(1, "b"), (2, None)]
