"""Checks logs as somebody asks for it: with what was kept of them, and what lies beside them."""

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ledger.errors import LedgerError, MalformedError, NotFoundError, SignatureError
from ledger.tlog.policy import Policy
from ledger.verify import kept_state, report
from ledger.verify.audit import CheckedTiles, Progress, audit
from ledger.verify.completeness import is_complete
from ledger.verify.given_files import read, read_text
from ledger.verify.heads import kept_elsewhere
from ledger.verify.kept_state import KeptLog
from ledger.verify.outcome import FINDINGS, FINE, Outcome, plain
from ledger.verify.processes import Processes, by_default
from ledger.verify.progress import ProgressLine
from ledger.verify.reader import MAX_NOTE_BYTES, LogReader
from ledger.verify.report import Beside
from ledger.verify.targets import is_address, is_one_log, open_logs
from ledger.verify.timestamped_log import ELSEWHERE, TimestampedLog
from ledger.verify.timestamps import MAX_ROOTS_BYTES, Roots, read_roots
from ledger.verify.verified import Verified


def trusted_roots(options: Namespace) -> Roots | None:
    """The root certificates that were given, if any were.

    Raises:
        UnreadableError, MalformedError: they cannot be read.
    """
    if options.tsa_roots is None:
        return None
    return read_roots(read(Path(options.tsa_roots), MAX_ROOTS_BYTES))


def check_logs(policy: Policy, options: Namespace, outcome: Outcome) -> None:
    """Check the logs of the command's target, and add to the outcome.

    Raises:
        LedgerError: one could not be checked.
    """
    known = [given_checkpoint(Path(name), policy) for name in options.checkpoint]
    state = _State.read(options, policy)
    trusted = {log.key.name for log in policy.logs}
    wanted = trusted if options.origin is None else trusted & {options.origin}
    stamps = _Stamps.listed(options, wanted)
    with open_logs(options.target, policy) as readers:
        here = {reader.origin for reader in readers}
        if not wanted & here:
            raise NotFoundError("the policy has a key for none of the logs that are here")
        for reader in readers:
            if reader.origin in wanted:
                notes = [note for origin, note in known if origin == reader.origin]
                _Check(policy, state, stamps).run(reader, notes, outcome)
            else:
                outcome.lines += [f"Log {reader.origin}: not checked, and not asked for", ""]
    if any(origin not in wanted & here for origin, _ in known):
        raise NotFoundError("a checkpoint kept elsewhere is of none of the logs checked here")
    if not is_one_log(options.target) and wanted - here:  # it should hold another and lost it
        raise NotFoundError(f"not here: {', '.join(sorted(wanted - here))} (see --origin)")
    if outcome.status == FINE:  # only now: what is kept was found to be fine, all of it
        state.write()


@dataclass(frozen=True, slots=True)
class _Stamps:
    """The timestamps beside the target, by log; None if it has no place beside it."""

    beside: dict[str, TimestampedLog] | None
    roots: Roots | None

    @classmethod
    def listed(cls, options: Namespace, origins: set[str]) -> "_Stamps":
        """List them before the log is opened, so that none is of a log that grew meanwhile."""
        roots = trusted_roots(options)
        if is_address(options.target):
            return cls(None, roots)
        target = Path(options.target)
        return cls({each: TimestampedLog.beside(target, each) for each in origins}, roots)


@dataclass(frozen=True, slots=True)
class _Check:
    """How each log is checked."""

    policy: Policy
    state: "_State"
    stamps: _Stamps

    def run(self, reader: LogReader, notes: list[str], outcome: Outcome) -> None:
        state, beside = self.state, self.stamps.beside
        kept = state.of(reader.origin)
        since = None if kept is None or state.full else kept.verified
        if kept is not None and since is None:
            notes = [*notes, _still_signed(kept, self.policy)]
        listed = None if beside is None else beside[reader.origin]
        stamps = ELSEWHERE if listed is None else listed.check(self.stamps.roots)
        count = state.processes or by_default(reader.size - (since.size if since else 0))
        with _processes(reader, count) as checked:
            result = audit(
                reader,
                self.policy,
                known=notes,
                since=since,
                stamped=tuple if listed is None else listed.checkpoints,
                on_progress=_progress(reader.origin),
                checked=checked,
            )
        if result.verified is not None:
            state.keep(reader.origin, result.verified)
        elif result.pruned is not None and state.path is not None:
            outcome.lines += ["--state: nothing is kept of a log whose beginning is withheld", ""]
        result = replace(
            result,
            findings=(*result.findings, *stamps.findings),
            omitted=result.omitted + stamps.omitted,
        )
        outcome.worsen(FINDINGS if result.findings else FINE)
        earlier = None if kept is None else kept.at
        given = Beside(bool(notes) or kept is not None, earlier, stamps)
        outcome.lines += [*report.audit_lines(result, given), ""]
        outcome.logs.append(report.audit_json(result, given))
        outcome.incomplete |= not is_complete(result.sources, result.totals)


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
    def read(cls, options: Namespace, policy: Policy) -> "_State":
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


def given_checkpoint(path: Path, policy: Policy) -> tuple[str, str]:
    """The origin and the note of a checkpoint that the policy accepts, or may be led to.

    Raises:
        UnreadableError, MalformedError: it cannot be read, or is none.
    """
    note = read_text(path, MAX_NOTE_BYTES)
    try:
        return kept_elsewhere(note, policy).origin, note
    except LedgerError as error:
        raise MalformedError(f"{path.name}, the checkpoint kept elsewhere: {error}") from error


def _progress(origin: str) -> Progress | None:
    if not sys.stderr.isatty():
        return None
    return ProgressLine(plain(origin), sys.stderr, time.monotonic)
