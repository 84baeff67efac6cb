"""Auditing a log against its bare hashes, with one process and two; and what a proof takes.

The log is written by the ledger's own sequencer, 256 entries to a signed checkpoint, so an
audit also verifies a pair of signatures for every 256 entries; the bare hashes have none.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.databases import a_postgresql
from benchmarks.log import BATCH, appending, founded
from benchmarks.measuring import (
    Figure,
    Measured,
    at_least,
    at_most,
    rate_ratios,
    time_ratios,
    timed,
)
from ledger.storage.database import Schema, migrate, open_database
from ledger.tlog.merkle import inclusion_proof, node_hash, tree_root, verify_inclusion
from ledger.tlog.policy import Policy
from ledger.tlog.tile import Tile, tile_nodes
from ledger.verify.audit import audit
from ledger.verify.postgres_reader import PostgresLogReader
from ledger.verify.reader import LogReader
from ledger.verify.sqlite_reader import SqliteLogReader

BATCHES, FULL_BATCHES = 1_560, 3_900  # 400,000 entries, and a million
POSTGRES_BATCHES = 390  # 100,000: writing them is most of the time that this takes
RUNS = 5
PROOFS = 200  # of one run, each of another entry
SIZES = {10**5: "1e5", 10**6: "1e6"}
FULL_SIZES = {**SIZES, 10**7: "1e7"}
SMALL = 10**4

Opened = AbstractContextManager[tuple[LogReader, ...]]


def measure(folder: Path, full: bool) -> Iterator[Measured]:  # noqa: FBT001  what all groups are asked
    batches = FULL_BATCHES if full else BATCHES
    path = folder / "ledger.db"
    policy = _written(f"sqlite:///{path}", folder / "sqlite", batches)
    sqlite = partial(SqliteLogReader.open, path)
    hashed = _hashed(sqlite)
    one = _audited(sqlite, policy)
    yield Measured("audit_vs_sha256", at_least(0.45), rate_ratios(one, hashed, RUNS))
    (folder / "policy.txt").write_text(policy.format())
    two, single = (_commanded(path, folder / "policy.txt", count) for count in ("2", "1"))
    yield Measured("audit_two_processes", at_least(1.6), rate_ratios(two, single, RUNS))
    with a_postgresql() as address:
        policy = _written(address, folder / "postgresql", POSTGRES_BATCHES)
        plain = make_url(address).set(drivername="postgresql")
        postgres = partial(PostgresLogReader.open, plain.render_as_string(hide_password=False))
        ratios = rate_ratios(_audited(postgres, policy), _hashed(postgres), RUNS)
        yield Measured("audit_vs_sha256_postgresql", at_least(0.3), ratios)
    yield from _proofs(FULL_SIZES if full else SIZES)


def _written(address: str, folder: Path, batches: int) -> Policy:
    engine = open_database(address)
    try:
        migrate(engine, Schema.LEDGER)
        sequencer, policy = founded(engine, folder)
        appending(sequencer, batches)()
    finally:
        engine.dispose()
    return policy


def _audited(opened: Callable[[], Opened], policy: Policy) -> Figure:
    def work() -> None:
        with opened() as (reader,):
            found = audit(reader, policy).findings
        assert not found, found

    return timed(work)


def _commanded(path: Path, policy: Path, processes: str) -> Figure:
    """The command as somebody types it, with the start of all its processes."""
    command = [sys.executable, "-m", "ledger.verify", str(path), "--policy", str(policy)]
    command += ["--processes", processes]
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def _hashed(opened: Callable[[], Opened]) -> Figure:
    """The hashes that the tree needs, over bytes that are in memory: one leaf, one node each."""
    with opened() as (reader,):
        entries = [raw for run in reader.runs() for raw in run.raws]

    def work() -> None:
        level = [hashlib.sha256(b"\x00" + raw).digest() for raw in entries]
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]

    return timed(work)


def _proofs(sizes: dict[int, str]) -> Iterator[Measured]:
    """The largest of some proofs, in hashes for each doubling; and the time against 10^4."""
    small = _proving(SMALL)[1]
    for size, name in sizes.items():
        longest, figure = _proving(size)
        yield Measured(f"proof_hashes_{name}", at_most(1), (longest / (size - 1).bit_length(),))
        yield Measured(f"proof_time_{name}_vs_1e4", at_most(3), time_ratios(figure, small, RUNS))


def _proving(size: int) -> tuple[int, Figure]:
    """How long the longest proof is, and the figure of making and verifying some, tiles cold."""
    tiles = _tiles(size)
    chance = random.Random(1)  # noqa: S311  which entries are proved is no secret
    some = [chance.randrange(size) for _ in range(PROOFS)]

    def read(tile: Tile) -> bytes:
        return bytes(tiles[tile.level][tile.index * 8192 :][: tile.width * 32])

    root = tree_root(size, tile_nodes(read, size))

    def prove(index: int) -> int:
        proof = inclusion_proof(index, size, tile_nodes(read, size))
        leaf = bytes(tiles[0][index * 32 : index * 32 + 32])
        verify_inclusion(index, size, leaf, proof, root)
        return len(proof)

    return max(map(prove, some)), timed(lambda: [prove(index) for index in some])


def _tiles(size: int) -> list[memoryview]:
    """The hashes of each level of tiles of a tree over random leaves, joined."""
    levels = [memoryview(hashlib.shake_256(b"leaves of no log").digest(32 * size))]
    while len(levels[-1]) >= 32 * BATCH:
        below, hashes = levels[-1], bytearray()
        for at in range(0, len(below) - len(below) % 8192, 8192):
            row = [bytes(below[at + each : at + each + 32]) for each in range(0, 8192, 32)]
            while len(row) > 1:
                row = [node_hash(*pair) for pair in zip(row[::2], row[1::2], strict=True)]
            hashes += row[0]
        levels.append(memoryview(bytes(hashes)))
    return levels
