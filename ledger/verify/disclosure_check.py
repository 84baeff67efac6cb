"""Checks a disclosure as its recipient asks for it, and says what was shown."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import VerificationError
from ledger.tlog.policy import Policy
from ledger.verify import report
from ledger.verify.disclosure import (
    MAX_PACKAGE_BYTES,
    Part,
    ShownPart,
    VerifiedDisclosure,
    verify_disclosure,
)
from ledger.verify.given_files import read
from ledger.verify.outcome import FINDINGS, Outcome


def check_disclosure(policy: Policy, options: Namespace, outcome: Outcome) -> None:
    """Check the package that is the target of the command, and add to the outcome.

    Raises:
        LedgerError: it could not be checked.
    """
    data = read(Path(options.target), MAX_PACKAGE_BYTES)
    try:
        found = verify_disclosure(data, policy)
    except VerificationError as error:
        outcome.worsen(FINDINGS)
        outcome.lines.append(f"RESULT: NOT FINE. {report.refusal(error)}")
        outcome.document["findings"] = [str(error)]
        return
    outcome.lines += _lines(found)
    outcome.document["disclosure"] = _json(found)


def _lines(found: VerifiedDisclosure) -> Iterator[str]:
    said = found.manifest
    yield f"Disclosure  {said.id}, logged as entry {found.issued.seq:,} of {said.origin}"
    yield f"Logged      {found.issued.at:%Y-%m-%d %H:%M:%S} UTC, by the log's own clock"
    yield f"Recipient   {said.recipient}"
    yield f"Ground      {said.ground}"
    yield f"Purpose     {said.purpose}"
    for each in found.parts:
        yield ""
        yield from _part_lines(each)
    yield ""
    yield "Checked"
    yield "  - every receipt's checkpoint, against the policy, and each entry in the signed tree"
    yield "  - every value above, against what its entry commits to"
    yield "  - that the log says this package was issued, with this recipient, ground and purpose"
    yield "Not checked"
    yield "  - what is not shown, and whether more was shown to others"
    yield "  - the log's own clock, and the rest of the log"
    yield ""
    yield "RESULT: fine. These values were logged, and the log says that they were shown to you."


def _part_lines(each: ShownPart) -> Iterator[str]:
    entry = each.proved.entry
    about = "" if each.part is Part.DECISION else f" of {each.record}"
    yield f"{each.part.capitalize()}{about}: entry {entry.seq:,}, id {entry.id}"
    yield f"  accepted {entry.at:%Y-%m-%d %H:%M:%S} UTC"
    rows = [
        (f"{opening.section}.{name}", canonical.encode(value).decode())
        for opening in each.shown.openings
        for name, value in opening.disclosed().items()
    ]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield f"    {name:<{width}}  {value}"
    yield f"    and {_hidden(each):,} fields that are not shown"


def _hidden(each: ShownPart) -> int:
    openings = each.shown.openings
    return sum(len(opening.fields) - len(opening.disclosed()) for opening in openings)


def _json(found: VerifiedDisclosure) -> JsonValue:
    said = found.manifest
    return {
        "id": said.id,
        "origin": said.origin,
        "index": found.issued.seq,
        "at": found.issued.at.isoformat(),
        "recipient": said.recipient,
        "ground": said.ground.value,
        "purpose": said.purpose,
        "records": [
            {
                "decision": each.record,
                "part": each.part.value,
                "entry": each.proved.entry.id,
                "index": each.proved.entry.seq,
                "disclosed": {o.section: o.disclosed() for o in each.shown.openings},
                "hidden": _hidden(each),
            }
            for each in found.parts
        ],
    }
