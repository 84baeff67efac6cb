"""Who notices what: each attack on the files of a ledger in SQLite, by somebody who owns them.

Every attack of the tamper matrix is made on a small real ledger, past the fences of the
database. Six watchers look at what it leaves: the verifier; a service that was running, as it
reads every decision; the start-up rule, of the logs and of the vault; a witness that is asked
at the start; a service that was started again, if these let it; and the verifier with a
checkpoint that was kept elsewhere. A row says what each of them makes of it, and what it leaves
out is what nobody but those named notices.
"""

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from ledger.errors import (
    ErasedError,
    ForkSuspected,
    InconsistencyError,
    LedgerError,
    NotFoundError,
    RefusedError,
    RootMismatchError,
    SignatureError,
    VerificationError,
)
from ledger.operate.head_comparison import KnownHead, hold_against
from ledger.operate.vault_standing import find_gap
from ledger.tlog.policy import Log, Policy
from ledger.verify.audit import audit
from ledger.verify.audit_result import AuditResult
from ledger.verify.findings import Code
from ledger.verify.sqlite_reader import SqliteLogReader
from tests.functional.attacks import (
    FIRST,
    KEPT,
    OTHER,
    SIZE,
    VICTIM,
    Attack,
    Scene,
    change_a_sealed_payload,
    change_a_tile,
    change_the_checkpoint,
    cut_the_tail_and_fix_the_head,
    cut_the_tail_and_set_the_lock_back,
    delete_from_the_middle,
    edit_an_entry,
    edit_an_entry_and_its_hash,
    insert_one,
    replay_one,
    restore_an_old_backup,
    restore_an_old_vault,
    restore_the_backup_and_the_lock,
    rewrite_history,
    rewrite_history_and_the_lock,
    rotate_the_keys,
    set_the_lock_alone_back,
    sign_on_with_retired_keys,
    sign_two_histories,
    swap_two,
)
from tests.ledger.operate.fixtures import _no_waiting_for_the_disk, bare, founded, ledger, premises
from tests.ledger.operate.premises import Open, Premises

__all__ = ["_no_waiting_for_the_disk", "bare", "founded", "ledger", "premises"]


@pytest.fixture
def scene(premises: Premises, ledger: Open) -> Scene:
    backup = premises.directory / "backup"
    backup.mkdir()
    ids = []
    for counter in range(SIZE - FIRST):
        (recorded,) = ledger.decisions.record([premises.decision(counter)])
        ids.append(recorded.id)
        if recorded.seq == KEPT - 1:
            for name in ("ledger.db", "vault.db"):
                database = sqlite3.connect(premises.directory / name)
                with closing(database), closing(sqlite3.connect(backup / name)) as copy:
                    database.backup(copy)
            shutil.copyfile(premises.directory / "checkpoints/decisions.lock", backup / "lock")
    assert ledger.log.size() == SIZE
    return Scene(premises, ledger, tuple(ids), ledger.log.checkpoint(), backup)


