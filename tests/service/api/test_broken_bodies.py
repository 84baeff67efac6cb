"""Bodies that break off on the way: the client's fault, and said so."""

from typing import Any

import pytest
from flask import Flask

from ledger.roles import Role
from tests.service.ui.lender import Lender


class _InvalidChunkSize(Exception):
    """As of a server whose parser's errors are no OSError."""


class _BrokenChunks:
    """What a server's stream does when a chunk's size is not a number."""

    def read(self, *_: Any) -> bytes:
        raise _InvalidChunkSize("Ann")

    readline = readinto = read


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/search"])
def test_a_body_with_broken_chunks_is_malformed(app: Flask, lender: Lender, path: str) -> None:
    role = Role.CASE_HANDLER if path.endswith("search") else Role.SOURCE
    answer = app.test_client().post(
        path,
        content_type="application/json",
        headers={"Authorization": f"Bearer {lender.keys[role]}", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input": _BrokenChunks(), "wsgi.input_terminated": True},
    )
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["type"] == "/problems/malformed"
    assert "Ann" not in answer.text
