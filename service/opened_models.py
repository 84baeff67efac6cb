"""The models that this process has open, each in a sandbox: a bounded number, whoever asks.

One pool for all ledgers of a process, by the digest of the manifest, which names the files by
theirs: tenants with the same model share it, and have no more processes together than one.
"""

import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from explain.model import Model
    from explain.predictor import Rows
    from service.sandbox import Opening, SandboxedModel

__all__ = ["MAX_MODELS", "OpenedModels", "opened_models"]

MAX_MODELS: Final = 4  # processes at a time; one with an engine's tables can take 500 MB

_T = TypeVar("_T")


class OpenedModels:
    """Models by the digest of their manifest; the one used longest ago makes room.

    One that made room ends once it has answered whom it is answering, and is opened again, in the
    pool, when who still holds it asks it. One that is being opened holds up those alone who want
    the same one.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._guard = threading.Lock()  # of the places; nothing is waited for under it
        self._owner = os.getpid()

    def model(self, digest: str, opening: "Opening") -> "Model":
        """The model, opened after it reproduced its golden rows, and kept for the next time.

        Raises:
            ExplainError: it is not the model that was registered, or took its process down.
        """
        return self._at(digest, opening, lambda place: place.opened(self, digest, opening))

    def ask(
        self, digest: str, opening: "Opening", what: str, rows: "Rows"
    ) -> tuple[dict[str, Any], bytes]:
        """What the model says of these rows, opened again if it made room meanwhile.

        Raises:
            ExplainError: as :meth:`SandboxedModel.ask`.
        """
        return self._at(digest, opening, lambda place: place.sandbox.ask(what, rows))

    def forget(self, digest: str) -> None:
        """Close the model, so that the next who asks opens it anew."""
        with self._guard:
            place = self._places.pop(digest, None)
        if place is not None:
            place.sandbox.close()

    def close(self) -> None:
        """Close all models."""
        for digest in list(self._places):
            self.forget(digest)

    def _at(self, digest: str, opening: "Opening", deed: "Callable[[_Place], _T]") -> _T:
        from service.sandbox import Retired

        while True:
            place = self._place(digest, opening)
            try:
                return deed(place)
            except Retired:  # it made room before its turn came: look anew
                self._drop(digest, place)
            except BaseException:
                if not place.sandbox.is_running:  # what did not open takes nobody's room
                    self._drop(digest, place)
                raise

    def _drop(self, digest: str, place: "_Place") -> None:
        with self._guard:
            if self._places.get(digest) is place:
                del self._places[digest]
        place.sandbox.close()

    def _place(self, digest: str, opening: "Opening") -> "_Place":
        from service.sandbox import SandboxedModel

        gone = None
        with self._guard:
            if self._owner != os.getpid():  # after a fork the processes are those of another
                self._places.clear()
                self._owner = os.getpid()
            place = self._places.get(digest)
            if place is None:
                place = self._places[digest] = _Place(SandboxedModel(opening))
            self._places.move_to_end(digest)
            if len(self._places) > MAX_MODELS:
                _, gone = self._places.popitem(last=False)
        if gone is not None:
            gone.sandbox.close()
        return place


class _Place:
    """Where one model is open, or will be."""

    def __init__(self, sandbox: "SandboxedModel") -> None:
        self.sandbox = sandbox
        self._model: Model | None = None
        self._opening = threading.Lock()

    def opened(self, pool: OpenedModels, digest: str, opening: "Opening") -> "Model":
        with self._opening:
            if self._model is None:
                self._model = self._read(pool, digest, opening)
            return self._model

    def _read(self, pool: OpenedModels, digest: str, opening: "Opening") -> "Model":
        from explain.artifacts import describe
        from explain.model import Model
        from service.sandbox import SandboxedAttributor, SandboxedPredictor

        told = describe(opening.manifest, opening.files())
        self.sandbox.open()
        asked = _Pooled(pool, digest, opening, self.sandbox)
        predictor, attributor = SandboxedPredictor(asked), SandboxedAttributor(asked)
        return Model(told.schema, predictor, attributor, told.background, told.tolerance)


class _Pooled:
    """A model that is asked wherever the pool has it open."""

    def __init__(
        self, pool: OpenedModels, digest: str, opening: "Opening", first: "SandboxedModel"
    ) -> None:
        self._pool, self._digest, self._opening = pool, digest, opening
        self.space, self.rows_at_once = first.space, first.rows_at_once

    def ask(self, what: str, rows: "Rows") -> tuple[dict[str, Any], bytes]:
        return self._pool.ask(self._digest, self._opening, what, rows)


@functools.cache
def opened_models() -> OpenedModels:
    """The pool of this process."""
    return OpenedModels()
