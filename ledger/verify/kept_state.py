"""The file in which `--state` keeps what was verified, for the next run to go on from.

One canonical JSON object. It is read as a stranger's: what is kept of a log must give the
root of the checkpoint that is kept with it, and that checkpoint must be signed by a key of
the policy. So a file that was changed is refused or gives a finding, and hides nothing of
the log. Only what nobody signs is believed as it stands: the counters of sources, and which
keys were retired. No key is believed because it stands there.
"""

import base64
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import LedgerError, MalformedError
from ledger.private_files import sync_directory, write_synced
from ledger.tlog.merkle import Frontier
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from ledger.verify.key_history import KeptKeys, Rotation
from ledger.verify.reader import UnreadableError
from ledger.verify.source_json import source_from_json, source_to_json
from ledger.verify.verified import Verified

MAX_STATE_BYTES: Final = 16 * 1024 * 1024  # 64 logs, or some 400,000 gaps of sources
MAX_LOGS: Final = 64
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class KeptLog:
    """One log as it was verified, when, and under which policy.

    Attributes:
        origin: the log.
        policy: SHA-256 in hex of the policy without its comments.
        at: when the audit ended, by the clock of the machine that ran it.
        verified: what it left.
    """

    origin: str
    policy: str
    at: datetime
    verified: Verified

    def __post_init__(self) -> None:
        """Refuse what does not belong together."""
        if self.verified.checkpoint.origin != self.origin:
            raise MalformedError("the checkpoint is of another log")
        if self.at.utcoffset() != timedelta(0) or self.verified.first_at.utcoffset() is None:
            raise MalformedError("a moment without its zone")

    def to_json(self) -> dict[str, JsonValue]:
        """The members in the file."""
        kept = self.verified
        return {
            "origin": self.origin,
            "policy": self.policy,
            "at": self.at.isoformat(),
            "note": kept.note,
            "edge": [_text(each) for each in kept.edge.hashes],
            "last": _text(kept.last),
            "counts": dict(kept.counts),
            "first_at": kept.first_at.isoformat(),
            "sources": [source_to_json(each) for each in kept.sources],
            "keys": _keys_json(kept.keys),
        }

    @classmethod
    def from_json(cls, document: Any) -> "KeptLog":
        """Read the members, whatever they are: see :func:`read`."""
        last = base64.b64decode(document["last"], validate=True)
        hashes = tuple(base64.b64decode(each, validate=True) for each in document["edge"])
        size = _size_before(document["note"])
        kept = Verified(
            note=document["note"],
            edge=Frontier(size, hashes),
            last=last,
            counts=tuple(sorted(document["counts"].items())),
            first_at=datetime.fromisoformat(document["first_at"]),
            sources=tuple(map(source_from_json, document["sources"])),
            keys=_keys(document["keys"]),
        )
        at = datetime.fromisoformat(document["at"])
        return cls(document["origin"], document["policy"], at, kept)


def read(path: Path) -> dict[str, KeptLog]:
    """What the file keeps, by origin; nothing if there is no such file.

    Raises:
        UnreadableError: it is there and cannot be read.
        MalformedError: it is not a file that :func:`write` wrote.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_STATE_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableError(f"cannot read the state ({error.strerror})") from error
    try:
        document: Any = canonical.decode(data, max_bytes=MAX_STATE_BYTES)
        logs = {each.origin: each for each in map(KeptLog.from_json, document["logs"])}
        if _format(logs) != data:
            raise MalformedError("it is not as it is written")
    except (
        LedgerError,
        ArithmeticError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        why = f": {error}" if isinstance(error, LedgerError) else ""
        raise MalformedError(
            f"the state was not written by this program, or was changed since{why}. If you know "
            "why, remove the file to start anew"
        ) from error
    return logs


def write(path: Path, logs: dict[str, KeptLog]) -> None:
    """Put the logs into the file, all or nothing; those of other origins are the caller's.

    Raises:
        UnreadableError: it cannot be written.
        MalformedError: it would be larger than may be read again.
    """
    data = _format(logs)
    if len(data) > MAX_STATE_BYTES or len(logs) > MAX_LOGS:
        raise MalformedError("there is too much to keep: the sources' counters have too many gaps")
    beside = path.with_name(f"{path.name}.new")
    try:
        write_synced(beside, data)
        beside.replace(path)  # from here on the next run goes on from this one
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise UnreadableError(f"cannot keep the state ({error.strerror})") from error


def digest_of(policy: Policy) -> str:
    """What stands for a policy in the file."""
    return hashlib.sha256(policy.format().encode()).hexdigest()


def _format(logs: dict[str, KeptLog]) -> bytes:
    kept: list[JsonValue] = [logs[origin].to_json() for origin in sorted(logs)]
    # Not against an attacker, who would make it anew: against a disk, or an editor.
    digest = hashlib.sha256(canonical.encode(kept)).hexdigest()
    return canonical.encode({"v": VERSION, "logs": kept, "sha256": digest})


def _size_before(note: str) -> int:
    """The number of entries before the last one, as the note says; whether it is one is checked."""
    return int(note.split("\n", 2)[1]) - 1


def _keys_json(kept: KeptKeys) -> JsonValue:
    return {
        "first": [key.vkey() for key in kept.first],
        "rotations": [
            [each.index, [key.vkey() for key in each.new], each.vouched, each.followed]
            for each in kept.rotations
        ],
    }


def _keys(document: Any) -> KeptKeys:
    before = first = tuple(map(VerifierKey.parse, document["first"]))
    rotations = []
    for index, vkeys, vouched, followed in document["rotations"]:
        new = tuple(map(VerifierKey.parse, vkeys))
        rotations.append(Rotation(index, before, new, vouched, followed))
        before = new
    return KeptKeys(first, tuple(rotations))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
