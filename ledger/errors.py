"""The ledger's exceptions, named by what the caller does next.

Nothing foreign leaks from the package: every error raised on purpose is one of
these. An error's text never quotes a person's data; `member` names the place.
"""

from collections.abc import Mapping

__all__ = [
    "CheckpointConflict",
    "ClockWrong",
    "ConflictError",
    "DuplicateSubmission",
    "ErasedError",
    "ForkSuspected",
    "HoldInForce",
    "InclusionError",
    "InconsistencyError",
    "KeyExpired",
    "LedgerError",
    "MalformedError",
    "NotFoundError",
    "PermissionRefused",
    "PushbackError",
    "RefusedError",
    "RestrictedError",
    "RootMismatchError",
    "SecondPersonNeeded",
    "SignatureError",
    "SizeConflict",
    "StoppedError",
    "VerificationError",
    "WrongStage",
]


class LedgerError(Exception):
    """Anything this package raises on purpose.

    Attributes:
        member: the JSON member at fault as a dotted path (`input.income`), or None.
    """

    def __init__(self, message: str, *, member: str | None = None) -> None:
        super().__init__(message)
        self.member = member


class MalformedError(LedgerError):
    """Bytes or values not in the form that we would have written: reject."""


class VerificationError(LedgerError):
    """Parsed, but not authentic: reject and raise the alarm."""


class SignatureError(VerificationError):
    """A known key's signature is missing or does not verify."""


class RootMismatchError(VerificationError):
    """A computed root hash differs from the one that was signed or stated."""


class InclusionError(VerificationError):
    """An inclusion proof does not lead from the leaf to the root."""


class InconsistencyError(VerificationError):
    """Two heads of one log that no history can explain: keep this, publish it.

    Attributes:
        older: the older checkpoint, as it was signed.
        newer: the newer checkpoint, as it was signed.
        proof: the consistency proof that failed, or () if none was offered.
    """

    def __init__(
        self, message: str, *, older: str = "", newer: str = "", proof: tuple[bytes, ...] = ()
    ) -> None:
        super().__init__(message)
        self.older = older
        self.newer = newer
        self.proof = proof


class ForkSuspected(VerificationError):
    """A witness has seen another, or a longer, history of this log than ours: stop and look.

    Attributes:
        size: how many entries the witness says it has cosigned, or None if it did not say.
        origin: the log, or "" if it is not known.
        notes: signed checkpoints that show it; () if nothing signed does.
    """

    def __init__(
        self,
        message: str,
        *,
        size: int | None = None,
        origin: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.size = size
        self.origin = origin
        self.notes = notes


class ConflictError(LedgerError):
    """Someone else moved first: read again, then retry or stop."""


class CheckpointConflict(ConflictError):
    """The stored head is not the one that this write was based on."""


class SizeConflict(CheckpointConflict):
    """A witness's latest checkpoint has another size than the request says; `size` is it."""

    def __init__(self, message: str, *, size: int) -> None:
        super().__init__(message)
        self.size = size


class DuplicateSubmission(ConflictError):
    """The id was used before with other content; `member` names what differs."""


class WrongStage(ConflictError):
    """A request or a hold is at another stage than this needs: read it again."""


class PushbackError(LedgerError):
    """The ledger cannot take more right now: wait `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFoundError(LedgerError):
    """It never was here."""


class ErasedError(NotFoundError):
    """It was here and is gone: the key that opened it has been destroyed.

    Attributes:
        tombstone: what the log says of it (`log`, `seq`, `id`, `at`, `ground`), or None if
            the log does not say.
        erasure: the id of the erasure that it was gone in, or None if it is not known.
    """

    def __init__(
        self,
        message: str,
        *,
        member: str | None = None,
        tombstone: Mapping[str, str | int] | None = None,
        erasure: str | None = None,
    ) -> None:
        super().__init__(message, member=member)
        self.tombstone = tombstone
        self.erasure = erasure


class RefusedError(LedgerError):
    """Not allowed: ask someone who may."""


class StoppedError(RefusedError):
    """The log may not be written, whoever asks: submit it again once its keeper has seen to it."""


class KeyExpired(RefusedError):
    """The key was good until its time was up: ask for a new one."""


class ClockWrong(StoppedError):
    """The clock cannot be believed: submit it again once it is right, which ends this by itself."""


class PermissionRefused(RefusedError):
    """The caller's role does not carry this permission."""


class HoldInForce(RefusedError):
    """A legal hold forbids this until it is released; `holds` are the ids of those in force."""

    def __init__(self, message: str, *, holds: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.holds = holds


class RestrictedError(HoldInForce):
    """What a legal hold keeps may be used for that matter only (GDPR Art. 18(2))."""


class SecondPersonNeeded(RefusedError):
    """Two different people must agree to this."""
