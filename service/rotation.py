"""Rotating a log's keys: the log, the files that others rely on, and what to hand out.

Each step is durable before the next, and doing it all again finishes what was cut short.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger.entries import (
    UUID7_RANDOM_BYTES,
    Entry,
    Kind,
    LogCreated,
    LogKeyRotated,
    parse_entry,
    uuid7,
)
from ledger.errors import MalformedError, NotFoundError, RefusedError, VerificationError
from ledger.operate import key_rotation
from ledger.operate.key_service import RemoteKey
from ledger.operate.keys import change_passphrase
from ledger.operate.published_log import PublishedLog
from ledger.private_files import sync_directory, write_new, write_synced
from ledger.tlog.note import SignedNote, VerifierKey
from ledger.tlog.policy import Policy
from service.runtime import LOGS, Runtime, cosigned_checkpoint
from service.settings import Settings

__all__ = [
    "Handover",
    "KeyState",
    "change_passphrases",
    "every_key",
    "key_states",
    "retire",
    "rotate",
]

_MADE: Final = "made, not in the log yet"


@dataclass(frozen=True, slots=True)
class Handover:
    """A rotation that is in the log, while old and new keys both sign.

    Attributes:
        entry: the index of the entry that made it.
        old: the keys so far.
        new: those that follow.
        checkpoint: a file with a checkpoint that all of them signed.
    """

    entry: int
    old: tuple[VerifierKey, ...]
    new: tuple[VerifierKey, ...]
    checkpoint: Path


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key of a log, and what it is to the log now.

    Attributes:
        key: its public half.
        state: in words.
        since: the entry that put it in force; None if none did yet.
        at: when the log accepted that entry.
        place: `file`, or an address in a key service; "" if it is not here any more.
    """

    key: VerifierKey
    state: str
    since: int | None
    at: datetime | None
    place: str


def rotate(runtime: Runtime, name: str, *, ed25519: RemoteKey | None = None) -> Handover:
    """Put new keys of a log in force, beside which the old ones still sign.

    If that was begun before, it is finished, and nothing else is made.

    Raises:
        ConflictError: a rotation to another key is under way, or one was not ended.
        LedgerError: the log cannot be written, or a key service does not sign.
    """
    log, ring, settings = runtime.logs[name], runtime.keys[name], runtime.settings
    moment = int(runtime.clock().timestamp() * 1000)
    entry_id = uuid7(moment, os.urandom(UUID7_RANDOM_BYTES))
    note = key_rotation.rotate(log, ring, entry_id, ed25519=ed25519)
    old, new = ring.old_keys(), ring.new_keys()
    entry = _rotation_to(log, new)
    checkpoint = settings.handover_dir / f"{name}-{entry}.note"
    with suppress(FileExistsError):
        write_new(checkpoint, note.encode())
    _publish(settings, log.origin, (*old, *new))
    return Handover(entry, old, new, checkpoint)


def retire(runtime: Runtime, name: str, *, keep: bool) -> Path | None:
    """Let the new keys of a log sign alone; return where the old ones are kept, if they are.

    Raises:
        ConflictError: no rotation is under way, or it is not in the log yet.
        RefusedError: receipts would still be under a checkpoint that only old keys signed.
    """
    log, ring = runtime.logs[name], runtime.keys[name]
    with log.turn():
        note = log.own_checkpoint()
        ring.check_retirable(note)
        new = ring.new_keys() or ring.old_keys()  # the end was cut short: they moved already
        _check_cosigned(runtime.settings, name, new)
        # The policy first: cut short after it, the checkpoints still suit both policies.
        _publish(runtime.settings, log.origin, new)
        return ring.retire(note, keep=keep)


def every_key(runtime: Runtime, name: str) -> tuple[VerifierKey, ...]:
    """The keys that sign a log now, and those that signed it before its rotations.

    The files of the handovers say where the rotations are, so the log is not read for them.
    """
    log, ring = runtime.logs[name], runtime.keys[name]
    found = dict.fromkeys(ring.verifier_keys(log.own_checkpoint()))
    prefix = f"{name}-"
    for path in runtime.settings.handover_dir.glob(f"{prefix}*.note"):
        index = path.stem.removeprefix(prefix)
        if not (index.isascii() and index.isdigit() and int(index) < log.size()):
            continue  # somebody else's file
        body = parse_entry(next(iter(log.entries(int(index))))).body
        if isinstance(body, LogKeyRotated):
            found |= dict.fromkeys(map(VerifierKey.parse, (*body.old_vkeys, *body.new_vkeys)))
    return tuple(found)


