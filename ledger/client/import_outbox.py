"""A file that is being imported, as something to deliver: the file itself is the spool.

How far it came is noted down after each batch, so a program that was killed goes on where it
stopped; what was sent twice by then is recognised by its id. Rows that are no decision, or
that the ledger refused, are listed beside, with reasons and without values.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ledger.client.outbox import Item
from ledger.client.row_mapping import RowMapping, imported
from ledger.client.spooled import Draft, Gap, Refusal, Spooled, check_source, merged
from ledger.client.tables import BadRow, Row, Table
from ledger.errors import LedgerError, MalformedError, RefusedError
from ledger.private_files import FILE_MODE, private_directory, sync_directory, write_synced

__all__ = ["ImportOutbox", "check_rows"]

MAX_GAPS: Final = 10_000  # ranges that wait to be declared, in memory and in the file
MAX_BAD: Final = 1_000  # rows that are no decision, noted down together
MARK_CHARS: Final = 8  # of the file's digest, in the name that the log knows the import by
_NOT_A_DECISION: Final = "not_encodable"
_REFUSED: Final = "refused_by_ledger"


@dataclass(slots=True)
class _Progress:
    """What is settled: rows below `row`; the list of rejects up to a size; gaps to declare."""

    row: int = 0
    rejects: int = 0
    rejected: int = 0
    gaps: tuple[Gap, ...] = ()
    mapping: str = ""


class ImportOutbox:
    """The rows of one file, in their order; row `n` is counter `n` of the source."""

    def __init__(
        self, table: Table, mapping: RowMapping | None, digest: bytes, source: str, directory: Path
    ) -> None:
        """Take up the import of a file where it was left.

        Args:
            table: its rows.
            mapping: which column is what; None: rows are decisions.
            digest: SHA-256 of the file.
            source: the source's own name; the log knows it with the file's mark behind.
            directory: where to note down how far it came.

        Raises:
            MalformedError: the source cannot have this name, the notes are damaged, or were
                begun with another mapping.
            RefusedError: another process imports this file.
            OSError: the notes cannot be read or written.
        """
        mark = digest.hex()[:MARK_CHARS]
        self.source = f"{check_source(source)}.{mark}"
        self.rejects_path = directory / f"{self.source}.rejects.jsonl"
        self._path = directory / f"{self.source}.json"
        self._mapping = mapping
        self._digest = digest
        private_directory(directory)
        self._lock = _locked(directory / f"{self.source}.lock")
        try:
            self._done = self._read()
            self._cut_rejects()
        except BaseException:
            self.close()
            raise
        self._rows = table.rows(self._done.row)
        self._batch: tuple[Item, ...] = ()
        self._next = self._done.row
        self._bad: list[BadRow] = []
        self._ahead: list[tuple[int, Item | BadRow]] = []

    def close(self) -> None:
        """Let another process go on."""
        os.close(self._lock)

    @property
    def settled(self) -> int:
        """How many rows are settled, those of earlier runs included."""
        return self._done.row

    @property
    def rejected(self) -> int:
        """How many of them are no decision, or were refused."""
        return self._done.rejected

    def batch(self, most: int, most_bytes: int) -> tuple[Item, ...]:
        """The next decisions: the same ones until they are settled.

        Raises:
            LedgerError, OSError: the file cannot be read on.
        """
        while not self._batch:
            self._batch = tuple(self._taken(most, most_bytes))
            if self._batch or not self._bad:
                return self._batch
            self.settle(())  # many rows in a row that are no decision, perhaps to the end
        if len(self._batch) > most:  # it was too much for one request
            self._cut(most)
        return self._batch

    def settle(self, refusals: Sequence[Refusal]) -> None:
        """Note down that the last batch is settled.

        Raises:
            OSError: it could not be, so the batch comes again.
        """
        rejects = [(bad.number, "", bad.why) for bad in self._bad]
        rejects += [(each.decision.seq, each.decision.id, _told(each)) for each in refusals]
        gaps = [Gap(bad.number, bad.number, _NOT_A_DECISION) for bad in self._bad]
        gaps += [Gap(e.decision.seq, e.decision.seq, _REFUSED) for e in refusals]
        size = self._append_rejects(sorted(rejects))
        known = merged((*self._done.gaps, *gaps))
        if len(known) > MAX_GAPS:
            raise LedgerError(f"more than {MAX_GAPS:,} gaps: look at {self.rejects_path.name}")
        rejected = self._done.rejected + len(rejects)
        self._write(
            replace(self._done, row=self._next, rejects=size, rejected=rejected, gaps=known)
        )
        self._batch, self._bad = (), []

    def gaps(self) -> tuple[Gap, ...]:
        """Rows that no decision in the log will carry."""
        return self._done.gaps

    def gaps_declared(self, declared: Sequence[Gap]) -> None:
        """Forget gaps that the ledger has taken."""
        left = tuple(gap for gap in self._done.gaps if gap not in declared)
        self._write(replace(self._done, gaps=left))

    def _taken(self, most: int, most_bytes: int) -> Iterator[Item]:
        count = size = 0
        for number, found in self._found():
            if isinstance(found, BadRow):
                self._bad.append(found)
                if len(self._bad) >= MAX_BAD:
                    self._next = number + 1
                    return
            elif count and (count >= most or size + len(found.body) > most_bytes):
                self._ahead.insert(0, (number, found))
                return
            else:
                count, size = count + 1, size + len(found.body) + 1
                yield found
            self._next = number + 1
            if count >= most:
                return

    def _found(self) -> Iterator[tuple[int, Item | BadRow]]:
        while self._ahead:
            yield self._ahead.pop(0)
        for row in self._rows:
            yield row.number, row if isinstance(row, BadRow) else self._item(row)

    def _item(self, row: Row) -> Item | BadRow:
        try:
            return _item(row, self._mapping, self._digest, self.source)
        except LedgerError as error:
            return BadRow(row.number, str(error))

    def _cut(self, most: int) -> None:
        """Keep the first decisions of the batch, and put the rest back, bad rows as well."""
        back: list[tuple[int, Item | BadRow]] = [(i.decision.seq, i) for i in self._batch[most:]]
        self._batch = self._batch[:most]
        self._next = self._batch[-1].decision.seq + 1
        back += [(bad.number, bad) for bad in self._bad if bad.number >= self._next]
        self._bad = [bad for bad in self._bad if bad.number < self._next]
        self._ahead = sorted(back, key=lambda each: each[0]) + self._ahead

    def _append_rejects(self, rejects: Sequence[tuple[int, str, str]]) -> int:
        if not rejects:
            return self._done.rejects
        lines = [{"row": row, "id": each, "why": why} for row, each, why in rejects]
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        descriptor = os.open(self.rejects_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        with os.fdopen(descriptor, "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return self._done.rejects + len(data)

    def _cut_rejects(self) -> None:
        """Take away what was listed by a run that died before it noted so down."""
        if self.rejects_path.exists():
            os.truncate(self.rejects_path, self._done.rejects)

    def _write(self, done: _Progress) -> None:
        gaps = [[gap.first, gap.last, gap.reason] for gap in done.gaps]
        told = {
            "row": done.row, "rejects": done.rejects, "rejected": done.rejected, "gaps": gaps,
            "mapping": done.mapping,
        }  # fmt: skip
        beside = self._path.with_suffix(".new")
        write_synced(beside, json.dumps(told).encode())
        beside.replace(self._path)
        sync_directory(self._path.parent)
        self._done = done

    def _read(self) -> _Progress:
        mapping = "" if self._mapping is None else self._mapping.digest()
        try:
            told: Any = json.loads(self._path.read_bytes())
            gaps = tuple(Gap(*each) for each in told["gaps"])
            done = _Progress(told["row"], told["rejects"], told["rejected"], gaps, told["mapping"])
        except FileNotFoundError:
            return _Progress(mapping=mapping)
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedError(f"{self._path.name}: damaged; remove it to begin anew") from error
        if done.mapping != mapping:
            raise MalformedError(
                f"{self._path.name}: begun with another mapping; remove it to begin anew"
            )
        return done


def check_rows(
    table: Table, mapping: RowMapping | None, digest: bytes, source: str
) -> Iterator[BadRow | None]:
    """Go through a file and send nothing: for each row why it is no decision, or None."""
    for row in table.rows(0):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            _item(row, mapping, digest, source)
        except LedgerError as error:
            yield BadRow(row.number, str(error))
        else:
            yield None


def _item(row: Row, mapping: RowMapping | None, digest: bytes, source: str) -> Item:
    identifier, at_ms, members = imported(row.members, mapping, digest, row.number)
    try:
        draft = Draft.of(identifier, at_ms, members)
    except (TypeError, ValueError) as error:
        raise MalformedError("a section is not an object") from error
    return Item(Spooled(row.number, identifier, at_ms, b""), draft.body(source, row.number))


def _locked(path: Path) -> int:
    """The open file of a lock that no other process has."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise RefusedError("another process imports this file") from error
    return descriptor


def _told(refusal: Refusal) -> str:
    return " ".join(str(refusal.problem[n]) for n in ("member", "detail") if n in refusal.problem)
