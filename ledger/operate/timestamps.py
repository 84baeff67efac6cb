"""Timestamps of a log's checkpoints: stamping the newest ones, keeping tokens, finding them.

Apart from writing, like cosigning: a token dates everything below its checkpoint, whenever it
is asked for, and an authority that is down stops nothing. What is kept here is trusted with
nothing: who owns the files can withhold tokens, and cannot make a reader believe one.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    SignatureError,
)
from ledger.operate.published_log import PublishedLog
from ledger.operate.timestamper import Timestamper
from ledger.private_files import alone, write_new
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.note import SignedNote, VerifierKey
from ledger.tlog.proof import Receipt
from ledger.verify.reader import UnreadableError
from ledger.verify.timestamp_files import (
    COSIGNED,
    NOTE,
    StampedNote,
    TimestampFiles,
    stem_of,
    token_name,
)
from ledger.verify.timestamps import (
    Roots,
    Timestamp,
    TimestampRefused,
    as_signed,
    read_timestamp,
    verify_timestamp,
)

__all__ = ["Evidence", "KeptTimestamps", "Said", "StampedCheckpoint", "earliest", "stamp"]

MAX_LOOKED_AT: Final = 256  # checkpoints that cover an entry; later ones are hardly stamped earlier
MAX_AT_ONCE: Final = 16  # authorities asked at the same time


@dataclass(frozen=True, slots=True)
class KeptTimestamps:
    """The timestamps of one log, in a directory of `ledger.verify.timestamp_files`.

    Files are added whole or not at all, and never replaced.
    """

    directory: Path

    @property
    def files(self) -> TimestampFiles:
        """The same, to be read."""
        return TimestampFiles(self.directory)

    def token(self, note: str, address: str) -> bytes | None:
        """The token over this checkpoint from this authority, None if none is kept.

        Raises:
            UnreadableError: it cannot be read.
        """
        return self.files.token(token_name(stem_of(note), address))

    def keep(self, note: str, address: str, token: bytes) -> None:
        """Add a token that was checked, and the checkpoint that it is over.

        Raises:
            RefusedError: they cannot be written.
        """
        # The checkpoint first: a token without it would be worth nothing.
        self.keep_note(note)
        self._add(token_name(stem_of(note), address), token)

    def keep_note(self, note: str) -> None:
        """Add a checkpoint as the log signed it, and its cosigned edition if it is one.

        Raises:
            RefusedError: it cannot be written.
        """
        stem, signed = stem_of(note), as_signed(note)
        self._add(f"{stem}{NOTE}", signed.encode())
        if note != signed:
            self._add(f"{stem}{COSIGNED}", note.encode())

    def _add(self, name: str, content: bytes) -> None:
        path = self.directory / name
        try:
            # Two at once would write over each other's unfinished file.
            with alone(self.directory / "guard"), suppress(FileExistsError):
                if not path.exists():
                    write_new(path, content)
        except OSError as error:
            raise RefusedError(f"timestamp: {name} cannot be written") from error


@dataclass(frozen=True, slots=True)
class Said:
    """What one authority says of a checkpoint: its token is kept, or `trouble` says why not.

    Attributes:
        address: where it is asked.
        timestamp: what its token says; None if there is none that is worth anything.
        before: whether the token was kept already, and nobody was asked.
        trouble: why there is none, in words.
    """

    address: str
    timestamp: Timestamp | None = None
    before: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class StampedCheckpoint:
    """A checkpoint and what each authority said of it, in the order they were given."""

    checkpoint: Checkpoint
    said: tuple[Said, ...]

    @property
    def stamped(self) -> bool:
        """Whether a token of one of them is kept."""
        return any(each.timestamp is not None for each in self.said)


def stamp(
    log: PublishedLog,
    keys: Sequence[VerifierKey],
    timestampers: Sequence[Timestamper],
    kept: KeptTimestamps,
    roots: Roots = (),
) -> tuple[StampedCheckpoint, ...]:
    """Have the log's newest checkpoint stamped, and the newest cosigned one if it differs.

    Args:
        log: the log.
        keys: the log's own verifier keys.
        timestampers: the authorities; each is asked once for a checkpoint of which no token
            of its is kept.
        kept: where tokens go.
        roots: if given, the signature of a token that is kept has to lead to one of them.

    Raises:
        NotFoundError: the log does not exist.
        RefusedError: a token cannot be written.
        UnreadableError: `rfc3161-client` is not installed.
    """
    notes = _notes(log, keys)
    return tuple(_stamp(note, timestampers, kept, roots) for note in notes)


def _notes(log: PublishedLog, keys: Sequence[VerifierKey]) -> tuple[str, ...]:
    """The checkpoints to stamp: the one that receipts use, then the newest."""
    own, cosigned = log.own_checkpoint(), log.cosigned_checkpoint()
    if cosigned is None:
        return (own,)
    try:
        checkpoint = Checkpoint.parse(open_note(cosigned, keys).text)
    except LedgerError:
        return (own,)  # damaged, or not this log's
    if checkpoint.size > log.size():
        return (own,)  # for `cosign` to raise the alarm
    return (cosigned,) if as_signed(cosigned) == own else (cosigned, own)


def _stamp(
    note: str, timestampers: Sequence[Timestamper], kept: KeptTimestamps, roots: Roots
) -> StampedCheckpoint:
    kept.keep_note(note)
    with ThreadPoolExecutor(max_workers=MAX_AT_ONCE) as pool:
        said = tuple(pool.map(lambda each: _say(note, each, kept, roots), timestampers))
    return StampedCheckpoint(Checkpoint.parse(SignedNote.parse(note).text), said)


def _say(note: str, timestamper: Timestamper, kept: KeptTimestamps, roots: Roots) -> Said:
    """What the authority says; its troubles are words, and only ours are raised."""
    address = timestamper.address
    before = kept.token(note, address)
    try:
        if before is not None:
            return Said(address, _says(before, note, roots), before=True)
        stamped = timestamper.stamp(note)
    except UnreadableError:
        raise
    except LedgerError as error:
        trouble = str(error)
        if before is not None:
            trouble = f"what is kept as {token_name(stem_of(note), address)} is none: {error}"
        return Said(address, trouble=trouble)
    kept.keep(note, address, stamped.token)
    return Said(address, stamped.timestamp)


def _says(token: bytes, note: str, roots: Roots) -> Timestamp:
    return verify_timestamp(token, note, roots) if roots else read_timestamp(token, note)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A receipt, and a token over its checkpoint: the entry existed when the token says.

    Attributes:
        receipt: against the checkpoint that was stamped, with cosignatures if they are kept.
        token: the authority's answer.
        timestamp: what it says.
    """

    receipt: Receipt
    token: bytes
    timestamp: Timestamp


