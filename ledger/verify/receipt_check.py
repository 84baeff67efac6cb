"""Checks a receipt as somebody asks for it: with its openings and its timestamp, if given."""

from argparse import Namespace
from pathlib import Path

from ledger.errors import VerificationError
from ledger.tlog.policy import Policy
from ledger.tlog.proof import MAX_RECEIPT_LENGTH, Receipt
from ledger.verify import report
from ledger.verify.given_files import read, read_text
from ledger.verify.log_check import trusted_roots
from ledger.verify.outcome import FINDINGS, Outcome
from ledger.verify.timestamps import (
    MAX_TOKEN_BYTES,
    Roots,
    Timestamp,
    verify_timestamp,
)
from ledger.verify.verifier import (
    MAX_OPENINGS_BYTES,
    DisclosedSections,
    verify_disclosed,
    verify_receipt,
)


def check_receipt(policy: Policy, options: Namespace, outcome: Outcome) -> None:
    """Check the receipt that is the target of the command, and add to the outcome.

    Raises:
        LedgerError: it could not be checked.
    """
    text = read_text(Path(options.target), MAX_RECEIPT_LENGTH)
    shown = None
    if options.openings is not None:
        shown = DisclosedSections.parse(read(Path(options.openings), MAX_OPENINGS_BYTES))
    roots = trusted_roots(options)
    try:
        proved = verify_receipt(text, policy)
        if shown is not None:
            verify_disclosed(proved.entry, shown)
        stamp = None if roots is None else _stamp(text, Path(options.timestamp), roots)
    except VerificationError as error:
        outcome.worsen(FINDINGS)
        outcome.lines.append(f"RESULT: NOT FINE. {report.refusal(error)}")
        outcome.document["findings"] = [str(error)]
        return
    outcome.lines += report.receipt_lines(proved, shown, stamp)
    outcome.document["receipt"] = report.receipt_json(proved, shown, stamp)


def _stamp(receipt: str, path: Path, roots: Roots) -> Timestamp:
    token = read(path, MAX_TOKEN_BYTES)
    return verify_timestamp(token, Receipt.parse(receipt).checkpoint_note, roots)
