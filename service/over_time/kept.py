"""Where counts are kept: a file for each stretch of the log, and one with the figures.

A stretch is counted again when a decision in it was erased, restricted or given attributions
since, so that an erased person leaves the counts at the next run. Files are derived: one that is
missing, damaged, of another log or of another edition of this program is made anew.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ledger.private_files import alone, private_directory, sync_directory, write_synced
from service.over_time.tally import Tally

__all__ = ["STRETCH", "Kept", "Stretch", "Unseen"]

EDITION: Final = 2  # of what is counted and how; another one counts everything again
STRETCH: Final = 4_096  # entries of the log in one file; counting them takes some ten seconds
MAX_BYTES: Final = 64_000_000  # of a file: 4,096 decisions of 512 features are half of it

_FIGURES: Final = "figures.json"


@dataclass(frozen=True, slots=True)
class Unseen:
    """Decisions of the model that are in no figure, or in none about contributions.

    Attributes:
        erased: the record is gone.
        restricted: its use is restricted (GDPR Art. 18).
        undated: the source states a time before 1970, or a day after the log accepted it.
        without: in figures, but nothing can work out its contributions.
        pending: in figures, but its contributions are still to be worked out.
    """

    erased: int = 0
    restricted: int = 0
    undated: int = 0
    without: int = 0
    pending: int = 0

    def plus(self, other: "Unseen") -> "Unseen":
        """Both together."""
        return Unseen(
            self.erased + other.erased,
            self.restricted + other.restricted,
            self.undated + other.undated,
            self.without + other.without,
            self.pending + other.pending,
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was counted of the entries [start, end) of the log.

    Attributes:
        start: index of the first entry.
        end: index behind the last one.
        leaf: leaf hash of the last one in hex, which by the chain fixes all before it.
        decisions: how many in it are by the model.
        gone: indexes in it that tombstones named when it was counted.
        closed: indexes in it whose use was restricted then.
        pending: ids of decisions whose contributions were not there yet.
        unseen: what is in no figure, by why.
        months: what was counted, by month as `2026-05`.
    """

    start: int
    end: int
    leaf: str
    decisions: int
    gone: tuple[int, ...]
    closed: tuple[int, ...]
    pending: tuple[str, ...]
    unseen: Unseen
    months: Mapping[str, Tally]

    def to_json(self) -> dict[str, Any]:
        """The stretch as JSON."""
        counted = {name: getattr(self.unseen, name) for name in Unseen.__dataclass_fields__}
        return {
            "start": self.start,
            "end": self.end,
            "leaf": self.leaf,
            "decisions": self.decisions,
            "gone": list(self.gone),
            "closed": list(self.closed),
            "pending": list(self.pending),
            "unseen": counted,
            "months": {month: each.to_json() for month, each in sorted(self.months.items())},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` wrote; KeyError, TypeError or ValueError of anything else."""
        return cls(
            start=int(value["start"]),
            end=int(value["end"]),
            leaf=str(value["leaf"]),
            decisions=int(value["decisions"]),
            gone=tuple(map(int, value["gone"])),
            closed=tuple(map(int, value["closed"])),
            pending=tuple(map(str, value["pending"])),
            unseen=Unseen(**value["unseen"]),
            months={str(at): Tally.from_json(each) for at, each in value["months"].items()},
        )


class Kept:
    """The files of one model version."""

    def __init__(self, directory: Path, origin: str, model: str) -> None:
        """The files in a directory of monitoring, of the log of `origin` and the digest `model`."""
        self._directory = directory / model
        self._named = {"edition": EDITION, "origin": origin, "model": model}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep out whoever counts the same.

        Raises:
            OSError: the directory cannot be used.
        """
        with alone(self._directory / "guard"):
            yield

    def stretch(self, start: int) -> Stretch | None:
        """What was counted from this index on; None if nothing, or nothing that can be used."""
        found = self._read(self._path(start))
        if found is None:
            return None
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            stretch = Stretch.from_json(found)
            if stretch.to_json() == found and stretch.start == start:
                return stretch
        return None

    def keep(self, stretch: Stretch) -> None:
        """Keep what was counted; a crash leaves this or what was there before.

        Raises:
            OSError: it cannot be written.
        """
        self._write(self._path(stretch.start), stretch.to_json())

    def figures(self) -> Mapping[str, Any] | None:
        """The figures of the last run; None before the first."""
        return self._read(self._directory / _FIGURES)

    def keep_figures(self, figures: Mapping[str, Any]) -> None:
        """Keep the figures of a run; as :meth:`keep`."""
        self._write(self._directory / _FIGURES, figures)

    def forget(self) -> None:
        """Remove everything that was counted; the figures stay until there are new ones."""
        if self._directory.is_dir():
            for path in self._directory.glob("stretch-*.json"):
                path.unlink()

    def _path(self, start: int) -> Path:
        return self._directory / f"stretch-{start:012}.json"

    def _read(self, path: Path) -> Mapping[str, Any] | None:
        try:
            if path.stat().st_size > MAX_BYTES:
                return None
            document = json.loads(path.read_bytes())
            content = document.pop("content")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return content if document == self._named and isinstance(content, dict) else None

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        private_directory(path.parent)
        beside = path.with_suffix(".new")
        document = self._named | {"content": content}
        write_synced(beside, json.dumps(document, separators=(",", ":")).encode())
        beside.replace(path)
        sync_directory(path.parent)
