"""A log kept by somebody who may lie: what is signed, hashed and stored can differ.

An honest log has one list of entries. A liar's has three: the `signed` ones, the ones
that the stored hashes and tiles are of (`hashed`), and the bytes that are `stored`.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.commitments import SECTIONS, commit
from ledger.entries import Body, Decision, Entry, LogCreated, SourceCounter, parse_entry, uuid7
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import Frontier, inclusion_proof, leaf_hash
from ledger.tlog.note import Ed25519Signer, sign_note
from ledger.tlog.policy import Log, Policy
from ledger.tlog.proof import Receipt
from ledger.tlog.tile import EntryBundle, Tile, encode_bundle, tile_nodes, tiles_to_write

ORIGIN = "ledger.example/test/log/decisions"
BEGIN = datetime(2026, 5, 14, 9, 0, tzinfo=UTC)
KEY = bytes(range(32))
INPUT = {"income": 42_000, "loan_to_value": 92.5}

SIGNER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
STRANGER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
POLICY = Policy((Log(SIGNER.verifier_key),))

SCHEMA = """
CREATE TABLE log(id INTEGER PRIMARY KEY, origin TEXT UNIQUE);
CREATE TABLE log_entry(log_id, seq INTEGER, entry_id TEXT, entry BLOB, leaf_hash BLOB,
                       PRIMARY KEY(log_id, seq), UNIQUE(log_id, entry_id));
CREATE TABLE log_tile(log_id, level, tile_index, width, hashes BLOB,
                      PRIMARY KEY(log_id, level, tile_index, width));
CREATE TABLE log_checkpoint(log_id, size INTEGER, note TEXT, PRIMARY KEY(log_id, size));
CREATE TABLE log_head(log_id PRIMARY KEY, size INTEGER);
"""


POSTGRES_SCHEMA = b"""
CREATE TABLE log(id integer PRIMARY KEY, origin text UNIQUE);
CREATE TABLE log_head(log_id integer PRIMARY KEY, size bigint);
CREATE TABLE log_entry(log_id integer, seq bigint, entry_id text, entry bytea, leaf_hash bytea,
                       PRIMARY KEY(log_id, seq));
CREATE TABLE log_tile(log_id integer, level integer, tile_index bigint, width integer, hashes bytea,
                      PRIMARY KEY(log_id, level, tile_index, width));
CREATE TABLE log_checkpoint(log_id integer, size bigint, note text, PRIMARY KEY(log_id, size));
"""


def entry_id(index: int) -> str:
    return uuid7(1_700_000_000_000 + index, bytes(10))


def genesis(origin: str = ORIGIN) -> LogCreated:
    return LogCreated(origin, (SIGNER.verifier_key.vkey(),), "decision-ledger/1.0.0")


def decision(counter: int, **members: object) -> Decision:
    sections = {name: commit(KEY, name, INPUT) for name in SECTIONS}
    return Decision("ab" * 32, "cd" * 32, SourceCounter("loan-desk", counter), **sections)


_COMMITTED = decision(0)


def entries(count: int, body: Callable[[int], Body] | None = None) -> list[bytes]:
    """A chained log: the genesis, then decisions counted from 1."""

    def usual(index: int) -> Body:
        return replace(_COMMITTED, source=SourceCounter("loan-desk", index))

    raws: list[bytes] = []
    for index in range(count):
        made = (genesis() if index == 0 else usual(index)) if body is None else body(index)
        prev = leaf_hash(raws[-1]) if raws else None
        at = BEGIN + timedelta(milliseconds=index)
        raws.append(Entry(entry_id(index), index, at, prev, made).format())
    return raws


def rechained(raws: Sequence[bytes], start: int) -> list[bytes]:
    """The entries with index and `prev` made right again from `start` on."""
    fixed = list(raws[:start])
    for index in range(start, len(raws)):
        entry = parse_entry(raws[index])
        prev = leaf_hash(fixed[-1]) if fixed else None
        fixed.append(replace(entry, seq=index, prev=prev).format())
    return fixed


def edited(raw: bytes) -> bytes:
    """The entry with one digit of its model's digest changed: still a valid entry."""
    return raw.replace(b'"model":"ab', b'"model":"ac')


