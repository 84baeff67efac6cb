"""`python -m ledger.verify`: check a log or a receipt, offline, with a policy of one's own.

Exit status: 0 everything that was checked is fine, 1 something does not agree, 2 it could
not be checked. Could not be checked is never fine, and never tampered.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledger.canonical import JsonValue
from ledger.errors import LedgerError, MalformedError, NotFoundError, VerificationError
from ledger.tlog.cbor import MAX_BYTES as MAX_COSE_BYTES
from ledger.tlog.policy import MAX_POLICY_LENGTH, Policy
from ledger.tlog.proof import MAX_RECEIPT_LENGTH
from ledger.verify import report
from ledger.verify.audit import Progress, audit
from ledger.verify.cose_receipt import (
    NOT_IN_COSE,
    growth_lines,
    is_growth,
    verify_cose,
    verify_cose_growth,
)
from ledger.verify.directory_reader import DirectoryLogReader
from ledger.verify.reader import MAX_NOTE_BYTES, LogReader, UnreadableError
from ledger.verify.sqlite_reader import SqliteLogReader
from ledger.verify.verifier import (
    MAX_OPENINGS_BYTES,
    DisclosedSections,
    VerifiedReceipt,
    verify_disclosed,
    verify_receipt,
)

FINE, FINDINGS, NOT_CHECKED = 0, 1, 2
RECEIPT_SUFFIX = ".tlog-proof"
COSE_SUFFIX = ".cose"
CLEAR_TO_END = "\x1b[K"  # of a terminal's line


@dataclass(slots=True)
class _Outcome:
    """What is to be said at the end."""

    status: int = FINE
    lines: list[str] = field(default_factory=list)
    document: dict[str, JsonValue] = field(default_factory=dict)
    logs: list[dict[str, JsonValue]] = field(default_factory=list)

    def worsen(self, status: int) -> None:
        """A finding outweighs what could not be checked, and that outweighs fine."""
        if FINDINGS in (status, self.status):
            self.status = FINDINGS
        else:
            self.status = max(status, self.status)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a check, after printing what it found."""
    parser = _parser()
    options = parser.parse_args(arguments)
    target = Path(options.target)
    is_cose = target.suffix == COSE_SUFFIX
    is_receipt = target.suffix == RECEIPT_SUFFIX
    if options.openings and not (is_receipt or is_cose):
        parser.error("--openings goes with a receipt")
    if is_receipt and (options.checkpoint or options.origin):
        parser.error("--checkpoint and --origin go with a log, not with a receipt")
    outcome = _Outcome()
    try:
        policy = Policy.parse(_read_text(Path(options.policy), MAX_POLICY_LENGTH))
        if is_cose:
            _check_cose(target, policy, options, outcome)
        elif is_receipt:
            _check_receipt(target, policy, options.openings, outcome)
        else:
            _check_logs(target, policy, options, outcome)
    except LedgerError as error:
        outcome.worsen(NOT_CHECKED)
        outcome.lines += ["", f"COULD NOT CHECK: {error}"]
        outcome.document["reason"] = str(error)
    _print(outcome, as_json=options.json)
    return outcome.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.verify",
        description="Check a decision log or a receipt, offline, without trusting its keeper.",
        epilog="Exit status: 0 fine, 1 something does not agree, 2 could not be checked.",
    )
    parser.add_argument(
        "target",
        help=f"a receipt (*{RECEIPT_SUFFIX} or *{COSE_SUFFIX}), a ledger database, or a directory"
        " of tiles",
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
    parser.add_argument("--openings", metavar="FILE", help="disclosed fields of a receipt's entry")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _check_receipt(target: Path, policy: Policy, openings: str | None, outcome: _Outcome) -> None:
    text = _read_text(target, MAX_RECEIPT_LENGTH)
    _check_proved(lambda: verify_receipt(text, policy), openings, outcome)


def _check_cose(
    target: Path, policy: Policy, options: argparse.Namespace, outcome: _Outcome
) -> None:
    data = _read(target, MAX_COSE_BYTES)
    if not is_growth(data):
        if options.checkpoint or options.origin:
            raise MalformedError("--checkpoint and --origin do not go with an entry's receipt")
        _check_proved(lambda: verify_cose(data, policy), options.openings, outcome, NOT_IN_COSE)
        return
    if len(options.checkpoint) != 1 or options.openings or options.origin:
        raise MalformedError(
            "this receipt says that a log grew: give the older checkpoint, and nothing else, with"
            " --checkpoint"
        )
    _, older = _kept_elsewhere(Path(options.checkpoint[0]), policy)
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


def _check_proved(
    prove: Callable[[], VerifiedReceipt],
    openings: str | None,
    outcome: _Outcome,
    unchecked: Sequence[str] = (),
) -> None:
    shown = None
    if openings is not None:
        shown = DisclosedSections.parse(_read(Path(openings), MAX_OPENINGS_BYTES))
    try:
        proved = prove()
        if shown is not None:
            verify_disclosed(proved.entry, shown)
    except VerificationError as error:
        _refuse(error, outcome)
        return
    outcome.lines += report.receipt_lines(proved, shown, unchecked)
    outcome.document["receipt"] = report.receipt_json(proved, shown)


def _refuse(error: VerificationError, outcome: _Outcome) -> None:
    outcome.worsen(FINDINGS)
    outcome.lines.append(f"RESULT: NOT FINE. {report.refusal(error)}")
    outcome.document["findings"] = [str(error)]


def _check_logs(
    target: Path, policy: Policy, options: argparse.Namespace, outcome: _Outcome
) -> None:
    known = [_kept_elsewhere(Path(name), policy) for name in options.checkpoint]
    trusted = {log.key.name for log in policy.logs}
    wanted = trusted if options.origin is None else trusted & {options.origin}
    with _open(target) as readers:
        here = {reader.origin for reader in readers}
        if not wanted & here:
            raise NotFoundError("the policy has a key for none of the logs that are here")
        for reader in readers:
            if reader.origin in wanted:
                notes = [note for origin, note in known if origin == reader.origin]
                _check_log(reader, policy, notes, outcome)
            else:
                outcome.lines += [f"Log {reader.origin}: not checked, and not asked for", ""]
    if any(origin not in wanted & here for origin, _ in known):
        raise NotFoundError("a checkpoint kept elsewhere is of none of the logs checked here")
    # A directory is one log; a database that should hold another and does not has lost it.
    if not target.is_dir() and wanted - here:
        raise NotFoundError(f"not here: {', '.join(sorted(wanted - here))} (see --origin)")


def _check_log(reader: LogReader, policy: Policy, notes: list[str], outcome: _Outcome) -> None:
    result = audit(reader, policy, known=notes, on_progress=_progress(reader.origin))
    outcome.worsen(FINDINGS if result.findings else FINE)
    outcome.lines += [*report.audit_lines(result, known=bool(notes)), ""]
    outcome.logs.append(report.audit_json(result, known=bool(notes)))


def _kept_elsewhere(path: Path, policy: Policy) -> tuple[str, str]:
    """The origin and the note of a checkpoint that the policy accepts."""
    note = _read_text(path, MAX_NOTE_BYTES)
    try:
        return policy.check(note).origin, note
    except LedgerError as error:
        raise MalformedError(f"{path.name}, the checkpoint kept elsewhere: {error}") from error


@contextmanager
def _open(target: Path) -> Iterator[Sequence[LogReader]]:
    if target.is_dir():
        yield (DirectoryLogReader(target),)
    else:
        with SqliteLogReader.open(target) as readers:
            yield readers


def _progress(origin: str) -> Progress | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        sys.stderr.write(f"\r{_plain(origin)}: {done:,} of {total:,} entries{CLEAR_TO_END}")
        sys.stderr.flush()

    return show


def _print(outcome: _Outcome, *, as_json: bool) -> None:
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
        document["meaning"] = meaning
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        said = "\n".join(map(_plain, outcome.lines)).strip("\n")
        sys.stdout.write(f"{said}\n\n{meaning}\n")


def _plain(text: str) -> str:
    """The text without what a terminal would obey: a hostile log must not draw its own verdict."""
    return "".join(each if " " <= each <= "~" else ascii(each)[1:-1] for each in text)


def _read_text(path: Path, most: int) -> str:
    try:
        return _read(path, most).decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path.name}: not UTF-8") from error


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UnreadableError(f"cannot read {path.name} ({error.strerror})") from error
    if len(data) > most:
        raise MalformedError(f"{path.name}: longer than {most:,} bytes")
    return data


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    sys.exit(main())
