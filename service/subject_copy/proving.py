"""What proves each entry of a copy: its receipt, and the openings that the person may see."""

import json
from collections.abc import Iterable

from ledger.commitments import DisclosedField, Opening
from ledger.entries import ExplanationIssued
from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import MalformedError
from ledger.operate.attachments import Attached
from ledger.verify.verifier import DisclosedSections

__all__ = ["closed", "proof", "untold"]


def untold(each: Attached) -> bool:
    """Whether it is an explanation with a failed check: its words go to nobody unread."""
    issued = isinstance(each.entry.body, ExplanationIssued)
    return issued and each.opening.disclosed().get("automatic_text_allowed") is not True


def closed(opening: Opening) -> Opening:
    """The opening with digests only: it proves what was issued, and shows nothing of it."""
    return Opening(
        opening.section,
        tuple(
            field.digest(opening.section) if isinstance(field, DisclosedField) else field
            for field in opening.fields
        ),
    )


def proof(entry_id: str, receipt: str, openings: Iterable[Opening]) -> dict[str, bytes]:
    """The files by their names in the copy.

    Raises:
        MalformedError: the id is none, and could not be part of a file's name.
    """
    if not UUID7_PATTERN.fullmatch(entry_id):
        raise MalformedError("copy: not an id")  # it becomes the name of a file
    shown = DisclosedSections(entry_id, tuple(openings)).to_json()
    return {
        f"proofs/{entry_id}.tlog-proof": receipt.encode(),
        f"proofs/{entry_id}.openings.json": json.dumps(shown, ensure_ascii=False).encode(),
    }
