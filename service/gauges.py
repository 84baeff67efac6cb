"""How a ledger stands, as numbers: looked up whenever the metrics are asked for.

What cannot be looked up is left out, so that an alert on absence rings; nothing here waits for
long or writes. Labels are words of closed lists, and the names of tenants.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from ledger.entries import parse_entry
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from service.readiness import Part, Readiness, room
from service.runtime import LOGS, Runtime, kept_timestamps

__all__ = ["GAUGES", "Ledger", "of_ledgers", "of_processes"]

# Name, help, labels besides the tenant's.
GAUGES: Final = {
    "ledger_up": ("Whether the ledger could be taken up: 1 or 0.", ()),
    "ledger_part_ready": ("Whether a part that readiness looks at works: 1 or 0.", ("part",)),
    "ledger_log_entries": ("Entries in a log.", ("log",)),
    "ledger_newest_entry_age_seconds": ("Age of a log's newest entry and checkpoint.", ("log",)),
    "ledger_cosigned_entries": ("Entries that witnesses cosigned last.", ("log",)),
    "ledger_cosigned_age_seconds": ("Time since witnesses cosigned last.", ("log",)),
    "ledger_timestamp_age_seconds": ("Time since an authority dated a checkpoint.", ("log",)),
    "ledger_open_gaps": ("Counters of sources that are missing without a reason.", ()),
    "ledger_attributions_pending": ("Decisions whose attributions are to be worked out.", ()),
    "ledger_models_set_apart": ("Model versions that do not answer as registered.", ()),
    "ledger_api_keys": ("API keys by state.", ("state",)),
    "ledger_api_key_seconds_left": ("Time until the first API key in force ends.", ()),
    "ledger_disk_free_bytes": ("Bytes free where the ledger lies.", ()),
    "ledger_processes": ("Processes of the server.", ("process",)),
    "ledger_process_resident_bytes": ("Memory that they hold.", ("process",)),
    "ledger_process_open_files": ("Files and sockets that they have open.", ("process",)),
}

Sample = tuple[str, tuple[str, ...], float]
"""A gauge's name, its labels but for the tenant, and its value."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PROCESSES: Final = {  # by a word of their command
    "service.attributor": "attributor",
    "service.exporter": "exporter",
    "service.model_process": "model",
    "service.web": "web",
    "service.writer": "writer",
}


@dataclass(slots=True)
class Ledger:
    """One ledger that is looked at. Taken up when it first can be."""

    tenant: str
    open: Callable[[], Runtime]
    _runtime: Runtime | None = None
    _readiness: Readiness | None = None

    def samples(self) -> Iterator[Sample]:
        """Its numbers, those that can be had."""
        if self._runtime is None:
            # Whatever keeps it from starting, the others are shown; it is tried again next time.
            with suppress(Exception):
                self._runtime = self.open()
                self._readiness = Readiness(self._runtime)
        if self._runtime is None or self._readiness is None:
            yield "ledger_up", (), 0
            return
        yield "ledger_up", (), 1
        for look in (_parts, _logs, _outside, _open_work, _keys, _disk):
            with suppress(LedgerError, OSError):
                # All of a look or nothing: half of one would read as a change.
                yield from list(look(self._runtime, self._readiness))

    def close(self) -> None:
        """Let go of its databases."""
        if self._runtime is not None:
            self._runtime.close()


def of_ledgers(ledgers: list[Ledger]) -> Iterator[GaugeMetricFamily]:
    """The gauges of these ledgers."""
    yield from _families([(each.tenant, sample) for each in ledgers for sample in each.samples()])


def of_processes(parent: int) -> Iterator[GaugeMetricFamily]:
    """The gauges of the processes below `parent`, and of it."""
    yield from _families([("", sample) for sample in _processes(parent)], tenant=False)


