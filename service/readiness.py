"""Whether the ledger can work now, and what keeps it from that, in words of a closed list.

Anybody may ask, so the answer names kinds of things and no place, version or number; the
operator finds those in the metrics and in the log.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from sqlalchemy import text

from ledger.errors import ClockWrong, LedgerError
from ledger.storage.database import InPlace, reading
from service.runtime import Runtime, fork_marks

__all__ = ["Part", "Readiness", "Standing", "room"]

MIN_FREE: Final = 32_000_000  # bytes: a write-ahead log and a checkpoint, with some to spare
LOW_FREE: Final = 1_000_000_000  # bytes below which the operator is warned
SOON: Final = timedelta(days=14)  # an API key that ends within these is warned of


class Part(StrEnum):
    """What a ledger needs to work."""

    API_KEYS = "api_keys"
    CLOCK = "clock"
    DATABASE = "database"
    DISK = "disk"
    FORK = "fork"
    LOCK = "lock"
    VAULT = "vault"
    WRITER = "writer"


@dataclass(frozen=True, slots=True)
class Standing:
    """What does not work, and what soon will not; both in order."""

    failed: tuple[Part, ...]
    warned: tuple[Part, ...]

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return not self.failed


class Readiness:
    """Looks at the parts of one ledger. Safe between threads: who waits for a look shares it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._in_place = tuple(map(InPlace, runtime.databases))
        self._turn = threading.Lock()
        self._last: tuple[float, Standing] | None = None

    def standing(self) -> Standing:
        """How it stands, by a look that began no earlier than this was asked."""
        asked = time.monotonic()
        with self._turn:
            if self._last is None or self._last[0] < asked:
                begun = time.monotonic()
                self._last = begun, self._look()
            return self._last[1]

    def _look(self) -> Standing:
        checks: Mapping[Part, Callable[[], None]] = {
            Part.DATABASE: self._database,
            Part.DISK: self._disk,
            Part.FORK: fork_marks(self._runtime.settings).check,
            Part.LOCK: self._locks,
            Part.VAULT: self._vault,
            Part.WRITER: self._writers,
        }
        failed = {part for check in checks for part in _failing(check, checks[check])}
        warned = set(self._warnings()) if Part.DATABASE not in failed else set()
        return Standing(tuple(sorted(failed)), tuple(sorted(warned - failed)))

    def _database(self) -> None:
        self._in_place[0].check()
        with reading(self._runtime.databases[0]) as connection:
            connection.execute(text("SELECT 1 FROM log_head"))

    def _vault(self) -> None:
        self._in_place[1].check()
        with reading(self._runtime.databases[1]) as connection:
            connection.execute(text("SELECT 1 FROM tenant_key"))

    def _locks(self) -> None:
        for log in self._runtime.logs.values():
            log.checkpoint()

    def _disk(self) -> None:
        if room(self._runtime) < MIN_FREE:
            raise LedgerError("disk: next to no room is left")

    def _writers(self) -> None:
        for writer in self._runtime.writers.values():
            writer.check()

    def _warnings(self) -> Iterator[Part]:
        if room(self._runtime) < LOW_FREE:
            yield Part.DISK
        now = self._runtime.clock()
        try:
            keys = self._runtime.api_keys.list()
        except LedgerError:
            return
        ends = [key.expires_at for key in keys if key.in_force(now) and key.expires_at is not None]
        if any(end - now < SOON for end in ends):
            yield Part.API_KEYS


def room(runtime: Runtime) -> int:
    """Bytes free under the data directory and whatever of a ledger lies elsewhere."""
    settings = runtime.settings
    files = [engine.url.database for engine in runtime.databases if engine.name == "sqlite"]
    places = {settings.data, settings.locks_dir, *(_folder(each) for each in files if each)}
    return min(shutil.disk_usage(place).free for place in places if place.is_dir())


def _folder(file: str) -> Path:
    return Path(file).parent


def _failing(part: Part, check: Callable[[], None]) -> Iterator[Part]:
    try:
        check()
    except ClockWrong:
        yield Part.CLOCK
    except LedgerError:
        yield part
