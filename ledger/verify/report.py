"""What a check says, in words for people and as JSON for programs.

It says what was checked and what was not, so that nobody takes silence for proof. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.canonical import JsonValue
from ledger.entries import SourcePeriodTotal
from ledger.errors import InclusionError, RootMismatchError, SignatureError, VerificationError
from ledger.verify import pruned
from ledger.verify.audit_result import AuditResult
from ledger.verify.completeness import families
from ledger.verify.key_history import Rotation
from ledger.verify.source_lines import (
    family_json,
    source_json,
    source_lines,
    total_json,
    total_lines,
)
from ledger.verify.timestamped_log import NO_TIMESTAMPS, LogTimestamps
from ledger.verify.timestamps import Timestamp, TimestampRefused
from ledger.verify.verifier import DisclosedSections, VerifiedReceipt

MEANING = (
    "What this means: integrity proves that these bytes and their order are the ones that were "
    "signed; it does not prove that what was logged is true, fair or lawful, or that everything "
    "was logged."
)
MEANING_NOT_FINE = (
    "What this means: what was checked is not what was signed, or no key that you trust signed "
    "it. That does not say who changed it, or whether it was damaged on its way to you. Keep it as "
    "it is, ask for another copy, and show both to whoever supervises the keeper of the log."
)
COMPLETE = "COMPLETE, as far as the sources' own counters and totals show."
INCOMPLETE = (
    "NOT COMPLETE: predictions are missing for which nobody gave a reason, or a stated total does "
    "not agree; the sources stand above. The log itself is judged by its RESULT."
)
MEANING_NOT_CHECKED = (
    "What this means: nothing was found out, neither good nor bad. What has to be corrected "
    "stands above."
)
NOT_CHECKED = ("sealed payloads: they need the operator's keys",)
NOT_CHECKED_TAIL = (
    "whether the newest entries were cut off together with their checkpoints: that takes a "
    "checkpoint kept elsewhere (--checkpoint)"
)


@dataclass(frozen=True, slots=True)
class Beside:
    """What an audit was given beside the log.

    Attributes:
        known: whether a checkpoint kept elsewhere was given.
        earlier: when the log was found to be fine before, if what that left was given.
        stamps: what the timestamps beside the log are worth.
    """

    known: bool = False
    earlier: datetime | None = None
    stamps: LogTimestamps = NO_TIMESTAMPS


NOTHING: Final = Beside()


def unchecked(result: AuditResult, beside: Beside = NOTHING) -> Iterator[str]:
    """What an audit leaves open."""
    if result.since is not None:
        yield (
            f"entries 0 to {result.since.size - 1:,} as they are stored now, and timestamped "
            "checkpoints of fewer: they were fine when they were read (--full reads them again)"
        )
    yield from NOT_CHECKED
    if result.unverified:
        yield (
            f"signatures of {result.unverified:,} older checkpoints by keys that the policy does"
            " not name; their roots were compared"
        )
    for rotation in result.rotations:
        if not (rotation.vouched or result.findings):
            yield (
                f"whether the old keys agreed to the rotation by entry {rotation.index:,}: that "
                "takes a checkpoint that old and new keys signed (--checkpoint)"
            )
    periods = sum(isinstance(each.stated.body, SourcePeriodTotal) for each in result.totals)
    if periods:
        yield (
            f"stated totals of periods ({periods:,}): when a decision was made is not in the log; "
            "its keeper can tell (GET /v1/sources)"
        )
    yield from beside.stamps.unchecked_lines()
    if not beside.known:
        yield NOT_CHECKED_TAIL
    if result.pruned is not None:
        yield from pruned.unchecked(result.pruned)


def audit_lines(result: AuditResult, beside: Beside = NOTHING) -> Iterator[str]:
    """The result of an audit as lines of plain text."""
    earlier = beside.earlier
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in result.counts)
    yield f"Log         {result.origin}"
    yield f"Entries     {result.size:,}" + (f" ({kinds})" if kinds else "")
    if result.first_at is not None and result.last_at is not None:
        span = f"{_moment(result.first_at)} to {_moment(result.last_at)}"
        yield f"Accepted    {span}, by the log's own clock"
    if result.checkpoint is not None:
        head = f"size {result.checkpoint.size:,}, root {result.checkpoint.root_hash.hex()}"
        yield f"Checkpoint  {head}"
    if earlier is not None:
        yield f"Earlier     {_earlier(result, earlier)}"
    yield ""
    yield "Checked"
    where = "" if result.pruned is None else f" from entry {result.pruned.first:,} on"
    new = "every entry's" if result.since is None else "every new entry's"
    yield f"  - {new} bytes{where}: form, index, time, hash chain, and the tree made of them"
    if result.since is not None:
        yield "  - that the log grew out of the checkpoint that was kept"
    yield f"  - {result.checkpoints:,} signed checkpoints against that tree"
    yield f"  - {result.tiles:,} stored tiles against that tree"
    for rotation in result.rotations:
        yield f"  - {_rotation(rotation)}"
    yield from beside.stamps.checked_lines()
    yield "Not checked"
    for line in unchecked(result, beside):
        yield f"  - {line}"
    if result.sources or result.totals:
        yield f"Sources, by their own counters{where} (information, not tampering)"
    for line in (*source_lines(result.sources), *total_lines(result.totals)):
        yield f"  - {line}"
    yield ""
    yield from _verdict(result)


def _verdict(result: AuditResult) -> Iterator[str]:
    if not result.findings:
        fine = "fine" if result.pruned is None else f"fine from entry {result.pruned.first:,} on"
        yield f"RESULT: {fine}. Everything that was checked agrees with what was signed."
        return
    yield f"RESULT: NOT FINE. Findings: {len(result.findings) + result.omitted:,}"
    for finding in result.findings:
        yield f"  - {finding}"
    if result.omitted:
        yield f"  - and {result.omitted:,} more"
    elif result.located:
        named = "entries not named" if result.pruned is None else "entries here and not named"
        yield f"  The stored tiles lead to the signed root: {named} are as signed."


def _earlier(result: AuditResult, earlier: datetime) -> str:
    if result.since is None:
        return f"found fine on {_moment(earlier)}; every entry was read again"
    before, new = result.since.size, result.size - result.since.size
    said = f"entries 0 to {before - 1:,} were found fine on {_moment(earlier)}"
    return f"{said}; {new:,} new ones were read now"


def audit_json(result: AuditResult, beside: Beside = NOTHING) -> dict[str, JsonValue]:
    """The result of an audit as JSON; hashes in hex, moments in RFC 3339."""
    head = result.checkpoint
    return {
        "origin": result.origin,
        "size": result.size,
        "root": None if result.root is None else result.root.hex(),
        "checkpoint": None if head is None else {"size": head.size, "root": head.root_hash.hex()},
        "findings": [
            {"code": str(f.code), "index": f.index, "last": f.last, "detail": f.detail}
            for f in result.findings
        ],
        "omitted": result.omitted,
        "located": result.located,
        "checkpoints": result.checkpoints,
        "tiles": result.tiles,
        "counts": dict(result.counts),
        "first_at": None if result.first_at is None else result.first_at.isoformat(),
        "last_at": None if result.last_at is None else result.last_at.isoformat(),
        "sources": [source_json(source) for source in result.sources],
        "families": [family_json(each) for each in families(result.sources)],
        "totals": [total_json(each) for each in result.totals],
        "read_from": 0 if result.since is None else result.since.size,
        "verified_earlier": None if beside.earlier is None else beside.earlier.isoformat(),
        "rotations": [_rotation_json(rotation) for rotation in result.rotations],
        "timestamps": beside.stamps.to_json(),
        "not_checked": list(unchecked(result, beside)),
        "minimum_index": 0 if result.pruned is None else result.pruned.index,
    }


def receipt_lines(
    proved: VerifiedReceipt,
    shown: DisclosedSections | None,
    stamp: Timestamp | None = None,
    left_open: Sequence[str] = (),
) -> Iterator[str]:
    """What a receipt proved, and the fields whose openings fit, as lines of plain text.

    `left_open` are things that this form of receipt cannot show.
    """
    entry, head = proved.entry, proved.checkpoint
    yield f"Log         {head.origin}"
    yield f"Entry       {entry.seq:,}, {entry.body.kind}, id {entry.id}"
    yield f"Accepted    {_moment(entry.at)}, by the log's own clock"
    yield f"Checkpoint  size {head.size:,}, root {head.root_hash.hex()}"
    yield ""
    yield "Checked"
    yield "  - the checkpoint's signatures, against the policy"
    yield "  - that exactly these bytes are in the tree that was signed, at this index"
    for opening in () if shown is None else shown.openings:
        fields = opening.disclosed()
        hidden = len(opening.fields) - len(fields)
        yield f"  - section {opening.section}: {len(fields)} fields as logged, {hidden} not shown"
        for name, value in fields.items():
            yield f"      {name} = {value!r}"
    if stamp is not None:
        yield "  - the timestamp over that checkpoint, up to a root certificate that you trust:"
        yield f"      with the entry in it, it {stamp}"
    yield "Not checked"
    if stamp is None and not left_open:
        yield "  - the log's own clock: that takes a timestamp (--timestamp)"
    if shown is None:
        yield "  - the values behind the entry's commitments: that takes openings (--openings)"
    for line in (*left_open, "the rest of the log"):
        yield f"  - {line}"
    yield ""
    yield "RESULT: fine. The entry is in the log as it was signed."


def refusal(error: VerificationError) -> str:
    """Why a receipt or an opening is not what it says, in words and with the check that failed."""
    match error:
        case SignatureError():
            said = "No key of this policy signed the receipt's checkpoint as it stands here."
        case TimestampRefused():
            said = "The timestamp is not over this checkpoint, or nobody whom you trust made it."
        case InclusionError() | RootMismatchError():
            said = "The entry, its index or its proof was changed: it is not in the signed log so."
        case _:
            said = "What was shown is not what the log holds."
    return f"{said} The check that failed: {error}"


def receipt_json(
    proved: VerifiedReceipt, shown: DisclosedSections | None, stamp: Timestamp | None = None
) -> dict[str, JsonValue]:
    """What a receipt proved as JSON."""
    entry, head = proved.entry, proved.checkpoint
    openings = () if shown is None else shown.openings
    return {
        "origin": head.origin,
        "index": entry.seq,
        "id": entry.id,
        "kind": str(entry.body.kind),
        "at": entry.at.isoformat(),
        "checkpoint": {"size": head.size, "root": head.root_hash.hex()},
        "disclosed": {opening.section: opening.disclosed() for opening in openings},
        "timestamp": None if stamp is None else stamp.to_json(),
    }


def _rotation(rotation: Rotation) -> str:
    """A change of keys in words, and who is believed because of it."""
    text = f"the rotation of the log's keys by entry {rotation.index:,}"
    text += ", signed over by old and new keys" if rotation.vouched else ""
    if rotation.followed:
        text += (
            "; the policy names none of the new keys: they are believed because its own keys"
            " lead to them"
        )
    return text


def _rotation_json(rotation: Rotation) -> dict[str, JsonValue]:
    return {
        "index": rotation.index,
        "old": [key.key_id.hex() for key in rotation.old],
        "new": [key.key_id.hex() for key in rotation.new],
        "vouched": rotation.vouched,
        "followed": rotation.followed,
    }


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
