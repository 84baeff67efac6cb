"""Rotating the key-encryption key: whenever it is cut short, nothing is lost."""

import pytest

from ledger.errors import ConflictError, ErasedError, NotFoundError, PushbackError
from ledger.operate import rewrapping
from ledger.operate.key_wrapper import KeyUnknown
from ledger.operate.rewrapping import Wrapped, retire, rewrap, wrapped_under
from ledger.operate.tombstones import forget
from ledger.operate.vault import Vault, VaultRow
from tests.ledger.operate.premises import Premises

ORIGIN = "ledger.example/log"


@pytest.fixture(autouse=True)
def _short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrapping, "_KEYS_PER_STEP", 4)


def filled(premises: Premises, count: int = 10) -> tuple[Vault, dict[str, bytes]]:
    vault = premises.vault()
    tag = vault.subject_tag("one")
    drawn = {premises.new_id(): (b"", None) for _ in range(count)}
    keys, rows = {}, []
    for record_id in drawn:
        keys[record_id], held = vault.draw_key(record_id, tag)
        rows.append(VaultRow(record_id, held))
    vault.keep(ORIGIN, rows)
    return vault, keys


def opens(vault: Vault, keys: dict[str, bytes]) -> bool:
    return all(vault.key(record_id) == key for record_id, key in keys.items())


def test_everything_comes_under_the_new_key_and_opens_as_before(premises: Premises) -> None:
    vault, keys = filled(premises)
    ring, old = premises.wrapper, premises.wrapper.kept()[0].id
    new = ring.rotate()
    assert opens(vault, keys)
    told: list[tuple[int, int]] = []
    assert rewrap(vault.engine, ring, lambda done, total: told.append((done, total))) == 12
    assert told[-1] == (12, 12)
    assert wrapped_under(vault.engine) == (Wrapped(new, 12),)
    assert rewrap(vault.engine, ring) == 0
    retire(vault.engine, ring, old)
    assert opens(vault, keys)
    assert opens(premises.vault(), keys)


def test_cut_short_it_is_gone_on_with(premises: Premises) -> None:
    vault, keys = filled(premises)
    ring, old = premises.wrapper, premises.wrapper.kept()[0].id
    ring.rotate()

    class Killed(Exception):
        pass

    def kill(done: int, _total: int) -> None:
        if done > 5:
            raise Killed

    with pytest.raises(Killed):
        rewrap(vault.engine, ring, kill)
    assert len(wrapped_under(vault.engine)) == 2
    assert opens(vault, keys)
    with pytest.raises(ConflictError, match="are wrapped under it"):
        retire(vault.engine, ring, old)
    rewrap(vault.engine, ring)
    retire(vault.engine, ring, old)
    assert opens(vault, keys)


def test_a_key_that_is_not_here_is_named_and_nothing_is_changed(premises: Premises) -> None:
    vault, _ = filled(premises)
    ring, old = premises.wrapper, premises.wrapper.kept()[0].id
    before = wrapped_under(vault.engine)
    ring.rotate()
    ring.retire(old)  # by hand, against the advice
    with pytest.raises(KeyUnknown, match=old):
        rewrap(vault.engine, ring)
    assert wrapped_under(vault.engine) == before
    with pytest.raises(NotFoundError):
        retire(vault.engine, ring, old)


def test_a_key_drawn_under_a_retired_one_is_not_kept(premises: Premises) -> None:
    vault, _ = filled(premises)
    ring, old = premises.wrapper, premises.wrapper.kept()[0].id
    record_id = premises.new_id()
    _, held = vault.draw_key(record_id, vault.subject_tag("one"))
    ring.rotate()
    rewrap(vault.engine, ring)
    retire(vault.engine, ring, old)
    with pytest.raises(PushbackError, match="replaced meanwhile"):
        vault.keep(ORIGIN, [VaultRow(record_id, held)])
    with pytest.raises(ErasedError):
        vault.key(record_id)


def test_what_was_erased_meanwhile_stays_erased(premises: Premises) -> None:
    vault, keys = filled(premises)
    ring = premises.wrapper
    ring.rotate()
    gone = next(iter(keys))

    def erase(done: int, _total: int) -> None:
        if done == 2:
            forget(vault.engine, [gone])

    rewrap(vault.engine, ring, erase)
    with pytest.raises(ErasedError):
        vault.key(gone)
    del keys[gone]
    assert opens(vault, keys)