def tiles_of(raws: Sequence[bytes], size: int | None = None) -> dict[Tile, bytes]:
    leaves = [leaf_hash(raw) for raw in raws[:size]]
    levels = [leaves]
    while len(levels[-1]) >= 256:
        below = levels[-1]
        whole = range(0, len(below) - len(below) % 256, 256)
        levels.append([Frontier.empty().extend(below[at : at + 256]).root() for at in whole])
    return {
        tile: b"".join(levels[tile.level][tile.index * 256 :][: tile.width])
        for tile in tiles_to_write(0, len(leaves))
    }


def note(raws: Sequence[bytes], size: int | None = None, signer: Ed25519Signer = SIGNER) -> str:
    leaves = [leaf_hash(raw) for raw in raws[:size]]
    root = Frontier.empty().extend(leaves).root()
    return sign_note(Checkpoint(signer.name, len(leaves), root).format(), [signer])


def receipt(raws: Sequence[bytes], index: int) -> Receipt:
    size = len(raws)
    nodes = tile_nodes(lambda tile: tiles_of(raws)[tile], size)
    return Receipt(raws[index], index, inclusion_proof(index, size, nodes), note(raws))


@dataclass
class Liar:
    """A log to be written to disk; honest unless told otherwise.

    Attributes:
        signed: the entries that checkpoints are signed over.
        stored: the bytes that are kept, by index.
        hashed: the entries that stored leaf hashes and tiles are of.
        sizes: at which sizes a checkpoint is stored.
        head: the size that the head states.
        notes: checkpoints to store instead, by size.
        origin: the name under which the log is stored.
    """

    signed: list[bytes]
    stored: dict[int, bytes] = field(default_factory=dict)
    hashed: list[bytes] = field(default_factory=list)
    sizes: Sequence[int] = ()
    head: int = -1
    notes: dict[int, str] = field(default_factory=dict)
    origin: str = ORIGIN

    def __post_init__(self) -> None:
        self.stored = self.stored or dict(enumerate(self.signed))
        self.hashed = self.hashed or list(self.signed)
        sizes = self.sizes or (len(self.signed),)
        self.head = len(self.signed) if self.head < 0 else self.head
        self.notes = self.notes or {size: note(self.signed, size) for size in sizes}

    def sqlite(self, path: Path, log_id: int = 1) -> Path:
        with closing(sqlite3.connect(path)) as db, db:
            if log_id == 1:
                db.executescript(SCHEMA)
            for table, rows in self.rows(log_id).items():
                for row in rows:
                    db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        return path

    def rows(self, log_id: int = 1) -> dict[str, list[tuple[Any, ...]]]:
        """What the tables of a database hold, by their names."""
        return {
            "log": [(log_id, self.origin)],
            "log_head": [(log_id, self.head)],
            "log_entry": [
                (log_id, index, entry_id(index), raw, leaf_hash(self.hashed[index]))
                for index, raw in self.stored.items()
            ],
            "log_tile": [
                (log_id, tile.level, tile.index, tile.width, data)
                for tile, data in tiles_of(self.hashed).items()
            ],
            "log_checkpoint": [(log_id, size, text) for size, text in self.notes.items()],
        }

    def postgres(self, url: str, log_id: int = 1) -> str:
        with psycopg.connect(url) as db:
            if log_id == 1:
                db.execute(POSTGRES_SCHEMA)
            for table, rows in self.rows(log_id).items():
                with db.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        return url

    def directory(self, path: Path) -> Path:
        def write(name: str, data: bytes) -> None:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)

        write("checkpoint", self.notes[max(self.notes)].encode())
        for tile, data in tiles_of(self.hashed).items():
            write(tile.path(), data)
        for start in range(0, len(self.stored), 256):
            raws = [self.stored[i] for i in range(start, min(start + 256, len(self.stored)))]
            write(EntryBundle(start // 256, len(raws)).path(), encode_bundle(raws))
        return path
