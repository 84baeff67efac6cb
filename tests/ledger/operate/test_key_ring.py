"""The keys of a log through a rotation: who signs when, and what is safe to do again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.entries import LogKeyRotated, SourceRegistered, parse_entry
from ledger.errors import ConflictError, NotFoundError, RefusedError, StoppedError
from ledger.operate.key_ring import FixedKeys, KeyRing, SigningKeys
from ledger.operate.key_rotation import rotate
from ledger.operate.keys import LogKeys, change_passphrase
from ledger.operate.sequencer import Draft, Sequencer
from ledger.tlog.cosignature import open_note
from ledger.tlog.note import SignedNote
from ledger.tlog.policy import Log, Policy
from ledger.verify.audit import audit
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.ledger.operate.premises import BASE, Premises

ORIGIN = f"{BASE}/log/decisions"


class Keeper:
    """Somebody who has the files: every call opens them anew, as a process of its own would."""

    def __init__(self, premises: Premises) -> None:
        self.premises = premises
        self.directory = premises.directory / "keys" / "decisions"

    def ring(self) -> KeyRing:
        return KeyRing(self.directory, ORIGIN, self.premises.clock)

    def log(self, keys: SigningKeys | None = None) -> Sequencer:
        one = self.premises
        return Sequencer(one.store(), one.lock(), ORIGIN, keys or self.ring(), one.clock)

    def rotate(self) -> str:
        ring = self.ring()
        return rotate(self.log(ring), ring, self.premises.new_id())

    def retire(self, *, keep: bool = False) -> Path | None:
        return self.ring().retire(self.log().own_checkpoint(), keep=keep)

    def grow(self, log: Sequencer) -> None:
        log.append([Draft.of(self.premises.new_id(), SourceRegistered(source="desk", first=0))])

    def findings(self, policy: Policy) -> set[str]:
        with SqliteLogReader.open(self.premises.directory / "ledger.db") as readers:
            (reader,) = (each for each in readers if each.origin == ORIGIN)
            return {str(each.code) for each in audit(reader, policy).findings}


@pytest.fixture
def keeper(premises: Premises) -> Keeper:
    premises.create()
    return Keeper(premises)


def lines(log: Sequencer) -> list[str]:
    return [each.key_id.hex() for each in SignedNote.parse(log.own_checkpoint()).signatures]


def ids(keys: object) -> list[str]:
    return [key.key_id.hex() for key in keys]  # type: ignore[attr-defined]


def test_old_and_new_keys_sign_until_the_old_ones_are_retired(keeper: Keeper) -> None:
    ring = keeper.ring()
    old = ring.known()
    log = keeper.log(ring)
    note = rotate(log, ring, keeper.premises.new_id())
    new = ring.new_keys()
    assert lines(log) == ids((*old, *new))
    assert len(open_note(note, (*old, *new)).signatures) == 4
    entry = parse_entry(list(log.entries())[-1])
    assert entry.body == LogKeyRotated(
        tuple(key.vkey() for key in old), tuple(key.vkey() for key in new)
    )
    keeper.grow(log)
    assert lines(log) == ids((*old, *new))
    assert ring.verifier_keys(log.own_checkpoint()) == (*old, *new)
    assert ring.retire(log.own_checkpoint(), keep=False) is None
    keeper.grow(log)
    assert lines(log) == ids(new)
    assert (ring.old_keys(), ring.new_keys()) == (new, ())
    assert sorted(path.name for path in keeper.directory.parent.iterdir()) == [
        "access",
        "decisions",
    ]
    for keys in (old, new, (*old, *new)):
        assert keeper.findings(Policy(tuple(map(Log, keys)))) == set()


def test_new_keys_alone_change_nothing(keeper: Keeper) -> None:
    ring = keeper.ring()
    old = ring.known()
    assert ring.make_next()
    assert not ring.make_next()
    assert ring.known() == (*old, *ring.new_keys())
    log = keeper.log()
    keeper.grow(log)
    assert lines(log) == ids(old)
    assert ring.verifier_keys(log.own_checkpoint()) == old
    made = ring.new_keys()
    keeper.rotate()
    assert keeper.ring().new_keys() == made


def test_rotating_again_does_nothing_more(keeper: Keeper) -> None:
    first = keeper.rotate()
    assert keeper.rotate() == first
    assert keeper.log().size() == 2


def test_a_process_that_runs_on_takes_part_in_a_rotation(keeper: Keeper) -> None:
    running = keeper.log()
    keeper.grow(running)
    keeper.rotate()
    keeper.grow(running)
    assert len(lines(running)) == 4
    keeper.retire()
    keeper.grow(running)
    assert lines(running) == ids(keeper.ring().known())
    assert running.size() == 5


def test_a_process_that_cannot_read_the_new_keys_signs_nothing(keeper: Keeper) -> None:
    running = keeper.log()
    ring = keeper.ring()
    rotate(keeper.log(ring), ring, keeper.premises.new_id())
    (keeper.directory.with_name("decisions.next") / "ed25519.pem").write_bytes(b"nonsense")
    with pytest.raises(StoppedError, match="newer keys than are here"):
        keeper.grow(running)


def test_keys_from_before_a_rotation_do_not_sign_on(keeper: Keeper) -> None:
    """As a thief of retired keys would, or somebody who restores `keys/` from a backup."""
    kept = keeper.premises.directory / "backup"
    shutil.copytree(keeper.directory, kept)
    stale = FixedKeys(LogKeys.load(kept, ORIGIN).signers(keeper.premises.clock))
    running = keeper.log(stale)
    keeper.rotate()
    with pytest.raises(StoppedError, match="newer keys"):
        keeper.grow(running)
    with pytest.raises(StoppedError, match="newer keys"):
        keeper.log(stale)
    keeper.retire()
    shutil.rmtree(keeper.directory)
    shutil.copytree(kept, keeper.directory)
    with pytest.raises(StoppedError, match="newer keys"):
        keeper.log()


def test_fixed_keys_hand_over_to_nobody(keeper: Keeper) -> None:
    keys = FixedKeys(LogKeys.load(keeper.directory, ORIGIN).signers(keeper.premises.clock))
    log = keeper.log(keys)
    body = LogKeyRotated(("a+00000000+" + "A" * 44,), ("a+00000000+" + "B" * 44,))
    for one in (log, keeper.log()):
        with pytest.raises(ConflictError, match="no new ones"):
            one.append([Draft.of(keeper.premises.new_id(), body)])
    assert log.size() == 1


def test_what_is_kept_of_retired_keys(keeper: Keeper) -> None:
    old = keeper.ring().known()
    keeper.rotate()
    kept = keeper.retire(keep=True)
    assert kept is not None
    assert LogKeys.load(kept, ORIGIN).verifier_keys(keeper.premises.clock) == old
    assert keeper.ring().known() != old


def test_only_a_rotation_that_is_in_the_log_is_ended(keeper: Keeper) -> None:
    with pytest.raises(ConflictError, match="no rotation is under way"):
        keeper.retire()
    keeper.ring().make_next()
    with pytest.raises(ConflictError, match="not in the log yet"):
        keeper.retire()
    assert keeper.log().size() == 1


Cut = Callable[[Path], object]


def moved(directory: Path) -> None:
    directory.rename(directory.with_name("decisions.retired"))


def moved_both(directory: Path) -> None:
    moved(directory)
    directory.with_name("decisions.next").rename(directory)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("cut", [moved, moved_both])
def test_ending_that_was_cut_short_is_finished(keeper: Keeper, cut: Cut, keep: bool) -> None:
    keeper.rotate()
    new = keeper.ring().new_keys()
    cut(keeper.directory)
    assert KeyRing.is_at(keeper.directory)
    log = keeper.log()
    keeper.grow(log)
    assert lines(log) == ids(new)
    kept = keeper.retire(keep=keep)
    assert (kept is not None) == keep
    assert keeper.ring().old_keys() == new
    left = {path.name for path in keeper.directory.parent.iterdir()} - {"access", "decisions"}
    assert left == ({kept.name} if kept else set())


def test_the_next_rotation_waits_for_the_end_of_the_one_before(keeper: Keeper) -> None:
    keeper.rotate()
    moved(keeper.directory)
    with pytest.raises(ConflictError, match="was not ended"):
        keeper.rotate()
    keeper.retire()
    # Cut short at the very end: the next one puts away what is left of it.
    keeper.rotate()
    moved_both(keeper.directory)
    keeper.rotate()
    keeper.retire()
    assert not keeper.directory.with_name("decisions.retired").exists()
    assert keeper.log().size() == 4


def test_there_have_to_be_keys(keeper: Keeper, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        KeyRing(tmp_path / "none", ORIGIN, keeper.premises.clock)
    assert not KeyRing.is_at(tmp_path / "none")


# Passphrases


def test_a_passphrase_can_be_changed(keeper: Keeper) -> None:
    before = keeper.ring().known()
    assert change_passphrase(keeper.directory, None, b"one") == 2
    with pytest.raises(RefusedError):
        keeper.ring()
    assert change_passphrase(keeper.directory, b"one", b"two") == 2
    ring = KeyRing(keeper.directory, ORIGIN, keeper.premises.clock, b"two")
    assert ring.known() == before
    assert not list(keeper.directory.glob("*.new"))
    with pytest.raises(RefusedError, match="neither"):
        change_passphrase(keeper.directory, b"one", b"three")


def test_changing_it_that_was_cut_short_is_finished(keeper: Keeper) -> None:
    change_passphrase(keeper.directory, None, b"one")
    spare = keeper.premises.directory / "spare"
    shutil.copytree(keeper.directory, spare)
    change_passphrase(keeper.directory, b"one", b"two")
    shutil.copy(spare / "mldsa44.pem", keeper.directory)  # only the first file was done
    assert change_passphrase(keeper.directory, b"one", b"two") == 1
    LogKeys.load(keeper.directory, ORIGIN, b"two")


def test_a_running_process_minds_no_new_passphrase(keeper: Keeper) -> None:
    running = keeper.log()
    change_passphrase(keeper.directory, None, b"one")
    keeper.grow(running)
    assert running.size() == 2
