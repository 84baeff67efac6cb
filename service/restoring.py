"""Restoring a ledger from a backup: compared with what others hold, then put back.

Nothing is written before everything was looked at. The checkpoint lock, which says what the
newest state is, is only ever made on an explicit word.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ledger.errors import ForkSuspected, MalformedError, NotFoundError, RefusedError, SignatureError
from ledger.operate.backup import Progress
from ledger.operate.backup_check import BackupTree
from ledger.operate.backup_manifest import Part
from ledger.operate.checkpoint_lock import FileCheckpointLock
from ledger.operate.head_comparison import KnownHead, ask_witnesses, hold_against
from ledger.operate.restore import Destination, Replayed, begin_restore, finish_restore, replay
from ledger.operate.witness_exchange import get
from ledger.private_files import private_directory, write_new
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote, VerifierKey
from ledger.tlog.policy import Policy
from ledger.verify.reader import MAX_NOTE_BYTES
from service.backing_up import holdings_of
from service.inspecting import Inspected
from service.policies import read_policy
from service.runtime import LOGS, SESSION_KEY_BYTES, log_lock
from service.settings import Settings

__all__ = ["Compared", "Evidence", "check_newest", "compare", "put_back"]

WITNESS_SECONDS: Final = 10.0  # for one answer; nobody waits for a restore to serve


@dataclass(frozen=True, slots=True)
class Evidence:
    """What else may know of a later state than the backup's.

    Attributes:
        checkpoints: files of signed checkpoints that were kept elsewhere.
        witnesses: a trust policy whose witnesses are asked; None: those of the backup.
    """

    checkpoints: tuple[Path, ...] = ()
    witnesses: Path | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What one holder of a checkpoint knows of one log.

    Attributes:
        origin: the log.
        who: who was asked.
        size: of how many entries it holds a checkpoint that the backup contains; None: it
            holds none, or could not be asked.
        trouble: why there is nothing to compare with.
        newest: whether it would know of any later state: only the lock does.
    """

    origin: str
    who: str
    size: int | None
    trouble: str = ""
    newest: bool = False


def compare(settings: Settings, inspection: Inspected, evidence: Evidence) -> tuple[Compared, ...]:
    """What the lock, kept checkpoints and witnesses hold of the logs in a backup.

    Raises:
        ForkSuspected: one of them holds more than the backup, or another history.
        LedgerError, OSError: a checkpoint cannot be read, or no key of the policy signed it.
    """
    try:
        return _compare(settings, inspection, evidence)
    except ForkSuspected as fork:
        raise ForkSuspected(
            f"nothing was restored, for going on from this backup would sign a second history."
            f" {fork}",
            size=fork.size,
            origin=fork.origin,
            notes=fork.notes,
        ) from fork


def _compare(settings: Settings, inspection: Inspected, evidence: Evidence) -> tuple[Compared, ...]:
    logs = {log.origin: log for log in inspection.logs}
    found = [_locked(settings, log, inspection.keys(log.origin)) for log in inspection.logs]
    for path in evidence.checkpoints:
        head = _kept(path, inspection)
        origin = head.checkpoint.origin
        hold_against(head, logs[origin])
        found.append(Compared(origin, head.who, head.checkpoint.size))
    policy = _witnesses(inspection, evidence)
    if policy is not None:
        asked = [(log, inspection.keys(log.origin)) for log in inspection.logs]
        for heard in ask_witnesses(asked, policy, fetch=partial(get, seconds=WITNESS_SECONDS)):
            if heard.fork is not None:
                raise heard.fork
            size = heard.head.checkpoint.size if heard.head else None
            who = f"the witness at {heard.url}"
            found.append(Compared(heard.origin, who, size, heard.trouble))
    return tuple(found)


def check_newest(compared: Sequence[Compared], *, write_lock: bool) -> None:
    """Return if the backup may be taken for the newest state of its logs.

    It may if the lock of this machine says so. Without a lock somebody outside must have been
    asked, nobody may have failed to answer, and the operator must say so in as many words.

    Raises:
        RefusedError: it may not.
    """
    for origin in dict.fromkeys(each.origin for each in compared):
        of_log = [each for each in compared if each.origin == origin]
        if any(each.newest and each.size is not None for each in of_log):
            continue
        others = [each for each in of_log if not each.newest]
        silent = [each for each in others if each.size is None]
        if silent:
            raise RefusedError(
                f"restore: {silent[0].who} could not be asked about {origin} ({silent[0].trouble}),"
                " and may know of a later state. Try again, or name with --witnesses a policy of"
                " those that can be asked"
            )
        if not others:
            raise RefusedError(
                f"restore: nothing outside the backup was compared with {origin}, so nothing shows"
                " that it is the newest state. Give a checkpoint that was kept elsewhere with"
                " --checkpoint, or begin anew with decision-ledger continue"
            )
        if not write_lock:
            raise RefusedError(
                f"restore: checkpoints/ is not here, so nobody remembers what {origin} signed last."
                " If nothing was signed after this backup, say so with --write-checkpoint-lock;"
                " if something was, or you do not know, use decision-ledger continue"
            )


