"""Continuing under a new origin: the only way past a lost or forked history, and on the record.

The old ledger is read and never written. The new one has keys of its own, and behind the
first entry of each of its logs stands an incident that commits to where the old one ended.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.canonical import JsonValue
from ledger.entries import Incident, parse_entry
from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
)
from ledger.operate.backup_check import find_backups, pick
from ledger.operate.backup_manifest import Part
from ledger.operate.checkpoint_lock import MAX_NOTE_BYTES
from ledger.operate.fork_marks import ForkMarks
from ledger.operate.group_commit import GroupCommit
from ledger.operate.head_comparison import KnownHead
from ledger.operate.incidents import IncidentCode, Incidents
from ledger.operate.sequencer import Sequencer
from ledger.operate.vault import Vault
from ledger.tlog.policy import Policy
from ledger.verify.sqlite_reader import SqliteLogReader
from service.founding import found
from service.policies import read_policy
from service.runtime import LOGS, SEALED_IN_VAULT, Clock
from service.settings import Settings

__all__ = ["Ended", "continue_under", "ended"]


@dataclass(frozen=True, slots=True)
class Ended:
    """Where a log of the old ledger ends.

    Attributes:
        here: its newest checkpoint in what is left of it; None if nothing readable is.
        last: the largest checkpoint of it that anybody is known to hold.
        forked: whether two roots were signed for one size.
    """

    here: KnownHead | None
    last: KnownHead
    forked: bool

    @property
    def code(self) -> IncidentCode:
        """What happened, as far as the checkpoints tell."""
        size = self.here.checkpoint.size if self.here is not None else 0
        lost = size < self.last.checkpoint.size and not self.forked
        return IncidentCode.HISTORY_LOST if lost else IncidentCode.FORK_ACKNOWLEDGED

    def detail(self, reason: str, role: str) -> dict[str, JsonValue]:
        """What the incident commits to."""
        return {
            "old_origin": self.last.checkpoint.origin,
            "size": self.here.checkpoint.size if self.here is not None else 0,
            "checkpoint": self.here.note if self.here is not None else "",
            "last_size": self.last.checkpoint.size,
            "last_checkpoint": self.last.note,
            "reason": reason,
            "role": role,
        }


def ended(source: Path, checkpoints: Sequence[Path]) -> Mapping[str, Ended]:
    """Where each log of an old ledger ends, by its short name.

    Args:
        source: its data directory, or a backup of it.
        checkpoints: files of signed checkpoints of it that others kept.

    Raises:
        NotFoundError: there is neither, or nothing of a log is known.
        MalformedError, SignatureError: a kept checkpoint is none of this ledger's.
    """
    place, here = _heads_in(source)
    policy = read_policy(place / "policy.txt")
    kept = [_head(policy, str(path), _note(path)) for path in checkpoints]
    heads = [head for who, note in _beside(place) if (head := _readable(policy, who, note))]
    found = {}
    for name in LOGS:
        mine = _of(name, [head for who, note in here if (head := _readable(policy, who, note))])
        every = [*mine, *_of(name, [*heads, *kept])]
        if not every:
            raise NotFoundError(f"nothing signed is left of the log {name} in {source}")
        roots: dict[int, bytes] = {}
        forked = any(
            roots.setdefault(head.checkpoint.size, head.checkpoint.root_hash)
            != head.checkpoint.root_hash
            for head in every
        )
        last = max(every, key=_size)
        found[name] = Ended(max(mine, key=_size, default=None), last, forked)
    return found


def continue_under(
    settings: Settings,
    old: Mapping[str, Ended],
    reason: str,
    role: str,
    *,
    code: IncidentCode | None = None,
    clock: Clock | None = None,
) -> None:
    """Found the ledger that continues the old one; an attempt that was cut short is taken up.

    `code` says what happened, if the checkpoints do not.

    Raises:
        ConflictError: the origin is the old one, or there is a ledger already.
        LedgerError: as `founding.found`.
    """
    for name, log in old.items():
        if log.last.checkpoint.origin == settings.log_origin(name):
            raise ConflictError(
                "a ledger is continued under another origin: under the old one it would be a"
                " second history"
            )

    def beginning(logs: Mapping[str, Sequencer], vault: Vault, now: Clock) -> None:
        for name, log in logs.items():
            if _acknowledged(log):
                continue
            inside = name == SEALED_IN_VAULT
            writer = GroupCommit(log, vault)
            incidents = Incidents(log, writer, vault, now, os.urandom, sealed_in_vault=inside)
            incidents.record(code or old[name].code, old[name].detail(reason, role))

    found(settings, clock, beginning=beginning)


def _acknowledged(log: Sequencer) -> bool:
    """Say whether the incident stands behind the log's first entry already.

    Raises:
        RefusedError: something else does.
    """
    second = next(log.entries(1), None)
    if second is not None and not isinstance(parse_entry(second).body, Incident):
        raise RefusedError(f"{log.origin} has entries already, so it continues nothing")
    return second is not None


def _heads_in(source: Path) -> tuple[Path, list[tuple[str, str]]]:
    """The directory of an old ledger's files, and the newest checkpoints in its database."""
    if (source / "ledger.db").is_file():
        with SqliteLogReader.open(source / "ledger.db") as readers:
            newest = [list(reader.checkpoints())[-1:] for reader in readers]
        return source, [("the old database", each.note) for heads in newest for each in heads]
    if (source / "policy.txt").is_file() and not (source / "manifest.json").is_file():
        raise NotFoundError(
            f"{source} has no ledger.db: back that ledger up, and continue from the backup"
        )
    backup = pick(find_backups(source), Part.LEDGER)
    if backup is None:
        raise NotFoundError(f"{source} holds no backup of a ledger, only of a vault")
    return backup.directory, [("the backup", log.checkpoint) for log in backup.manifest.logs]


def _beside(place: Path) -> Iterator[tuple[str, str]]:
    """Checkpoints that lie beside the old database."""
    for pattern in ("checkpoints/*.lock", "cosigned/*.note"):
        for path in sorted(place.glob(pattern)):
            yield path.name, _note(path)
    for each in ForkMarks(place / "fork-suspected", place).all():
        yield from (("the evidence", note) for note in each.notes)


def _note(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_NOTE_BYTES)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path}: not a signed checkpoint") from error


def _head(policy: Policy, who: str, note: str) -> KnownHead:
    return KnownHead.read(who, note, [log.key for log in policy.logs])


def _readable(policy: Policy, who: str, note: str) -> KnownHead | None:
    """The head in a note, None if the old ledger did not sign it: then it says nothing."""
    try:
        return _head(policy, who, note)
    except LedgerError:
        return None


def _of(name: str, heads: Sequence[KnownHead]) -> list[KnownHead]:
    return [head for head in heads if head.checkpoint.origin.rpartition("/")[2] == name]


def _size(head: KnownHead) -> int:
    return head.checkpoint.size
