"""The log: appending to it, looking an entry up with its proof."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, Table, Text, insert, select

from benchmarks.databases import a_postgresql
from benchmarks.measuring import (
    Measured,
    at_least,
    at_most,
    percentile,
    rate_ratios,
    time_ratios,
    timed,
)
from ledger.entries import UUID7_RANDOM_BYTES, Decision, SourceCounter, uuid7
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.keys import LogKeys
from ledger.operate.sequencer import Draft, Sequencer
from ledger.storage.database import Schema, migrate, open_database
from ledger.storage.models import log_entry
from ledger.storage.sql_log_store import SqlLogStore
from ledger.tlog.policy import Log, Policy

ORIGIN = "ledger.example/benchmarks"
BATCH = 256
BATCHES_PER_RUN = 10
BATCHES = {256: BATCHES_PER_RUN, 1: 40, 16: 20, 1024: 3}  # how many of each size in a run
RUNS = 8
SEALED_BYTES = 900  # a decision's payload of 15 features, compressed and sealed
ENTRY_BYTES = 590  # its entry
LOOKUPS = 1000

_plain = Table(
    "plain",
    MetaData(),
    Column("seq", Integer, primary_key=True),
    Column("id", Text, unique=True),
    Column("entry", LargeBinary),
    Column("sealed", LargeBinary),
)


def measure(folder: Path) -> Iterator[Measured]:
    engine = open_database(f"sqlite:///{folder}/ledger.db")
    plain = open_database(f"sqlite:///{folder}/plain.db")
    try:
        migrate(engine, Schema.LEDGER)
        _plain.metadata.create_all(plain)
        sequencer, _ = founded(engine, folder)
        yield from _appends(sequencer, plain, "")
        looking = time_ratios(*_lookups(sequencer, engine), 9)
        yield Measured("lookup_vs_select", at_most(2), looking)
    finally:
        engine.dispose()
        plain.dispose()
    with a_postgresql() as address:
        engine = open_database(address)
        try:
            migrate(engine, Schema.LEDGER)
            _plain.metadata.create_all(engine)
            sequencer, _ = founded(engine, folder / "postgresql")
            yield from _appends(sequencer, engine, "_postgresql")
        finally:
            engine.dispose()


def _appends(sequencer: Sequencer, plain: Engine, where: str) -> Iterator[Measured]:
    """Entries appended in batches of each size, against bare rows in batches of that size."""
    for size, count in BATCHES.items():
        ours = appending(sequencer, count, size)
        rates = rate_ratios(ours, _insert(plain, count, size), RUNS)
        named = "" if size == BATCH else f"_{size}"
        yield Measured(f"append_vs_insert{named}{where}", at_least(0.7), rates)


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid7(time.time_ns() // 1_000_000, os.urandom(UUID7_RANDOM_BYTES))


def founded(engine: Engine, folder: Path) -> tuple[Sequencer, Policy]:
    keys = LogKeys.generate(folder / "keys", ORIGIN)
    sequencer = Sequencer.create(
        SqlLogStore(engine),
        FileCheckpointLock(folder / "checkpoints" / "log.lock"),
        ORIGIN,
        keys.signers(_now),
        _now,
        entry_id=_new_id(),
        software="decision-ledger/0.1.0",
    )
    return sequencer, Policy(tuple(Log(key) for key in keys.verifier_keys(_now)))


def appending(
    sequencer: Sequencer, count: int = BATCHES_PER_RUN, size: int = BATCH
) -> Callable[[], float]:
    """Return the figure of appending so many batches of new decisions."""
    numbers = itertools.count(1)

    def draft(number: int) -> Draft:
        body = Decision(
            model="ab" * 32,
            policy="cd" * 32,
            source=SourceCounter("loan-desk", number),
            input=os.urandom(32),
            output=os.urandom(32),
            attributions=os.urandom(32),
            context=os.urandom(32),
        )
        return Draft.of(_new_id(), body, os.urandom(SEALED_BYTES))

    def figure() -> float:
        batches = [[draft(next(numbers)) for _ in range(size)] for _ in range(count)]
        return timed(lambda: [sequencer.append(batch) for batch in batches])()

    return figure


def _insert(engine: Engine, count: int, size: int) -> Callable[[], float]:
    def row() -> dict[str, object]:
        return {
            "id": _new_id(),
            "entry": os.urandom(ENTRY_BYTES),
            "sealed": os.urandom(SEALED_BYTES),
        }

    def write(rows: list[dict[str, object]]) -> None:
        with engine.begin() as connection:
            connection.execute(insert(_plain), rows)

    def figure() -> float:
        batches = [[row() for _ in range(size)] for _ in range(count)]

        def work() -> None:
            for batch in batches:
                write(batch)

        return timed(work)()

    return figure


def _lookups(
    sequencer: Sequencer, engine: Engine
) -> tuple[Callable[[], float], Callable[[], float]]:
    """The slowest hundredth of look-ups by id: with a proof, and a bare row."""
    with engine.connect() as connection:
        ids = list(connection.scalars(select(log_entry.c.entry_id)))
    chance = random.Random(1)  # noqa: S311 - which rows are read is no secret

    def some() -> list[str]:
        return chance.sample(ids, LOOKUPS)

    def bare(entry_id: str) -> None:
        of_log = log_entry.c.log_id == 1  # without it there is no index to use
        with engine.connect() as connection:
            query = select(log_entry).where(of_log, log_entry.c.entry_id == entry_id)
            connection.execute(query).one()

    def proven() -> Iterable[Callable[[], object]]:
        return [partial(sequencer.receipt, entry_id) for entry_id in some()]

    def selected() -> Iterable[Callable[[], object]]:
        return [partial(bare, entry_id) for entry_id in some()]

    return percentile(0.99, proven), percentile(0.99, selected)
