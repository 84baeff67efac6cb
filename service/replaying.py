"""Replaying many decisions: a drawn sample or a whole period, with a file that outlives a kill.

The file is JSON lines. The first says what was asked and names the decisions, in order; each
of the others is the verdict on the next one. What is complete in it is not run again: the
same question asked of the same file goes on where it ended. It names decisions by their ids
and holds no value of anybody's.
"""

import fcntl
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ledger.errors import (
    ErasedError,
    MalformedError,
    NotFoundError,
    RefusedError,
    VerificationError,
)
from ledger.operate.access_log import Manner
from ledger.operate.decisions import DecisionQuery, DecisionRow
from ledger.private_files import write_synced
from service.population import population
from service.reading import Reading
from service.runtime import Runtime

if TYPE_CHECKING:
    # Imported for real inside the functions: numpy and the engines cost a second.
    from explain.replay import Replay
    from reports.documents import Recomputation

__all__ = ["ReplayRequest", "Tally", "replay_many"]

FORMAT: Final = 1
MAX_POPULATION: Final = 200_000  # decisions looked through for one run; their ids take 8 MB
MAX_LINE: Final = 16_000_000  # bytes of a line: the first holds every id
MAX_NAMED: Final = 100  # decisions that a summary names; the file has them all
BATCH: Final = 500  # decisions per entry of the access log, and per write that is made sure of
SCALE: Final = 6

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Which decisions to run again.

    Attributes:
        model: `name@version` or digest; None for every model.
        policy: the same of the policy.
        since: decided at or after; aware.
        until: decided before; aware.
        sample: how many to draw; None for every one.
        seed: of the draw; the same seed draws the same ones from the same decisions.
    """

    model: str | None = None
    policy: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sample: int | None = None
    seed: int = 1

    def to_json(self) -> dict[str, Any]:
        """What the file says was asked."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }


@dataclass(slots=True)
class Tally:
    """What came out so far."""

    verdicts: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)
    largest: int = 0
    tolerance: int = 0
    named: list[dict[str, str]] = field(default_factory=list)

    def add(self, record: str, line: Mapping[str, Any]) -> None:
        """Count one line of the file."""
        self.verdicts[str(line["verdict"])] += 1
        if line["grade"]:
            self.grades[str(line["grade"])] += 1
        self.largest = max(self.largest, int(line["largest"]))
        self.tolerance = max(self.tolerance, int(line["tolerance"]))
        if line["verdict"] != "reproduced" and len(self.named) < MAX_NAMED:
            self.named.append(
                {"id": record, "verdict": str(line["verdict"]), "why": str(line["why"])}
            )

    @property
    def count(self) -> int:
        """How many decisions it is about."""
        return self.verdicts.total()

    def to_json(self) -> dict[str, Any]:
        """The figures, and the first decisions that were not reproduced."""
        return {
            "replayed": self.count,
            "verdicts": {name: self.verdicts[name] for name in _VERDICTS},
            "grades": {name: self.grades[name] for name in _GRADES},
            "largest": self.largest,
            "tolerance": self.tolerance,
            "not_reproduced": self.named,
        }

    def recomputation(self, population: int, seed: int) -> "Recomputation":
        """The same figures, as an audit report prints them."""
        from reports.documents import Recomputation

        return Recomputation(
            population=population,
            sample=self.count,
            seed=seed,
            matched=self.verdicts["reproduced"],
            largest=Decimal(self.largest).scaleb(-SCALE),
            tolerance=Decimal(self.tolerance).scaleb(-SCALE),
            exact=self.grades["A"],
            impossible=self.verdicts["impossible"],
        )


_VERDICTS: Final = ("reproduced", "drifted", "impossible")
_GRADES: Final = ("A", "B", "C")


def line_of(outcome: "Replay") -> dict[str, Any]:
    """What the file says of one decision, beside its id: how far, where and why; no value."""
    return {
        "verdict": outcome.verdict,
        "grade": outcome.grade,
        "exact": outcome.exact,
        "largest": outcome.largest,
        "where": outcome.differences[0].part if outcome.differences else "",
        "tolerance": outcome.tolerance,
        "why": outcome.why,
        "environment": list(outcome.environment),
    }


def replay_many(
    runtime: Runtime,
    reading: Reading,
    request: ReplayRequest,
    path: Path,
    on_progress: Progress,
) -> tuple[Tally, int]:
    """Run the decisions again that the file does not have yet; what came out, of how many.

    The second number is the population: all decisions that the request is about. A summary
    stands beside the file when all are done, as `<name>.summary.json`.

    Raises:
        NotFoundError: no decision is of that model, policy and period, or there are too many.
        RefusedError: another process writes the file.
        MalformedError: the file is of something else.
        OSError: it cannot be written.
    """
    with _Results.open(path) as results:
        if not results.begun:
            asked = DecisionQuery(
                model=request.model,
                policy=request.policy,
                since=request.since,
                until=request.until,
            )
            rows = tuple(population(runtime.decisions, asked, MAX_POPULATION))
            if not rows:
                raise NotFoundError("no decision is of that model, policy and period")
            results.begin(request, [row.id for row in _drawn(rows, request)], len(rows))
        results.check(request)
        tally = results.done()
        count = len(results.ids)
        on_progress(tally.count, count)
        while tally.count < count:
            batch = results.ids[tally.count : tally.count + BATCH]
            for record, line in _replayed(runtime, reading, batch):
                results.add(record, line)
                tally.add(record, line)
                on_progress(tally.count, count)
            results.sync()
        _write_summary(path, results.header, tally)
        return tally, int(results.header["population"])


