"""A web server of published tiles that does what it likes: it lies, stalls, cuts and refuses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """What is served, and what goes wrong.

    Attributes:
        files: what is below the address.
        act: called first with the handler and the path; True if it has answered.
        asked: every path that was asked for, in the order in which they came.
    """

    files: Path
    act: Callable[[BaseHTTPRequestHandler, str], bool] = lambda *_: False
    asked: list[str] = field(default_factory=list)
    address: str = ""


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> bool:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    return True


@contextmanager
def served(site: Site) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.removeprefix("/log/decisions/")
            site.asked.append(path)
            if site.act(self, path):
                return
            file = site.files / path
            if file.is_file():
                answer(self, 200, file.read_bytes())
            else:
                answer(self, 404, b"nothing here")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Who was cut off needs no word."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/log/decisions"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
