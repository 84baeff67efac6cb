"""`python -m ledger.verify`: check a log or a receipt with a policy of one's own.

Exit status: 0 everything that was checked is fine, 1 something does not agree, 2 it could
not be checked. Could not be checked is never fine, and never tampered.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ledger.errors import LedgerError
from ledger.tlog.policy import MAX_POLICY_LENGTH, Policy
from ledger.verify import report
from ledger.verify.disclosure_check import check_disclosure
from ledger.verify.given_files import read_text
from ledger.verify.log_check import check_logs
from ledger.verify.outcome import FINDINGS, FINE, NOT_CHECKED, Outcome, plain
from ledger.verify.processes import MAX_PROCESSES
from ledger.verify.progress import CLEAR_TO_END
from ledger.verify.receipt_check import check_cose, check_receipt

RECEIPT_SUFFIX = ".tlog-proof"
COSE_SUFFIX = ".cose"
DISCLOSURE_SUFFIX = ".zip"
SUFFIXES = (RECEIPT_SUFFIX, COSE_SUFFIX, DISCLOSURE_SUFFIX)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a check, after printing what it found."""
    parser = _parser()
    options = parser.parse_args(arguments)
    suffix = next(filter(options.target.endswith, SUFFIXES), "")
    _refuse_contradictions(parser, options, suffix)
    outcome = Outcome()
    try:
        policy = Policy.parse(read_text(Path(options.policy), MAX_POLICY_LENGTH))
        check = {
            RECEIPT_SUFFIX: check_receipt,
            COSE_SUFFIX: check_cose,
            DISCLOSURE_SUFFIX: check_disclosure,
        }.get(suffix, check_logs)
        check(policy, options, outcome)
    except (LedgerError, KeyboardInterrupt) as error:
        reason = str(error) or "it was interrupted"
        outcome.worsen(NOT_CHECKED)
        outcome.lines += ["", f"COULD NOT CHECK: {reason}"]
        outcome.document["reason"] = reason
    if options.complete and outcome.logs:
        outcome.lines += ["", report.INCOMPLETE if outcome.incomplete else report.COMPLETE]
    _print(outcome, as_json=options.json)
    return FINDINGS if options.complete and outcome.incomplete else outcome.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.verify",
        description="Check a decision log or a receipt without trusting its keeper.",
        epilog="Exit status: 0 fine, 1 something does not agree, 2 could not be checked.",
    )
    parser.add_argument(
        "target",
        help=f"a receipt (*{RECEIPT_SUFFIX} or *{COSE_SUFFIX}), a disclosure "
        f"(*{DISCLOSURE_SUFFIX}), a ledger database or its dump, a directory of tiles, or an "
        "address: https://… of published tiles, postgresql://… of a database",
    )
    parser.add_argument(
        "--policy", required=True, help="tlog-policy file: the keys you trust, from elsewhere"
    )
    parser.add_argument("--origin", help="check this log only")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="a signed checkpoint kept elsewhere; shows a log that was cut or rewritten",
    )
    _of_receipts(parser)
    _of_logs(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _of_receipts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--openings", metavar="FILE", help="disclosed fields of a receipt's entry")
    parser.add_argument(
        "--timestamp", metavar="FILE", help="an RFC 3161 answer (.tsr) over a receipt's checkpoint"
    )
    parser.add_argument(
        "--tsa-roots",
        metavar="FILE",
        help="PEM file: root certificates of the timestamp authorities you trust",
    )


def _of_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        metavar="FILE",
        help="keep there what was verified, and read only what is new the next time",
    )
    parser.add_argument(
        "--complete",
        action="store_true",
        help="exit with 1 also if counters are missing without a reason, or a stated total does "
        "not agree",
    )
    parser.add_argument("--full", action="store_true", help="read everything again all the same")
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="check with so many processes; by default one, or up to four for a large log",
    )


def _refuse_contradictions(
    parser: argparse.ArgumentParser, options: argparse.Namespace, suffix: str
) -> None:
    is_receipt = suffix == RECEIPT_SUFFIX
    of_a_log = (options.origin, options.state, options.processes)
    if options.openings and suffix not in (RECEIPT_SUFFIX, COSE_SUFFIX):
        parser.error("--openings goes with a receipt")
    no_growth = suffix in (RECEIPT_SUFFIX, DISCLOSURE_SUFFIX)
    if (suffix and any(of_a_log)) or (no_growth and options.checkpoint):
        parser.error(
            "--checkpoint, --origin, --state and --processes go with a log, not with a receipt"
        )
    if options.timestamp and not (is_receipt and options.tsa_roots):
        parser.error(f"--timestamp goes with a receipt (*{RECEIPT_SUFFIX}) and --tsa-roots")
    if suffix and options.tsa_roots and not options.timestamp:
        parser.error("--tsa-roots with a receipt goes with --timestamp")
    if options.complete and suffix:
        parser.error("--complete goes with a log, not with a receipt")
    if options.full and not options.state:
        parser.error("--full goes with --state; without it everything is read anyway")
    if options.processes is not None and not 1 <= options.processes <= MAX_PROCESSES:
        parser.error(f"--processes takes 1 to {MAX_PROCESSES}")


def _print(outcome: Outcome, *, as_json: bool) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{CLEAR_TO_END}")  # the progress line
    result, meaning = {
        FINE: ("fine", report.MEANING),
        FINDINGS: ("findings", report.MEANING_NOT_FINE),
        NOT_CHECKED: ("not_checked", report.MEANING_NOT_CHECKED),
    }[outcome.status]
    if as_json:
        document = {"result": result, **outcome.document}
        if outcome.logs:
            document["logs"] = outcome.logs
            document["complete"] = not outcome.incomplete
        document["meaning"] = meaning
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        said = "\n".join(map(plain, outcome.lines)).strip("\n")
        sys.stdout.write(f"{said}\n\n{meaning}\n")


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    sys.exit(main())