def put_back(
    settings: Settings,
    inspection: Inspected,
    on_progress: Progress,
    *,
    write_lock: bool,
) -> tuple[Replayed, tuple[str, ...]]:
    """Restore what was inspected; return what tombstones destroyed, and whose lock was made.

    Raises:
        ConflictError: something is there already; nothing was changed.
        LedgerError, OSError: it could not be finished; run it again.
    """
    if inspection.ledger is None and not settings.policy_path.is_file():
        raise RefusedError(
            "restore: there is no ledger here, and the vault alone cannot be put back: its"
            " tombstones are in the logs"
        )
    for part in inspection.parts:
        if inspection.ledger is None and part.manifest.origin != settings.origin:
            raise RefusedError(f"restore: the vault is that of {part.manifest.origin}")
    destination = _destination(settings)
    private_directory(settings.data)
    begin_restore(inspection.parts, destination, on_progress)
    origins = tuple(settings.log_origin(name) for name in LOGS)
    if inspection.ledger is not None:
        origins = tuple(log.origin for log in inspection.ledger.manifest.logs)
    replayed = replay(destination, origins)
    made = tuple(log.origin for log in inspection.logs if write_lock and _make_lock(settings, log))
    if inspection.ledger is not None and not settings.session_key_path.exists():
        write_new(settings.session_key_path, secrets.token_bytes(SESSION_KEY_BYTES))
    finish_restore(destination)
    return replayed, made


def _destination(settings: Settings) -> Destination:
    holdings = holdings_of(settings)
    return Destination(
        marker=settings.restoring_path,
        urls={Part.LEDGER: settings.database_url, Part.VAULT: settings.vault_url},
        places=dict((*holdings.before, *holdings.after)),
    )


def _lock_of(settings: Settings, log: BackupTree) -> FileCheckpointLock:
    return log_lock(settings, log.origin.rpartition("/")[2])


def _locked(settings: Settings, log: BackupTree, keys: Sequence[VerifierKey]) -> Compared:
    """What the lock of this machine, if it is still here, knows of the log."""
    who = "this machine's checkpoint lock"
    try:
        note = _lock_of(settings, log).read()
    except NotFoundError:
        return Compared(log.origin, who, None, "it is not here", newest=True)
    head = _head(who, note, keys)
    hold_against(head, log)
    return Compared(log.origin, who, head.checkpoint.size, newest=True)


def _kept(path: Path, inspection: Inspected) -> KnownHead:
    """The checkpoint in a file, of one of the logs in the backup."""
    with path.open("rb") as file:
        data = file.read(MAX_NOTE_BYTES)
    try:
        note = data.decode()
        origin = Checkpoint.parse(SignedNote.parse(note).text).origin
    except (UnicodeDecodeError, MalformedError) as error:
        raise MalformedError(f"{path}: not a signed checkpoint") from error
    if origin not in {log.origin for log in inspection.logs}:
        raise MalformedError(f"{path}: a checkpoint of {origin!a}, which is not in the backup")
    return _head(str(path), note, inspection.keys(origin))


def _head(who: str, note: str, keys: Sequence[VerifierKey]) -> KnownHead:
    try:
        return KnownHead.read(who, note, keys)
    except SignatureError as error:
        raise SignatureError(
            f"{who}: {error}. If the log's keys were changed after the backup, give the newer trust"
            " policy with --policy"
        ) from error


def _witnesses(inspection: Inspected, evidence: Evidence) -> Policy | None:
    if evidence.witnesses is not None:
        return read_policy(evidence.witnesses)
    if inspection.ledger is None:
        return None
    path = inspection.ledger.path("witnesses.txt")
    return read_policy(path) if path.is_file() else None


def _make_lock(settings: Settings, log: BackupTree) -> bool:
    """Make the lock from the backup unless there is one; say whether it was made."""
    lock = _lock_of(settings, log)
    try:
        lock.read()
    except NotFoundError:
        lock.create(log.own_checkpoint())
        return True
    return False
