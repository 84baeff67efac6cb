"""Checks the full tiles of a log in several processes, each reading its own share.

The processes say only which tiles are fine by themselves; what stands between tiles, the
tree, the signatures and whatever is not obviously fine is the business of the one audit
that asked, so that its result is the same as with one process.
"""

import os
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, Self

from ledger.tlog.tile import TILE_WIDTH
from ledger.verify.reader import LogReader, UnreadableError
from ledger.verify.run_check import CheckedRun, check_run

if TYPE_CHECKING:
    from concurrent.futures import Future

MAX_PROCESSES: Final = 64  # more than any machine that reads one disk can use
MOST_BY_DEFAULT: Final = 4  # above it the one process that joins the results is what is waited for
SINGLE_BELOW: Final = 300_000  # entries: some two seconds, in which processes hardly get going

_TILES_AT_ONCE: Final = 64  # in one task: a tenth of a second, and an answer of 1 MiB
_AHEAD: Final = 2  # tasks a process may be ahead of the audit, so that answers do not pile up


class Reopen(Protocol):
    """Opens a log again in another process; sent there, so a value that can be pickled."""

    def __call__(self) -> AbstractContextManager[LogReader]:
        """The log, for as long as the context lasts.

        Raises:
            UnreadableError: it cannot be read any more.
        """


def by_default(size: int) -> int:
    """How many processes a log of this size is checked with, if nobody says."""
    return 1 if size < SINGLE_BELOW else min(os.cpu_count() or 1, MOST_BY_DEFAULT)


class Processes:
    """Checks tiles of one log with `count` processes, which end when this is closed.

    Raises (while it is read from):
        UnreadableError: a process could not read the log, or ended before its time.
    """

    def __init__(self, count: int, reopen: Reopen) -> None:
        import multiprocessing  # only who asks for processes waits for it
        from concurrent.futures import ProcessPoolExecutor

        self._count = count
        self._reopen = reopen
        # Ctrl-C reaches every process of a terminal: the one that asked says what it means.
        self._pool = ProcessPoolExecutor(
            count,
            multiprocessing.get_context("spawn"),
            signal.signal,
            (signal.SIGINT, signal.SIG_IGN),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, start: int, stop: int) -> Iterator[CheckedRun | None]:
        """The checked entries of each full tile, in order; None for one to look at closer."""
        from concurrent.futures.process import BrokenProcessPool

        step = _TILES_AT_ONCE * TILE_WIDTH
        tasks = (
            self._pool.submit(check_tiles, self._reopen, at, min(at + step, stop))
            for at in range(start, stop, step)
        )
        waiting: deque[Future[list[CheckedRun | None]]] = deque()
        try:
            waiting.extend(islice(tasks, self._count * _AHEAD))
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(islice(tasks, 1))
        except BrokenProcessPool as error:
            raise UnreadableError("a process that checked a part of the log ended") from error
        finally:
            for task in waiting:
                task.cancel()


def check_tiles(reopen: Reopen, start: int, stop: int) -> list[CheckedRun | None]:
    """The checked entries of each full tile from one index to another, None where in doubt."""
    tiles: list[CheckedRun | None] = [None] * ((stop - start) // TILE_WIDTH)
    with reopen() as reader:
        for run in reader.runs(start, stop):
            checked = check_run(run)
            if checked is not None and checked.above:
                tiles[(checked.first - start) // TILE_WIDTH] = checked
    return tiles
