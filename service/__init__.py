"""The doors of the ledger: HTTP interface, audit UI and command line.

The only package that knows all the others. `create_app` builds the web application;
everything it is told comes from one frozen `Settings`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Imported for real inside: the command line must answer --help without Flask.
    from flask import Flask

    from service.settings import Settings

__all__ = ["create_app"]


def create_app(
    settings: "Settings",
    *,
    clock: "Callable[[], datetime] | None" = None,
    writer_apart: bool = False,
) -> "Flask":
    """The web application of one ledger that `decision-ledger init` has made.

    Args:
        settings: what the deployment is told from outside.
        clock: the time now, aware, in UTC; the system's clock if None.
        writer_apart: hand everything that is written to the writer process of this ledger
            (`service.writer`), instead of writing in this one.

    Raises:
        LedgerError: the ledger is not there, or the start-up rule forbids to take it up.
    """
    from ledger.operate.writer_client import WriterConnection
    from service.assembly import assemble
    from service.erasing import go_on
    from service.runtime import Runtime

    writer = WriterConnection(settings.writer_path) if writer_apart else None
    runtime = Runtime.open(settings, clock, writer=writer)
    if writer is None:  # else it is the writer's process that goes on with what was cut short
        go_on(runtime)
    return assemble(runtime)
