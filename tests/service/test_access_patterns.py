"""What stands out is reported, and what does not is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access_patterns import Seen, Tally, patterns

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def seen(day: int = 0, **members: Any) -> Seen:
    usual: dict[str, Any] = {
        "at": NOON + timedelta(days=day), "actor": "ann", "role": "auditor",
        "purpose": "audit", "size": 3, "denied": False, "has_case": True,
    }  # fmt: skip
    return Seen(**usual | members)


def codes(*looks: Seen) -> list[tuple[str, int]]:
    return [(each.code, each.count) for each in patterns(looks).findings]


@pytest.mark.parametrize(("size", "found"), [(19, []), (20, [("spike", 20)]), (8, [])])
def test_a_day_that_is_not_like_the_others(size: int, found: list[Any]) -> None:
    assert codes(*map(seen, range(8)), seen(9, size=size)) == found


def test_who_always_reads_much_does_not_stand_out() -> None:
    assert codes(*(seen(day, size=40 + day) for day in range(9))) == []


def test_a_newcomer_is_compared_with_the_role() -> None:
    usual = [*map(seen, range(6))]
    assert codes(*usual, seen(7, actor="ben", size=50)) == [("spike", 50)]
    assert codes(*usual, seen(7, actor="ben", size=50, role="regulator")) == []


def test_denials_and_one_by_one() -> None:
    denials = [seen(denied=True, size=0) for _ in range(5)]
    assert codes(*denials) == [("denials", 5)]
    assert codes(*denials[1:]) == []
    singles = [seen(size=1, at=NOON + timedelta(minutes=2 * n)) for n in range(30)]
    assert codes(*singles) == [("one_by_one", 30)]
    assert codes(*(seen(size=1, at=NOON + timedelta(minutes=3 * n)) for n in range(30))) == []


@given(
    st.lists(st.builds(seen, st.integers(0, 20), size=st.integers(0, 90), has_case=st.booleans()))
)
def test_every_look_is_counted_once(looks: list[Seen]) -> None:
    found = patterns(looks)
    for rows in (found.rows, found.by_day, found.by_actor):
        assert found.total == sum(rows.values(), Tally())
    assert found.total.looks == len(looks)
    assert found.total.records == sum(each.size for each in looks)
    assert found.total.without_case == sum(not each.has_case for each in looks)