def key_states(runtime: Runtime, name: str) -> tuple[KeyState, ...]:
    """Every key that a log had or has, the oldest first. Reads the whole log."""
    log, ring = runtime.logs[name], runtime.keys[name]
    places = ring.places()
    signing = set(ring.verifier_keys(log.own_checkpoint()))
    found: dict[VerifierKey, KeyState] = {}
    in_force: set[VerifierKey] = set()
    for entry in _key_entries(log):
        keys = _named(entry)
        in_force = set(keys)
        for key in keys:
            found.setdefault(key, KeyState(key, "", entry.seq, entry.at, places.get(key, "")))
    for key in ring.new_keys():
        found.setdefault(key, KeyState(key, _MADE, None, None, places[key]))

    def state(key: VerifierKey) -> str:
        if key in in_force:
            return "in force"
        return "leaving: signs beside the new ones" if key in signing else "retired"

    return tuple(
        KeyState(each.key, each.state or state(each.key), each.since, each.at, each.place)
        for each in found.values()
    )


def change_passphrases(settings: Settings, new: bytes) -> int:
    """Encrypt the key files of both logs with another passphrase; return how many changed.

    Cut short, it is finished by doing it again with the same two passphrases.

    Raises:
        NotFoundError: there are no keys.
        RefusedError: a file opens with neither passphrase.
    """
    places = [place for name in LOGS for place in sorted(settings.keys_dir.glob(f"{name}*"))]
    if not places:
        raise NotFoundError(f"there are no keys in {settings.keys_dir}")
    return sum(change_passphrase(place, settings.key_passphrase, new) for place in places)


def _rotation_to(log: PublishedLog, new: tuple[VerifierKey, ...]) -> int:
    for entry in _key_entries(log):
        if isinstance(entry.body, LogKeyRotated) and set(_named(entry)) == set(new):
            return entry.seq
    raise VerificationError("log: the newest checkpoint is signed by keys that no entry names")


def _key_entries(log: PublishedLog) -> Iterator[Entry]:
    """The entries about keys: the first, and each rotation."""
    kind = f'"kind":"{Kind.LOG_KEY_ROTATED}"'.encode()
    for index, raw in enumerate(log.entries()):
        if index == 0 or kind in raw:  # parsing all would take most of the time
            entry = parse_entry(raw)
            if isinstance(entry.body, LogCreated | LogKeyRotated):
                yield entry


def _named(entry: Entry) -> tuple[VerifierKey, ...]:
    body = entry.body
    vkeys = body.vkeys if isinstance(body, LogCreated) else ()
    vkeys = body.new_vkeys if isinstance(body, LogKeyRotated) else vkeys
    return tuple(map(VerifierKey.parse, vkeys))


def _check_cosigned(settings: Settings, name: str, new: tuple[VerifierKey, ...]) -> None:
    """Receipts use the newest cosigned checkpoint: readers of the new keys must know it."""
    try:
        note = SignedNote.parse(cosigned_checkpoint(settings, name).read())
    except (NotFoundError, MalformedError):
        return  # none, or one that nobody uses
    lines = {(each.name, each.key_id) for each in note.signatures}
    if not lines >= {(key.name, key.key_id) for key in new}:
        raise RefusedError(
            "the newest cosigned checkpoint, which receipts use, is not signed by the new keys"
            " yet: run decision-ledger cosign first"
        )


def _publish(settings: Settings, origin: str, keys: tuple[VerifierKey, ...]) -> None:
    """Put these keys of a log into the trust policy, in the place of those before."""
    path = settings.policy_path
    text = _with_keys(path.read_text("utf-8"), origin, keys)
    Policy.parse(text)
    beside = path.with_name(f"{path.name}.new")
    write_synced(beside, text.encode())
    beside.replace(path)
    sync_directory(path.parent)


def _with_keys(text: str, origin: str, keys: tuple[VerifierKey, ...]) -> str:
    """The policy's text with other log lines of one log; all other lines stay as they are."""
    kept: list[str] = []
    place, url = None, ""
    for line in text.splitlines(keepends=True):
        words = line.split()
        if words[:1] == ["log"] and words[1].startswith(f"{origin}+"):
            place = len(kept) if place is None else place
            url = url or " ".join(words[2:])
        else:
            kept.append(line)
    lines = [" ".join(filter(None, ("log", key.vkey(), url))) + "\n" for key in keys]
    return "".join((*kept[: place or 0], *lines, *kept[place or 0 :]))
