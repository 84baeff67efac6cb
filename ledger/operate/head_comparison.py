"""Does anybody outside hold more of a log, or another one? Asked before a log is written.

A checkpoint that the log signed and that is larger than the log, or has a root that the
log never had, is proof: the log was rolled back, or somebody else signs with its keys.
A smaller one that fits proves nothing about what came after it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, Protocol

from ledger.errors import ForkSuspected, LedgerError, SignatureError
from ledger.operate.checkpoint_lock import MAX_NOTE_BYTES
from ledger.operate.witness_exchange import Answer, get
from ledger.operate.witness_state import origin_hash
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.cosignature import open_note
from ledger.tlog.merkle import tree_root
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from ledger.tlog.tile import Tile, tile_nodes

__all__ = ["Fetch", "Heard", "KnownHead", "Tree", "ask_witnesses", "hold_against"]

Fetch = Callable[[str], Answer]
"""address -> answer; raises NoAnswer."""

MAX_AT_ONCE: Final = 16  # witnesses asked at the same time


class Tree(Protocol):
    """The log here, as far as it is public."""

    @property
    def origin(self) -> str:
        """The log's name."""

    def size(self) -> int:
        """How many entries there are."""

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, exactly as wide as asked; the log is at least that large."""

    def own_checkpoint(self) -> str:
        """The newest checkpoint as the log signed it."""


@dataclass(frozen=True, slots=True)
class KnownHead:
    """A checkpoint of a log that somebody holds, signed by the log.

    Attributes:
        who: who holds it, in words that complete "… holds".
        note: the signed note.
        checkpoint: what it says.
    """

    who: str
    note: str
    checkpoint: Checkpoint

    @classmethod
    def read(cls, who: str, note: str, keys: Sequence[VerifierKey]) -> "KnownHead":
        """The head in a note of the log that has these keys.

        Raises:
            MalformedError: not a signed checkpoint.
            SignatureError: none of the keys signed it, or one of the signatures fails.
        """
        checkpoint = Checkpoint.parse(open_note(note, keys).text)
        if checkpoint.origin not in {key.name for key in keys}:
            raise SignatureError("checkpoint: it is of another log than its keys")
        return cls(who, note, checkpoint)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one witness showed of one log: a head, a reason why there is none, or a fork."""

    url: str
    origin: str
    head: KnownHead | None = None
    trouble: str = ""
    fork: ForkSuspected | None = None


def hold_against(head: KnownHead, log: Tree) -> None:
    """Return if the log here contains the head: it may be smaller, and nothing is then missing.

    Raises:
        ForkSuspected: it is larger than the log, or has a root that the log never had.
    """
    theirs, here = head.checkpoint, log.size()
    if theirs.size > here:
        raise _fork(
            head,
            log,
            f"{head.who} holds a signed checkpoint of {theirs.size:,} entries of {log.origin}, but"
            f" there are {here:,} here: {theirs.size - here:,} missing",
        )
    if tree_root(theirs.size, tile_nodes(log.tile, theirs.size)) != theirs.root_hash:
        raise _fork(
            head,
            log,
            f"{head.who} holds a signed checkpoint of {theirs.size:,} entries of {log.origin} that"
            f" are not the first {theirs.size:,} here: two histories were signed",
        )


def ask_witnesses(
    logs: Sequence[tuple[Tree, Sequence[VerifierKey]]], policy: Policy, *, fetch: Fetch = get
) -> tuple[Heard, ...]:
    """What every witness with an address shows of each log, held against the log here.

    Nothing is raised for what a witness does: whoever asks has to look at each answer. It
    takes as long as `fetch` for every 16 questions.

    Args:
        logs: each log with its own verifier keys.
        policy: whose addresses are asked.
        fetch: how a witness is asked.
    """
    urls = dict.fromkeys(each.url for each in policy.witnesses if each.url)
    questions = [(url, log, keys) for url in urls for log, keys in logs]
    with ThreadPoolExecutor(max_workers=MAX_AT_ONCE) as pool:
        asked = [pool.submit(_ask, fetch, url, log.origin, keys) for url, log, keys in questions]
    # Held against the log in this thread: what reads a backup belongs to the one that opened it.
    return tuple(
        _held(future.result(), log) for future, (_, log, _) in zip(asked, questions, strict=True)
    )


def _ask(fetch: Fetch, url: str, origin: str, keys: Sequence[VerifierKey]) -> Heard:
    try:
        answer = fetch(f"{url.rstrip('/')}/{origin_hash(origin)}/checkpoint")
        if answer.status == HTTPStatus.NOT_FOUND:
            return Heard(url, origin, trouble="it shows no checkpoint of this log")
        if answer.status != HTTPStatus.OK or len(answer.body) > MAX_NOTE_BYTES:
            return Heard(url, origin, trouble=f"it answered with status {answer.status}")
        return Heard(
            url, origin, KnownHead.read(f"the witness at {url}", answer.body.decode(), keys)
        )
    except UnicodeDecodeError:
        return Heard(url, origin, trouble="its answer is not text")
    except LedgerError as error:
        return Heard(url, origin, trouble=str(error))


def _held(heard: Heard, log: Tree) -> Heard:
    if heard.head is None:
        return heard
    try:
        hold_against(heard.head, log)
    except ForkSuspected as fork:
        return replace(heard, fork=fork)
    return heard


def _fork(head: KnownHead, log: Tree, said: str) -> ForkSuspected:
    return ForkSuspected(
        f"FORK SUSPECTED: {said}; docs/operating.md, What to do on a fork",
        size=head.checkpoint.size,
        origin=log.origin,
        notes=(head.note, log.own_checkpoint()),
    )
