"""What a caller chooses about a client, checked at birth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypedDict

from ledger.client.delivery import MAX_BATCH
from ledger.client.spool_cipher import SpoolCipher
from ledger.client.spooled import check_source
from ledger.client.trust import PolicySource
from ledger.errors import MalformedError

__all__ = ["Choices", "Durability", "Key", "Options", "WhenFull", "key_reader"]

WhenFull: TypeAlias = Literal["block", "raise", "spill"]
Durability: TypeAlias = Literal["interval", "fsync"]
Key: TypeAlias = str | Path | Callable[[], str]

MIN_SPOOL_BYTES: Final = 65_536  # less would hold no decision of a usual size
MAX_KEY_FILE_BYTES: Final = 4_096


class Choices(TypedDict, total=False):
    """The members of `Options` that a client has defaults for."""

    when_full: WhenFull
    block_seconds: float
    max_bytes: int
    spill: Path | None
    max_spill_bytes: int
    durability: Durability
    sync_seconds: float
    batch: int
    keep_receipts_for: timedelta | None
    spool_key: bytes | None
    strict: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How a client spools and delivers; `docs/client.md` says what follows from each.

    Attributes:
        source: the name of what makes predictions; lanes add a mark to it.
        spool: the directory to spool in; None keeps decisions in memory only.
        policy: whose signed heads are accepted: a policy, a file that is read again when it
            changes, or a function; None checks nobody's signature.
        when_full: what `record` does when the spool has no room: wait for some, raise
            SpoolFull at once, or go on in `spill`.
        block_seconds: how long `block` waits.
        max_bytes: of all lanes in the spool together.
        spill: the second directory, on another disk, and
        max_spill_bytes: what one process may put there.
        durability: `fsync` lets `record` wait until the power may fail.
        sync_seconds: between syncs; what a power cut may cost.
        batch: decisions in one request.
        keep_receipts_for: when receipts may be forgotten; None keeps all.
        spool_key: 32 bytes to encrypt the spool under, or None.
        strict: `record` raises whatever went wrong.
    """

    source: str
    spool: Path | None
    policy: PolicySource | None = None
    when_full: WhenFull = "block"
    block_seconds: float = 0.25
    max_bytes: int = 2**30
    spill: Path | None = None
    max_spill_bytes: int = 2**30
    durability: Durability = "interval"
    sync_seconds: float = 0.05
    batch: int = 100
    keep_receipts_for: timedelta | None = None
    spool_key: bytes | None = field(default=None, repr=False)
    strict: bool = False

    def __post_init__(self) -> None:
        check_source(self.source)
        SpoolCipher(self.spool_key)
        if self.when_full not in ("block", "raise", "spill"):
            raise MalformedError("client: when_full is block, raise or spill")
        if self.durability not in ("interval", "fsync"):
            raise MalformedError("client: durability is interval or fsync")
        if (self.when_full == "spill") != (self.spill is not None):
            raise MalformedError("client: when_full='spill' and a directory `spill` go together")
        if self.spool is None and (self.spill is not None or self.durability == "fsync"):
            raise MalformedError("client: a spool in memory neither spills nor syncs")
        if not 1 <= self.batch <= MAX_BATCH:
            raise MalformedError(f"client: a batch has 1 to {MAX_BATCH:,} decisions")
        if min(self.max_bytes, self.max_spill_bytes) < MIN_SPOOL_BYTES:
            raise MalformedError(f"client: a spool takes at least {MIN_SPOOL_BYTES:,} bytes")
        if self.block_seconds < 0 or self.sync_seconds < 0:
            raise MalformedError("client: a time is below zero")


def key_reader(key: Key) -> Callable[[], str]:
    """How to get the API key: as it is, from a file that may change, or from a function."""
    if isinstance(key, Path):
        path = key.absolute()

        def read() -> str:
            with path.open("rb") as file:
                return file.read(MAX_KEY_FILE_BYTES).decode("utf-8", "replace")

        return read
    if isinstance(key, str):
        text = key
        return lambda: text
    return key
