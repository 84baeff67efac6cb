"""The process that shows the metrics: `python -m service.exporter`, started by `serve`.

At an address of its own, because what they tell (volumes, troubles, when keys end) is for the
operator's own monitoring and for nobody who may reach the interface. It adds up what the other
processes count, and looks up how each ledger stands.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from ledger.operate.writer_client import WriterConnection
from service import core_dumps
from service.gauges import Ledger, of_ledgers, of_processes
from service.log_lines import configure
from service.runtime import Runtime
from service.settings import Settings, SettingsError
from service.tenants import names, settings_of

__all__ = ["Exporter", "collected", "main"]

REFUSED = 2
PATH: Final = "/metrics"
REQUEST_SECONDS: Final = 5.0  # for a scraper to say what it wants
POLL_SECONDS: Final = 1.0  # until the end of the process that started this one is noticed

_log = logging.getLogger("service.exporter")


class _Everything(Collector):
    """All metrics of one server."""

    def __init__(self, directory: Path, ledgers: list[Ledger], parent: int) -> None:
        self._directory = directory
        self._ledgers = ledgers
        self._parent = parent

    def collect(self) -> Iterator[Metric]:
        """Add up and look up, now."""
        for pid in {file.stem.rpartition("_")[2] for file in self._directory.glob("gauge_*.db")}:
            if not Path(f"/proc/{pid}").exists():
                mark_process_dead(int(pid), str(self._directory))  # type: ignore[no-untyped-call]
        counted = MultiProcessCollector(None, str(self._directory))  # type: ignore[no-untyped-call]
        yield from counted.collect()  # type: ignore[no-untyped-call]
        yield from of_processes(self._parent)
        yield from of_ledgers(self._ledgers)


def collected(directory: Path, ledgers: list[Ledger], parent: int) -> bytes:
    """Everything, in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Everything(directory, ledgers, parent))
    return generate_latest(registry)


class Exporter(ThreadingTCPServer):
    """Serves the metrics at one path, a look at a time. A context manager."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], directory: Path, ledgers: list[Ledger], parent: int
    ) -> None:
        """Listen.

        Raises:
            OSError: it cannot be listened on.
        """
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self._parts = (directory, ledgers, parent)
        self._turn = threading.Lock()

    def text(self) -> bytes:
        """The metrics now."""
        with self._turn:
            return collected(*self._parts)

    def handle_error(self, request: object, client_address: object) -> None:
        """Note that a scrape failed; the library would print a trace."""
        del request, client_address
        _log.error("a scrape failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One scrape."""

    timeout = REQUEST_SECONDS
    server: Exporter
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:  # the library's name for it
        """Answer."""
        if self.path.partition("?")[0] != PATH:
            self._answer(HTTPStatus.NOT_FOUND, b"The metrics are at /metrics.\n", "text/plain")
            return
        self._answer(HTTPStatus.OK, self.server.text(), CONTENT_TYPE_LATEST)

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Write nothing: a scrape every few seconds is no news."""


def main() -> int:
    """Show metrics until told to end, or until whoever started it is gone; the exit status."""
    core_dumps.switch_off()
    configure(os.environ.get("LEDGER_LOG_FORMAT", ""))
    parent = os.getppid()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        settings = Settings.from_environ(os.environ)
        address = (settings.metrics_host, settings.metrics_port)
        ledgers = [Ledger("", partial(_main_ledger, settings))]
        ledgers += [Ledger(name, partial(_tenant, name)) for name in names(settings)]
        server = Exporter(address, settings.metrics_dir, ledgers, parent)
    except (SettingsError, OSError) as error:
        why = str(error) if isinstance(error, SettingsError) else "its port is in use"
        _log.error("the metrics are not shown: %s", why)  # a sentence, not a trace
        return REFUSED
    with server, contextlib.ExitStack() as stack:
        for each in ledgers:
            stack.callback(each.close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while not ended.wait(POLL_SECONDS) and os.getppid() == parent:
            pass
        server.shutdown()
    return 0


def _main_ledger(settings: Settings) -> Runtime:
    return Runtime.open(settings, writer=WriterConnection(settings.writer_path))


def _tenant(name: str) -> Runtime:
    return Runtime.open(settings_of(os.environ, name))


if __name__ == "__main__":
    sys.exit(main())
