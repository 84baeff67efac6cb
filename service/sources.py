"""What every source's counter shows to be missing, kept up to date with the log.

Reads each entry of the log once, the first time that somebody asks; after that only
what is new.
"""

import threading

from ledger.entries import parse_entry
from ledger.operate.published_log import PublishedLog
from ledger.verify.completeness import SourceCounters, SourceReport

__all__ = ["Sources"]


class Sources:
    """The counters of one log's sources; safe to share between threads."""

    def __init__(self, log: PublishedLog) -> None:
        self._log = log
        self._counters = SourceCounters()
        self._read = 0
        self._reading = threading.Lock()

    def reports(self) -> tuple[SourceReport, ...]:
        """One report per source, by id, up to the newest checkpoint."""
        with self._reading:
            for raw in self._log.entries(self._read):
                self._counters.add(parse_entry(raw).body)
                self._read += 1
            return self._counters.reports()
