"""Attacks on the files of a ledger in SQLite, past the fences of the database."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ledger.entries import Decision, Entry, SourceCounter, parse_entry
from ledger.operate.key_ring import KeyRing
from ledger.operate.key_rotation import rotate
from ledger.operate.keys import LogKeys
from ledger.operate.sequencer import Sequencer
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import Frontier, leaf_hash
from ledger.tlog.note import sign_note
from tests.ledger.operate.premises import Open, Premises

FIRST, SIZE = 3, 9  # decisions are the entries 3 to 8; before them genesis, model and policy
KEPT = 7  # the size of the database when it was backed up
VICTIM, OTHER = 5, 6


@dataclass(frozen=True, slots=True)
class Scene:
    """A ledger of six decisions, one to a checkpoint, as its files lie there."""

    premises: Premises
    running: Open
    ids: tuple[str, ...]
    outside: str  # the newest checkpoint, as somebody else kept it
    backup: Path  # of both databases and the lock, made when there were KEPT entries

    @property
    def database(self) -> Path:
        return self.premises.directory / "ledger.db"

    @property
    def lock(self) -> Path:
        return self.premises.directory / "checkpoints" / "decisions.lock"


class File:
    """The decisions log in the database file, without its fences."""

    def __init__(self, connection: sqlite3.Connection, origin: str) -> None:
        self._db = connection
        found = connection.execute("SELECT id FROM log WHERE origin = ?", (origin,))
        (self._log,) = found.fetchone()

    def run(self, statement: str, *values: object) -> None:
        """Execute a statement that names the log's own rows as `:log` and values as `?2`…"""
        changed = self._db.execute(statement.replace(":log", "?1"), (self._log, *values))
        assert changed.rowcount  # an attack that misses shows nothing

    def entries(self) -> list[bytes]:
        rows = self._db.execute(
            "SELECT entry FROM log_entry WHERE log_id = ? ORDER BY seq", (self._log,)
        )
        return [raw for (raw,) in rows]

    def store(self, seq: int, raw: bytes) -> None:
        """Put an entry with its right hash where another one is, or at the end."""
        self._db.execute("DELETE FROM log_entry WHERE log_id = ? AND seq = ?", (self._log, seq))
        self.run(
            "INSERT INTO log_entry (log_id, seq, entry_id, entry, leaf_hash) "
            "VALUES (:log, ?2, ?3, ?4, ?5)",
            seq, parse_entry(raw).id, raw, leaf_hash(raw),
        )  # fmt: skip


def opened(scene: Scene) -> Iterator[File]:
    with closing(sqlite3.connect(scene.database)) as connection, connection:
        fences = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        for (name,) in fences.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        yield File(connection, scene.running.log.origin)


Attack = Callable[[Scene], None]


def on_file(attack: Callable[[Scene, File], None]) -> Attack:
    def attacking(scene: Scene) -> None:
        for file in opened(scene):
            attack(scene, file)

    return attacking


def edited(raw: bytes) -> bytes:
    """Another decision in the same place: valid, and never made."""
    entry = parse_entry(raw)
    assert isinstance(entry.body, Decision)
    return replace(entry, body=replace(entry.body, source=SourceCounter("loan-desk", 99))).format()


def signed(scene: Scene, raws: list[bytes], keys: LogKeys | None = None) -> str:
    """A checkpoint over these entries, signed by the log's own keys."""
    keys = keys or scene.premises.keys["decisions"]
    root = Frontier.empty().extend([leaf_hash(raw) for raw in raws]).root()
    text = Checkpoint(keys.origin, len(raws), root).format()
    return sign_note(text, keys.signers(scene.premises.clock))


def rechained(raws: list[bytes], start: int) -> list[bytes]:
    """The entries with their places and chain made right from `start` on."""
    fixed = raws[:start]
    for raw in raws[start:]:
        entry: Entry = parse_entry(raw)
        fixed.append(replace(entry, seq=len(fixed), prev=leaf_hash(fixed[-1])).format())
    return fixed


@on_file
def edit_an_entry(_: Scene, file: File) -> None:
    raw = edited(file.entries()[VICTIM])
    file.run("UPDATE log_entry SET entry = ?2 WHERE log_id = :log AND seq = ?3", raw, VICTIM)


@on_file
def edit_an_entry_and_its_hash(_: Scene, file: File) -> None:
    file.store(VICTIM, edited(file.entries()[VICTIM]))


@on_file
def delete_from_the_middle(_: Scene, file: File) -> None:
    file.run("DELETE FROM log_entry WHERE log_id = :log AND seq = ?2", VICTIM)


def cut(file: File) -> None:
    """Take the newest two entries away and everything that speaks of them."""
    file.run("DELETE FROM log_entry WHERE log_id = :log AND seq >= ?2", KEPT)
    file.run("DELETE FROM log_checkpoint WHERE log_id = :log AND size > ?2", KEPT)
    file.run("UPDATE log_head SET size = ?2 WHERE log_id = :log", KEPT)
    file.run(
        "UPDATE log_tile SET width = ?2, hashes = substr(hashes, 1, ?2 * 32) WHERE log_id = :log",
        KEPT,
    )


@on_file
def cut_the_tail_and_fix_the_head(_: Scene, file: File) -> None:
    cut(file)


@on_file
def cut_the_tail_and_set_the_lock_back(scene: Scene, file: File) -> None:
    cut(file)
    shutil.copyfile(scene.backup / "lock", scene.lock)


