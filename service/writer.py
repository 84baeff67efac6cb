"""The writer process: `python -m service.writer`, which `decision-ledger serve` starts.

The only process of a served ledger that appends to its logs. It ends when it is told
to, or when whoever started it is gone, after what it has taken is written.
"""

import logging
import os
import signal
import sys

from ledger.errors import LedgerError
from ledger.operate.writer_process import WriterProcess
from ledger.storage.database import give_room
from service import core_dumps
from service.erasing import go_on
from service.log_lines import configure
from service.meters import WriterMeters, keep, meters
from service.runtime import Runtime
from service.settings import Settings, SettingsError

__all__ = ["main"]

REFUSED = 2  # exit status: it may not start, and starting it again does not help

_log = logging.getLogger("service.writer")


def main() -> int:
    """Serve the writers of the ledger that the environment names; the exit status."""
    core_dumps.switch_off()
    configure(os.environ.get("LEDGER_LOG_FORMAT", ""))
    parent = os.getppid()
    keep()
    try:
        runtime = Runtime.open(Settings.from_environ(os.environ))
    except (LedgerError, SettingsError) as error:
        _log.error("%s", error)  # a sentence for the operator, not a trace
        return REFUSED
    try:
        for engine in runtime.databases:
            give_room(engine)
        with WriterProcess(
            runtime.settings.writer_path, runtime.local_writers(), WriterMeters(meters())
        ) as process:
            for each in (signal.SIGTERM, signal.SIGINT):
                signal.signal(each, lambda *_: process.stop())
            go_on(runtime)
            process.serve(while_true=lambda: os.getppid() == parent)
    except LedgerError as error:
        _log.error("%s", error)
        return REFUSED
    finally:
        runtime.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
