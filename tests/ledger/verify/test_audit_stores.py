"""An audit of tampered stores, and what else an audit tells: gaps, progress, other logs."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.entries import Body, SourceGap
from ledger.verify.audit import audit
from ledger.verify.completeness import Gap
from ledger.verify.findings import MAX_FINDINGS, Code
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.verify.audits import (
    SIZE,
    SMALL,
    Write,
    audited,
    execute,
    found,
    log,
    one,
)
from tests.ledger.verify.tile_log import (
    BEGIN,
    ORIGIN,
    POLICY,
    Liar,
    decision,
    edited,
    entries,
    genesis,
    note,
    tiles_of,
)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE seq = 5", (Code.HASH_DIFFERS, 5)),
        ("UPDATE log_entry SET leaf_hash = NULL WHERE seq = 5", (Code.HASH_DIFFERS, 5)),
        ("UPDATE log_entry SET leaf_hash = 'text' WHERE seq = 5", (Code.HASH_DIFFERS, 5)),
        ("UPDATE log_entry SET entry = NULL WHERE seq = 5", (Code.HASH_DIFFERS, 5)),
        ("UPDATE log_entry SET entry = zeroblob(9000000) WHERE seq = 5", (Code.HASH_DIFFERS, 5)),
        ("UPDATE log_entry SET entry_id = 'x' WHERE seq = 5", (Code.ID_DIFFERS, 5)),
        ("UPDATE log_entry SET seq = 'x' WHERE seq = 5", (Code.ENTRY_MISSING, 5)),
        ("UPDATE log_entry SET seq = NULL WHERE seq = 5", (Code.SEQ_WRONG, -1)),
        ("UPDATE log_head SET size = 599", (Code.HEAD_DIFFERS, None)),
        ("DELETE FROM log_head", (Code.HEAD_DIFFERS, None)),
        ("UPDATE log_checkpoint SET note = x'ff'", (Code.CHECKPOINT_REFUSED, None)),
        ("UPDATE log_checkpoint SET note = NULL", (Code.CHECKPOINT_REFUSED, None)),
        (
            "UPDATE log_tile SET hashes = zeroblob(8192) WHERE level = 0 AND tile_index = 1",
            (Code.TILE_DIFFERS, 256),
        ),
        (
            "UPDATE log_tile SET hashes = hashes || x'00' WHERE tile_index = 1",
            (Code.TILE_DIFFERS, 256),
        ),
        (
            "UPDATE log_tile SET hashes = NULL WHERE level = 0 AND tile_index = 1",
            (Code.TILE_DIFFERS, 256),
        ),
        ("UPDATE log_tile SET hashes = zeroblob(64) WHERE level = 1", (Code.TILE_DIFFERS, 0)),
        ("DELETE FROM log_tile WHERE level = 0 AND tile_index = 1", (Code.TILE_MISSING, 256)),
        ("DELETE FROM log_tile WHERE level = 1", (Code.TILE_MISSING, 0)),
        ("INSERT INTO log_tile VALUES (1, 0, 2, 100, zeroblob(3200))", (Code.TILE_STRAY, None)),
        ("INSERT INTO log_tile VALUES (1, 9, 0, 1, zeroblob(32))", (Code.TILE_STRAY, None)),
        ("INSERT INTO log_tile VALUES (1, 0, 0, 5, zeroblob(160))", (Code.TILE_DIFFERS, 0)),
    ],
)
def test_a_tampered_column_is_a_finding(
    tmp_path: Path, statement: str, expected: tuple[Code, int | None]
) -> None:
    path = Liar(log(SMALL)).sqlite(tmp_path / "x.db")
    execute(path, statement)
    assert expected in found(audited(path))


def test_an_older_partial_tile_that_fits_is_fine(tmp_path: Path) -> None:
    path = Liar(log()).sqlite(tmp_path / "x.db")
    with closing(sqlite3.connect(path)) as db, db:
        for tile, data in tiles_of(log(), 300).items():
            row = (1, tile.level, tile.index, tile.width, data)
            db.execute("INSERT OR IGNORE INTO log_tile VALUES (?, ?, ?, ?, ?)", row)
    assert audited(path).findings == ()


def test_a_tampered_upper_tile_names_the_entries_below(tmp_path: Path) -> None:
    path = Liar(log()).sqlite(tmp_path / "x.db")
    execute(
        path, "UPDATE log_tile SET hashes = substr(hashes, 1, 32) || zeroblob(32) WHERE level = 1"
    )
    (finding,) = audited(path).findings
    assert (finding.code, finding.index, finding.last) == (Code.TILE_DIFFERS, 256, 511)


def test_a_bundle_that_differs_from_an_older_copy(tmp_path: Path) -> None:
    path = Liar(log(), sizes=(SIZE,)).directory(tmp_path / "tiles")
    lie = log()
    lie[514] = edited(lie[514])
    older = Liar(lie[:520]).directory(tmp_path / "older")
    copy = "tile/entries/002.p/8"
    (path / copy).write_bytes((older / copy).read_bytes())
    (finding,) = audited(path).findings
    assert (finding.code, finding.index) == (Code.HASH_DIFFERS, 514)
    assert copy in finding.detail


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def reach_beyond(path: Path) -> None:
    data = bytearray(path.read_bytes())
    last = len(log()[511])
    data[-last - 2 : -last] = b"\xff\xff"
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("tamper", [truncate, lengthen, reach_beyond])
def test_a_bundle_of_the_wrong_length_names_its_last_entry(
    tmp_path: Path, tamper: Callable[[Path], None]
) -> None:
    path = Liar(log()).directory(tmp_path / "tiles")
    tamper(path / "tile/entries/001")
    assert {(Code.TILE_DIFFERS, 511), (Code.CHAIN_BROKEN, 511)} <= found(audited(path))


def test_a_missing_bundle_is_missing_entries(tmp_path: Path) -> None:
    path = Liar(log()).directory(tmp_path / "tiles")
    (path / "tile/entries/001").unlink()
    finding = one(audited(path), Code.ENTRY_MISSING)
    assert (finding.index, finding.last) == (256, 511)


def test_a_full_bundle_serves_a_smaller_checkpoint(tmp_path: Path) -> None:
    path = Liar(log(), notes={500: note(log(), 500)}).directory(tmp_path / "tiles")
    assert audited(path).findings == ()


def test_findings_are_bounded(tmp_path: Path) -> None:
    raws = entries(1 + 2 * (MAX_FINDINGS + 20))
    stored = dict(enumerate(raws))
    for index in range(1, len(raws), 2):
        stored[index] = edited(stored[index])
    result = audited(Liar(raws, stored).sqlite(tmp_path / "x.db"))
    assert len(result.findings) == MAX_FINDINGS
    assert result.omitted > MAX_FINDINGS


def test_gaps_of_a_source_are_information(write: Write) -> None:
    def body(index: int) -> Body:
        if index == 0:
            return genesis()
        if index == 3:
            return SourceGap("loan-desk", 3, 3, "outage")
        return decision(index if index < 3 else index + 2)

    result = write(Liar(entries(6, body)))
    assert result.findings == ()
    (source,) = result.sources
    stated, seen = BEGIN + timedelta(milliseconds=3), BEGIN + timedelta(milliseconds=4)
    assert source.gaps == (Gap(3, 3, "outage", seen, stated), Gap(4, 5, None, seen))


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = Liar(log()).sqlite(tmp_path / "x.db")
    audited(path, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(256, SIZE), (512, SIZE)]


def test_a_log_of_another_origin_beside_it_is_apart(tmp_path: Path) -> None:
    path = Liar(log(3)).sqlite(tmp_path / "x.db")
    Liar(log(2), origin="ledger.example/test/log/access").sqlite(path, log_id=2)
    with SqliteLogReader.open(path) as readers:
        assert [reader.origin for reader in readers] == [ORIGIN, "ledger.example/test/log/access"]
        assert audit(readers[0], POLICY).findings == ()
