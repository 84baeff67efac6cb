"""`python -m ledger.client`: look into a spool, deliver what was left there, state totals.

Exit status: 0 done, 1 something needs a person, 2 it could not be tried.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ledger.client import importing
from ledger.client.counters import Counters, Tally
from ledger.client.delivery import Alarm, Delivery, Idle, Outcome, Paused, Retry, Sent
from ledger.client.heads import FileHeads
from ledger.client.import_outbox import ImportOutbox
from ledger.client.inspection import LaneStatus, look
from ledger.client.lanes import Lane, SpoolDirectory
from ledger.client.options import key_reader
from ledger.client.outbox import LaneOutbox, Outbox, read_refusals
from ledger.client.receipts import FileReceipts
from ledger.client.refused_outbox import RefusedOutbox
from ledger.client.row_mapping import RowMapping
from ledger.client.spool_cipher import SpoolCipher
from ledger.client.spooled import Refusal
from ledger.client.totals import state
from ledger.client.transport import HttpLedger
from ledger.client.trust import Trust
from ledger.errors import LedgerError, MalformedError
from ledger.private_files import private_directory
from ledger.tlog.proof import Receipt

DONE, NEEDS_SOMEBODY, NOT_TRIED = 0, 1, 2
KEY_VARIABLE: Final = "LEDGER_CLIENT_KEY"
MAX_BATCH: Final = 500  # decisions in one request: nobody waits for the first of them


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a command, after printing what it has to say."""
    options = _parser().parse_args(arguments)
    spool = Path(options.spool or "")
    needed = options.spool is not None and options.run is not _import
    if needed and not (spool / "lanes").is_dir():
        _say(f"{spool}: there is no spool here")
        return NOT_TRIED
    try:
        status: int = options.run(spool, options)
    except LedgerError as error:
        _say(f"COULD NOT BE TRIED: {error}")
        return NOT_TRIED
    except OSError as error:
        _say(f"COULD NOT BE TRIED: {error.strerror}: {error.filename}")
        return NOT_TRIED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.client",
        description="Look into a client's spool, deliver what was left there, state totals.",
        epilog="Exit status: 0 done, 1 something needs a person, 2 it could not be tried.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what waits, since when, and in which lanes")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    status.set_defaults(run=_status)
    ship = commands.add_parser("ship", help="deliver all that no running process holds, once")
    bring = commands.add_parser("import", help="bring a file of decisions, each row exactly once")
    for each in (ship, bring):
        each.add_argument("--policy", help="tlog-policy file: the keys you trust, from elsewhere")
    ship.add_argument("--spool-key-file", help="a file of 32 bytes: the spool is encrypted")
    ship.add_argument("--refused", action="store_true", help="send refused decisions once more")
    ship.set_defaults(run=_ship)
    refused = commands.add_parser("refused", help="which decisions the ledger refused, and why")
    refused.set_defaults(run=_refused)
    receipt = commands.add_parser("receipt", help="print the receipt of a decision")
    receipt.set_defaults(run=_receipt)
    total = commands.add_parser("total", help="state how many predictions a source made")
    total.add_argument("source", help="a lane, or with --since and --until a whole source")
    total.add_argument("count", type=int, help="how many it made")
    total.add_argument("--first", type=int, help="the first counter of the total")
    total.add_argument("--last", type=int, help="the last counter, included")
    total.add_argument("--since", help="from this time of decision on: 2026-05-14T00:00:00Z")
    total.add_argument("--until", help="before this time of decision")
    total.set_defaults(run=_total, spool=None)
    for each in (ship, total, bring):
        each.add_argument("--url", required=each is not bring, help="the ledger's address")
        each.add_argument("--key-file", help=f"a file with the API key; or set {KEY_VARIABLE}")
        each.add_argument("--ca-file", help="certificates to trust instead of the system's")
        each.add_argument("--plain-http", action="store_true", help="allow http to other machines")
    for each in (status, ship, refused, receipt, bring):
        each.add_argument("spool", help="the spool's directory")
    importing.add_arguments(bring)
    bring.set_defaults(run=_import)
    receipt.add_argument("decision", help="the decision's id")
    return parser