Findings = frozenset[tuple[Code, int | None]]
Unread = Mapping[int, type[LedgerError]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the watchers make of an attack; by default nothing.

    Attributes:
        verifier: the findings, with the first entry each is about.
        running: which decisions the service that was running can no longer read, and why.
        start_up: why a service is not started again.
        witness: what a witness shows at the start that cosigned the newest checkpoint before.
        restarted: which decisions a service that was started again cannot read, and why.
        outside: what a checkpoint kept elsewhere adds to the verifier's findings.
    """

    verifier: Findings = frozenset()
    running: Unread = field(default_factory=dict)
    start_up: type[LedgerError] | None = None
    witness: type[LedgerError] | None = None
    restarted: Unread = field(default_factory=dict)
    outside: Findings = frozenset()


# With its right hash beside it, an edited entry is as wrong as without: one finding fewer.
EDITED = {(Code.CHAIN_BROKEN, VICTIM), (Code.ROOT_DIFFERS, VICTIM), (Code.TILE_DIFFERS, VICTIM)}
WRONG = {VICTIM: RootMismatchError}
GONE = {KEPT: NotFoundError, KEPT + 1: NotFoundError}
SHORTER = frozenset({(Code.ENTRY_MISSING, KEPT)})
FORKED = frozenset({(Code.CHECKPOINT_FORKED, None)})

MATRIX: dict[str, tuple[Attack, Seen]] = {
    "an entry is edited": (
        edit_an_entry,
        Seen(frozenset(EDITED | {(Code.HASH_DIFFERS, VICTIM)}), running=WRONG, restarted=WRONG),
    ),
    "an entry is edited with its hash": (
        edit_an_entry_and_its_hash,
        Seen(frozenset(EDITED), running=WRONG, restarted=WRONG),
    ),
    "an entry is deleted": (
        delete_from_the_middle,
        Seen(
            frozenset({(Code.ENTRY_MISSING, VICTIM)}),
            running={VICTIM: NotFoundError},
            restarted={VICTIM: NotFoundError},
        ),
    ),
    "two entries are swapped": (
        swap_two,
        Seen(
            frozenset(EDITED | {(Code.SEQ_WRONG, VICTIM), (Code.TIME_BACKWARDS, OTHER)}),
            running={VICTIM: RootMismatchError, OTHER: RootMismatchError},
            restarted={VICTIM: RootMismatchError, OTHER: RootMismatchError},
        ),
    ),
    "an entry is inserted": (
        insert_one,
        Seen(
            frozenset(
                EDITED
                | {
                    (Code.SEQ_WRONG, VICTIM + 1),
                    (Code.ENTRY_UNSIGNED, SIZE),
                    (Code.TILE_MISSING, 0),  # no tile is as wide as the log has become
                }
            ),
            running=dict.fromkeys(range(VICTIM, SIZE - 1), RootMismatchError)
            | {SIZE - 1: NotFoundError},  # pushed beyond what was signed
            start_up=RootMismatchError,
        ),
    ),
    # Beyond the signed size nothing is read, so it is the verifier's to see.
    "an entry is replayed at the end": (
        replay_one,
        Seen(
            frozenset(
                {
                    (Code.CHAIN_BROKEN, SIZE - 1),
                    (Code.ENTRY_UNSIGNED, SIZE),
                    (Code.SEQ_WRONG, SIZE),
                    (Code.TILE_MISSING, 0),
                    (Code.TIME_BACKWARDS, SIZE),
                }
            )
        ),
    ),
    "the tail is cut and the head fixed": (
        cut_the_tail_and_fix_the_head,
        Seen(running=GONE, start_up=RefusedError, outside=SHORTER),
    ),
    "an old backup is restored": (
        restore_an_old_backup,
        Seen(running=GONE, start_up=RefusedError, outside=SHORTER),
    ),
    # Inside, only who asks for a decision by its id misses it; to show that it was there takes
    # a witness, or a checkpoint (or a receipt) outside.
    "the tail is cut and the lock set back": (
        cut_the_tail_and_set_the_lock_back,
        Seen(running=GONE, witness=ForkSuspected, restarted=GONE, outside=SHORTER),
    ),
    "the lock is restored with the database": (
        restore_the_backup_and_the_lock,
        Seen(running=GONE, witness=ForkSuspected, restarted=GONE, outside=SHORTER),
    ),
    # The log is whole; its newest records would read as if they had been erased.
    "an old vault is restored": (
        restore_an_old_vault,
        Seen(running={KEPT: ErasedError, KEPT + 1: ErasedError}, start_up=RefusedError),
    ),
    # No harm: the database provably grew out of the older lock, which a start moves on.
    "the lock alone is older": (set_the_lock_alone_back, Seen(running=GONE)),
    # The attacker has the log's keys from here on.
    "a checkpoint of another history is signed": (sign_two_histories, Seen(FORKED)),
    "history is rewritten": (
        rewrite_history,
        Seen(
            running=dict.fromkeys(range(VICTIM, SIZE), RootMismatchError),
            start_up=InconsistencyError,
            outside=FORKED,
        ),
    ),
    # After a restart only the payload gives it away, which an edit of the log alone cannot fit;
    # an attacker who edits what no payload repeats is seen by nobody inside.
    "history is rewritten and the lock too": (
        rewrite_history_and_the_lock,
        Seen(
            running=dict.fromkeys(range(FIRST, SIZE), RootMismatchError),
            witness=ForkSuspected,
            restarted={VICTIM: VerificationError},
            outside=FORKED,
        ),
    ),
    # The attacker has keys that were rotated away: they count for nothing, here or outside.
    "retired keys sign on": (
        sign_on_with_retired_keys,
        Seen(
            frozenset({(Code.KEY_RETIRED, None), (Code.CHECKPOINT_MISSING, None)}),
            start_up=SignatureError,
        ),
    ),
    # A running service keeps the tiles that it has read.
    "a tile is changed": (
        change_a_tile,
        Seen(frozenset({(Code.TILE_DIFFERS, VICTIM)}), start_up=RootMismatchError),
    ),
    "the newest checkpoint is changed": (
        change_the_checkpoint,
        Seen(
            frozenset({(Code.CHECKPOINT_MISSING, None), (Code.CHECKPOINT_REFUSED, None)}),
            start_up=SignatureError,
        ),
    ),
    # The verifier has no key to it: it says that it does not check payloads.
    "a sealed payload is changed": (
        change_a_sealed_payload,
        Seen(running={VICTIM: VerificationError}, restarted={VICTIM: VerificationError}),
    ),
}


def audited(scene: Scene, *known: str) -> AuditResult:
    keys = scene.premises.keys["decisions"].verifier_keys(scene.premises.clock)
    with SqliteLogReader.open(scene.database) as readers:
        (reader,) = (each for each in readers if each.origin == scene.running.log.origin)
        return audit(reader, Policy(tuple(map(Log, keys))), known=known)


def verified(scene: Scene, *known: str) -> Findings:
    return frozenset((each.code, each.index) for each in audited(scene, *known).findings)


def unread(scene: Scene, service: Open) -> Unread:
    failed: dict[int, type[LedgerError]] = {}
    for seq, record in enumerate(scene.ids, FIRST):
        try:
            service.decisions.read(record)
        except LedgerError as error:
            failed[seq] = type(error)
    return failed


def watched(scene: Scene) -> Seen:
    found = verified(scene)
    outside = verified(scene, scene.outside) - found
    running = unread(scene, scene.running)
    try:
        again = scene.premises.open()
        check_vault(scene, again)
    except LedgerError as error:
        return Seen(found, running, type(error), None, {}, outside)
    return Seen(found, running, None, witness(scene, again), unread(scene, again), outside)


def check_vault(scene: Scene, service: Open) -> None:
    """What `service.runtime` does at the start."""
    log, vault = service.log, scene.premises.vault_engine
    if find_gap(scene.premises.store(), log.origin, log.size(), vault, replay=True):
        raise RefusedError("the vault does not know the newest record")


def witness(scene: Scene, service: Open) -> type[LedgerError] | None:
    """What comes of asking a witness that cosigned the newest checkpoint before the attack."""
    # As `service.outside` does: the witness may have cosigned before the keys were rotated.
    keys = dict.fromkeys(scene.premises.keys["decisions"].verifier_keys(scene.premises.clock))
    keys |= dict.fromkeys(key for each in audited(scene).rotations for key in each.old)
    try:
        hold_against(KnownHead.read("a witness", scene.outside, tuple(keys)), service.log)
    except ForkSuspected as fork:
        return type(fork)
    return None


def test_nobody_sees_anything_where_nothing_was_done(scene: Scene) -> None:
    assert watched(scene) == Seen()


def test_nobody_sees_anything_where_keys_were_rotated(scene: Scene) -> None:
    rotate_the_keys(scene)
    assert watched(scene) == Seen()


@pytest.mark.parametrize(("attack", "expected"), MATRIX.values(), ids=MATRIX.keys())
def test_who_notices(scene: Scene, attack: Attack, expected: Seen) -> None:
    attack(scene)
    assert watched(scene) == expected


def test_an_older_lock_alone_is_moved_on_by_a_start(scene: Scene) -> None:
    set_the_lock_alone_back(scene)
    scene.premises.open()
    assert scene.lock.read_text(encoding="utf-8") == scene.outside
