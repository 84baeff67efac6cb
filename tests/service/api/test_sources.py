"""What is missing of the sources, over HTTP: gaps, reasons, totals, and who may say what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from ledger.roles import Role
from ledger.storage.models import decision_index
from tests.service.ui.lender import Lender

PERIOD = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}


def record(door: Any, source: str, *counters: int, at: str = "2026-01-01T12:00:00Z") -> None:
    context = {"decided_at": at, "decision_role": "sole"}
    for seq in counters:
        sent = door.decision(source={"id": source, "seq": seq}, context=context)
        assert door.ask(Role.SOURCE, "POST", "/v1/decisions", sent).status_code == 201


def get(door: Any, path: str, role: Role = Role.AUDITOR) -> Any:
    answered = door.ask(role, "GET", path)
    assert answered.status_code == 200, answered.text
    return answered.get_json()


def of(door: Any, source: str) -> Any:
    (found,) = [e for e in get(door, "/v1/sources?limit=1000")["sources"] if e["source"] == source]
    return found


def test_a_gap_is_stated_once_and_stays_a_gap(door: Any) -> None:
    path = "/v1/sources/branch-7/gaps"
    record(door, "branch-7", 1, 9)
    stated = {"first": 2, "last": 8, "reason": "spool_full"}
    first = door.ask(Role.SOURCE, "POST", path, stated)
    again = door.ask(Role.SOURCE, "POST", path, stated)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    report = of(door, "branch-7")
    (gap,) = report["gaps"]
    assert {name: gap[name] for name in stated} == stated
    assert gap["since"] < gap["stated"]
    assert (report["explained"], report["unexplained"], report["more_gaps"]) == (7, 0, False)
    assert report["silent_seconds"] == 0
    assert door.ask(Role.AUDITOR, "POST", path, stated).status_code == 403


@pytest.mark.parametrize("what", ["gaps", "totals"])
@pytest.mark.parametrize(
    ("path", "body", "member"),
    [
        ("a b", {"first": 1, "last": 2}, "source"),
        ("desk", {"first": 2, "last": 1}, "last"),
        ("desk", {"first": -1, "last": 2}, "first"),
    ],
)
def test_a_range_that_is_none_is_refused(
    door: Any, what: str, path: str, body: dict[str, Any], member: str
) -> None:
    more = {"reason": "lost"} if what == "gaps" else {"count": 1}
    got = door.ask(Role.SOURCE, "POST", f"/v1/sources/{path}/{what}", body | more)
    assert (got.status_code, got.get_json()["member"]) == (422, member)


@pytest.mark.parametrize("reason", ["Mrs Smith", "", "x" * 65, "operator_lost"])
def test_a_reason_is_a_code_of_the_sources_own(door: Any, reason: str) -> None:
    body = {"first": 1, "last": 2, "reason": reason}
    got = door.ask(Role.SOURCE, "POST", "/v1/sources/desk/gaps", body)
    assert (got.status_code, got.get_json()["member"]) == (422, "reason")


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.MODEL_OWNER])
def test_an_operator_explains_what_is_missing(door: Any, role: Role) -> None:
    source = f"explained-{role.value}"
    record(door, source, 1, 5)
    path = f"/v1/sources/{source}/gaps"
    for body, status, member in (
        ({"first": 2, "last": 3, "reason": "outage"}, 422, "reason"),
        ({"first": 5, "last": 5, "reason": "operator_outage"}, 422, "first"),
        ({"first": 2, "last": 9, "reason": "operator_outage"}, 422, "last"),
        ({"first": 2, "last": 3, "reason": "operator_outage"}, 201, None),
        ({"first": 2, "last": 3, "reason": "operator_outage"}, 200, None),
    ):
        got = door.ask(role, "POST", path, body)
        assert (got.status_code, got.get_json().get("member")) == (status, member)
    reasons = [(gap["first"], gap["reason"]) for gap in get(door, path)["gaps"]]
    assert reasons == [(2, "operator_outage"), (4, None)]
    body = {"first": 1, "last": 1, "reason": "operator_lost"}
    assert door.ask(role, "POST", "/v1/sources/nobody/gaps", body).status_code == 404


def test_lists_come_in_pages(door: Any) -> None:
    record(door, "paged.aaaaaaaa", 1, 3, 5)
    record(door, "paged.bbbbbbbb", 1, 3)
    path = "/v1/sources/paged/gaps"
    whole = get(door, path)
    assert whole["next"] is None
    assert [(gap["source"], gap["first"]) for gap in whole["gaps"]] == [
        *(("paged.aaaaaaaa", 2), ("paged.aaaaaaaa", 4)),
        ("paged.bbbbbbbb", 2),
    ]
    first = get(door, f"{path}?limit=2")
    rest = get(door, f"{path}?limit=2&cursor={first['next']}")
    assert first["gaps"] + rest["gaps"] == whole["gaps"]
    assert rest["next"] is None
    assert get(door, f"{path}?explained=yes")["gaps"] == []
    assert get(door, f"{path}?explained=no") == whole
    assert get(door, f"{path}?since=2030-01-01T00:00:00Z")["gaps"] == []
    everything = get(door, "/v1/sources?limit=1000")["sources"]
    page = get(door, f"/v1/sources?limit={len(everything) - 1}")
    assert page["next"] == everything[-2]["source"]
    assert get(door, f"/v1/sources?cursor={page['next']}")["sources"] == everything[-1:]
    (family,) = [e for e in get(door, "/v1/sources")["families"] if e["family"] == "paged"]
    assert (family["lanes"], family["decisions"], family["unexplained"]) == (2, 5, 3)
    with_many = of(door, "paged.aaaaaaaa")
    assert len(with_many["gaps"]) == 2


def test_a_list_of_gaps_is_bounded(door: Any) -> None:
    record(door, "gappy", *range(0, 44, 2))
    report = of(door, "gappy")
    assert (len(report["gaps"]), report["ranges"], report["more_gaps"]) == (20, 21, True)


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        (f"cursor={'x' * 151}", "cursor"),
        ("explained=perhaps", "explained"),
        ("since=yesterday", "since"),
        ("since=2026-02-30T00:00:00Z", "since"),
        ("more=1", "more"),
    ],
)
def test_a_query_that_is_none_is_refused(door: Any, query: str, member: str) -> None:
    got = door.ask(Role.AUDITOR, "GET", f"/v1/sources/loan-desk/gaps?{query}")
    assert (got.status_code, got.get_json()["member"]) == (422, member)


def test_a_total_by_counters_is_compared_now_and_later(door: Any) -> None:
    record(door, "counted", 1, 2)
    path = "/v1/sources/counted/totals"
    body = {"first": 1, "last": 4, "count": 4}
    stated = door.ask(Role.SOURCE, "POST", path, body)
    assert stated.status_code == 201
    total = stated.get_json()["total"]
    assert (total["verdict"], total["held"], total["short"]) == ("short", 2, 2)
    assert [(gap["first"], gap["last"]) for gap in total["missing"]] == [(3, 4)]
    record(door, "counted", 4, 3)
    again = door.ask(Role.SOURCE, "POST", path, body)
    assert (again.status_code, again.get_json()["seq"]) == (200, stated.get_json()["seq"])
    assert again.get_json()["total"]["verdict"] == "agrees"
    assert get(door, path)["totals"] == [again.get_json()["total"]]
    assert again.get_json()["total"] in get(door, "/v1/sources")["totals"]
    assert door.ask(Role.AUDITOR, "POST", path, body).status_code == 403


def test_a_total_of_a_period_is_of_a_whole_family(door: Any) -> None:
    record(door, "timed.aaaaaaaa", 1, 2)
    record(door, "timed.bbbbbbbb", 1)
    record(door, "timed.bbbbbbbb", 2, at="2026-01-02T00:00:00Z")
    path = "/v1/sources/timed/totals"
    told = {}
    for count in (2, 3, 4):
        got = door.ask(Role.ADMINISTRATOR, "POST", path, PERIOD | {"count": count})
        assert got.status_code == 201
        told[count] = got.get_json()["total"]["verdict"]
    assert told == {2: "more", 3: "agrees", 4: "short"}
    assert [each["count"] for each in get(door, path)["totals"]] == [4, 3, 2]
    got = door.ask(Role.SOURCE, "POST", path, {"first": 1, "last": 2, "count": 2})
    assert got.status_code == 422


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"first": 1, "last": 2}, "count"),
        ({"count": 1}, "first"),
        ({"count": 1, "first": 1, "until": PERIOD["until"]}, "first"),
        (PERIOD | {"count": 1, "first": 1, "last": 2}, "first"),
        (PERIOD | {"count": 1, "until": "2099-01-01T00:00:00Z"}, "until"),
        (PERIOD | {"count": 1, "until": "2026-01-01T00:00:00Z"}, "until"),
        (PERIOD | {"count": 1, "since": "2026-01-01"}, "since"),
        (PERIOD | {"count": 1, "since": "2026-02-30T00:00:00Z"}, "since"),
        ({"count": 3, "first": 1, "last": 2}, "count"),
    ],
)
def test_a_total_that_is_none_is_refused(door: Any, body: dict[str, Any], member: str) -> None:
    got = door.ask(Role.SOURCE, "POST", "/v1/sources/desk/totals", body)
    assert (got.status_code, got.get_json()["member"]) == (422, member)


def test_what_came_late_is_shown_with_when_it_was_made(door: Any, lender: Lender) -> None:
    record(door, "slow", 1, 3, 4)
    lender.now += timedelta(hours=3)
    record(door, "slow", 2, at="2026-01-01T11:59:00Z")
    shown = get(door, "/v1/sources/slow")
    (late,) = shown["filled"]
    assert (late["source"], late["first"], late["decided_at"]) == (
        *("slow", 2),
        "2026-01-01T11:59:00Z",
    )
    assert late["arrived"] > late["since"]
    assert (shown["family"]["late"], shown["family"]["unexplained"]) == (1, 0)
    assert shown["family"]["longest_late_seconds"] >= 3 * 3600
    assert get(door, "/v1/sources/slow", Role.ADMINISTRATOR)["filled"][0]["decided_at"] is None
    erased = int(datetime(2026, 1, 1, 11, 59, tzinfo=UTC).timestamp()) * 1_000_000
    with lender.runtime.databases[1].begin() as vault:
        vault.execute(delete(decision_index).where(decision_index.c.decided_us == erased))
    assert get(door, "/v1/sources/slow")["filled"][0]["decided_at"] is None
    period = PERIOD | {"count": 4}
    total = door.ask(Role.SOURCE, "POST", "/v1/sources/slow/totals", period).get_json()["total"]
    assert (total["verdict"], total["held"], total["undatable"]) == ("unknown", 3, 1)
