"""Which predictions never reached this log, kept up to date as it grows.

The counting is `ledger.verify.completeness`, the same that an outside auditor runs;
here it reads each entry once and continues from there. What is stated about gaps and
totals is logged, and never fills them; whether a total agrees is worked out when asked.
"""

import hashlib
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice, pairwise
from typing import Final

from ledger.entries import (
    UUID7_RANDOM_BYTES,
    Body,
    SourceGap,
    SourcePeriodTotal,
    SourceTotal,
    parse_entry,
    uuid7,
)
from ledger.errors import MalformedError, NotFoundError
from ledger.operate.log_writer import LogWriter, Record, Submission
from ledger.operate.published_log import PublishedLog
from ledger.operate.source_fold import SourceFold
from ledger.operate.source_pages import (
    OPERATOR,
    GapPage,
    OperatorReason,
    Placed,
    SourceGapAt,
    StripCell,
    cell_of,
    gaps_of,
    is_wanted,
    lanes_of,
    operator_reason,
    parse_cursor,
)
from ledger.operate.source_periods import dated, dated_below, decided_at, decided_between
from ledger.operate.vault import Vault
from ledger.verify.completeness import (
    Family,
    Filling,
    Reconciled,
    SourceCounters,
    SourceReport,
    SourceSummary,
    Stated,
    families,
    family_of,
    verdict,
)

__all__ = [
    "MAX_PAGE",
    "OPERATOR",
    "Completeness",
    "GapPage",
    "OperatorReason",
    "Placed",
    "SourceGapAt",
    "StripCell",
    "operator_reason",
]

MAX_PAGE: Final = 1_000  # ranges, sources or totals of one page: some 200 kB of JSON
MAX_DATED: Final = 100  # late arrivals of which it is looked up when they were made