def restore_an_old_backup(scene: Scene) -> None:
    scene.premises.engine.dispose()
    for suffix in ("-wal", "-shm"):
        scene.database.with_name(f"ledger.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(scene.backup / "ledger.db", scene.database)


def restore_the_backup_and_the_lock(scene: Scene) -> None:
    restore_an_old_backup(scene)
    shutil.copyfile(scene.backup / "lock", scene.lock)


def restore_an_old_vault(scene: Scene) -> None:
    scene.premises.vault_engine.dispose()
    vault = scene.premises.directory / "vault.db"
    for suffix in ("-wal", "-shm"):
        vault.with_name(f"vault.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(scene.backup / "vault.db", vault)


def set_the_lock_alone_back(scene: Scene) -> None:
    shutil.copyfile(scene.backup / "lock", scene.lock)


@on_file
def swap_two(_: Scene, file: File) -> None:
    swap = "UPDATE log_entry SET seq = ?2 WHERE log_id = :log AND seq = ?3"
    file.run(swap, -1, VICTIM)
    file.run(swap, VICTIM, OTHER)
    file.run(swap, OTHER, -1)


@on_file
def insert_one(scene: Scene, file: File) -> None:
    raws = file.entries()
    made = replace(parse_entry(edited(raws[VICTIM])), id=scene.premises.new_id()).format()
    for seq in range(SIZE - 1, VICTIM - 1, -1):
        file.run("UPDATE log_entry SET seq = ?2 WHERE log_id = :log AND seq = ?3", seq + 1, seq)
    file.store(VICTIM, made)


@on_file
def replay_one(scene: Scene, file: File) -> None:
    raw = file.entries()[VICTIM]
    file.store(SIZE, replace(parse_entry(raw), id=scene.premises.new_id()).format())


def rewrite(scene: Scene, file: File) -> str:
    """The newest checkpoint of another history, made right throughout and signed with stolen keys."""
    raws = file.entries()
    raws[VICTIM] = edited(raws[VICTIM])
    raws = rechained(raws, VICTIM + 1)
    for seq in range(VICTIM, SIZE):
        file.store(seq, raws[seq])
    hashes = b"".join(map(leaf_hash, raws))
    file.run("UPDATE log_tile SET hashes = ?2 WHERE log_id = :log", hashes)
    note = ""
    for size in range(VICTIM + 1, SIZE + 1):
        note = signed(scene, raws[:size])
        file.run(
            "UPDATE log_checkpoint SET note = ?2 WHERE log_id = :log AND size = ?3", note, size
        )
    return note


@on_file
def rewrite_history(scene: Scene, file: File) -> None:
    rewrite(scene, file)


@on_file
def rewrite_history_and_the_lock(scene: Scene, file: File) -> None:
    scene.lock.write_text(rewrite(scene, file), encoding="utf-8")


@on_file
def sign_two_histories(scene: Scene, file: File) -> None:
    raws = file.entries()[:KEPT]
    note = signed(scene, [*raws[:-1], edited(raws[-1])])
    file.run("UPDATE log_checkpoint SET note = ?2 WHERE log_id = :log AND size = ?3", note, KEPT)


def rotate_the_keys(scene: Scene) -> LogKeys:
    """The operator rotates the log's keys and retires the old ones, which a thief keeps."""
    premises, old = scene.premises, scene.premises.keys["decisions"]
    directory = premises.directory / "keys" / "decisions"
    ring = KeyRing(directory, old.origin, premises.clock)
    log = Sequencer(premises.store(), premises.lock(), old.origin, ring, premises.clock)
    note = rotate(log, ring, premises.new_id())
    ring.retire(note, keep=False)
    premises.keys["decisions"] = LogKeys.load(directory, old.origin)
    return old


def sign_on_with_retired_keys(scene: Scene) -> None:
    """Log a decision that was never made, under a checkpoint that a thief of old keys signs."""
    stolen = rotate_the_keys(scene)
    for file in opened(scene):
        raws = file.entries()
        made = replace(parse_entry(edited(raws[VICTIM])), id=scene.premises.new_id())
        last = parse_entry(raws[-1])
        raws.append(replace(made, seq=len(raws), prev=leaf_hash(raws[-1]), at=last.at).format())
        file.store(len(raws) - 1, raws[-1])
        hashes = b"".join(map(leaf_hash, raws))
        tile = "UPDATE log_tile SET width = ?2, hashes = ?3 WHERE log_id = :log"
        file.run(tile, len(raws), hashes)
        note = signed(scene, raws, stolen)
        insert = "INSERT INTO log_checkpoint (log_id, size, note) VALUES (:log, ?2, ?3)"
        file.run(insert, len(raws), note)
        file.run("UPDATE log_head SET size = ?2 WHERE log_id = :log", len(raws))
        scene.lock.write_text(note, encoding="utf-8")


@on_file
def change_a_tile(_: Scene, file: File) -> None:
    file.run(
        "UPDATE log_tile SET hashes = CAST(substr(hashes, 1, ?2 * 32) || zeroblob(32) "
        "|| substr(hashes, (?2 + 1) * 32 + 1) AS BLOB) WHERE log_id = :log",
        VICTIM,
    )


@on_file
def change_the_checkpoint(scene: Scene, file: File) -> None:
    note = scene.outside.replace(f"\n{SIZE}\n", f"\n{SIZE - 1}\n", 1)
    file.run("UPDATE log_checkpoint SET note = ?2 WHERE log_id = :log AND size = ?3", note, SIZE)


@on_file
def change_a_sealed_payload(scene: Scene, file: File) -> None:
    """Put another decision's payload in the place of one: both were really sealed here."""
    file.run(
        "UPDATE sealed_payload SET sealed = (SELECT sealed FROM sealed_payload "
        "WHERE record_id = ?3) WHERE log_id = :log AND record_id = ?2",
        scene.ids[VICTIM - FIRST],
        scene.ids[OTHER - FIRST],
    )
