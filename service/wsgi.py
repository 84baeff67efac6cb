"""The entries for a WSGI server.

`service.wsgi:worker()` is what `decision-ledger serve` runs, in several processes: it
hands what is to be written to the writer process. `service.wsgi:application()` needs no
other process; several of them take turns at the log.
"""

import logging
import os

from flask import Flask

from service import create_app
from service.settings import Settings

__all__ = ["application", "worker"]


def application() -> Flask:
    """The application, as this process's environment says; it writes by itself."""
    return _made(writer_apart=False)


def worker() -> Flask:
    """The same, with a writer process beside it."""
    return _made(writer_apart=True)


def _made(*, writer_apart: bool) -> Flask:
    # Libraries tell of their progress, line by line and in words that we did not weigh.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("service").setLevel(logging.INFO)
    return create_app(Settings.from_environ(os.environ), writer_apart=writer_apart)
