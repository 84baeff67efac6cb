"""The entries for a WSGI server.

`service.wsgi:worker()` is what `decision-ledger serve` runs, in several processes: it
hands what is to be written to the writer process. `service.wsgi:application()` needs no
other process; several of them take turns at the log.
"""

import os
from typing import TYPE_CHECKING

from service import create_app
from service.log_lines import configure
from service.settings import Settings
from service.tenants import Tenants, mounted

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["application", "worker"]


def application() -> "WSGIApplication":
    """The application, tenants included, as this process's environment says; it writes itself."""
    return _made(writer_apart=False)


def worker() -> "WSGIApplication":
    """The same, with a writer process beside it for the main ledger; tenants are written here."""
    return _made(writer_apart=True)


def _made(*, writer_apart: bool) -> "WSGIApplication":
    configure(os.environ.get("LEDGER_LOG_FORMAT", ""))
    main = create_app(Settings.from_environ(os.environ), writer_apart=writer_apart)
    return mounted(main, Tenants(main, os.environ))
