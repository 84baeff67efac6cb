"""The models that this process has open, each in a sandbox: a bounded number, whoever asks.

One pool for all ledgers of a process, by the digest of the manifest, which names the files by
theirs: tenants with the same model share it, and have no more processes together than one.
"""

import functools
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from explain.model import Model
    from service.sandbox import Opening, SandboxedModel

__all__ = ["MAX_MODELS", "OpenedModels", "opened_models"]

MAX_MODELS: Final = 4  # processes at a time; one with an engine's tables can take 500 MB


class OpenedModels:
    """Models by the digest of their manifest; the one used longest ago makes room."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._ends: dict[str, SandboxedModel] = {}
        self._opening = threading.Lock()
        self._owner = os.getpid()

    def model(self, digest: str, opening: "Opening") -> "Model":
        """The model, opened after it reproduced its golden rows, and kept for the next time.

        Raises:
            ExplainError: it is not the model that was registered, or took its process down.
        """
        with self._opening:
            if self._owner != os.getpid():  # after a fork the processes are those of another
                self._models.clear()
                self._ends.clear()
                self._owner = os.getpid()
            if digest not in self._models:
                self._models[digest] = self._opened(digest, opening)
                if len(self._models) > MAX_MODELS:
                    oldest, _ = self._models.popitem(last=False)
                    self._ends.pop(oldest).close()
            self._models.move_to_end(digest)
            return self._models[digest]

    def forget(self, digest: str) -> None:
        """Close the model, so that the next who asks opens it anew."""
        with self._opening:
            if self._models.pop(digest, None) is not None:
                self._ends.pop(digest).close()

    def _opened(self, digest: str, opening: "Opening") -> "Model":
        from explain.artifacts import describe
        from explain.model import Model
        from service.sandbox import SandboxedAttributor, SandboxedModel, SandboxedPredictor

        told = describe(opening.manifest, opening.files())
        sandbox = SandboxedModel(opening)
        sandbox.open()
        self._ends[digest] = sandbox
        predictor, attributor = SandboxedPredictor(sandbox), SandboxedAttributor(sandbox)
        return Model(told.schema, predictor, attributor, told.background, told.tolerance)


@functools.cache
def opened_models() -> OpenedModels:
    """The pool of this process."""
    return OpenedModels()
