"""Which keys sign a log's next checkpoint, through a rotation and every crash in it.

Two directories: `keys/<log>` holds the keys so far, `keys/<log>.next` those that follow.
Which of them are in force is not written down anywhere else: the newest checkpoint tells,
because the new keys sign nothing before the entry that puts them in force.

- No `.next`: the keys so far sign.
- `.next`, and the newest checkpoint has none of its signatures: made, and not yet in the
  log. The keys so far sign alone.
- `.next`, and it signed the newest checkpoint: the overlap. Both sign, the new ones last.
- `.next` alone: ending the overlap was cut short. The new ones sign.
"""

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from ledger.errors import ConflictError, LedgerError, NotFoundError, StoppedError
from ledger.operate.checked_signer import CheckedSigner
from ledger.operate.key_service import RemoteKey, ServiceSigner
from ledger.operate.keys import LogKeys
from ledger.private_files import sync_directory
from ledger.tlog.cose import CoseSigner, Ed25519CoseSigner
from ledger.tlog.note import Ed25519Signer, NoteSigner, SignedNote, VerifierKey

__all__ = ["FixedKeys", "KeyRing", "SigningKeys"]

TRIAL: Final = b"decision-ledger: a trial of a new key\n"  # no checkpoint, and no note


class SigningKeys(Protocol):
    """The keys of one log, as the one who signs its checkpoints asks for them."""

    def known(self) -> tuple[VerifierKey, ...]:
        """Every key that is here: one of them signed each newest checkpoint."""

    def signers(self, note: str | None, *, handover: bool = False) -> tuple[NoteSigner, ...]:
        """What signs the checkpoint after `note`, in the order of the lines; None: the first.

        With `handover` the one that covers the entry of a rotation: old keys and new.

        Raises:
            StoppedError: `note` was signed with newer keys than are here.
        """


class FixedKeys:
    """Keys that do not change."""

    def __init__(self, signers: Sequence[NoteSigner]) -> None:
        self._signers = tuple(signers)
        self._known = tuple(signer.verifier_key for signer in self._signers)

    def known(self) -> tuple[VerifierKey, ...]:
        """Every key."""
        return self._known

    def signers(self, note: str | None, *, handover: bool = False) -> tuple[NoteSigner, ...]:
        """All of them.

        Raises:
            StoppedError: `note` was signed with newer keys than these.
            ConflictError: there are no new keys to hand over to.
        """
        if handover:
            raise ConflictError("log keys: there are no new ones to hand over to")
        _check_newest(note, self._known)
        return self._signers


