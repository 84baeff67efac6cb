"""A model in a process of its own: asked over pipes, ended when it does not answer.

Whatever a model's file does to the library that reads it, it does there. Here a death, a
limit or a silence is `ModelCrashed`, and what comes back is read as numbers and short texts,
nothing else. A process that had answered before and is gone, as one is that has used up the
processor time of its life, is replaced once and asked again.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from explain import errors
from explain.attribution import Attribution
from explain.black_box import APPROXIMATE, EXACT
from explain.errors import ExplainError, ModelCrashed
from service.model_frames import FrameError, packed, read_frame

if TYPE_CHECKING:
    from explain.predictor import Rows

__all__ = [
    "COMMAND",
    "Asked",
    "Opening",
    "Retired",
    "SandboxedAttributor",
    "SandboxedModel",
    "SandboxedPredictor",
]

COMMAND: Final = (sys.executable, "-m", "service.model_process")
OPEN_SECONDS: Final = 600.0  # to read the file, build an engine's tables and try golden rows
ASK_SECONDS: Final = 120.0  # to answer for some rows; for one, of a black box's contributions
MAX_BODY_BYTES: Final = 64 * 2**20  # of an answer; margins of eight million rows
MAX_TEXT: Final = 500  # characters of an error's text
VALUES_AT_ONCE: Final = 50_000  # contributions in one answer, which has to fit a frame's head
_CHUNK: Final = 2**20
_UNSOUND: Final = "the process that holds the model gave no sound answer"
_CLOSED: Final = "the process that holds the model was ended to make room: ask again"
_SPACES: Final = ("log-odds", "probability", "response")

# What a process of ours needs to run, and none of what the service was told in confidence.
_ENVIRONMENT: Final = (
    *("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TMPDIR"),
)
_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",  # sums in one order, and no address space for idle threads
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",  # no file can be written there
}


@dataclass(frozen=True, slots=True)
class Opening:
    """What a process opens: the manifest, and where the bytes of its files come from."""

    manifest: Mapping[str, Any]
    files: Callable[[], Mapping[str, bytes]]


class Retired(ModelCrashed):
    """The model was closed before its turn came: ask where it is open now."""


class Asked(Protocol):
    """What answers for a model."""

    @property
    def space(self) -> str:
        """In which its margins lie."""

    @property
    def rows_at_once(self) -> int:
        """How many rows it is asked to take apart in one question."""

    def ask(self, what: str, rows: "Rows") -> tuple[dict[str, Any], bytes]:
        """What it says of these rows. Raises as :meth:`SandboxedModel.ask`."""


class SandboxedModel:
    """One model in one process. Safe to share between threads: one is answered at a time."""

    def __init__(self, opening: Opening, command: Sequence[str] = COMMAND) -> None:
        """Start nothing yet: the process starts with the first question."""
        self._opening = opening
        self._command = command
        self._turn = threading.Lock()
        self._process: _Process | None = None
        self._space = ""
        self._retired = False

    @property
    def space(self) -> str:
        """In which the model's margins lie, known once it was opened."""
        return self._space

    @property
    def rows_at_once(self) -> int:
        """How many rows it is asked to take apart in one question."""
        explainer = self._opening.manifest.get("explainer")
        engine = explainer.get("engine") if isinstance(explainer, Mapping) else None
        # A black box asks its model thousands of times for a row: seconds, each of them.
        return 1 if engine in (EXACT, APPROXIMATE) else VALUES_AT_ONCE

    def open(self) -> None:
        """Open the model if it is not open.

        Raises:
            Retired: it was closed.
            ModelCrashed: its process died, ran out of its limits or gave no answer.
            ExplainError: as :func:`explain.artifacts.open_model`.
        """
        with self._its_turn():
            self._opened()

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def ask(self, what: str, rows: "Rows") -> tuple[dict[str, Any], bytes]:
        """What the model's process says of these rows.

        Raises:
            Retired: it was closed.
            ModelCrashed: it died twice, or gave no answer in time, or none that is one.
            ExplainError: what the model itself raised.
        """
        rows = np.ascontiguousarray(rows, dtype="<f8" if rows.dtype == np.float64 else "<f4")
        head = {"do": what, "of": rows.dtype.str, "shape": list(rows.shape)}
        with self._its_turn():
            fresh = self._process is None
            process = self._opened()
            try:
                return self._answer(process, head, rows.tobytes(), ASK_SECONDS)
            except _Died:
                if fresh:
                    raise
            return self._answer(self._opened(), head, rows.tobytes(), ASK_SECONDS)

    def close(self) -> None:
        """End the process for good: now, or once it has answered who has the turn."""
        self._retired = True
        if self._turn.acquire(blocking=False):  # who has it ends the process afterwards
            try:
                self._end()
            finally:
                self._turn.release()

    @contextlib.contextmanager
    def _its_turn(self) -> Iterator[None]:
        try:
            with self._turn:
                if self._retired:
                    raise Retired(_CLOSED)
                yield
        finally:
            if self._retired:
                self.close()

    def _opened(self) -> "_Process":
        if self._process is not None and self._process.is_ours:
            return self._process
        self._process = process = _Process(self._command)
        files = self._opening.files()
        sizes = [(name, len(data)) for name, data in files.items()]
        head = {"do": "open", "manifest": self._opening.manifest, "files": sizes}
        try:
            answer, _ = self._answer(process, head, b"".join(files.values()), OPEN_SECONDS)
            self._space = _space(answer)
        except BaseException:
            self._end()
            raise
        return process

    def _answer(
        self, process: "_Process", head: Mapping[str, object], body: bytes, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        try:
            found = process.exchange(packed(head, body), seconds)
        except BaseException:  # also of Ctrl-C: half an answer may be under way
            self._end()
            raise
        if "error" in found[0]:
            raise _error(found[0])
        return found

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


class SandboxedPredictor:
    """A model's margins, asked of its process."""

    def __init__(self, model: Asked) -> None:
        self._model = model
        self.space = model.space

    def margin(self, rows: "Rows") -> NDArray[np.float64]:
        """Return the margin per row. Raises as :meth:`SandboxedModel.ask`."""
        _, body = self._model.ask("margin", rows)
        if len(body) != 8 * len(rows):
            raise ModelCrashed(_UNSOUND)
        return np.frombuffer(body, dtype="<f8")


class SandboxedAttributor:
    """A model's contributions, asked of its process."""

    def __init__(self, model: Asked) -> None:
        self._model = model

    def attribute(self, rows: "Rows") -> tuple[Attribution, ...]:
        """Return one attribution per row. Raises as :meth:`SandboxedModel.ask`."""
        step = min(self._model.rows_at_once, max(1, VALUES_AT_ONCE // rows.shape[1]))
        found: list[Attribution] = []
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            head, _ = self._model.ask("attribute", some)
            listed = head.get("attributions")
            if not isinstance(listed, list) or len(listed) != len(some):
                raise ModelCrashed(_UNSOUND)
            found += map(Attribution.from_json, listed)
        return tuple(found)


class _Died(ModelCrashed):
    """The process is gone, whatever it was asked."""


class _Process:
    """The process, and what ends it with this object at the latest."""

    def __init__(self, command: Sequence[str]) -> None:
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._owner = os.getpid()
        # What it writes to its error stream could hold rows; what it may say, it says in frames.
        # A session of its own: where it may start others, they end with it.
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=kept | _ONE_THREAD, bufsize=0, start_new_session=True,
        )  # fmt: skip
        self._finalizer = weakref.finalize(self, _end, self._child)
        self._to = cast("IO[bytes]", self._child.stdin).fileno()
        self._from = cast("IO[bytes]", self._child.stdout).fileno()
        os.set_blocking(self._to, False)

    @property
    def is_ours(self) -> bool:
        """Whether this process started it: after a fork its pipes belong to another."""
        return self._owner == os.getpid()

    def exchange(self, frame: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """The answer to a frame.

        Raises:
            ModelCrashed: there is none, or none that is one.
        """
        until = time.monotonic() + seconds
        try:
            self._write(frame, until)
            return read_frame(lambda size: self._read(size, until), MAX_BODY_BYTES)
        except FrameError as error:
            raise ModelCrashed(_UNSOUND) from error
        except TimeoutError as error:
            text = f"the process that holds the model gave no answer in {seconds:.0f} seconds"
            raise ModelCrashed(text) from error
        except (OSError, EOFError) as error:
            raise _Died(self._how_it_ended()) from error

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._finalizer()

    def _write(self, frame: bytes, until: float) -> None:
        left = memoryview(frame)
        while left:
            _wait(self._to, select.POLLOUT, until)
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._to, left[:_CHUNK]) :]

    def _read(self, size: int, until: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            _wait(self._from, select.POLLIN, until)
            part = os.read(self._from, min(size - len(parts), _CHUNK))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _how_it_ended(self) -> str:
        try:
            status = self._child.wait(1.0)
        except subprocess.TimeoutExpired:
            return "the process that holds the model closed its pipes"
        _end_group(self._child)
        if status == -signal.SIGXCPU:
            return "the process that holds the model used up its processor time"
        if status < 0:
            return f"the process that holds the model died of {_name(-status)}"
        return f"the process that holds the model ended with status {status}"


def _space(answer: Mapping[str, Any]) -> str:
    space = answer.get("space")
    if space not in _SPACES:
        raise ModelCrashed(_UNSOUND)
    return str(space)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _wait(descriptor: int, event: int, until: float) -> None:
    # poll, not select: a server may have more than a thousand files open
    waiting = select.poll()
    waiting.register(descriptor, event)
    left = until - time.monotonic()
    if left <= 0 or not waiting.poll(left * 1000):
        raise TimeoutError


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # none is left
        os.killpg(child.pid, signal.SIGKILL)


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.returncode is None:  # otherwise the number may be another's by now
        _end_group(child)
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def _error(head: Mapping[str, Any]) -> ExplainError:
    """The error that an answer names, one of ours with a short text."""
    kind = getattr(errors, str(head["error"]), None) if head["error"] in errors.__all__ else None
    text, member = head.get("text"), head.get("member")
    if kind is None or not isinstance(text, str) or not isinstance(member, str | None):
        return ModelCrashed(_UNSOUND)
    found: ExplainError = kind(text[:MAX_TEXT], member=member and member[:MAX_TEXT])
    return found
