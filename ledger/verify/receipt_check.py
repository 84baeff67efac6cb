"""Checks a receipt as somebody asks for it: with its openings and its timestamp, if given."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from ledger.errors import MalformedError, VerificationError
from ledger.tlog.cbor import MAX_BYTES as MAX_COSE_BYTES
from ledger.tlog.policy import Policy
from ledger.tlog.proof import MAX_RECEIPT_LENGTH, Receipt
from ledger.verify import report
from ledger.verify.cose_receipt import (
    NOT_IN_COSE,
    growth_lines,
    is_growth,
    verify_cose,
    verify_cose_growth,
)
from ledger.verify.given_files import read, read_text
from ledger.verify.log_check import given_checkpoint, trusted_roots
from ledger.verify.outcome import FINDINGS, Outcome
from ledger.verify.timestamps import MAX_TOKEN_BYTES, Timestamp, verify_timestamp
from ledger.verify.verifier import (
    MAX_OPENINGS_BYTES,
    DisclosedSections,
    VerifiedReceipt,
    verify_disclosed,
    verify_receipt,
)

Prove = Callable[[], VerifiedReceipt]
Date = Callable[[], Timestamp | None]


def check_receipt(policy: Policy, options: Namespace, outcome: Outcome) -> None:
    """Check the receipt that is the target of the command, and add to the outcome.

    Raises:
        LedgerError: it could not be checked.
    """
    text = read_text(Path(options.target), MAX_RECEIPT_LENGTH)
    roots = trusted_roots(options)

    def date() -> Timestamp | None:
        if roots is None:
            return None
        token = read(Path(options.timestamp), MAX_TOKEN_BYTES)
        return verify_timestamp(token, Receipt.parse(text).checkpoint_note, roots)

    _check(lambda: verify_receipt(text, policy), date, options.openings, outcome)


def check_cose(policy: Policy, options: Namespace, outcome: Outcome) -> None:
    """Check the COSE receipt that is the target of the command, and add to the outcome.

    Raises:
        LedgerError: it could not be checked.
    """
    data = read(Path(options.target), MAX_COSE_BYTES)
    if is_growth(data):
        _check_growth(data, policy, options, outcome)
        return
    if options.checkpoint:
        raise MalformedError("--checkpoint does not go with an entry's receipt")
    _check(lambda: verify_cose(data, policy), lambda: None, options.openings, outcome, NOT_IN_COSE)


def _check_growth(data: bytes, policy: Policy, options: Namespace, outcome: Outcome) -> None:
    if len(options.checkpoint) != 1 or options.openings:
        raise MalformedError(
            "this receipt says that a log grew: give the older checkpoint, and nothing else, with"
            " --checkpoint"
        )
    _, older = given_checkpoint(Path(options.checkpoint[0]), policy)
    try:
        grown = verify_cose_growth(data, older, policy)
    except VerificationError as error:
        _refuse(error, outcome)
        return
    outcome.lines += growth_lines(grown)
    outcome.document["growth"] = {
        "origin": grown.newer.origin,
        "older": {"size": grown.older.size, "root": grown.older.root_hash.hex()},
        "newer": {"size": grown.newer.size, "root": grown.newer.root_hash.hex()},
    }


def _check(
    prove: Prove, date: Date, openings: str | None, outcome: Outcome, left_open: Sequence[str] = ()
) -> None:
    shown = None
    if openings is not None:
        shown = DisclosedSections.parse(read(Path(openings), MAX_OPENINGS_BYTES))
    try:
        proved = prove()
        if shown is not None:
            verify_disclosed(proved.entry, shown)
        stamp = date()
    except VerificationError as error:
        _refuse(error, outcome)
        return
    outcome.lines += report.receipt_lines(proved, shown, stamp, left_open)
    outcome.document["receipt"] = report.receipt_json(proved, shown, stamp)


def _refuse(error: VerificationError, outcome: Outcome) -> None:
    outcome.worsen(FINDINGS)
    outcome.lines.append(f"RESULT: NOT FINE. {report.refusal(error)}")
    outcome.document["findings"] = [str(error)]
