"""Log lines: which fields one has, and that nobody's data is in any of them.

Our own modules say in a sentence of ours what happened. A library's words are not kept: they may
quote what it was given. Of an error, whoever raised it, there is the class and the line of code.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

__all__ = ["FIELDS", "configure", "place_of"]

FIELDS: Final = (
    "time", "level", "logger", "message", "request", "method", "rule", "status", "ms", "error",
    "place",
)  # fmt: skip
MAX_CHARS: Final = 1_000  # of a message; a sentence or two

_EXTRA: Final = ("request", "method", "rule", "status", "ms")
# Only loggers below our packages: "service" itself is Flask's, which tells paths.
_OURS: Final = re.compile(r"(?:service|ledger|explain|reports)\.[a-z_.]+")
_SERVER: Final = "_granian"
_SERVER_SAYS: Final = re.compile(
    r"Unexpected exit from worker-\d+|Worker crash loop detected, exiting"
    r"|Killing (?:old )?worker-\d+ after it refused to gracefully stop"
    r"|Application callable raised an exception|RSGI protocol failure"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_log = logging.getLogger("service.process")


def configure(form: str) -> None:
    """Send every line of this process to standard error, as text or as JSON.

    What nobody caught is a line too, instead of a trace that repeats what was handled.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell of their progress, line by line.
    root.setLevel(logging.WARNING)
    logging.getLogger("service").setLevel(logging.INFO)
    logging.raiseExceptions = (
        False  # a line that cannot be written would be printed, with all in it
    )
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def place_of(trace: TracebackType | None) -> str:
    """The module and line where an error was raised."""
    steps = list(walk_tb(trace))
    if not steps:
        return "an unknown place"
    frame, line = steps[-1]
    return f"{frame.f_globals.get('__name__', '?')}:{line}"


class _Text(logging.Formatter):
    """The fields after each other, for a person."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = _fields(record)
        said = [fields["time"], fields["logger"], fields["message"]]
        if "error" in fields:
            said += [fields["error"], "at", fields["place"]]
        return " ".join(map(str, said))


class _Json(JsonFormatter):
    """The fields as an object, for a program."""

    def __init__(self) -> None:
        super().__init__(json_serializer=json.dumps, json_ensure_ascii=True)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return str(self.jsonify_log_record(_fields(record)))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    ours = _OURS.fullmatch(record.name) is not None
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": _own_words(record) if ours else _foreign_words(record),
    }
    if ours:
        fields |= {name: vars(record)[name] for name in _EXTRA if name in vars(record)}
    else:
        fields |= {"error": record.levelname, "place": f"{record.module}:{record.lineno}"}
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, trace = record.exc_info
        fields |= {"error": kind.__name__, "place": place_of(trace)}
    return fields


def _own_words(record: logging.LogRecord) -> str:
    # A line is one line, whatever its arguments are.
    return _CONTROL.sub(" ", record.getMessage())[:MAX_CHARS]


def _foreign_words(record: logging.LogRecord) -> str:
    if record.name == _SERVER:
        first = str(record.msg).partition("\n")[0]
        if _SERVER_SAYS.fullmatch(first):
            return first
    return "a library had something to say"


def _uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    told: Mapping[str, Any] = {"exc_info": (kind, error or kind(), trace)}
    _log.error("this process met an error that nobody caught", **told)