class KeyRing:
    """The keys of one log in files, safe to share between threads.

    They are read again when the files change, so that a rotation by another process needs
    no restart of this one.
    """

    def __init__(
        self,
        directory: Path,
        origin: str,
        clock: Callable[[], datetime],
        passphrase: bytes | None = None,
    ) -> None:
        """The keys in `directory`, and beside it those that follow.

        Raises:
            NotFoundError: there are none.
            RefusedError, MalformedError: they do not open.
        """
        self._directory = directory
        self._next = directory.with_name(f"{directory.name}.next")
        self._retired = directory.with_name(f"{directory.name}.retired")
        self._origin = origin
        self._clock = clock
        self._passphrase = passphrase
        self._turn = threading.RLock()
        self._stamp = self._seen()
        self._current, self._following = self._read()

    @staticmethod
    def is_at(directory: Path) -> bool:
        """Whether there are keys of a log here: ending an overlap may have been cut short."""
        return directory.exists() or directory.with_name(f"{directory.name}.next").exists()

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._origin

    def known(self) -> tuple[VerifierKey, ...]:
        """Every key that is here, also new ones that are not in the log yet."""
        current, following = self._keys()
        return tuple(signer.verifier_key for signer in (*current, *following))

    def signers(self, note: str | None, *, handover: bool = False) -> tuple[NoteSigner, ...]:
        """What signs the checkpoint after `note`, in the order of the lines; None: the first.

        Raises:
            StoppedError: `note` was signed with newer keys than are here.
            ConflictError: there are no new keys to hand over to.
        """
        current, following = self._keys()
        if handover and not following:
            raise ConflictError("log keys: there are no new ones to hand over to")
        _check_newest(note, [signer.verifier_key for signer in (*current, *following)])
        if not current or handover or _signed(note, following):
            return (*current, *following)
        return current

    def cose_signer(self, note: str) -> CoseSigner:
        """What signs COSE receipts under the checkpoint `note`: the newest Ed25519 key in force."""
        signers = reversed(self.signers(note))
        key = next(each for each in signers if isinstance(each, Ed25519Signer))
        return Ed25519CoseSigner(key.name, key.private_key)

    def verifier_keys(self, note: str) -> tuple[VerifierKey, ...]:
        """The public halves of what signs after `note`, for those who read."""
        current, following = self._keys()
        both = not current or _signed(note, following)
        return tuple(each.verifier_key for each in (*current, *(following if both else ())))

    def new_keys(self) -> tuple[VerifierKey, ...]:
        """The keys that follow, () if none were made."""
        return tuple(signer.verifier_key for signer in self._keys()[1])

    def old_keys(self) -> tuple[VerifierKey, ...]:
        """The keys so far."""
        return tuple(signer.verifier_key for signer in self._keys()[0])

    def overlaps(self, note: str) -> bool:
        """Whether the rotation to the new keys is in the log, and the old ones still sign."""
        current, following = self._keys()
        return bool(current) and _signed(note, following)

    def make_next(self, ed25519: RemoteKey | None = None) -> bool:
        """Make the keys that follow, unless that was done; return whether they were made now.

        A key of a service is tried first: nothing is made if it does not sign.

        Raises:
            PushbackError, StoppedError: the service does not sign, or signs wrongly.
            ConflictError: others were made before.
        """
        with self._turn:
            current, following = self._keys()
            if not current:
                raise ConflictError("log keys: the rotation before was not ended: retire them")
            if following:
                key = following[0].verifier_key.public_key
                if ed25519 is not None and key != ed25519.public_key:
                    raise ConflictError("log keys: other ones were made for this rotation before")
                return False
            if ed25519 is not None:
                CheckedSigner.ed25519(ServiceSigner(ed25519)).sign(TRIAL)
            LogKeys.generate(self._next, self._origin, self._passphrase, ed25519=ed25519)
            self._read_again()
            return True

    def check_retirable(self, note: str) -> None:
        """Return if there is a rotation to end, or an end to finish.

        Raises:
            ConflictError: there is none, or it is not in the log yet.
        """
        with self._turn:
            current, following = self._keys()
            if not following and not self._retired.exists():
                raise ConflictError("log keys: no rotation is under way")
            if current and following and not _signed(note, following):
                raise ConflictError("log keys: the new ones are not in the log yet: rotate first")

    def retire(self, note: str, *, keep: bool) -> Path | None:
        """Let the new keys sign alone. The old files are destroyed, or kept where this returns.

        Cut short anywhere, it is finished by doing it again.

        Raises:
            ConflictError: there is no rotation to end, or one that is not in the log yet.
        """
        with self._turn:
            self.check_retirable(note)
            current, following = self._keys()
            if following:
                if current:
                    self._put_away(keep=keep)  # of an earlier rotation, cut short there
                    self._move(self._directory, self._retired)
                self._move(self._next, self._directory)
            kept = self._put_away(keep=keep)
            self._read_again()
            return kept

    def places(self) -> Mapping[VerifierKey, str]:
        """Where the private half of each key that is here is kept: `file`, or an address."""
        found: dict[VerifierKey, str] = {}
        for directory in (self._directory, self._next):
            if directory.exists():
                keys = LogKeys.load(directory, self._origin, self._passphrase)
                found |= zip(keys.verifier_keys(self._clock), keys.places(), strict=True)
        return found

    def _put_away(self, *, keep: bool) -> Path | None:
        if not self._retired.exists():
            return None
        if not keep:
            shutil.rmtree(self._retired)
            sync_directory(self._retired.parent)
            return None
        moment = f"{self._clock():%Y%m%dT%H%M%S%f}"
        kept = self._retired.with_name(f"{self._retired.name}-{moment}")
        self._move(self._retired, kept)
        return kept

    def _move(self, source: Path, target: Path) -> None:
        source.rename(target)
        sync_directory(source.parent)

    def _keys(self) -> tuple[tuple[NoteSigner, ...], tuple[NoteSigner, ...]]:
        with self._turn:
            if self._seen() != self._stamp:
                # What is loaded still signs for its keys; if it is not enough any more,
                # the newest checkpoint says so.
                with suppress(LedgerError, OSError):
                    self._read_again()
            return self._current, self._following

    def _read_again(self) -> None:
        self._stamp = self._seen()  # before reading: what changes meanwhile is read again
        self._current, self._following = self._read()

    def _read(self) -> tuple[tuple[NoteSigner, ...], tuple[NoteSigner, ...]]:
        current, following = self._load(self._directory), self._load(self._next)
        if not current and not following:
            raise NotFoundError(f"log keys: there are none in {self._directory.name}")
        return current, following

    def _load(self, directory: Path) -> tuple[NoteSigner, ...]:
        if not directory.exists():
            return ()
        return LogKeys.load(directory, self._origin, self._passphrase).signers(self._clock)

    def _seen(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_identity(each) for each in (self._directory, self._next))


def _identity(directory: Path) -> tuple[int, int] | None:
    try:
        status = directory.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _signed(note: str | None, signers: Sequence[NoteSigner]) -> bool:
    """Whether one of these keys signed the note; who calls this has verified the note."""
    if note is None:
        return False
    lines = _lines(note)
    keys = (signer.verifier_key for signer in signers)
    return any((key.name, key.key_id) in lines for key in keys)


def _check_newest(note: str | None, known: Sequence[VerifierKey]) -> None:
    """Return unless the note's last line is of a key under the same name that is not here.

    New keys sign last. To sign on with older ones alone would be what a thief of retired
    keys does.
    """
    if note is None:
        return
    names = {key.name for key in known}
    ours = [line for line in _lines(note) if line[0] in names]
    if ours and ours[-1] not in {(k.name, k.key_id) for k in known}:
        raise StoppedError(
            "log keys: the newest checkpoint was signed with newer keys than are here: they"
            " were rotated; bring the keys that belong to this log"
        )


@lru_cache(maxsize=4)  # the newest checkpoint of each log, looked at several times
def _lines(note: str) -> tuple[tuple[str, bytes], ...]:
    """The name and key id of each signature line."""
    return tuple((each.name, each.key_id) for each in SignedNote.parse(note).signatures)
