"""Working out the attributions that decisions came without, from the archived model.

The recorded margin comes first: a model that gives another one today explains nothing that
was decided, so then a status is attached and never numbers. Reading the input for this is
the system's own processing, like scoring it was: no person sees anything, and what was done
stands on the decisions log (docs/adr/0018).

Native code of a model can take its process down, which is one of its own (`service.sandbox`).
Before a model version is asked, that is noted in a file, and taken back once it answered: what
is left over is a crash, were it of this process. A version that crashed three times in a row is
left alone, and named. A stop that was asked for, a busy database or an absent writer is nobody's
crash.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from explain.errors import (
    AdditivityError,
    ExplainError,
    ModelCrashed,
    ModelUnsupported,
    NotReproduced,
    SchemaError,
)
from ledger.canonical import JsonValue
from ledger.errors import ErasedError, LedgerError, NotFoundError, VerificationError
from ledger.operate.decision import INPUT_HASH
from ledger.operate.decisions import DecisionView
from ledger.private_files import alone, sync_directory, write_synced
from service.runtime import Runtime

if TYPE_CHECKING:
    from explain.attribution import Attribution
    from explain.model import Model
    from explain.predictor import Row

__all__ = ["MAX_CRASHES", "Attributing", "State", "Trouble"]

BATCH: Final = 64  # decisions at a time, in one commit: those who record wait for no longer one
MAX_CRASHES: Final = 3
RETRY_SECONDS: Final = 60.0  # until a version that gave trouble is tried again
_UNREADABLE: Final = "a decision is not as it was logged: run decision-ledger verify"

_log = logging.getLogger("service.attributing")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a model version's decisions wait: how often it took the process down, or a sentence."""

    crashes: int = 0
    why: str = ""

    @property
    def set_aside(self) -> bool:
        """Whether it is left alone until a person says otherwise."""
        return self.crashes >= MAX_CRASHES


class State:
    """What is remembered of model versions across the process's own death; no personal data."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Trouble]:
        """The troubles by model digest; a file that does not read is as good as none."""
        try:
            document = json.loads(self._path.read_text("utf-8"))
            return {str(digest): Trouble(**each) for digest, each in document.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def note(self, digest: str, trouble: Trouble | None) -> None:
        """Remember this of a version; None: that all is well."""
        # Another worker on the same directory may be noting something of another version.
        with alone(self._path.with_suffix(".guard")):
            self._note(digest, trouble)

    def _note(self, digest: str, trouble: Trouble | None) -> None:
        troubles = self.read()
        if troubles.pop(digest, None) == trouble and trouble is None:
            return
        if trouble is not None:
            troubles[digest] = trouble
        beside = self._path.with_suffix(".new")
        content = json.dumps({name: asdict(each) for name, each in troubles.items()}, indent=1)
        write_synced(beside, content.encode())
        beside.replace(self._path)
        sync_directory(self._path.parent)


@dataclass(slots=True)
class Attributing:
    """The worker's one task; one thread calls it, and any number of processes may have one."""

    runtime: Runtime
    state: State
    stopping: Callable[[], bool] = lambda: False
    _tried: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: Runtime, stopping: Callable[[], bool] = lambda: False) -> "Attributing":
        """The task for a ledger; it ends early, between two batches, once `stopping` says so."""
        return cls(runtime, State(runtime.settings.attributions_path), stopping)

    def work(self) -> int:
        """Work out what is pending; return how many decisions were settled.

        Raises:
            PushbackError, RefusedError: nothing can be written now.
        """
        done = 0
        troubles = self.state.read()
        for digest in self.runtime.attributions.waiting():
            trouble = troubles.get(digest, Trouble())
            waits = time.monotonic() < self._tried.get(digest, 0.0)
            if not trouble.set_aside and not waits and not self.stopping():
                done += self._work_on(digest, trouble)
        return done

    def _work_on(self, digest: str, trouble: Trouble) -> int:
        try:
            with self._asked(digest, trouble):
                model = self.runtime.explaining.opened(self.runtime.registry.model(digest))
        except (ExplainError, NotFoundError, VerificationError) as error:
            crashed = isinstance(error, ModelCrashed)
            return self._waits(digest, trouble.crashes + crashed, str(error))
        except LedgerError:
            raise
        except Exception as error:  # noqa: BLE001  # a library's: it may raise anything
            return self._waits(digest, trouble.crashes + 1, _failed(error))
        done, unreadable, after = 0, 0, None
        while not self.stopping() and (
            some := self.runtime.attributions.pending(BATCH, digest, after)
        ):
            after = some[-1]
            views, settled, unread = self._opened([each.record_id for each in some])
            try:
                with self._asked(digest, trouble):
                    found = dict(worked_out(views, model))
            except NotReproduced as error:  # found out now, and set apart: no crash
                return done + settled + self._waits(digest, trouble.crashes, str(error))
            except Exception as error:  # noqa: BLE001  # as above
                return done + settled + self._waits(digest, trouble.crashes + 1, _failed(error))
            trouble = Trouble()  # it answered: crashes count while they are in a row
            done += settled + self.runtime.attributions.attach(found)
            unreadable += unread
        if unreadable:
            return done + self._waits(digest, 0, _UNREADABLE)
        self.state.note(digest, None)
        return done

    @contextmanager
    def _asked(self, digest: str, trouble: Trouble) -> Iterator[None]:
        """Count a crash of a version, until it answered or refused in our own words."""
        self.state.note(digest, replace(trouble, crashes=trouble.crashes + 1))
        try:
            yield
        except (LedgerError, ExplainError, KeyboardInterrupt):
            self.state.note(digest, trouble if trouble != Trouble() else None)
            raise
        self.state.note(digest, trouble if trouble != Trouble() else None)

    def _waits(self, digest: str, crashes: int, why: str) -> int:
        self.state.note(digest, Trouble(crashes, why))
        self._tried[digest] = time.monotonic() + RETRY_SECONDS
        _log.error("attributions of model %.12s wait: %s", digest, why)
        return 0

    def _opened(self, record_ids: Sequence[str]) -> tuple[list[DecisionView], int, int]:
        """Decisions to work on; how many others needed nothing, and how many do not verify."""
        later = self.runtime.attributions
        views, settled, unread = [], 0, 0
        # Working something out is a use: what is restricted waits (GDPR Art. 18(2)).
        closed = self.runtime.holds.restrictions_of(record_ids)
        for record_id in record_ids:
            if record_id in closed:
                continue
            try:
                if later.settle([record_id]):  # attached before a crash, or by somebody else
                    settled += 1
                else:
                    views.append(self.runtime.decisions.read(record_id))
            except ErasedError:
                later.forget(record_id)
            except NotFoundError:
                continue  # its index row is kept before its entry is logged
            except VerificationError:
                unread += 1
        return views, settled, unread


