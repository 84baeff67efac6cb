"""The web server: `python -m service.web`, which `decision-ledger serve` starts.

It listens, keeps the worker processes, and starts one that ended again. Which server it is and
why: docs/adr/0022.
"""

import os
import signal
import socket
import sys
from typing import Any, Final

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from service import core_dumps
from service.log_lines import configure
from service.settings import Settings

__all__ = ["main"]

HEADER_MS: Final = 10_000  # milliseconds to send a head; an idle connection is closed after these
MAX_HEAD: Final = 32_768  # bytes of a request line and headers; ours have some hundred
MAX_CONNECTIONS: Final = 1_024  # of one worker process; what comes then waits to be accepted
DRAIN_SECONDS: Final = 30  # to answer what is under way when told to end

# Lines go where ours go, in the form of ours.
_LOGGING: Final[dict[str, Any]] = {
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"handlers": [], "propagate": True}},
}


def main(application: str = "service.wsgi:served") -> int:
    """Serve what this factory makes until told to end; the exit status.

    Benchmarks have another application served as this one is.
    """
    core_dumps.switch_off()  # workers are forked from here
    settings = Settings.from_environ(os.environ)
    server = Granian(
        application,
        factory=True,
        address=_address(settings.host),
        port=settings.port,
        interface=Interfaces.RSGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MS, max_buffer_size=MAX_HEAD),
        websockets=False,
        backpressure=MAX_CONNECTIONS,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
    )
    configure(settings.log_format)
    # A worker that is told to end while it starts would go by this process's handlers, which
    # only note the signal: it would be waited for until it is killed.
    os.register_at_fork(after_in_child=_end_when_told)
    server.serve()
    return 0


def _end_when_told() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _address(host: str) -> str:
    """The number of an address that may be a name."""
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])


if __name__ == "__main__":
    sys.exit(main())
