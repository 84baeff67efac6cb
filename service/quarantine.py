"""Model versions set apart because they no longer answer as they did when they were registered.

A golden row that comes out otherwise means that this installation would explain another model
than the one that decided. Nothing is explained or replayed with it from then on, by any
process of this ledger, until `decision-ledger model check` finds that it answers as before.
Recording goes on: what is wrong is the reader here, and decisions are made elsewhere.

The mark comes first, so that nothing is explained whatever happens next; then the incident
goes into the log of decisions, at the next refusal if it cannot be written now.
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from explain.errors import NotReproduced
from ledger.errors import LedgerError, VerificationError
from ledger.operate.incidents import IncidentCode, Incidents
from ledger.private_files import alone, sync_directory, write_synced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from explain.attribution import Attribution
    from explain.model import Model
    from explain.predictor import Rows

__all__ = ["QUARANTINE_FILE", "Quarantine", "SetApart", "guarded"]

QUARANTINE_FILE: Final = "quarantine.json"  # in the data directory
MAX_WHY: Final = 500  # characters

_T = TypeVar("_T")

_log = logging.getLogger("service.quarantine")


@dataclass(frozen=True, slots=True)
class SetApart:
    """Why a version is set apart, since when (RFC 3339), and the incident; empty: none yet."""

    why: str
    since: str
    entry: str = ""

    def __post_init__(self) -> None:
        """Refuse what no release of ours has written."""
        if not all(isinstance(each, str) for each in (self.why, self.since, self.entry)):
            raise TypeError


class Quarantine:
    """The versions of one ledger that are set apart, by digest, in a file; no personal data.

    Any number of processes may use the file at once.
    """

    def __init__(self, path: Path, incidents: Incidents, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._incidents = incidents
        self._clock = clock

    def all(self) -> Mapping[str, SetApart]:
        """Every version that is set apart.

        Raises:
            VerificationError: the file is not one of ours; so nobody can say that none is.
        """
        try:
            document = json.loads(self._path.read_text("utf-8"))
            return {str(digest): SetApart(**each) for digest, each in document.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise VerificationError(f"{self._path.name}: not as this software wrote it") from error

    def of(self, digest: str) -> SetApart | None:
        """Why and since when a version is set apart; None: it is not. Raises as :meth:`all`."""
        found = self.all().get(digest)
        return found if found is None or found.entry else self._put_on_record(digest)

    def set_apart(self, digest: str, why: str) -> None:
        """Set a version apart, and put it on record as an incident. Raises as :meth:`all`."""
        with self._changing() as versions:
            since = f"{self._clock():%Y-%m-%dT%H:%M:%SZ}"
            versions.setdefault(digest, SetApart(why[:MAX_WHY], since))
        _log.error("model %.12s is set apart: %s", digest, why)
        self._put_on_record(digest)

    def release(self, digest: str) -> bool:
        """Use a version again that answers as before; say whether it was set apart.

        Raises:
            VerificationError: as :meth:`all`.
            PushbackError, RefusedError: it cannot be put on record now, so it stays apart.
        """
        with self._changing() as versions:
            found = versions.get(digest)
            if found is not None:
                detail = {"model": digest, "since": found.since}
                self._incidents.record(IncidentCode.MODEL_REPRODUCED_AGAIN, detail)
                del versions[digest]
            return found is not None

    def _put_on_record(self, digest: str) -> SetApart | None:
        with self._changing() as versions:
            found = versions.get(digest)
            if found is not None and not found.entry:
                detail = {"model": digest, "since": found.since, "why": found.why}
                try:
                    entry = self._incidents.record(IncidentCode.MODEL_NOT_REPRODUCED, detail)
                except LedgerError as error:
                    _log.warning("that a model is set apart is not on record yet: %s", error)
                    return found
                found = versions[digest] = replace(found, entry=entry.id)
            return found

    @contextmanager
    def _changing(self) -> "Iterator[dict[str, SetApart]]":
        """The versions, to change while nobody else does; written if they were."""
        with alone(self._path.with_suffix(".guard")):
            before = self.all()
            versions = dict(before)
            yield versions
            if versions != before:
                beside = self._path.with_suffix(".new")
                members = {digest: asdict(each) for digest, each in versions.items()}
                write_synced(beside, json.dumps(members, indent=1).encode())
                beside.replace(self._path)
                sync_directory(self._path.parent)


def guarded(model: "Model", set_apart: "Callable[[NotReproduced], None]") -> "Model":
    """The same model; `set_apart` is called if a question finds that it answers otherwise now.

    Its process can be replaced in the middle of a question, by one whose library scores
    otherwise. From then on every question to it raises the same, and nothing is started.
    """
    guard = _Guard(model, set_apart)
    return replace(model, predictor=guard, attributor=guard)


class _Guard:
    """A model's margins and contributions, as long as it answers as it did."""

    def __init__(self, model: "Model", set_apart: "Callable[[NotReproduced], None]") -> None:
        self._model = model
        self._set_apart = set_apart
        self._why: NotReproduced | None = None
        self.space = model.predictor.space

    def margin(self, rows: "Rows") -> "NDArray[np.float64]":
        return self._asked(self._model.predictor.margin, rows)

    def attribute(self, rows: "Rows") -> "Sequence[Attribution]":
        return self._asked(self._model.attributor.attribute, rows)

    def _asked(self, question: "Callable[[Rows], _T]", rows: "Rows") -> _T:
        if self._why is not None:
            raise NotReproduced(str(self._why), member=self._why.member)
        try:
            return question(rows)
        except NotReproduced as error:
            self._why = error
            self._set_apart(error)
            raise
