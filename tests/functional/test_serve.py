"""The real server: one process, the port of the environment, and a clean end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import main
from service.web import DRAIN_SECONDS

SECONDS = 30  # for the server to answer, on a busy machine


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answered(url: str, server: subprocess.Popen[str]) -> bytes:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, server.communicate()
        try:
            with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  # our own server
                body: bytes = response.read()
                return body
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError("the server did not answer")


def refused(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as caller:
        caller.sendall(request)
        return caller.recv(100)


@pytest.mark.slow
def test_the_server_answers_on_its_port_and_ends_when_told(tmp_path: Path) -> None:
    here = {"LEDGER_DATA": str(tmp_path / "data")}
    assert CliRunner(env=here).invoke(main, ["init"]).exit_code == 0
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    server = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve"],
        env=clean | here | {"PORT": str(port), "LEDGER_WORKERS": "4"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert b"ready" in answered(f"http://127.0.0.1:{port}/readyz", server)
        assert b"openapi" in answered(f"http://127.0.0.1:{port}/openapi.json?subject=Ann", server)
        for broken in (b"GET /?subject=Ann\x01 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nAnn\r\n\r\n"):
            assert b"400" in refused(port, broken)
    finally:
        server.send_signal(signal.SIGTERM)  # while some of the four are still starting
        said, logged = server.communicate(timeout=DRAIN_SECONDS - 5)
    assert f"http://localhost:{port}/" in said
    assert "key issue" in said
    assert " GET /readyz 200 " in logged
    assert "Ann" not in logged
    assert server.returncode == 0


def test_serving_without_a_ledger_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner(env={"LEDGER_DATA": str(tmp_path / "none")}).invoke(main, ["serve"])
    assert done.exit_code == 1
    assert "decision-ledger init" in done.output


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    here = {"LEDGER_DATA": str(tmp_path / "data")}
    assert CliRunner(env=here).invoke(main, ["init"]).exit_code == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner(env=here | {"PORT": port}).invoke(main, ["serve"])
    assert done.exit_code == 2
    assert done.output == (
        f"Error: port {port} of 127.0.0.1 cannot be listened on (Address already in use);"
        " set PORT or LEDGER_HOST\n"
    )


def test_the_base_install_says_what_is_missing() -> None:
    program = "import sys; sys.modules['click'] = None; import service.cli"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "pip install 'decision-ledger[service]'" in done.stderr
    assert "Traceback" not in done.stderr
