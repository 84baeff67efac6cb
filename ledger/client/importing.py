"""`python -m ledger.client import`: a file of decisions into the ledger, each row exactly once."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.client.delivery import Alarm, Delivery, Idle, Outcome, Paused, Retry, Sent
from ledger.client.import_outbox import ImportOutbox, check_rows
from ledger.client.row_mapping import MAX_MAPPING_BYTES, RowMapping
from ledger.client.tables import Table, file_digest, open_table

__all__ = [
    "Progress",
    "add_arguments",
    "import_file",
    "read_mapping",
    "rows_checked",
    "summary",
    "table_of",
]

MAX_RETRIES: Final = 8  # in a row, of one batch; with pauses that grow to half a minute
LONGEST_PAUSE: Final = 30.0
DECLARE_FROM: Final = 1_000  # gaps that wait: declared before the end, so that they stay few
SHOWN_SECONDS: Final = 0.2
BATCH_FLOOR: Final = 1e-3

Say = Callable[[str], None]


class Progress:
    """A line of a terminal that says how far it is; nothing where nobody looks."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._began = time.monotonic()
        self._shown = 0.0

    def show(self, rows: int) -> None:
        """Say that so many rows were passed by this run."""
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._shown < SHOWN_SECONDS:
            return
        self._shown = now
        share, spent = self._table.share(), max(now - self._began, BATCH_FLOOR)
        left = spent * (1 - share) / share if share else 0.0
        sys.stderr.write(
            f"\r{rows:,} rows, {share:.0%}, {rows / spent:,.0f} a second, {left:,.0f} s left\x1b[K"
        )
        sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")


@contextmanager
def table_of(path: str) -> Iterator[tuple[Table, bytes]]:
    """The rows of a file, or of standard input if it is `-`, and the SHA-256 of its bytes.

    Raises:
        LedgerError, OSError: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="import") as directory:
        place = Path(path)
        if path == "-":  # kept for as long as it takes: rows are numbered by the whole of it
            place = Path(directory) / "input"
            with place.open("xb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        with open_table(place) as table:
            yield table, file_digest(place)


def read_mapping(path: str | None) -> RowMapping | None:
    """The mapping of a file, if there is one.

    Raises:
        MalformedError: it is none.
        OSError: it cannot be read.
    """
    if path is None:
        return None
    with Path(path).open("rb") as file:
        data = file.read(MAX_MAPPING_BYTES + 1)
    return RowMapping.parse(data)


def import_file(outbox: ImportOutbox, delivery: Delivery, progress: Progress) -> Outcome:
    """Deliver the rows to the end, through outages of some minutes; how it ended.

    Returns:
        Idle when all is settled; Retry, Paused or Alarm when it stopped before.
    """
    began, failed = outbox.settled, 0
    while True:
        outcome = delivery.step(outbox)
        match outcome:
            case Sent():
                failed = 0
                if len(outbox.gaps()) > DECLARE_FROM:
                    delivery.declare_gaps(outbox)
                progress.show(outbox.settled - began)
            case Retry(after=after) if failed < MAX_RETRIES:
                time.sleep(after if after is not None else min(2.0**failed / 4, LONGEST_PAUSE))
                failed += 1
            case Idle():
                return delivery.declare_gaps(outbox)
            case _:
                return outcome


def rows_checked(
    table: Table, mapping: RowMapping | None, digest: bytes, source: str, say: Say
) -> tuple[int, int]:
    """Check every row and send nothing; how many there are, and how many are no decision."""
    count = bad = 0
    progress = Progress(table)
    for found in check_rows(table, mapping, digest, source):
        count += 1
        progress.show(count)
        if found is not None:
            bad += 1
            say(f"row {found.number:,}: {found.why}")
    progress.end()
    return count, bad


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes, besides what every delivery takes."""
    parser.add_argument("files", nargs="+", metavar="file",
                        help="JSON lines or Parquet; - for standard input")  # fmt: skip
    parser.add_argument("--source", required=True, help="which system decided, such as loan-desk")
    parser.add_argument("--mapping", help="a JSON file: which column is what (docs/client.md)")
    parser.add_argument("--dry-run", action="store_true", help="check every row, send nothing")


def summary(outbox: ImportOutbox, outcome: Outcome, say: Say) -> bool:
    """Say how it ended; whether a person has to look."""
    say(f"{outbox.settled:,} rows settled, as source {outbox.source}")
    if outbox.rejected:
        say(f"{outbox.rejected:,} of them are not in the ledger: see {outbox.rejects_path}")
    if isinstance(outcome, Retry | Paused | Alarm):
        say(f"STOPPED: {outcome.reason}. Run the same again: it goes on where it stopped")
        return True
    return bool(outbox.rejected)
