"""The entries for a web server.

`service.wsgi:served()` is what `decision-ledger serve` runs, in several processes: requests are
taken in whole, and what is to be written is handed to the writer process. For another server there
are `service.wsgi:worker()`, which is the application inside that, and `service.wsgi:application()`,
which needs no other process; several of them take turns at the log.
"""

import os
from typing import TYPE_CHECKING

from service import core_dumps, create_app
from service.intake import Intake
from service.log_lines import configure
from service.meters import keep
from service.settings import Settings
from service.supervision import end_with_parent
from service.tenants import Tenants, mounted

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["application", "served", "worker"]


def application() -> "WSGIApplication":
    """The application, tenants included, as this process's environment says; it writes itself."""
    return _made(writer_apart=False)


def worker() -> "WSGIApplication":
    """The same, with a writer process beside it for the main ledger; tenants are written here."""
    return _made(writer_apart=True)


def served() -> Intake:
    """The application of :func:`worker` behind an intake; its process ends with its parent."""
    end_with_parent()
    core_dumps.switch_off()
    keep()
    app = worker()
    return Intake(app, Settings.from_environ(os.environ).threads)


def _made(*, writer_apart: bool) -> "WSGIApplication":
    configure(os.environ.get("LEDGER_LOG_FORMAT", ""))
    main = create_app(Settings.from_environ(os.environ), writer_apart=writer_apart)
    return mounted(main, Tenants(main, os.environ))