def _failed(error: Exception) -> str:
    if isinstance(error, ModelCrashed):
        return str(error)
    # The class alone: the text of a library's error could hold a row of somebody's data.
    return f"the model's library failed ({type(error).__name__})"


def worked_out(
    views: Sequence[DecisionView], model: "Model"
) -> list[tuple[str, Mapping[str, JsonValue]]]:
    """For each decision its attributions, or a status that says why there are none."""
    found: list[tuple[str, Mapping[str, JsonValue]]] = []
    ready: list[tuple[DecisionView, Row]] = []
    for view in views:
        if view.payload.input.keys() == {INPUT_HASH}:
            found.append((view.id, {"status": "input_not_kept"}))
            continue
        try:
            ready.append((view, model.schema.row(view.payload.input)))
        except SchemaError:
            found.append((view.id, {"status": "input_incomplete"}))
    return found + _attributed(ready, model) if ready else found


def _attributed(
    ready: "Sequence[tuple[DecisionView, Row]]", model: "Model"
) -> list[tuple[str, Mapping[str, JsonValue]]]:
    import numpy as np

    from explain.attribution import to_units

    found: list[tuple[str, Mapping[str, JsonValue]]] = []
    same = []
    margins = model.predictor.margin(np.stack([row for _, row in ready]))
    for (view, row), number in zip(ready, margins.tolist(), strict=True):
        try:
            margin = to_units(number)
        except AdditivityError:  # no number that could be recorded, so none that was
            found.append((view.id, {"status": "not_reproduced"}))
            continue
        if abs(margin - view.payload.margin) > model.tolerance:
            found.append((view.id, {"status": "not_reproduced", "margin": margin}))
        else:
            same.append((view, row))
    if not same:
        return found
    try:
        attributions = model.attributor.attribute(np.stack([row for _, row in same]))
    except ModelUnsupported:
        return found + [(view.id, {"status": "not_taken_apart"}) for view, _ in same]
    except AdditivityError:
        return found + [_alone(view, row, model) for view, row in same]
    return found + [
        (view.id, _stated(view, attribution))
        for (view, _), attribution in zip(same, attributions, strict=True)
    ]


def _alone(view: DecisionView, row: "Row", model: "Model") -> tuple[str, Mapping[str, JsonValue]]:
    try:
        (attribution,) = model.attributor.attribute(row[None, :])
    except AdditivityError:
        return view.id, {"status": "does_not_add_up"}
    return view.id, _stated(view, attribution)


def _stated(view: DecisionView, attribution: "Attribution") -> Mapping[str, JsonValue]:
    """The attribution of the margin that was recorded: the residual takes up the difference."""
    stated = dict(attribution.to_json())
    stated["residual"] = attribution.residual + view.payload.margin - attribution.margin
    return stated
