"""`python -m ledger.verify`: check a log or a receipt with a policy of one's own.

Exit status: 0 everything that was checked is fine, 1 something does not agree, 2 it could
not be checked. Could not be checked is never fine, and never tampered.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.canonical import JsonValue
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    SignatureError,
    VerificationError,
)
from ledger.tlog.policy import MAX_POLICY_LENGTH, Policy
from ledger.tlog.proof import MAX_RECEIPT_LENGTH
from ledger.verify import kept_state, report
from ledger.verify.audit import CheckedTiles, Progress, audit
from ledger.verify.heads import kept_elsewhere
from ledger.verify.kept_state import KeptLog
from ledger.verify.processes import MAX_PROCESSES, Processes, by_default
from ledger.verify.progress import CLEAR_TO_END, ProgressLine
from ledger.verify.reader import MAX_NOTE_BYTES, LogReader, UnreadableError
from ledger.verify.targets import is_one_log, open_logs
from ledger.verify.verified import Verified
from ledger.verify.verifier import (
    MAX_OPENINGS_BYTES,
    DisclosedSections,
    verify_disclosed,
    verify_receipt,
)

FINE, FINDINGS, NOT_CHECKED = 0, 1, 2
RECEIPT_SUFFIX = ".tlog-proof"


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
    is_receipt = options.target.endswith(RECEIPT_SUFFIX)
    _refuse_contradictions(parser, options, is_receipt=is_receipt)
    outcome = _Outcome()
    try:
        policy = Policy.parse(_read_text(Path(options.policy), MAX_POLICY_LENGTH))
        if is_receipt:
            _check_receipt(Path(options.target), policy, options.openings, outcome)
        else:
            _check_logs(policy, options, outcome)
    except (LedgerError, KeyboardInterrupt) as error:
        reason = str(error) or "it was interrupted"
        outcome.worsen(NOT_CHECKED)
        outcome.lines += ["", f"COULD NOT CHECK: {reason}"]
        outcome.document["reason"] = reason
    _print(outcome, as_json=options.json)
    return outcome.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.verify",
        description="Check a decision log or a receipt without trusting its keeper.",
        epilog="Exit status: 0 fine, 1 something does not agree, 2 could not be checked.",
    )
    parser.add_argument(
        "target",
        help=f"a receipt (*{RECEIPT_SUFFIX}), a ledger database or its dump, a directory of tiles, "
        "or an address: https://… of published tiles, postgresql://… of a database",
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
    parser.add_argument(
        "--state",
        metavar="FILE",
        help="keep there what was verified, and read only what is new the next time",
    )
    parser.add_argument("--full", action="store_true", help="read everything again all the same")
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="check with so many processes; by default one, or up to four for a large log",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _refuse_contradictions(
    parser: argparse.ArgumentParser, options: argparse.Namespace, *, is_receipt: bool
) -> None:
    of_a_log = (options.checkpoint, options.origin, options.state, options.processes)
    if options.openings and not is_receipt:
        parser.error("--openings goes with a receipt")
    if is_receipt and any(of_a_log):
        parser.error(
            "--checkpoint, --origin, --state and --processes go with a log, not with a receipt"
        )
    if options.full and not options.state:
        parser.error("--full goes with --state; without it everything is read anyway")
    if options.processes is not None and not 1 <= options.processes <= MAX_PROCESSES:
        parser.error(f"--processes takes 1 to {MAX_PROCESSES}")


def _check_receipt(target: Path, policy: Policy, openings: str | None, outcome: _Outcome) -> None:
    text = _read_text(target, MAX_RECEIPT_LENGTH)
    shown = None
    if openings is not None:
        shown = DisclosedSections.parse(_read(Path(openings), MAX_OPENINGS_BYTES))
    try:
        proved = verify_receipt(text, policy)
        if shown is not None:
            verify_disclosed(proved.entry, shown)
    except VerificationError as error:
        outcome.worsen(FINDINGS)
        outcome.lines.append(f"RESULT: NOT FINE. {report.refusal(error)}")
        outcome.document["findings"] = [str(error)]
        return
    outcome.lines += report.receipt_lines(proved, shown)
    outcome.document["receipt"] = report.receipt_json(proved, shown)


def _check_logs(policy: Policy, options: argparse.Namespace, outcome: _Outcome) -> None:
    known = [_kept_elsewhere(Path(name), policy) for name in options.checkpoint]
    state = _State.read(options, policy)
    trusted = {log.key.name for log in policy.logs}
    wanted = trusted if options.origin is None else trusted & {options.origin}
    with open_logs(options.target, policy) as readers:
        here = {reader.origin for reader in readers}
        if not wanted & here:
            raise NotFoundError("the policy has a key for none of the logs that are here")
        for reader in readers:
            if reader.origin in wanted:
                notes = [note for origin, note in known if origin == reader.origin]
                _check_log(reader, policy, notes, state, outcome)
            else:
                outcome.lines += [f"Log {reader.origin}: not checked, and not asked for", ""]
    if any(origin not in wanted & here for origin, _ in known):
        raise NotFoundError("a checkpoint kept elsewhere is of none of the logs checked here")
    if not is_one_log(options.target) and wanted - here:  # it should hold another and lost it
        raise NotFoundError(f"not here: {', '.join(sorted(wanted - here))} (see --origin)")
    if outcome.status == FINE:  # only now: what is kept was found to be fine, all of it
        state.write()


def _check_log(
    reader: LogReader, policy: Policy, notes: list[str], state: "_State", outcome: _Outcome
) -> None:
    kept = state.of(reader.origin)
    since = None if kept is None or state.full else kept.verified
    if kept is not None and since is None:
        notes = [*notes, _still_signed(kept, policy)]
    count = state.processes or by_default(reader.size - (since.size if since else 0))
    with _processes(reader, count) as checked:
        progress = _progress(reader.origin)
        result = audit(
            reader, policy, known=notes, since=since, on_progress=progress, checked=checked
        )
    outcome.worsen(FINDINGS if result.findings else FINE)
    told: dict[str, Any] = {
        "known": bool(notes) or kept is not None,
        "earlier": None if kept is None else kept.at,
    }
    outcome.lines += [*report.audit_lines(result, **told), ""]
    outcome.logs.append(report.audit_json(result, **told))
    if result.verified is not None:
        state.keep(reader.origin, result.verified)


def _still_signed(kept: KeptLog, policy: Policy) -> str:
    """The kept checkpoint: who reads everything again still holds the log to it."""
    try:
        kept_elsewhere(kept.verified.note, policy)
    except SignatureError as error:
        raise MalformedError(
            "this policy does not accept the checkpoint in the state: if that is right, remove "
            "the file to start anew"
        ) from error
    return kept.verified.note


@contextmanager
def _processes(reader: LogReader, count: int) -> Iterator[CheckedTiles | None]:
    """What checks tiles in other processes, if there are to be any and the log can be shared."""
    reopen = getattr(reader, "reopen", None)
    if count == 1 or reopen is None:
        yield None
        return
    with Processes(count, reopen) as processes:
        yield processes


@dataclass(slots=True)
class _State:
    """What earlier runs kept, what this one is to keep, and how it is to be run."""

    path: Path | None
    policy: str
    full: bool
    processes: int | None
    logs: dict[str, KeptLog]

    @classmethod
    def read(cls, options: argparse.Namespace, policy: Policy) -> "_State":
        path = None if options.state is None else Path(options.state)
        logs = {} if path is None else kept_state.read(path)
        digest = kept_state.digest_of(policy)
        return cls(path, digest, options.full, options.processes, logs)

    def of(self, origin: str) -> KeptLog | None:
        kept = self.logs.get(origin)
        if kept is not None and kept.policy != self.policy and not self.full:
            raise MalformedError(
                "the state was kept under another policy: with --full everything is read again "
                "under this one"
            )
        return kept

    def keep(self, origin: str, verified: Verified) -> None:
        self.logs[origin] = KeptLog(origin, self.policy, datetime.now(UTC), verified)

    def write(self) -> None:
        if self.path is not None:
            kept_state.write(self.path, self.logs)


def _kept_elsewhere(path: Path, policy: Policy) -> tuple[str, str]:
    """The origin and the note of a checkpoint that the policy accepts, or may be led to."""
    note = _read_text(path, MAX_NOTE_BYTES)
    try:
        return kept_elsewhere(note, policy).origin, note
    except LedgerError as error:
        raise MalformedError(f"{path.name}, the checkpoint kept elsewhere: {error}") from error


def _progress(origin: str) -> Progress | None:
    if not sys.stderr.isatty():
        return None
    return ProgressLine(_plain(origin), sys.stderr, time.monotonic)


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
