"""The minimum index of one log: from where on it is published, and by which retention policy.

One small file beside the databases. It is raised, never lowered; nothing is deleted by it, so
that a proof of a withheld entry can still be made by the log's keeper.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import MalformedError, RefusedError, StoppedError
from ledger.private_files import FILE_MODE, private_directory, sync_directory, write_synced
from ledger.tlog.pruning import MAX_MINIMUM_BYTES, MinimumIndex


class Retention:
    """What one log withholds; safe to use from many threads and processes."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path = path
        self._origin = origin

    def minimum(self) -> MinimumIndex:
        """The minimum index in force: 0 until a retention policy was stated.

        Raises:
            StoppedError: the file cannot be read, or is not one of this log. What must not be
                shown is then unknown, so that nothing may be.
        """
        try:
            with self._path.open("rb") as file:
                minimum = MinimumIndex.parse(file.read(MAX_MINIMUM_BYTES + 1))
        except FileNotFoundError:
            return MinimumIndex(self._origin)
        except (OSError, MalformedError) as error:
            raise StoppedError(f"minimum index: {self._path.name} cannot be read") from error
        if minimum.origin != self._origin:
            raise StoppedError(f"minimum index: {self._path.name} is of another log")
        return minimum

    def checked(self, index: int, policy: str, size: int) -> MinimumIndex:
        """The minimum index that :meth:`prune` would put in force, without doing it.

        Args:
            index: withhold what lies wholly below this entry.
            policy: the retention policy that permits it, in one line that everybody may read.
            size: how many entries the newest checkpoint covers.

        Raises:
            RefusedError: it is not higher than the one in force, or beyond the log's end.
            MalformedError: the policy is missing or not one line of text.
        """
        now = self.minimum()
        if index <= now.index:
            raise RefusedError(f"the minimum index is {now.index:,} and can only be raised")
        if index > size:
            raise RefusedError(f"the log has {size:,} entries: the minimum index cannot exceed it")
        if not policy.strip():
            raise MalformedError("without a retention policy a log is not pruned: state it")
        return MinimumIndex(self._origin, index, policy.strip())

    def prune(self, index: int, policy: str, size: int) -> MinimumIndex:
        """Withhold what lies below `index` from now on; as :meth:`checked`, and durable.

        Raises:
            RefusedError, MalformedError: as :meth:`checked`; nothing was changed.
            OSError: it cannot be written.
        """
        private_directory(self._path.parent)
        with self._alone():
            raised = self.checked(index, policy, size)
            beside = self._path.with_suffix(".new")
            write_synced(beside, raised.format())
            beside.replace(self._path)
            sync_directory(self._path.parent)
        return raised

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self._path.with_suffix(".guard"), os.O_CREAT | os.O_RDWR, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
