"""Which predictions never reached this log, kept up to date as it grows.

The counting is `ledger.verify.completeness`, the same that an outside auditor runs;
here it reads each entry once and continues from there. What a source states about its
own gaps is logged, and never fills them.
"""

import hashlib
import threading
from dataclasses import dataclass

from ledger.entries import UUID7_RANDOM_BYTES, SourceGap, parse_entry, uuid7
from ledger.operate.log_writer import LogWriter, Record, Submission
from ledger.operate.published_log import PublishedLog
from ledger.verify.completeness import SourceCounters, SourceReport


@dataclass(frozen=True, slots=True)
class StatedGap:
    """Where a source's statement stands in the log, and whether it was new."""

    id: str
    seq: int
    is_new: bool


class Completeness:
    """The gaps in the counters of one log's sources."""

    def __init__(self, log: PublishedLog, writer: LogWriter) -> None:
        self._log = log
        self._writer = writer
        self._counters = SourceCounters()
        self._next = 0
        self._lock = threading.Lock()

    def report(self) -> tuple[SourceReport, ...]:
        """One report per source, by id, as of the newest checkpoint."""
        with self._lock:
            for raw in self._log.entries(self._next):
                self._counters.add(parse_entry(raw).body)
                self._next += 1
            return self._counters.reports()

    def state(self, source: str, first: int, last: int, reason: str) -> StatedGap:
        """Log that a source did not send these counters, and why; again changes nothing.

        Raises:
            MalformedError: not a source, a range and a code.
            PushbackError, StoppedError: as :meth:`LogWriter.write`.
        """
        body = SourceGap(source=source, first=first, last=last, reason=reason)
        said = hashlib.sha256(f"{source}\n{first}\n{last}\n{reason}".encode()).digest()
        record = Record.of(uuid7(0, said[:UUID7_RANDOM_BYTES]), body)  # one id for one statement
        (place,) = self._writer.write(Submission((record,))).places
        return StatedGap(record.id, place.seq, place.raw is not None)