class Completeness:
    """The gaps in the counters of one log's sources. Safe to share between threads.

    Every method may raise PushbackError when a database does not answer.
    """

    def __init__(self, log: PublishedLog, writer: LogWriter, vault: Vault) -> None:
        self._log = log
        self._writer = writer
        self._vault = vault
        self._fold = SourceFold()
        self._lock = threading.Lock()
        self._erased: tuple[tuple[int, int], Mapping[str, int]] = ((0, 0), {})

    def report(self) -> tuple[SourceReport, ...]:
        """One report per source, by id, with every gap, as of the newest checkpoint."""
        with self._followed() as counters:
            return counters.reports()

    def summaries(self) -> tuple[SourceSummary, ...]:
        """Each source in numbers, by id, as of the newest checkpoint."""
        with self._followed() as counters:
            return counters.summaries()

    def families(self) -> tuple[Family, ...]:
        """The sources by the name that their lanes share, in numbers."""
        return families(self.summaries())

    def open_gaps(self) -> Mapping[str, int]:
        """How many counters are missing without a reason, by family: cheap, for a gauge."""
        return {family.name: family.unexplained for family in self.families()}

    def lanes(self, name: str) -> tuple[SourceSummary, ...]:
        """A source, or every lane of a family, in numbers, by id.

        Raises:
            NotFoundError: nothing is known of it.
        """
        with self._followed() as counters:
            return tuple(counters.find(lane).summary() for lane in lanes_of(counters, name))

    def beyond(self, name: str, limit: int = MAX_PAGE) -> tuple[SourceGapAt, ...]:
        """What is only stated to be missing, before the first or after the last counter seen.

        Raises:
            NotFoundError: nothing is known of the source or family.
        """
        with self._followed() as counters:
            found = (
                SourceGapAt(lane, gap)
                for lane in lanes_of(counters, name)
                for gap in counters.find(lane).beyond()
            )
            return tuple(islice(found, limit))

    def strip(self, source: str, cells: int) -> tuple[StripCell, ...]:
        """The counters of one source from first to last, as cells of equal width, for a drawing.

        Each is the worst of what it covers. There are fewer if there are fewer counters, and
        none if nothing was received.
        """
        with self._followed() as counters:
            of = counters.find(source)
            summary = of.summary()
            if summary.first is None or summary.last is None:
                return ()
            span = summary.last - summary.first + 1
            width = min(cells, span)
            edges = (summary.first + span * at // width for at in range(width + 1))
            return tuple(cell_of(of, low, high - 1) for low, high in pairwise(edges))

    def fillings(self, name: str) -> tuple[tuple[str, Filling], ...]:
        """What came late of a source or of a family, with whose counters, newest first.

        Raises:
            NotFoundError: nothing is known of it.
        """
        with self._followed() as counters:
            lanes = lanes_of(counters, name)
            late = [(lane, each) for lane in lanes for each in counters.find(lane).fillings()]
        return tuple(sorted(late, key=lambda each: -each[1].index))

    def gaps(
        self,
        name: str | None,
        *,
        cursor: str | None = None,
        limit: int = MAX_PAGE,
        lane: bool = False,
        explained: bool | None = None,
        since: datetime | None = None,
    ) -> GapPage:
        """A page of the missing ranges of a source, of a family, or of all.

        Args:
            name: the source or the family; None for all.
            cursor: where an earlier page ended.
            limit: how many, 1 to `MAX_PAGE`.
            lane: `name` is that of a source, not of a family.
            explained: only those with a reason, or only those without one.
            since: only those that were first to be seen at this moment or later.

        Raises:
            MalformedError: a limit or cursor that is none of ours.
            NotFoundError: nothing is known of it.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise MalformedError(f"not 1 to {MAX_PAGE} ranges", member="limit")
        after = ("", -1) if cursor is None else parse_cursor(cursor)
        with self._followed() as counters:
            lanes = counters.known() if name is None else lanes_of(counters, name, alone=lane)
            found = gaps_of(counters, lanes, after)
            wanted = (each for each in found if is_wanted(each.gap, explained, since))
            page = tuple(islice(wanted, limit + 1))
        if len(page) <= limit:
            return GapPage(page, None)
        last = page[limit - 1]
        return GapPage(page[:limit], f"{last.source}:{last.gap.last}")

    def decided(self, fillings: Collection[Filling]) -> Mapping[int, datetime]:
        """When the first decision of each filling was made, by its index in the log.

        One is absent if it was erased. At most `MAX_DATED` are looked up.
        """
        wanted = [each.index for each in fillings][:MAX_DATED]
        receipts = self._log.receipts(wanted, cosigned=False) if wanted else {}
        ids = {parse_entry(each.entry).id: at for at, each in receipts.items()}
        return decided_at(self._vault, ids)

    def totals(self, name: str | None = None, limit: int = MAX_PAGE) -> tuple[Reconciled, ...]:
        """The newest stated totals, newest first, held against what is here now.

        `name` is a source, or a family with its lanes; None means all. One by counters is held
        against them, one of a period against the vault's index.
        """
        with self._followed() as counters:
            stated = sorted(
                (
                    each
                    for each in counters.stated()
                    if name is None or name in (each.body.source, family_of(each.body.source))
                ),
                key=lambda each: -each.index,
            )
            return tuple(self._reconciled(counters, each) for each in stated[:limit])

    def total_at(self, index: int) -> Reconciled:
        """The total that was stated at an index of the log, held against what is here now.

        Raises:
            NotFoundError: none was.
        """
        with self._followed() as counters:
            for each in counters.stated():
                if each.index == index:
                    return self._reconciled(counters, each)
        raise NotFoundError("no total was stated there")

    def state(self, source: str, first: int, last: int, reason: str) -> Placed:
        """Log that a source did not send these counters, and why; again changes nothing.

        Raises:
            MalformedError: not a source, a range and a code of a source's own.
            PushbackError, StoppedError: as :meth:`LogWriter.write`.
        """
        body = SourceGap(source=source, first=first, last=last, reason=reason)
        if reason.startswith(OPERATOR):
            raise MalformedError("this code is for the operator's word", member="reason")
        return self._write(body, f"{source}\n{first}\n{last}\n{reason}")

    def explain(self, source: str, first: int, last: int, reason: OperatorReason) -> Placed:
        """Log why counters are missing, as the operator found out; again changes nothing.

        The reason stands beside the gap from then on, unless the source gave one itself.

        Raises:
            NotFoundError: nothing is known of the source.
            MalformedError: not a range, or not one that is known to be missing.
            PushbackError, StoppedError: as :meth:`LogWriter.write`.
        """
        body = SourceGap(source=source, first=first, last=last, reason=str(reason))
        with self._followed() as counters:
            of = counters.find(source)
            if of.highest is None:
                raise NotFoundError("nothing is known of this source; explain each lane by itself")
            if last > of.highest:  # what is not missing yet must not be explained beforehand
                raise MalformedError("the source has not counted that far", member="last")
            if not any(of.absent(first, last)):
                raise MalformedError("nothing is missing there", member="first")
        return self._write(body, f"{source}\n{first}\n{last}\n{reason}")

    def state_total(self, source: str, first: int, last: int, count: int) -> Placed:
        """Log how many predictions a source made with these counters; again changes nothing.

        Raises:
            MalformedError: not a source that counts for itself, not a range, or more than fit.
            PushbackError, StoppedError: as :meth:`LogWriter.write`.
        """
        body = SourceTotal(source=source, first=first, last=last, count=count)
        with self._followed() as counters:
            known = counters.known()
        if source not in known and any(family_of(each) == source for each in known):
            raise MalformedError("its lanes count apart: state a period, or each lane")
        return self._write(body, f"total\n{source}\n{first}\n{last}\n{count}")

    def state_period(self, source: str, since: datetime, until: datetime, count: int) -> Placed:
        """Log how many predictions a source made in a period; again changes nothing.

        Raises:
            MalformedError: not a source and a period.
            PushbackError, StoppedError: as :meth:`LogWriter.write`.
        """
        body = SourcePeriodTotal(source=source, since=since, until=until, count=count)
        said = f"period\n{source}\n{since.isoformat()}\n{until.isoformat()}\n{count}"
        return self._write(body, said)

    @contextmanager
    def _followed(self) -> Iterator[SourceCounters]:
        """What is known as of the newest checkpoint, while nobody else goes on with it."""
        with self._lock:
            self._fold.take(self._log.entries(self._fold.size))
            yield self._fold.counters

    def _reconciled(self, counters: SourceCounters, stated: Stated) -> Reconciled:
        body = stated.body
        if isinstance(body, SourceTotal):
            return counters.reconciled(stated)
        lanes = [each for each in counters.known() if body.source in (each, family_of(each))]
        # The newest records are settled by whoever writes or searches next.
        self._vault.settle(self._log.locate(self._vault.unsettled(self._log.origin)))
        made = decided_between(self._vault, body.since, body.until)
        held, undatable = self._fold.count(made, lanes), self._undatable(lanes)
        how = verdict(body.count, held, held + undatable)
        return Reconciled(stated, held, how, undatable=undatable)

    def _undatable(self, lanes: Collection[str]) -> int:
        """Of how many decisions of these lanes nobody knows any more when they were made."""
        lost = self._fold.decisions - dated_below(self._vault, self._fold.size)
        if not lost:
            return 0
        # All rows are read, once for each size of the log: only erasures make it necessary.
        key = (self._fold.size, lost)
        if self._erased[0] != key:
            self._erased = key, self._fold.without(dated(self._vault))
        return sum(self._erased[1].get(lane, 0) for lane in lanes)

    def _write(self, body: Body, said: str) -> Placed:
        digest = hashlib.sha256(said.encode()).digest()
        record = Record.of(uuid7(0, digest[:UUID7_RANDOM_BYTES]), body)  # one id, one statement
        (place,) = self._writer.write(Submission((record,))).places
        return Placed(record.id, place.seq, place.raw is not None)
