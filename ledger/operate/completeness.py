"""Which predictions never reached this log, kept up to date as it grows.

The counting is `ledger.verify.completeness`, the same that an outside auditor runs;
here it reads each entry once and continues from there.
"""

import threading

from ledger.entries import parse_entry
from ledger.operate.published_log import PublishedLog
from ledger.verify.completeness import SourceCounters, SourceReport


class Completeness:
    """The gaps in the counters of one log's sources."""

    def __init__(self, log: PublishedLog) -> None:
        self._log = log
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
