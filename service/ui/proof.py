"""The proof panel: a receipt as the page shows it and as the browser checks it.

Pure. The browser recomputes everything from the receipt's own text; what stands here is for
people to read and to compare.
"""

import base64
from collections.abc import Iterable, Sequence
from typing import Final

from ledger import canonical
from ledger.commitments import DisclosedField, Opening
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import ED25519, SignedNote, VerifierKey
from ledger.tlog.proof import Receipt
from service.ui import wording
from service.ui.views import CommittedField, Fact, ProofPanel

LONG_SIGNATURE: Final = 120  # characters of base64; an Ed25519 signature has 92, ML-DSA-44 3,240
COMMAND: Final = "python -m ledger.verify {name} --policy policy.txt"


def panel(
    receipt: Receipt,
    keys: Sequence[VerifierKey],
    *,
    record_id: str,
    href: str,
    openings: Iterable[Opening] = (),
) -> ProofPanel:
    """Return the panel of one receipt.

    Args:
        receipt: the proof of the entry as `PublishedLog.receipt` gives it.
        keys: the log's public keys; the browser takes the Ed25519 one of the receipt's origin.
        record_id: id of the entry that the page is about.
        href: where the browser fetches the receipt's text.
        openings: the sections that the page may show, opened.
    """
    note = SignedNote.parse(receipt.checkpoint_note)
    checkpoint = Checkpoint.parse(note.text)
    leaf, size = leaf_hash(receipt.entry).hex(), wording.number(checkpoint.size)
    return ProofPanel(
        receipt=href,
        verifier_key=_browser_key(keys, checkpoint.origin),
        leaf=leaf,
        entry=record_id,
        facts=(
            Fact("Entry", f"{wording.number(receipt.index)}, in a tree of {size}"),
            Fact("Leaf", "", code=leaf),
            Fact("Log", "", code=checkpoint.origin),
        ),
        checkpoint=_shortened(note),
        path=tuple(each.hex() for each in receipt.proof),
        command=COMMAND.format(name=file_name(record_id)),
        committed=tuple(field for opening in openings for field in _committed(opening)),
    )


def file_name(record_id: str) -> str:
    """Return the name under which a receipt is saved."""
    return f"{record_id}.tlog-proof"


def _browser_key(keys: Sequence[VerifierKey], origin: str) -> str:
    """The key that browsers can use: they have no ML-DSA yet."""
    usable = (key.vkey() for key in keys if key.kind == ED25519 and key.name == origin)
    return next(usable, "")


def _shortened(note: SignedNote) -> str:
    """The note with each long signature cut, which a person cannot compare anyway."""
    lines = [
        line if len(line) <= LONG_SIGNATURE + len(each.name) else f"{line[:LONG_SIGNATURE]}…\n"
        for each in note.signatures
        for line in [each.line()]
    ]
    return f"{note.text}\n{''.join(lines)}"


def _committed(opening: Opening) -> Iterable[CommittedField]:
    for field in opening.fields:
        if isinstance(field, DisclosedField):
            yield CommittedField(
                section=opening.section,
                name=field.name,
                value=canonical.encode(field.value).decode(),
                salt=base64.b64encode(field.salt).decode(),
            )
