"""The count, from outside: what an application wrote down against the entries of the log.

Nothing that the client counts is asked. An accepted decision is in the log once, or the
counter that it got is named in a gap; anything else is unexplained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.loss.desk import ACCEPTED, Ended, Journal
from ledger.client.receipts import FileReceipts
from ledger.entries import Decision, Entry, SourceGap, parse_entry
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.policy import Policy
from ledger.tlog.proof import Receipt
from ledger.verify.sqlite_reader import SqliteLogReader


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one application's decisions.

    Attributes:
        asked: decisions that it wanted recorded.
        accepted: those of which `record` said that it has them.
        refused: those that were not accepted, by reason.
        excused: accepted decisions that are not in the log, and whose counter a gap names.
        recorded: accepted decisions that the log has exactly once, and
        receipts: how many of them have a kept receipt that verifies.
        repeated: calls that were made again after a kill, of decisions that were in the log.
        doubled: decisions or counters that the log has more than once.
        disordered: entries of a lane behind one with a higher counter.
        named: counters that carry no decision, and that a gap names.
        unexplained: everything else, in words.
    """

    asked: int
    accepted: int
    refused: dict[str, int]
    excused: int
    recorded: int
    receipts: int
    repeated: int
    doubled: int
    disordered: int
    named: int
    unexplained: tuple[str, ...] = field(default=())


def entries_of(database: Path) -> list[Entry]:
    """The entries of the log of decisions, parsed, in the order of their place."""
    with SqliteLogReader.open(database) as readers:
        (reader,) = (each for each in readers if each.origin.endswith("/log/decisions"))
        return [parse_entry(raw) for run in reader.runs() for raw in run.raws]


def account(
    source: str, journal: Journal, entries: Iterable[Entry], receipts: dict[str, Receipt]
) -> Account:
    """The account of the application that recorded as `source`; `receipts` were verified."""
    log = _Log(source, entries)
    asked = {number for number, _ in journal.begun}
    names = {name for _, name in journal.begun}
    ended = [each for _, each in journal.ended]
    accepted = [each for each in ended if each.outcome == ACCEPTED]
    recorded = [each for each in accepted if log.ids[each.id] == 1]
    strange = [
        f"{each.id} was accepted as {each.source} {each.seq} and is nowhere"
        for each in accepted
        if not log.ids[each.id] and (each.source, each.seq) not in log.gaps
    ]
    strange += [f"{each} is in the log, and nobody asked" for each in log.ids.keys() - names]
    strange += log.missing(ended)
    strange += [
        f"{each.id} is in the log and its receipt is not kept, or is of another entry"
        for each in recorded
        if each.id not in receipts or parse_entry(receipts[each.id].entry) != log.entries[each.id]
    ]
    return Account(
        asked=len(asked),
        accepted=len(accepted),
        refused=dict(Counter(each.outcome for each in ended if each.outcome != ACCEPTED)),
        excused=sum(
            not log.ids[each.id] and (each.source, each.seq) in log.gaps for each in accepted
        ),
        recorded=len(recorded),
        receipts=sum(each.id in receipts for each in recorded),
        repeated=len(journal.begun) - len(asked),
        doubled=log.doubled,
        disordered=log.disordered,
        named=len(log.gaps - log.places.keys()),
        unexplained=tuple(strange),
    )


class _Log:
    """What the log has of one source: all lanes whose name begins with it."""

    def __init__(self, source: str, entries: Iterable[Entry]) -> None:
        self.ids: Counter[str] = Counter()
        self.places: Counter[tuple[str, int | None]] = Counter()
        self.gaps: set[tuple[str, int | None]] = set()
        self.entries: dict[str, Entry] = {}
        self.disordered = 0
        highest: dict[str, int] = {}
        for entry in entries:
            match entry.body:
                case Decision(source=counter) if _is_of(counter.id, source):
                    self.ids[entry.id] += 1
                    self.places[counter.id, counter.seq] += 1
                    self.entries[entry.id] = entry
                    self.disordered += counter.seq < highest.get(counter.id, 0)
                    highest[counter.id] = max(counter.seq, highest.get(counter.id, 0))
                case SourceGap(source=lane) as gap if _is_of(lane, source):
                    self.gaps |= {(lane, seq) for seq in range(gap.first, gap.last + 1)}
                case _:
                    pass

    @property
    def doubled(self) -> int:
        return max(sum(count - 1 for count in each.values()) for each in (self.ids, self.places))

    def missing(self, ended: Iterable[Ended]) -> list[str]:
        """Counters that were given out, and of which the log says nothing."""
        known = self.places.keys() | self.gaps
        last: dict[str, int] = {}
        for lane, seq in known:
            last[lane] = max(last.get(lane, 0), seq or 0)
        given = {(lane, seq) for lane in last for seq in range(1, last[lane] + 1)}
        given |= {(each.source, each.seq) for each in ended if each.seq is not None}
        found = [f"{lane} {seq} is neither a decision nor in a gap" for lane, seq in given - known]
        # A refusal that came as an exception told no counter, and used one up all the same.
        more = sum(each.seq is None and each.outcome != "client_failed" for each in ended)
        told = sum(each.seq is not None for each in ended)
        without = told + more - len(known | given)
        if without > 0:
            found.append(f"{without} refused decisions have no counter")
        return sorted(found)


def verified_receipts(spool: Path, policy: Policy) -> dict[str, Receipt]:
    """The receipts that a spool keeps, each verified, by the id of its decision."""
    heads: dict[str, Checkpoint] = {}
    found: dict[str, Receipt] = {}
    for receipt in FileReceipts(spool / "receipts").all():
        note = receipt.checkpoint_note
        if note not in heads:
            heads[note] = policy.check(note)
        receipt.verify_inclusion(heads[note])
        found[parse_entry(receipt.entry).id] = receipt
    return found


def _is_of(lane: str, source: str) -> bool:
    return lane.rpartition(".")[0] == source
