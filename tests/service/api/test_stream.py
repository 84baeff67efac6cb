"""Decisions as lines: each judged by itself, whatever surrounds it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.errors import PushbackError
from ledger.roles import Role
from service.api import stream


def send(door: Any, *lines: object, **headers: str) -> Any:
    data = b"".join(
        each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in lines
    )
    headers = {"Content_Type": "application/x-ndjson"} | headers
    return door.ask(Role.SOURCE, "POST", "/v1/decisions", data, **headers)


def answers(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.mimetype == "application/x-ndjson"
    return [json.loads(line) for line in response.data.splitlines()]


def test_each_line_is_answered_in_order(door: Any) -> None:
    good = [door.decision() for _ in range(5)]
    wrong = door.decision() | {"policy": "nobody@1"}
    told = answers(send(door, good[0], b"\n", b"{\n", good[1], wrong, b"[]\n", good[0], good[2]))
    assert [each["line"] for each in told] == [1, 3, 4, 5, 6, 7, 8]
    assert [each["status"] for each in told] == [
        "recorded", "refused", "recorded", "refused", "refused", "duplicate", "recorded",
    ]  # fmt: skip
    assert told[3]["problem"]["member"] == "policy"
    assert door.lender.runtime.decisions.read(good[2]["id"]).seq == told[6]["seq"]


def test_a_line_without_an_end_and_other_types_of_lines_are_read(door: Any) -> None:
    one = json.dumps(door.decision()).encode()
    (told,) = answers(send(door, one, Content_Type="application/jsonl; charset=utf-8"))
    assert told["status"] == "recorded"
    assert answers(send(door)) == []


def test_many_lines_share_commits(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BATCH", 3)
    made = [door.decision() for _ in range(7)]
    first = door.lender.runtime.logs["decisions"].size()
    told = answers(send(door, *made))
    assert [each["seq"] for each in told] == list(range(first, first + 7))
    again = answers(send(door, *made))
    assert {each["status"] for each in again} == {"duplicate"}


def test_without_an_id_it_could_not_be_sent_again(door: Any) -> None:
    bare = door.decision()
    del bare["id"]
    (told,) = answers(send(door, bare))
    assert (told["status"], told["problem"]["member"]) == ("refused", "id")


def test_sizes_are_bounded(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(door, b"{}" * 600_000).status_code == 413
    monkeypatch.setattr(stream, "MAX_LINES", 2)
    kept = door.decision()
    response = send(door, kept, b"{}\n", b"{}\n")
    assert response.status_code == 413
    assert "line 3" in response.get_json()["detail"]
    monkeypatch.setattr(stream, "MAX_STREAM_BYTES", 10)
    assert send(door, b"{}\n" * 10).status_code == 413
    assert send(door, b"{}", Content_Encoding="gzip").status_code == 415


def test_an_outage_in_the_middle_ends_the_answer_and_not_what_was_recorded(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BATCH", 2)
    made = [door.decision() for _ in range(4)]
    decisions = door.lender.runtime.decisions
    record = decisions.record_each
    calls: list[int] = []

    def away(batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) > 1:
            raise PushbackError("database: it does not answer", retry_after=2.0)
        return record(batch)

    monkeypatch.setattr(type(decisions), "record_each", lambda _self, batch: away(batch))
    told = answers(send(door, *made))
    assert [each["status"] for each in told] == ["recorded", "recorded", "stopped"]
    assert told[2]["line"] == 3
    assert send(door, made[2], made[3]).status_code == 503
    monkeypatch.undo()
    again = answers(send(door, *made))
    assert [e["status"] for e in again] == ["duplicate", "duplicate", "recorded", "recorded"]


def test_a_body_that_breaks_off_is_said_to(door: Any) -> None:
    class Broken:
        def __init__(self, data: bytes) -> None:
            self._parts: Iterator[bytes] = iter([data])

        def read(self, _size: int = -1) -> bytes:
            for part in self._parts:
                return part
            raise OSError("gone")

        readline = read

    kept = door.decision()
    line = json.dumps(kept).encode() + b"\n"
    response = door.client.post(
        "/v1/decisions",
        headers={"Authorization": f"Bearer {door.lender.keys[Role.SOURCE]}",
                 "Content-Type": "application/x-ndjson"},
        environ_overrides={"wsgi.input": Broken(line), "CONTENT_LENGTH": str(len(line) + 100)},
    )  # fmt: skip
    assert response.status_code == 400


def test_receipts_are_asked_for_elsewhere(door: Any) -> None:
    response = door.ask(
        Role.SOURCE, "POST", "/v1/decisions?receipts=compact", b"", Content_Type="application/jsonl"
    )
    assert response.status_code == 422