def _status(spool: Path, options: argparse.Namespace) -> int:
    lanes = look(spool)
    needs = any(each.refused or each.damage or each.state == "unreadable" for each in lanes)
    alarms = len(list(spool.glob("alarms/*.json")))
    if options.json:
        listed = [asdict(each) | {"oldest": _text(each)} for each in lanes]
        _say(json.dumps({"lanes": listed, "alarms": alarms}, indent=2))
    else:
        for each in lanes:
            _say(
                f"{each.source}: {each.state}, {each.pending:,} pending"
                f"{f' since {_text(each)}' if each.oldest else ''}, {each.size:,} bytes,"
                f" counted to {each.last:,}, {each.refused:,} refused,"
                f" {each.gaps:,} counters to declare missing"
                f"{f', DAMAGED in {each.damage} places' if each.damage else ''}"
            )
        pending = sum(each.pending for each in lanes)
        _say(f"{len(lanes)} lanes, {pending:,} decisions pending, {alarms} alarms")
    return NEEDS_SOMEBODY if needs or alarms else DONE


def _text(status: LaneStatus) -> str | None:
    return None if status.oldest is None else status.oldest.isoformat(timespec="seconds")


class _Nobody:
    """Hears of results and does nothing about them."""

    def settled(self, results: Sequence[tuple[str, Receipt | Refusal]]) -> None:
        """Nothing: the counts say it."""


def _ship(spool: Path, options: argparse.Namespace) -> int:
    directory = SpoolDirectory(spool, cipher=SpoolCipher(_spool_key(options)))
    delivery = _delivery(spool, directory, options)
    passed: set[str] = set()
    outcome: Outcome = Idle()
    for lane in directory.orphans():
        passed.add(lane.source)
        outcome = _drain(delivery, lane, again=options.refused)
        if not isinstance(outcome, Idle):
            break
    counters = _told(delivery)
    if not isinstance(outcome, Idle):
        _say(f"STOPPED: {getattr(outcome, 'reason', '')}")
        return NOT_TRIED if isinstance(outcome, Retry) else NEEDS_SOMEBODY
    held = [each.name for each in directory.lanes() if each.name not in passed]
    for name in held:
        why = "cannot be read" if name in directory.unreadable else "is in use by a process"
        _say(f"{name}: {why}, nothing was done")
    return NEEDS_SOMEBODY if counters.refused or directory.unreadable else DONE


def _delivery(spool: Path, directory: SpoolDirectory, options: argparse.Namespace) -> Delivery:
    trust = Trust(Path(options.policy), spool / "heads") if options.policy else None
    return Delivery(
        _ledger(options), trust, FileHeads(spool / "heads"), FileReceipts(spool / "receipts"),
        Tally(), _Nobody(), evidence=spool / "alarms", most=MAX_BATCH,
        make_room=directory.reserve.release,
    )  # fmt: skip


def _told(delivery: Delivery) -> Counters:
    """Say what was delivered, and return the counters."""
    counters = delivery.tally.look()
    _say(
        f"{counters.recorded:,} recorded, {counters.duplicates:,} were there already,"
        f" {counters.refused:,} refused, {counters.gaps_declared:,} gaps declared"
    )
    if delivery.trust is None:
        _say("NOT CHECKED who signed the receipts: give --policy")
    return counters


def _import(spool: Path, options: argparse.Namespace) -> int:
    mapping = importing.read_mapping(options.mapping)
    if not options.url and not options.dry_run:
        raise MalformedError("give --url, or --dry-run")
    worst = DONE
    for path in options.files:
        if len(options.files) > 1:
            _say(f"{path}:")
        worst = max(worst, _import_one(spool, path, mapping, options))
        if worst == NOT_TRIED:
            break  # the next one would fail likewise
    return worst


