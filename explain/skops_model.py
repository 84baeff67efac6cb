"""scikit-learn models from skops files as predictors. The only file that imports skops."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused, ModelUnsupported
from explain.live_models import live_model
from explain.predictor import Rows
from explain.skops_file import TRUSTED

__all__ = ["SkopsPredictor"]

_LINEAR: Final = "linear"  # whose sums a batch may add up in another order


class SkopsPredictor:
    """A saved model, opened. Give it only bytes that :mod:`explain.skops_file` accepted."""

    def __init__(self, data: bytes) -> None:
        import skops.io

        try:
            fitted = skops.io.loads(data, trusted=list(TRUSTED))
            # What comes before the model in a pipeline is put before it here, too.
            steps = [step for _, step in getattr(fitted, "steps", [])]
            self._before, last = fitted[:-1] if steps else None, steps[-1] if steps else fitted
            self._model = live_model(last, None, attribute=False)
        except ModelUnsupported as error:
            raise ArtefactRefused(f"model file: {error}") from error
        except Exception as error:  # parts that do not fit together raise what they like
            raise ArtefactRefused("model file: skops cannot open it") from error
        self._fitted = fitted
        self.space = self._model.space
        self.features = int(fitted.n_features_in_)

    @property
    def fitted(self) -> Any:
        """The library's own object, for the engines that need it."""
        return self._fitted

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the margin per row, shape (rows,)."""
        double = np.ascontiguousarray(rows, dtype=np.float64)
        ready = double if self._before is None else self._before.transform(double)
        if self._model.engine != _LINEAR:
            return self._model.margins(ready)
        found = [self._model.margins(ready[at : at + 1])[0] for at in range(len(ready))]
        return np.array(found, dtype=np.float64)
