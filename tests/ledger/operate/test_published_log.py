"""A log that is only read: from its store alone, without keys or lock."""

import sqlite3

import pytest

from ledger.entries import SourceRegistered, parse_entry
from ledger.errors import NotFoundError, StoppedError, VerificationError
from ledger.operate import published_log
from ledger.operate.published_log import PublishedLog
from ledger.operate.sequencer import Draft
from ledger.tlog.tile import Tile
from tests.ledger.operate.premises import Open, Premises


def grow(premises: Premises, ledger: Open, count: int) -> None:
    body = SourceRegistered(source="loan-desk", first=0)
    ledger.log.append([Draft.of(premises.new_id(), body) for _ in range(count)])


def test_a_reader_shows_what_the_writer_shows(premises: Premises, ledger: Open) -> None:
    grow(premises, ledger, 10)
    reader = PublishedLog(premises.store(), premises.lock(), ledger.log.origin)
    assert reader.checkpoint() == ledger.log.checkpoint()
    assert list(reader.entries(2)) == list(ledger.log.entries(2))
    indexes = {0, 3, 4, 5, 9, 12}
    assert reader.receipts(indexes) == ledger.log.receipts(indexes)
    assert reader.receipts([]) == {}


def test_a_log_that_is_not_there_shows_nothing(premises: Premises) -> None:
    reader = PublishedLog(premises.store(), premises.lock("none"), "ledger.example/none")
    for ask in (reader.checkpoint, reader.size, lambda: reader.receipt_at(0)):
        with pytest.raises(StoppedError):
            ask()


def test_few_tiles_are_kept_in_memory(
    premises: Premises, ledger: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_log, "MAX_CACHED_TILES", 1)
    grow(premises, ledger, 600)
    first, second = (ledger.log.tile(Tile(0, index, 256)) for index in (0, 1))
    assert ledger.log.tile(Tile(0, 0, 256)) == first != second
    assert len(ledger.log._tiles) == 1


def test_a_receipt_that_does_not_verify_is_never_handed_out(
    premises: Premises, ledger: Open
) -> None:
    grow(premises, ledger, 3)
    entry = parse_entry(list(ledger.log.entries())[4])
    connection = sqlite3.connect(premises.directory / "ledger.db")
    connection.executescript(
        "DROP TRIGGER fence_log_entry_update; DROP TRIGGER fence_log_entry_delete;"
        "UPDATE log_entry SET entry = CAST(replace(entry, 'loan', 'lean') AS BLOB) WHERE seq = 4;"
        "DELETE FROM log_entry WHERE seq = 5"
    )
    connection.close()
    with pytest.raises(VerificationError):
        ledger.log.receipt(entry.id)
    with pytest.raises(NotFoundError):
        ledger.log.receipt_at(5)