def _import_one(
    spool: Path, path: str, mapping: RowMapping | None, options: argparse.Namespace
) -> int:
    with importing.table_of(path) as (table, digest):
        if options.dry_run:
            count, bad = importing.rows_checked(table, mapping, digest, options.source, _say)
            _say(f"{count:,} rows, {bad:,} are no decision; nothing was sent")
            return NEEDS_SOMEBODY if bad else DONE
        private_directory(spool / "lanes")
        directory = spool / "imports"
        with closing(ImportOutbox(table, mapping, digest, options.source, directory)) as outbox:
            delivery = _delivery(spool, SpoolDirectory(spool), options)
            progress = importing.Progress(table)
            outcome = importing.import_file(outbox, delivery, progress)
            progress.end()
    _told(delivery)
    needs = importing.summary(outbox, outcome, _say)
    if isinstance(outcome, Retry):
        return NOT_TRIED
    return NEEDS_SOMEBODY if needs else DONE


def _drain(delivery: Delivery, lane: Lane, *, again: bool) -> Outcome:
    outboxes: list[Outbox] = [LaneOutbox(lane)]
    if again:
        outboxes.append(RefusedOutbox(lane))
    for outbox in outboxes:
        outcome: Outcome = Sent()
        while isinstance(outcome, Sent):
            outcome = delivery.step(outbox)
        if isinstance(outcome, Retry | Paused | Alarm):
            return outcome
        outcome = Sent()
        while isinstance(outcome, Sent):
            outcome = delivery.declare_gaps(outbox)
    return Idle()


def _refused(spool: Path, options: argparse.Namespace) -> int:
    del options
    count = 0
    for lane in SpoolDirectory(spool).lanes():
        for refusal in read_refusals(lane):
            count += 1
            problem = refusal.problem
            detail = " ".join(_members(problem))
            _say(f"{refusal.decision.id} {lane.name} {refusal.decision.seq}: {detail}")
    _say(f"{count:,} refused")
    return NEEDS_SOMEBODY if count else DONE


def _members(problem: Any) -> Iterator[str]:
    for name in ("status", "type", "member", "detail"):
        if name in problem:
            yield str(problem[name])


def _receipt(spool: Path, options: argparse.Namespace) -> int:
    sys.stdout.write(FileReceipts(spool / "receipts").find(options.decision).format())
    return DONE


def _total(spool: Path, options: argparse.Namespace) -> int:
    del spool
    names = ("first", "last", "since", "until")
    asked = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if asked.keys() not in ({"first", "last"}, {"since", "until"}):
        raise MalformedError("give --first and --last, or --since and --until")
    found = state(_ledger(options), options.source, count=options.count, **asked)
    _say(f"{found.verdict}: {options.count:,} stated, {found.held:,} held (entry {found.index:,})")
    return DONE if found.verdict == "agrees" else NEEDS_SOMEBODY


def _ledger(options: argparse.Namespace) -> HttpLedger:
    return HttpLedger(
        options.url, _key(options), ca_file=options.ca_file, plain_http=options.plain_http
    )


def _key(options: argparse.Namespace) -> Any:
    if options.key_file:
        return key_reader(Path(options.key_file))
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        raise MalformedError(f"no key: give --key-file, or set {KEY_VARIABLE}")
    return key_reader(key)


def _spool_key(options: argparse.Namespace) -> bytes | None:
    return _bounded(Path(options.spool_key_file), 64) if options.spool_key_file else None


def _bounded(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise MalformedError(f"{path.name}: longer than {most:,} bytes")
    return data


def _say(line: str) -> None:
    """Print the line without what a terminal would obey."""
    plain = "".join(each if " " <= each <= "~" or each == "\n" else "?" for each in line)
    sys.stdout.write(plain + "\n")


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    sys.exit(main())
