"""What holds for decisions around the call, and requests that come again."""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from ledger.client import Client, occasion
from ledger.client import occasions as module
from ledger.client.occasion import current
from ledger.errors import MalformedError
from tests.ledger.client.clients import client_of
from tests.ledger.client.simulator import Ledger, decision

NOWHERE = "http://127.0.0.1:9"


def told(ledger: Ledger) -> list[tuple[str | None, dict[str, Any]]]:
    """Subject and context of each decision, without its moment."""
    return [
        (
            each.get("subject"),
            {name: value for name, value in each["context"].items() if name != "decided_at"},
        )
        for each in ledger.decisions.values()
    ]


def test_decisions_take_what_they_lack_from_the_occasion(
    ledger: Ledger, url: str, spool: Path
) -> None:
    with client_of(url, spool) as client:
        with occasion(subject="S-1", context={"channel": "web"}) as outer:
            client.record(**decision())
            client.record(**decision(subject="S-2", context={"channel": "branch", "desk": 4}))
            with occasion(context={"desk": 7}) as inner:
                client.submit(**decision())
                client.record(**decision())
        client.record(**decision())
        assert client.flush()
    assert told(ledger) == [
        ("S-1", {"channel": "web"}),
        ("S-2", {"channel": "branch", "desk": 4}),
        ("S-1", {"channel": "web", "desk": 7}),
        ("S-1", {"channel": "web", "desk": 7}),
        (None, {}),
    ]
    assert [ticket.seq for ticket in outer.tickets] == [1, 2, 4]
    assert list(inner.tickets) == [outer.tickets[-1]]
    assert current() is None


def test_who_is_asked_is_asked_once_and_only_if_there_is_a_decision(spool: Path) -> None:
    asked: list[int] = []

    def about() -> Mapping[str, Any]:
        asked.append(1)
        return {"subject": "S-1"}

    with client_of(NOWHERE, spool) as client:
        with occasion(about=about):
            pass
        assert not asked
        with occasion(about=about):
            client.record(**decision())
            client.record(**decision())
    assert len(asked) == 1


def answers_nonsense() -> Any:
    return {"name": "Mary Example"}


def fails() -> Any:
    raise ValueError("Mary Example")


@pytest.mark.parametrize("about", [fails, answers_nonsense, lambda: 7])
def test_one_who_cannot_tell_costs_the_subject_and_not_the_decision(
    ledger: Ledger, url: str, spool: Path, about: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(url, spool) as client, occasion(about=about):
        assert client.record(**decision()).accepted
        assert client.flush()
        assert client.counters().undescribed == 1
    assert told(ledger) == [(None, {})]
    assert "Mary" not in caplog.text
    strict = client_of(url, spool, strict=True)
    with strict as client, occasion(about=about), pytest.raises(Exception):  # noqa: B017
        client.record(**decision())


def test_tasks_and_threads_do_not_share_an_occasion(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:

        async def request(number: int) -> None:
            with occasion(subject=f"S-{number}"):
                await asyncio.sleep(0.001 * (number % 3))
                await asyncio.to_thread(client.record, **decision(context={"n": number}))

        async def requests() -> None:
            await asyncio.gather(*map(request, range(20)))

        asyncio.run(requests())
        with occasion(subject="S-20"):
            thread = threading.Thread(target=client.record, kwargs=decision(context={"n": 99}))
            thread.start()
            thread.join()
        assert client.flush()
    found = {context["n"]: subject for subject, context in told(ledger)}
    assert found == {n: f"S-{n}" for n in range(20)} | {99: None}


def again(client: Client, request: str | None, **changes: Any) -> str:
    with occasion(request=request):
        return client.record(**decision(**changes)).id


def test_a_request_that_comes_again_is_recorded_once(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:
        first = again(client, "r-1")
        assert again(client, "r-1") == first
        others = [
            again(client, "r-2"),
            again(client, "r-1", subject="S-2"),
            again(client, "r-1", input={"debt_to_income": 1.0, "bankruptcy_on_file": False}),
            again(client, None),
            again(client, ""),
            again(client, "r" * 201),
            again(client, "r-1", id="0197a3c4-5d21-7c3e-9b1a-2f6d8e4a7b10"),
        ]
        with occasion(request="r-3"):
            twins = [client.record(**decision()).id for _ in range(2)]
        assert [again(client, "r-3"), again(client, "r-3")] == [twins[0]] * 2
        assert client.flush()
        assert len({first, *others, *twins}) == 10
        assert len(ledger.decisions) == 10
        assert (client.counters().repeated, client.counters().accepted) == (3, 10)
        assert (client.counters().refused, client.counters().failed) == (0, 0)


def test_every_worker_gives_a_request_the_same_id_all_day(tmp_path: Path) -> None:
    noon = 1_778_760_000 * 10**9
    ids = []
    later, tomorrow = noon + 3_600 * 10**9, noon + 86_400 * 10**9
    workers = [(noon, "dl_a"), (later, "dl_a\n"), (tomorrow, "dl_a"), (noon, "dl_b")]
    for number, (at, key) in enumerate(workers):
        with client_of(NOWHERE, tmp_path / str(number), now=lambda at=at: at, key=key) as client:
            ids.append(again(client, "r-1"))
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3  # a new day, or another key, and it is another one


def test_what_could_not_be_accepted_is_tried_again(spool: Path) -> None:
    with client_of(NOWHERE, spool) as client:
        with occasion(request="r-1"):
            assert not client.record(**decision(input={"a": float("nan")})).accepted
            assert not client.record(**decision(input={"a": object()})).accepted
        assert client.counters().repeated == 0


def test_a_key_that_cannot_be_read_costs_the_mark_and_not_the_decision(
    spool: Path, tmp_path: Path
) -> None:
    with client_of(NOWHERE, spool, key=tmp_path / "gone") as client, occasion(request="r-1"):
        tickets = [client.record(**decision()) for _ in range(2)]
        assert all(ticket.accepted for ticket in tickets)
        assert tickets[0].id != tickets[1].id


def test_only_so_many_requests_are_remembered(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPEATS", 2)
    with client_of(NOWHERE, spool) as client:
        for number in range(3):
            again(client, f"r-{number}")
        again(client, "r-2")
        assert client.counters().repeated == 1
        again(client, "r-0")
        assert client.counters().repeated == 1


def test_without_attributions_the_member_is_not_sent(ledger: Ledger, url: str, spool: Path) -> None:
    members = {name: value for name, value in decision().items() if name != "attributions"}
    with client_of(url, spool) as client:
        client.record(**members)
        client.submit(**members)
        assert client.flush()
        assert client.counters().unattributed == 2
    assert all("attributions" not in each for each in ledger.decisions.values())
    with pytest.raises(MalformedError), client_of(url, spool, strict=True) as client:
        client.record(**{**members, "input": {"a": object()}})


def test_a_context_that_is_copied_takes_the_occasion_along(
    ledger: Ledger, url: str, spool: Path
) -> None:
    with client_of(url, spool) as client:
        with occasion(subject="S-1"):
            context = copy_context()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: context.run(client.record, **decision())).result()
        assert client.flush()
    assert told(ledger) == [("S-1", {})]
