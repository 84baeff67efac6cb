"""The certificate of an erasure: what was erased, when and why, and the proof in the log.

It is for the person concerned and for whoever supervises: data, with a receipt for each
tombstone that `python -m ledger.verify` checks, and no value of the person. It says what
remains and what is out of reach in words that claim no more than is true.

The form is `docs/erasure-certificate.schema.json`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.canonical import JsonValue
from ledger.operate.erasure import METHOD, Erasure
from ledger.tlog.proof import Receipt

__all__ = ["OUT_OF_REACH", "REMAINS", "STATEMENT", "Certificate"]

STATEMENT: Final = (
    "Erased, key destroyed: the keys and the sealed content of these records were deleted, and"
    " looked for again without finding them. The operator can no longer open them."
)
REMAINS: Final = (
    (
        "in the log: of each record its id, place and time, the versions of model and policy,"
        " commitments that nobody can open without the destroyed key, and the tombstones, which"
        " name together what was erased together"
    ),
    (
        "in the log of access: that somebody read records, in which role and for which purpose;"
        " which records is sealed, and names them by id until that log's own period ends"
    ),
    (
        "in the vault: this request, the ids of the records and the credentials that asked and"
        " agreed; of a request about a person also a keyed hash of the reference, by which a"
        " second request is answered"
    ),
)
OUT_OF_REACH: Final = (
    (
        "backups of the vault until they expire; a restore destroys the keys again before anything"
        " is served, but a stolen copy stays what it is"
    ),
    (
        "space that databases, file systems and disks have not reused: files of the databases"
        " until the clean-up has run, write-ahead logs, archives and replicas of a database server"
        " until they expire"
    ),
    "letters, openings, exports and reports that were handed out, and whatever anybody copied",
    "models that were trained on the data, and reference populations in the archive",
    "what the source of the decision keeps in systems of its own",
    (
        "from the times in the log, together with knowledge from elsewhere, somebody may still"
        " infer that a person was decided about"
    ),
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """An erasure that is done, and the proofs of its tombstones.

    Attributes:
        erasure: what was asked, by whom, when.
        origin: the log.
        decisions: the decisions that were erased.
        attached: what had been attached to them and was erased with them.
        kept: decisions that stayed, each with the legal hold that keeps it.
        receipts: one per tombstone; every erased record is named in one of them.
    """

    erasure: Erasure
    origin: str
    decisions: tuple[str, ...]
    attached: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    receipts: tuple[Receipt, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """The certificate as JSON."""
        done = self.erasure
        return {
            "v": 1,
            "erasure": done.id,
            "log": self.origin,
            "scope": "person" if done.whole_person else "records",
            "covers_below": done.size,
            "ground": done.ground.value,
            "method": METHOD,
            "requested_at": _written(done.requested_at),
            "requester_role": done.requester_role,
            "approved_at": _written(done.approved_at),
            "approver_role": done.approver_role,
            "completed_at": _written(done.done_at),
            "decisions": list(self.decisions),
            "attached": list(self.attached),
            "kept": [{"decision": each, "hold": hold} for each, hold in self.kept],
            "tombstones": [
                {"seq": receipt.index, "receipt": receipt.format()} for receipt in self.receipts
            ],
            "statement": STATEMENT,
            "remains": list(REMAINS),
            "out_of_reach": list(OUT_OF_REACH),
        }


def _written(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
