"""Decisions as lines: each judged by itself, whatever surrounds it."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.errors import LedgerError, PushbackError, RefusedError, StoppedError
from ledger.roles import Role
from ledger.tlog.policy import Policy
from ledger.tlog.proof import Receipt
from ledger.verify.verifier import verify_receipt
from service.api import bodies, stream


def send(door: Any, *lines: object, receipts: bool = False, **headers: str) -> Any:
    data = b"".join(
        each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in lines
    )
    headers = {"Content_Type": "application/x-ndjson"} | headers
    path = f"/v1/decisions{'?receipts=compact' if receipts else ''}"
    return door.ask(Role.SOURCE, "POST", path, data, **headers)


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


def test_a_line_that_is_too_long_is_refused_alone(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_LINE_BYTES", 5_000)
    long = b'{"x": "' + b"y" * 200_000 + b'"}\n'
    told = answers(send(door, door.decision(), long, door.decision(), long[:-1]))
    assert [each["status"] for each in told] == ["recorded", "refused", "recorded", "refused"]
    assert [told[n]["problem"]["type"] for n in (1, 3)] == ["/problems/too-large"] * 2


def test_a_line_may_be_as_long_as_one_decision(door: Any) -> None:
    assert stream.MAX_LINE_BYTES == bodies.MAX_BODY_BYTES
    padded = json.dumps(door.decision()).encode() + b" " * 2_000_000
    assert answers(send(door, padded))[0]["status"] == "recorded"


def test_lines_and_bytes_are_bounded_and_what_came_before_is_kept(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(door, b"{}", Content_Encoding="gzip").status_code == 415
    made = [door.decision() for _ in range(3)]
    with monkeypatch.context() as patched:
        patched.setattr(stream, "MAX_LINES", 2)
        told = answers(send(door, *made))
        assert [each["status"] for each in told] == ["recorded", "recorded", "stopped"]
        assert (told[2]["line"], told[2]["problem"]["status"]) == (3, 413)
        assert send(door, b"{}\n" * 3).status_code == 413  # nothing was recorded
    size = len(json.dumps(made[0])) + 10
    monkeypatch.setattr(stream, "MAX_STREAM_BYTES", size)
    assert send(door, *made).status_code == 413
    monkeypatch.setattr(stream, "_BUFFER", 64)
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in made)
    chunked = door.client.post(
        "/v1/decisions",
        headers={"Authorization": f"Bearer {door.lender.keys[Role.SOURCE]}",
                 "Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input": io.BytesIO(lines), "wsgi.input_terminated": True,
                           "CONTENT_LENGTH": ""},
    )  # fmt: skip
    assert [each["status"] for each in answers(chunked)] == ["duplicate", "stopped"]


def test_what_waits_in_memory_is_bounded_in_bytes_too(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BATCH_BYTES", 1)
    monkeypatch.setattr(stream, "ANSWERS_IN_MEMORY", 10)
    kind = type(door.lender.runtime.decisions)
    record, sizes = kind.record_each, []

    def counted(self: Any, batch: Any) -> Any:
        sizes.append(len(batch))
        return record(self, batch)

    monkeypatch.setattr(kind, "record_each", counted)
    response = send(door, *(door.decision() for _ in range(3)))
    assert len(answers(response)) == 3
    assert response.content_length == len(response.data)
    assert sizes == [1, 1, 1]


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


def test_receipts_stand_under_the_checkpoint_of_their_commit(
    door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BATCH", 2)
    made = [door.decision() for _ in range(3)]
    policy = Policy.parse(door.lender.runtime.policy_text)
    for status in ("recorded", "duplicate"):
        response = send(door, made[0], b"{\n", b"[]\n", made[1], made[2], receipts=True)
        told = answers(response)
        heads = [each for each in told if "checkpoint" in each]
        assert [each["lines"] for each in heads] == [[1, 2], [3, 4], [5, 5]]
        assert [each["line"] for each in told if "line" in each] == [1, 2, 3, 4, 5]
        checkpoint = ""
        found = []
        for each in told:
            checkpoint = each.get("checkpoint", checkpoint)
            if each.get("status") == status:
                hashes = tuple(base64.b64decode(one) for one in each["proof"])
                entry = base64.b64decode(each["entry"])
                receipt = Receipt(entry, each["seq"], hashes, checkpoint)
                found.append(verify_receipt(receipt.format(), policy).entry.id)
        assert found == [each["id"] for each in made]
    refused = answers(send(door, b"[]\n", receipts=True))
    assert ["checkpoint" in each for each in refused] == [False]


@pytest.mark.parametrize("fatal", [StoppedError("the log has stopped"), RefusedError("no")])
def test_a_log_that_stops_in_the_middle_is_told_at_the_end(
    door: Any, monkeypatch: pytest.MonkeyPatch, fatal: LedgerError
) -> None:
    monkeypatch.setattr(stream, "BATCH", 3)
    made = [door.decision() for _ in range(4)]
    kind = type(door.lender.runtime.decisions)
    record = kind.record_each

    def once(self: Any, batch: Any) -> Any:
        monkeypatch.setattr(kind, "record_each", stopped)
        return record(self, batch)

    def stopped(_self: Any, _batch: Any) -> Any:
        raise fatal

    monkeypatch.setattr(kind, "record_each", once)
    told = answers(send(door, *made[:3], b"{\n", made[3], b"{\n"))
    assert [each["status"] for each in told] == ["recorded"] * 3 + ["refused", "stopped"]
    assert told[-1]["line"] == 5
