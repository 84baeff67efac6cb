"""The process that holds one model: `python -m service.model_process`, started by a sandbox.

Native libraries trust the files they read: damaged ones took the process down in 11 to 71 of
100 cases. So a file is opened here, where nothing is at stake: confined
(:mod:`service.confinement`, :mod:`service.readable_files`), with no keys, no database and no
way out but numbers on a pipe.
It ends when its pipe does.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from explain.errors import ExplainError, ModelCrashed
from service.confinement import confine
from service.model_frames import packed, read_frame
from service.readable_files import leave_only_programs

if TYPE_CHECKING:
    from explain.model import Model
    from explain.predictor import Rows

__all__ = ["MAX_ASKED_BYTES", "main"]

MAX_ASKED_BYTES: Final = 1_100_000_000  # files of one model: four of the largest size

Answer = tuple[Mapping[str, object], bytes]


def main() -> int:
    """Open what comes first, answer what comes then, until nothing comes; the exit status."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a library prints must not come between our frames.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    leave_only_programs()
    confine()
    with asked, answers:
        return _serve(asked, answers)


def _serve(asked: BinaryIO, answers: BinaryIO) -> int:
    model: Model | None = None

    def read(size: int) -> bytes:
        data = asked.read(size)
        if len(data) != size:
            raise EOFError
        return data

    while True:
        try:
            head, body = read_frame(read, MAX_ASKED_BYTES)
        except EOFError:
            return 0
        answer: Answer
        try:
            if head["do"] == "open":
                model = _opened(head, body)
                answer = {"space": model.predictor.space}, b""
            elif model is None:
                raise ModelCrashed("no model is open")  # noqa: TRY301  # answered as all others
            else:
                answer = _DEEDS[head["do"]](model, _rows(head, body))
        except Exception as error:  # noqa: BLE001  # a library's: it may raise anything
            answer = _told(error), b""
        answers.write(packed(*answer))
        answers.flush()


def _opened(head: Mapping[str, Any], body: bytes) -> "Model":
    from explain.artifacts import open_model

    files, at = {}, 0
    for name, size in head["files"]:
        files[name] = body[at : at + size]
        at += size
    return open_model(head["manifest"], files)


def _rows(head: Mapping[str, Any], body: bytes) -> "Rows":
    import numpy as np

    return np.frombuffer(body, dtype=head["of"]).reshape(head["shape"])


def _margins(model: "Model", rows: "Rows") -> Answer:
    import numpy as np

    return {}, np.asarray(model.predictor.margin(rows), dtype="<f8").tobytes()


def _attributions(model: "Model", rows: "Rows") -> Answer:
    return {"attributions": [each.to_json() for each in model.attributor.attribute(rows)]}, b""


_DEEDS: Final[Mapping[str, Callable[["Model", "Rows"], Answer]]] = {
    "margin": _margins,
    "attribute": _attributions,
}


def _told(error: Exception) -> dict[str, object]:
    if isinstance(error, ExplainError):
        told, member = str(error), error.member
        return {"error": type(error).__name__, "text": told, "member": member}
    # The class alone: the text of a library's error could hold a row of somebody's data.
    text = f"the model's library failed ({type(error).__name__})"
    return {"error": ModelCrashed.__name__, "text": text, "member": None}


if __name__ == "__main__":
    sys.exit(main())