def earliest(
    log: PublishedLog,
    entry_id: str,
    keys: Sequence[VerifierKey],
    kept: KeptTimestamps,
    roots: Roots = (),
) -> Evidence:
    """The receipt of an entry against the earliest timestamped checkpoint that covers it.

    Args:
        log: the log.
        entry_id: the entry.
        keys: the log's own verifier keys.
        kept: its timestamps. What does not check is passed over, whoever put it there.
        roots: if given, a token's signature has to lead to one of them.

    Raises:
        NotFoundError: the entry is not in the log, or no checkpoint that covers it is stamped.
        VerificationError: what is stored does not prove it: raise the alarm.
        UnreadableError: the tokens cannot be read, or `rfc3161-client` is not installed.
    """
    index = log.receipt(entry_id).index
    covering = [each for each in kept.files.notes() if index < each.size <= log.size()]
    found = [
        (timestamp, note, token)
        for stamped in covering[:MAX_LOOKED_AT]
        for timestamp, note, token in _tokens(kept.files, stamped, keys, roots)
    ]
    if not found:
        raise NotFoundError("timestamp: no checkpoint that covers this entry has been stamped yet")
    timestamp, note, token = min(found, key=lambda each: each[0].at)
    return Evidence(log.receipt_under(index, note), token, timestamp)


def _tokens(
    files: TimestampFiles, stamped: StampedNote, keys: Sequence[VerifierKey], roots: Roots
) -> list[tuple[Timestamp, str, bytes]]:
    """What the tokens over a checkpoint say, with the edition of it to show and their bytes."""
    note = _edition(files, stamped.stem, keys)
    if note is None:
        return []
    found = []
    for token in filter(None, map(files.token, stamped.tokens)):
        with suppress(MalformedError, TimestampRefused):
            found.append((_says(token, note, roots), note, token))
    return found


def _edition(files: TimestampFiles, stem: str, keys: Sequence[VerifierKey]) -> str | None:
    """A kept checkpoint that this log signed; cosigned if it can be, for readers with a quorum."""
    for suffix in (COSIGNED, NOTE):
        note = files.note(stem, suffix)
        if note is not None:
            with suppress(MalformedError, SignatureError):
                open_note(note, keys)
                if stem_of(note) == stem:
                    return note
    return None
