"""Working out the attributions that decisions came without, from the archived model.

The recorded margin comes first: a model that gives another one today explains nothing that
was decided, so then a status is attached and never numbers. Reading the input for this is
the system's own processing, like scoring it was: no person sees anything, and what was done
stands on the decisions log (docs/adr/0018).

Native code of a model can take its process down. Before a model version is used, that is
noted in a file; a version that took the process down three times is left alone, and named.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from explain.errors import AdditivityError, ExplainError, SchemaError
from ledger.canonical import JsonValue
from ledger.errors import ErasedError, NotFoundError, VerificationError
from ledger.operate.attributions import LaterAttributions
from ledger.operate.decision import INPUT_HASH
from ledger.operate.decisions import DecisionView
from ledger.private_files import sync_directory, write_synced
from service.runtime import Runtime

if TYPE_CHECKING:
    from explain.attribution import Attribution
    from explain.model import Model
    from explain.predictor import Row

__all__ = ["MAX_CRASHES", "Attributing", "State", "Trouble"]

BATCH: Final = 256  # decisions opened at a time; their entries share a few commits
MAX_CRASHES: Final = 3
RETRY_SECONDS: Final = 60.0  # until a version that could not be opened is tried again

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
    _tried: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: Runtime) -> "Attributing":
        """The task for a ledger."""
        return cls(runtime, State(runtime.settings.attributions_path))

    def work(self) -> int:
        """Work out what is pending, some of each model version; return how many were settled.

        Raises:
            PushbackError, RefusedError: nothing can be written now.
        """
        done = 0
        troubles = self.state.read()
        for each in self.runtime.attributions.standing():
            trouble = troubles.get(each.model, Trouble())
            waits = time.monotonic() < self._tried.get(each.model, 0.0)
            if not trouble.set_aside and not waits:
                done += self._work_on(each.model, trouble)
        return done

    def _work_on(self, digest: str, trouble: Trouble) -> int:
        later = self.runtime.attributions
        # Noted first: if opening or asking it takes this process down, the count stays.
        self.state.note(digest, Trouble(trouble.crashes + 1, trouble.why))
        try:
            version = self.runtime.registry.model(digest)
            model = self.runtime.explaining.opened(version)
        except (ExplainError, NotFoundError, VerificationError) as error:
            self._tried[digest] = time.monotonic() + RETRY_SECONDS
            self.state.note(digest, Trouble(trouble.crashes, str(error)))
            _log.error("attributions of model %.12s wait: %s", digest, error)
            return 0
        done, after = 0, ""
        while some := later.pending(BATCH, digest, after):
            after = some[-1].record_id
            done += self._settle([each.record_id for each in some], model)
        self.state.note(digest, None)
        return done

    def _settle(self, record_ids: Sequence[str], model: "Model") -> int:
        later = self.runtime.attributions
        views: list[DecisionView] = []
        done = 0
        # Working something out is a use: what is restricted waits (GDPR Art. 18(2)).
        closed = self.runtime.holds.restrictions_of(record_ids)
        for record_id in record_ids:
            if record_id in closed:
                continue
            if later.settle(record_id):  # attached before a crash, or by somebody else
                done += 1
                continue
            try:
                views.append(self.runtime.decisions.read(record_id))
            except NotFoundError:
                continue  # erased meanwhile, or not in the log yet
            except VerificationError:
                _log.error("a decision is not as it was logged: run decision-ledger verify")
        return done + sum(self._attach(later, *each) for each in worked_out(views, model))

    @staticmethod
    def _attach(later: LaterAttributions, record_id: str, value: Mapping[str, JsonValue]) -> int:
        try:
            later.attach(record_id, value)
        except (ErasedError, NotFoundError):
            return 0  # erased between reading and attaching
        return 1


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
    for (view, row), margin in zip(ready, map(to_units, margins.tolist()), strict=True):
        if abs(margin - view.payload.margin) > model.tolerance:
            found.append((view.id, {"status": "not_reproduced", "margin": margin}))
        else:
            same.append((view, row))
    if not same:
        return found
    try:
        attributions = model.attributor.attribute(np.stack([row for _, row in same]))
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