def summary_path(path: Path) -> Path:
    """Where the summary of a file of results stands."""
    return path.with_name(f"{path.stem}.summary.json")


def _write_summary(path: Path, header: Mapping[str, Any], tally: Tally) -> None:
    told = {name: header[name] for name in ("request", "population")} | tally.to_json()
    write_synced(summary_path(path), (json.dumps(told, indent=1) + "\n").encode())


def _drawn(rows: Sequence[DecisionRow], request: ReplayRequest) -> Sequence[DecisionRow]:
    """The decisions to run, one model after the other, so that each is opened once."""
    if request.sample is not None and request.sample < len(rows):
        rows = random.Random(request.seed).sample(rows, request.sample)  # noqa: S311  # repeatable by its printed seed, not secret
    return sorted(rows, key=lambda row: (row.model, row.seq))


def _replayed(
    runtime: Runtime, reading: Reading, batch: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The verdict on each, noted on the access log before the first is opened."""
    from explain.replay import Replay

    closed = reading.restricted(batch)
    opened = [record for record in batch if record not in closed]
    if opened:
        reading.note(opened, ("attributions", "input", "output"), manner=Manner.EXPORT)
    for record in batch:
        if record in closed:
            why = "its use is restricted, so it was not opened"
            yield record, line_of(Replay.impossible(0, why))
            continue
        try:
            outcome = runtime.explaining.replay(record)
        except (ErasedError, NotFoundError):
            outcome = Replay.impossible(0, "it was erased, and its key destroyed")
        except VerificationError:
            outcome = Replay.impossible(
                0, "what is stored is not what was logged: run decision-ledger verify"
            )
        yield record, line_of(outcome)


class _Results:
    """The file of one run, held by one process. A context manager."""

    def __init__(self, file: BufferedRandom) -> None:
        self._file = file
        self.header: dict[str, Any] = {}
        self._read_header()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Take it up, or make it, readable by its owner alone.

        Raises:
            RefusedError: another process holds it.
            MalformedError: it is no such file.
        """
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(file)
        except BlockingIOError as error:
            file.close()
            raise RefusedError("another process is writing this file") from error
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def begun(self) -> bool:
        """Whether it says what was asked."""
        return bool(self.header)

    @property
    def ids(self) -> list[str]:
        """The decisions, in the order of their lines."""
        return list(self.header["ids"])

    def begin(self, request: ReplayRequest, ids: Sequence[str], population: int) -> None:
        """Write what was asked, and of which decisions."""
        self.header = {
            "v": FORMAT,
            "request": request.to_json(),
            "population": population,
            "ids": list(ids),
        }
        self._file.seek(0)
        self._file.truncate()
        self._write(self.header)
        self.sync()

    def check(self, request: ReplayRequest) -> None:
        """Return if it is of this request.

        Raises:
            MalformedError: it is of another, or of another program.
        """
        if self.header.get("v") != FORMAT or self.header.get("request") != request.to_json():
            raise MalformedError("the file is of another replay: name another file")

    def done(self) -> Tally:
        """What its complete lines say; whatever a crash left behind them is cut off."""
        tally = Tally()
        for record in self.ids:
            begin = self._file.tell()
            line = _parsed(self._file.readline(MAX_LINE))
            if line is None:
                self._file.seek(begin)
                break
            try:
                if line.pop("id") != record:
                    raise ValueError  # noqa: TRY301  # one way out for every line that is not ours
                tally.add(record, line)
            except (KeyError, ValueError, TypeError) as error:
                raise MalformedError("the file was changed: name another file") from error
        self._file.truncate()
        return tally

    def add(self, record: str, line: Mapping[str, Any]) -> None:
        """Write the verdict on the next decision; it survives the end of this process."""
        self._write({"id": record, **line})

    def sync(self) -> None:
        """Make what was written survive the end of the machine as well."""
        os.fsync(self._file.fileno())

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def _read_header(self) -> None:
        first = self._file.readline(MAX_LINE)
        header = _parsed(first)
        if header is None:
            # No whole first line: nothing was decided yet, or it is somebody else's file.
            if first and not first.startswith(b'{"v":'):
                raise MalformedError("not a file of results: name another file")
            return
        if not isinstance(header.get("ids"), list) or type(header.get("population")) is not int:
            raise MalformedError("not a file of results: name another file")
        self.header = header


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The line, or None where it is not whole: where a run was cut off.

    Raises:
        MalformedError: it is whole, and none of ours.
    """
    if not line.endswith(b"\n"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise MalformedError("the file is not one of results, or was changed: name another file")
    return value
