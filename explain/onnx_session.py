"""ONNX as a predictor, for scoring only. The only file that imports onnxruntime.

The model takes one table of 32-bit floats. Its last output is what it says: of two columns the
second, a probability; of one column, the value as it is.
"""

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused, ModelMismatch
from explain.predictor import Rows

__all__ = ["OnnxPredictor"]

_CLASSES = 2
_QUIET = 4  # only what is fatal; a library's words could hold a row


class OnnxPredictor:
    """A saved model, opened. Give it only bytes that :mod:`explain.onnx_file` accepted."""

    def __init__(self, data: bytes, features: int) -> None:
        import onnxruntime

        asked = onnxruntime.SessionOptions()
        asked.intra_op_num_threads = asked.inter_op_num_threads = 1
        asked.log_severity_level = _QUIET
        try:
            session = onnxruntime.InferenceSession(data, asked, ["CPUExecutionProvider"])
        except Exception as error:  # its errors have no class of their own that could be named
            raise ArtefactRefused("model file: ONNX Runtime cannot open it") from error
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            raise ArtefactRefused("model file: it does not take one table of 32-bit floats")
        if not outputs or outputs[-1].type not in {"tensor(float)", "tensor(double)"}:
            raise ArtefactRefused(
                "model file: its last output is no table of numbers; export it with zipmap=False"
            )
        self._session, self._input, self._output = session, inputs[0].name, outputs[-1].name
        # Asked once with nothing in it: how many columns come is what says which space it is.
        columns = self._asked(np.zeros((1, features), np.float32)).shape[1]
        if columns not in {1, _CLASSES}:
            raise ArtefactRefused("model file: more than one output per row")
        self.space = "probability" if columns == _CLASSES else "response"

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the probability or the value per row, shape (rows,)."""
        single = np.ascontiguousarray(rows, dtype=np.float32)
        # One by one: a kernel may add up in another order in another batch.
        found = [self._asked(single[at : at + 1])[0, -1] for at in range(len(single))]
        return np.array(found, dtype=np.float64)

    def _asked(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        try:
            (found,) = self._session.run([self._output], {self._input: rows})
        except Exception as error:
            raise ModelMismatch("ONNX Runtime cannot ask the model with these features") from error
        return np.asarray(found, dtype=np.float64).reshape(len(rows), -1)
