"""Every step of recording a decision fails twice: before it persisted, and after.

After each failure the ledger is taken up anew, as a restart does, and audited from its
raw bytes: nothing that was acknowledged is lost, nothing is there twice, nothing is
half-written, and submitting the same decision again is answered.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from ledger.errors import (
    NotFoundError,
    PushbackError,
    RefusedError,
    RootMismatchError,
    StoppedError,
)
from ledger.operate.decisions import DecisionQuery
from ledger.operate.sequencer import Sequencer
from ledger.operate.vault import Vault
from ledger.storage.log_store import Batch, Head, LogDatabase, Sign, StoredEntry, Written
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.policy import Log, Policy
from ledger.verify.audit import audit
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.operate.premises import Open, Premises

Step = Callable[[], Any]


class Fault:
    """Lets a step run through, or fail before or after it, once."""

    def __init__(self) -> None:
        self.at: tuple[str, str] | None = None
        self.error: Exception = PushbackError("the machine died", retry_after=1)

    def around(self, name: str, step: Step) -> Any:
        if self.at == (name, "before"):
            self.at = None
            raise self.error
        result = step()
        if self.at == (name, "after"):
            self.at = None
            raise self.error
        return result


class FaultyStore(SqlLogStore):
    fault: Fault

    def integrate(self, batch: Batch, sign: Sign) -> Head:
        def signing(written: Written) -> str:
            note: str = self.fault.around("sign", lambda: sign(written))
            return note

        head: Head = self.fault.around(
            "commit", lambda: SqlLogStore.integrate(self, batch, signing)
        )
        return head


class FaultyLock:
    def __init__(self, premises: Premises, fault: Fault) -> None:
        self._lock = premises.lock()
        self._fault = fault

    def create(self, note: str) -> None:
        self._lock.create(note)

    def read(self) -> str:
        return self._lock.read()

    def swap(self, old: str, new: str) -> None:
        # "swap" breaks for good, "room" is a disk that is full for a while.
        self._fault.around(
            "swap", lambda: self._fault.around("room", lambda: self._lock.swap(old, new))
        )

    def held(self) -> AbstractContextManager[None]:
        return self._lock.held()


class FaultyVault(Vault):
    fault: Fault

    def keep(self, *args: Any, **kwargs: Any) -> None:
        self.fault.around("keep", lambda: Vault.keep(self, *args, **kwargs))


pytestmark = pytest.mark.usefixtures("ledger")  # the premises have a ledger


def faulty(premises: Premises, fault: Fault) -> Open:
    store = FaultyStore(premises.engine)
    store.fault = fault
    vault = FaultyVault(premises.vault_engine, premises.wrapper, premises.clock, premises.random)
    vault.fault = fault
    log = premises.sequencer(store=store, lock=FaultyLock(premises, fault))
    return premises.open(log, vault)


def audited(premises: Premises, log: Sequencer) -> int:
    """The size of the log, after an audit of its bytes that found nothing."""
    keys = premises.keys["decisions"].verifier_keys(premises.clock)
    policy = Policy(tuple(map(Log, keys)))
    with SqliteLogReader.open(premises.directory / "ledger.db") as readers:
        (reader,) = (each for each in readers if each.origin == log.origin)
        result = audit(reader, policy)
    assert result.findings == ()
    assert premises.lock().read() == log.checkpoint()
    return result.size


@contextmanager
def failing(fault: Fault, step: tuple[str, str]) -> Iterator[None]:
    fault.at = step
    with pytest.raises((PushbackError, RefusedError)):
        yield
    assert fault.at is None  # the step was reached


STEPS = [
    (name, side)
    for name in ("keep", "sign", "commit", "swap", "room")
    for side in ("before", "after")
]
IN_THE_LOG = {("commit", "after"), *((n, s) for n, s in STEPS if n in {"swap", "room"})}


@pytest.mark.parametrize("restart", [True, False], ids=["restarted", "running on"])
@pytest.mark.parametrize("step", STEPS, ids=" ".join)
def test_a_step_that_fails_loses_and_doubles_nothing(
    premises: Premises, step: tuple[str, str], restart: bool
) -> None:
    fault = Fault()
    if step[0] == "swap":
        fault.error = StoppedError("the lock is broken")
    ledger = faulty(premises, fault)
    acknowledged = ledger.decisions.record([premises.decision(seq) for seq in range(3)])
    submitted = [premises.decision(seq) for seq in range(3, 5)]
    with failing(fault, step):
        ledger.decisions.record(submitted)

    if step[0] == "swap":
        # The lock failed: this process may sign nothing more.
        with pytest.raises(RefusedError):
            ledger.decisions.record(submitted)
        restart = True
    if restart:
        ledger = premises.open()
    found = ledger.decisions.find(DecisionQuery())
    assert found.total == (5 if step in IN_THE_LOG else 3)

    again = ledger.decisions.record(submitted)
    expected = "duplicate" if step in IN_THE_LOG else "recorded"
    assert {each.status for each in again} == {expected}
    assert audited(premises, ledger.log) == 3 + 3 + 2  # genesis, model, policy; decisions
    for each in (*acknowledged, *again):
        assert ledger.decisions.read(each.id).seq == each.seq
    assert ledger.decisions.find(DecisionQuery()).total == 5
    assert ledger.vault.unsettled(ledger.log.origin) == ()


def test_what_only_the_database_knows_is_not_shown(premises: Premises) -> None:
    fault = Fault()
    ledger = faulty(premises, fault)
    decision = premises.decision()
    before = ledger.log.checkpoint()
    with failing(fault, ("commit", "after")):
        ledger.decisions.record([decision])
    assert ledger.log.locate([decision.id]) == {decision.id: 3}
    assert ledger.log.checkpoint() == before
    with pytest.raises(NotFoundError):
        ledger.log.receipt(decision.id)
    # Only when the lock remembers the entry does anybody learn of it.
    (recorded,) = ledger.decisions.record([decision])
    assert recorded.status == "duplicate"
    assert recorded.receipt.checkpoint_note == premises.lock().read() != before


def test_a_restart_sweeps_what_never_reached_the_log(premises: Premises) -> None:
    fault = Fault()
    ledger = faulty(premises, fault)
    decision = premises.decision()
    with failing(fault, ("sign", "before")):
        ledger.decisions.record([decision])
    assert ledger.vault.unsettled(ledger.log.origin) == (decision.id,)
    vault = premises.open().vault
    assert vault.unsettled(ledger.log.origin) == ()
    with pytest.raises(Exception, match="gone"):
        vault.key(decision.id)


class FlippingStore(SqlLogStore):
    """Storage that changes one bit between writing and reading back."""

    flip: Callable[[Written], Written]

    def integrate(self, batch: Batch, sign: Sign) -> Head:
        return SqlLogStore.integrate(self, batch, lambda written: sign(self.flip(written)))


def flipped_entry(written: Written) -> Written:
    first, *rest = written.entries
    raw = bytes([first.entry[0] ^ 1]) + first.entry[1:]
    return Written(
        (StoredEntry(first.seq, first.entry_id, raw, first.leaf_hash), *rest), written.tiles
    )


def flipped_tile(written: Written) -> Written:
    first, *rest = written.tiles
    hashes = bytes([first.hashes[0] ^ 1]) + first.hashes[1:]
    return Written(written.entries, (type(first)(first.level, first.index, hashes), *rest))


@pytest.mark.parametrize("flip", [flipped_entry, flipped_tile])
def test_a_bit_that_flips_in_storage_is_never_signed(
    premises: Premises, flip: Callable[[Written], Written]
) -> None:
    store = FlippingStore(premises.engine)
    store.flip = flip
    ledger = premises.open(premises.sequencer(store=store))
    before = ledger.log.checkpoint()
    with pytest.raises(RootMismatchError):
        ledger.decisions.record([premises.decision()])
    assert premises.open().log.checkpoint() == before
    assert premises.lock().read() == before


def test_a_second_instance_by_mistake_forks_nothing(premises: Premises) -> None:
    one, two = premises.open(), premises.open()
    decisions = [premises.decision(seq) for seq in range(6)]
    recorded: list[Any] = []
    for decision, ledger in zip(decisions, (one, two, two, one, two, one), strict=True):
        recorded += ledger.decisions.record([decision])
    assert [each.seq for each in recorded] == list(range(3, 9))
    assert [each.status for each in two.decisions.record(decisions)] == ["duplicate"] * 6
    assert audited(premises, one.log) == 9


def test_the_same_batch_from_many_threads_is_recorded_once(premises: Premises) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ledger = premises.open()
    batch = [premises.decision(seq) for seq in range(3)]

    def submit(_: int) -> Sequence[Any]:
        return ledger.decisions.record(batch)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(submit, range(4)))
    statuses = sorted(each.status for answer in answers for each in answer)
    assert statuses == ["duplicate"] * 9 + ["recorded"] * 3
    assert audited(premises, ledger.log) == 6


def test_an_access_that_cannot_be_logged_is_an_error(premises: Premises) -> None:
    from tests.ledger.operate.premises import AUDITOR

    ledger = premises.open()
    (premises.directory / "checkpoints" / "access.lock").unlink()
    with pytest.raises(Exception, match="lock"):
        ledger.access_log.record(AUDITOR, purpose="audit", case="", records=(), fields=(), size=0)


def test_a_store_is_what_the_contract_says(premises: Premises) -> None:
    store: LogDatabase = FaultyStore(premises.engine)  # mypy holds it to both ports
    assert store.head("ledger.example/none") is None
