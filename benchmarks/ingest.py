"""Recording decisions over HTTP, against a plain Flask service that only inserts them.

Both are real processes: the ledger as `decision-ledger serve` starts it, web processes and
one that writes, and the plain service in the same web server (`serving`). The load comes
from one more process, which is the same for both (`load`). Databases have the same settings:
an answer means that the commit is on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from benchmarks.databases import a_postgresql
from benchmarks.measuring import Goal, Measured, at_least, at_most, rate_ratios, share_of
from benchmarks.serving import Load, ledger, plainly

BATCH = 100
SINGLE, P99 = at_least(2.5), at_most(0.5)
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sent in one run, and how many runs there are."""

    runs: int
    singles: Mapping[int, int]  # requests of one decision, by the clients that send them
    batches: int  # requests of a hundred
    clients: int  # that send them


SHORT = Size(5, {64: 1_500, 32: 500, 1: 60}, 24, 4)
FULL = Size(9, {64: 6_000, 32: 3_000, 1: 300}, 100, 4)


def measure(folder: Path, full: bool) -> Iterator[Measured]:  # noqa: FBT001  what all groups are asked
    size = FULL if full else SHORT
    at = folder / "sqlite"
    at.mkdir()
    plain = f"sqlite:///{at}/plain.db"
    with ledger(at / "ledger", {}) as ours, plainly(at / "plain", ours, plain) as theirs:
        yield from _compared(ours, theirs, size, "")
    with three_databases() as urls:
        at = folder / "postgresql"
        at.mkdir()
        settings = {"LEDGER_DATABASE_URL": urls["ledger"], "LEDGER_VAULT_URL": urls["vault"]}
        with (
            ledger(at / "ledger", settings) as ours,
            plainly(at / "plain", ours, urls["plain"]) as theirs,
        ):
            yield from _compared(ours, theirs, size, "_postgresql")


def _compared(ours: Load, theirs: Load, size: Size, where: str) -> Iterator[Measured]:
    for service in (ours, theirs):  # the first requests open models, connections and caches
        service.send(64, 1, 16)
        service.send(2, 10, 1)
    for clients, requests in size.singles.items():
        named = ("" if clients == max(size.singles) else f"_{clients}") + where
        rates, p99 = _in_turns(ours, theirs, size.runs, requests, 1, clients)
        yield Measured(f"ingest_single_vs_plain{named}", SINGLE, rates)
        yield Measured(f"ingest_p99_vs_plain{named}", P99, p99)
    rates, _ = _in_turns(ours, theirs, size.runs, size.batches, BATCH, size.clients)
    yield Measured(f"ingest_batch_vs_plain{where}", at_least(1.0), rates)
    # No goal, a bound: what is held while the writer is busy must not grow with the load.
    for kind in ("web", "writer"):
        held = ours.most_memory()[kind] / _MEGABYTE
        yield Measured(f"ingest_{kind}_megabytes{where}", _MEMORY[kind], (held,))


_MEMORY: Mapping[str, Goal] = {"web": at_most(250), "writer": at_most(250)}


def _in_turns(
    ours: Load, theirs: Load, runs: int, requests: int, size: int, clients: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How many times as fast ours is in each run, and how its 99th percentile compares."""
    slow: dict[int, list[float]] = {id(ours): [], id(theirs): []}

    def sent(service: Load) -> Callable[[], float]:
        def figure() -> float:
            seconds, latencies = service.send(requests, size, clients)
            slow[id(service)].append(share_of(latencies, 0.99))
            return seconds

        return figure

    rates = rate_ratios(sent(ours), sent(theirs), runs)
    pairs = zip(slow[id(ours)], slow[id(theirs)], strict=True)
    return rates, tuple(first / second for first, second in pairs)


@contextmanager
def three_databases() -> Iterator[Mapping[str, str]]:
    """The addresses of three databases of one PostgreSQL, as settings have them."""
    with a_postgresql() as server:
        names = ("ledger", "vault", "plain")
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name in names:
                connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        address = make_url(server).set(drivername="postgresql")
        yield {
            name: address.set(database=name).render_as_string(hide_password=False) for name in names
        }
