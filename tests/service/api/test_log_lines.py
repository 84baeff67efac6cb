"""Log lines: one line each, closed fields, and nobody's data in any, whoever wrote it."""

import io
import json
import logging
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from service.log_lines import FIELDS, configure
from tests.service.ui.lender import Lender

SECRET = "Ann Other, 1 Elm Street"
KEY = f"dl_{'0' * 16}_{'A' * 43}"


class Lines(io.StringIO):
    """What was written, line by line."""

    def every(self) -> list[str]:
        return self.getvalue().splitlines()

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.every()]


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lines(form: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What this process would write to standard error, configured as a server is."""
    root, ours = logging.getLogger(), logging.getLogger("service")
    before = (list(root.handlers), root.level, ours.level, logging.raiseExceptions)
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    written = Lines()
    # No server imports mlflow, which takes this logger for itself; a test before may have.
    monkeypatch.setattr(logging.getLogger("alembic"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("alembic"), "handlers", [])
    monkeypatch.setattr(sys, "stderr", written)
    configure(form)
    yield written
    logging.captureWarnings(capture=False)
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.raiseExceptions = before[3]
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def fail(_: object = None) -> None:
    raise ValueError(SECRET)


def failed() -> BaseException:
    try:
        fail()
    except ValueError as error:
        return error
    raise AssertionError


def test_a_line_of_ours_has_its_words(lines: Lines, form: str) -> None:
    logging.getLogger("service.writer").error("it ended with %d", 3)
    (line,) = lines.every()
    assert "it ended with 3" in line
    if form == "json":
        (told,) = lines.objects()
        assert (told["level"], told["logger"]) == ("error", "service.writer")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", told["time"])


def test_an_error_is_its_class_and_its_place(lines: Lines, form: str) -> None:
    logging.getLogger("service.ui").error("it failed", exc_info=failed())
    (line,) = lines.every()
    assert "ValueError" in line
    assert f"{__name__}:" in line
    assert "Ann" not in line
    if form == "json":
        (told,) = lines.objects()
        assert told["error"] == "ValueError"


@pytest.mark.parametrize(
    "name", ["alembic.runtime", "sqlalchemy.pool", "werkzeug", "asyncio", "service", "_granian",
             "services.other", "granian.access", "py.warnings"],
)  # fmt: skip
def test_a_librarys_words_are_not_kept(lines: Lines, name: str) -> None:
    logging.getLogger(name).error("Exception on /v1/decisions/%s", SECRET, exc_info=failed())
    logging.getLogger(name).error(f"Traceback of {SECRET}\n{SECRET}")  # noqa: G004
    assert len(lines.every()) == 2
    assert name in lines.getvalue()
    assert "Ann" not in lines.getvalue()
    assert "/v1" not in lines.getvalue()


def test_the_servers_own_sentences_are_kept(lines: Lines) -> None:
    logging.getLogger("_granian").error("Unexpected exit from worker-1")
    logging.getLogger("_granian").error(f"Application callable raised an exception\n{SECRET}")  # noqa: G004
    assert "Unexpected exit from worker-1" in lines.getvalue()
    assert "Application callable raised an exception" in lines.getvalue()
    assert "Ann" not in lines.getvalue()


def test_warnings_and_what_nobody_caught_are_lines_too(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(SECRET, RuntimeWarning, stacklevel=1)
    sys.excepthook(ValueError, failed(), failed().__traceback__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    logging.getLogger("service.x").error("a %d", SECRET)  # what cannot be written is not printed
    assert len(lines.every()) == 3
    assert lines.getvalue().count("ValueError") == 2
    assert "Ann" not in lines.getvalue()


def test_a_message_cannot_make_a_second_line(lines: Lines) -> None:
    logging.getLogger("service.tenants").error("x: %s", "a\nservice.writer b\u2028c\x1b[2J" * 500)
    (line,) = lines.every()
    assert len(line) < 2_500
    assert "\x1b" not in line


def test_nothing_of_a_request_reaches_a_line(
    lines: Lines, form: str, app: Flask, lender: Lender
) -> None:
    app.after_request_funcs[None].append(lambda _answer: fail())
    client = app.test_client()
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Ledger-Case": SECRET,
        "X-Request-ID": SECRET,
        "User-Agent": SECRET,
        "Cookie": f"ledger={SECRET}",
    }
    try:
        for method, path in (
            ("POST", "/v1/decisions"),
            ("GET", f"/v1/decisions/{SECRET}?subject={SECRET}"),
            ("GET", f"/{SECRET}"),
            (SECRET.replace(" ", "").replace(",", ""), "/v1/decisions"),
        ):
            got = client.open(path, method=method, headers=headers, data=SECRET.encode())
            assert got.status_code == 500
    finally:
        app.after_request_funcs[None].pop()
    written = lines.getvalue()
    assert "ValueError" in written  # of the handler that failed
    for hidden in ("Ann", "Elm", KEY[-20:], lender.ids[0]):
        assert hidden not in written
    if form == "json":
        assert {name for told in lines.objects() for name in told} <= set(FIELDS)


def test_a_process_that_dies_of_an_error_tells_no_values() -> None:
    program = (
        f"from service.log_lines import configure; configure('json')\nraise ValueError({SECRET!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"] == "ValueError"
    assert "Ann" not in done.stderr


A_UUID = "7f3a2c1e-1111-4222-8333-123456789abc"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (A_UUID, A_UUID),
        (A_UUID.upper(), A_UUID),
        (A_UUID.replace("-", ""), A_UUID),
        ("ann.other@example.org", None),
        (f"{A_UUID}x", None),
        ("7f3a2c1e-111142228333123456789abc", None),
        ("", None),
        ("٧" * 32, None),
    ],
)
def test_a_request_keeps_the_callers_id_if_it_is_a_uuid(
    app: Flask, caplog: pytest.LogCaptureFixture, sent: str, kept: str | None
) -> None:
    caplog.set_level(logging.INFO, "service.requests")
    got = app.test_client().get("/v1/decisions", headers={"X-Request-ID": sent})
    told = got.headers["Request-Id"]
    assert got.headers["X-Request-ID"] == told
    assert got.get_json()["instance"] == f"urn:uuid:{told}"
    assert caplog.records[-1].request == told  # type: ignore[attr-defined]  # a field of ours
    assert (told == kept) == (kept is not None)
