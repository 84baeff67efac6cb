"""The process that works attributions out: `python -m service.attributor`, started by `serve`.

It opens model files, whose native code may take it down: it is started again, and nobody
else notices. It hands what it attaches to the writer process, behind everybody who records.
"""

import logging
import os
import signal
import sys
import threading

from ledger.errors import LedgerError, PushbackError
from ledger.operate.writer_client import WriterConnection
from service import core_dumps
from service.attributing import Attributing
from service.log_lines import configure
from service.runtime import Runtime
from service.settings import Settings, SettingsError

__all__ = ["main"]

REFUSED = 2
IDLE_SECONDS = 2.0  # between two looks at an index that is nearly always empty

_log = logging.getLogger("service.attributor")


def main() -> int:
    """Work until told to end, or until whoever started it is gone; the exit status."""
    core_dumps.switch_off()
    configure(os.environ.get("LEDGER_LOG_FORMAT", ""))
    parent = os.getppid()
    ended = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ended.set())
    try:
        settings = Settings.from_environ(os.environ)
        runtime = Runtime.open(settings, writer=WriterConnection(settings.writer_path))
    except (LedgerError, SettingsError) as error:
        _log.error("%s", error)
        return REFUSED
    try:
        task = Attributing.of(runtime, lambda: ended.is_set() or os.getppid() != parent)
        while not task.stopping():
            try:
                swept = runtime.eventing.sweep() if runtime.eventing.services else 0
                idle = not task.work() and not swept
            except PushbackError:
                idle = True  # a database or the writer is away: later
            if idle:
                ended.wait(IDLE_SECONDS)
    except LedgerError as error:
        _log.error("%s", error)
        return REFUSED
    finally:
        runtime.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