def _families(
    samples: list[tuple[str, Sample]], *, tenant: bool = True
) -> Iterator[GaugeMetricFamily]:
    families: dict[str, GaugeMetricFamily] = {}
    for whose, (name, labels, value) in samples:
        if name not in families:
            said, named = GAUGES[name]
            families[name] = GaugeMetricFamily(
                name, said, labels=[*(["tenant"] if tenant else []), *named]
            )
        families[name].add_metric([*([whose] if tenant else []), *labels], value)
    yield from families.values()


def _parts(_runtime: Runtime, readiness: Readiness) -> Iterator[Sample]:
    failed = readiness.standing().failed
    for part in Part:
        if part is not Part.API_KEYS:
            yield "ledger_part_ready", (part.value,), part not in failed


def _logs(runtime: Runtime, _readiness: Readiness) -> Iterator[Sample]:
    for name in LOGS:
        log = runtime.logs[name]
        size = log.size()
        yield "ledger_log_entries", (name,), size
        for raw in log.entries(max(0, size - 1)):
            age = runtime.clock() - parse_entry(raw).at
            yield "ledger_newest_entry_age_seconds", (name,), max(0.0, age.total_seconds())
            break


def _outside(runtime: Runtime, _readiness: Readiness) -> Iterator[Sample]:
    for name in LOGS:
        note = runtime.logs[name].cosigned_checkpoint()
        if note is not None:
            size = Checkpoint.parse(SignedNote.parse(note).text).size
            yield "ledger_cosigned_entries", (name,), size
            file = runtime.settings.cosigned_dir / f"{name}.note"
            yield "ledger_cosigned_age_seconds", (name,), _age(file)
        stamped = kept_timestamps(runtime.settings, name).directory
        if stamped.is_dir():
            yield "ledger_timestamp_age_seconds", (name,), _age(stamped)


def _open_work(runtime: Runtime, _readiness: Readiness) -> Iterator[Sample]:
    yield "ledger_open_gaps", (), sum(runtime.completeness.open_gaps().values())
    yield "ledger_attributions_pending", (), runtime.attributions.counts().pending
    yield "ledger_models_set_apart", (), len(runtime.quarantine.all())


def _keys(runtime: Runtime, _readiness: Readiness) -> Iterator[Sample]:
    now = runtime.clock()
    keys = runtime.api_keys.list()
    valid = [each for each in keys if each.in_force(now)]
    revoked = sum(each.revoked_at is not None for each in keys)
    yield "ledger_api_keys", ("in_force",), len(valid)
    yield "ledger_api_keys", ("revoked",), revoked
    yield "ledger_api_keys", ("expired",), len(keys) - len(valid) - revoked
    ends = [each.expires_at for each in valid if each.expires_at is not None]
    if ends:
        yield "ledger_api_key_seconds_left", (), (min(ends) - now).total_seconds()


def _disk(runtime: Runtime, _readiness: Readiness) -> Iterator[Sample]:
    yield "ledger_disk_free_bytes", (), room(runtime)


def _age(path: Path) -> float:
    return max(0.0, time.time() - path.stat().st_mtime)


def _processes(parent: int) -> Iterator[Sample]:
    """Linux tells of processes in files; elsewhere there is nothing to tell."""
    found: dict[str, list[tuple[int, int]]] = {}
    for pid in _family_of(parent):
        with suppress(OSError, ValueError, IndexError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            kind = next((_PROCESSES[word] for word in words if word in _PROCESSES), "serve")
            pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
            files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
            found.setdefault(kind, []).append((pages * _PAGE, files))
    for kind, each in sorted(found.items()):
        yield "ledger_processes", (kind,), len(each)
        yield "ledger_process_resident_bytes", (kind,), sum(memory for memory, _ in each)
        yield "ledger_process_open_files", (kind,), sum(files for _, files in each)


def _family_of(parent: int) -> Iterator[int]:
    if Path(f"/proc/{parent}").is_dir():
        yield parent
    for path in Path("/proc").glob(f"{parent}/task/*/children"):
        with suppress(OSError):
            for child in path.read_text("ascii").split():
                yield from _family_of(int(child))
