"""A filter reads what it writes, refuses the rest, and never writes down a person."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from service.ui.filters import FIRST_DAY, LAST_DAY, Filter
from service.ui.views import Hidden

DAYS = st.none() | st.dates(FIRST_DAY, LAST_DAY)
DIGESTS = st.sampled_from(["", "ab" * 32])

filters = st.builds(
    Filter,
    since=DAYS,
    until=DAYS,
    outcome=st.sampled_from(["", "approved", "0.x_y-z"]),
    model=DIGESTS,
    cursor=st.sampled_from(["", "LTE6YQ==", "A-_~"]),
)


@given(filters)
def test_an_address_reads_back_as_the_filter_that_wrote_it(wanted: Filter) -> None:
    parts = urlsplit(wanted.address("/decisions"))
    assert parts.path == "/decisions"
    assert Filter.read(dict(parse_qsl(parts.query))) == wanted


@given(
    st.dictionaries(
        st.sampled_from(["since", "until", "outcome", "model", "cursor", "other"]),
        st.text(max_size=80),
    )
)
@example({"since": "2026-W20-4"})
@example({"since": "٢٠٢٦-05-14"})
@example({"outcome": "approved\n"})
def test_any_text_is_a_filter_or_our_error(values: dict[str, str]) -> None:
    try:
        wanted = Filter.read(values)
    except MalformedError:
        return
    known = {name: value for name, value in values.items() if value and name != "other"}
    assert wanted.parameters() == known


@given(filters, st.text(min_size=1, max_size=200))
def test_a_subject_is_asked_for_and_never_written(wanted: Filter, subject: str) -> None:
    about = Filter.read(wanted.parameters(), subject=subject)
    assert about.query().subject == subject
    assert about.address("/x") == wanted.address("/x")
    assert about.hidden("since", "until", "outcome", "model", "cursor") == tuple(
        Hidden(name, value) for name, value in wanted.parameters().items()
    )


def test_the_last_day_is_included() -> None:
    query = Filter(since=date(2026, 5, 14), until=date(2026, 5, 14)).query()
    assert query.since == datetime(2026, 5, 14, tzinfo=UTC)
    assert query.until == datetime(2026, 5, 15, tzinfo=UTC)


def test_a_reference_has_a_bounded_length() -> None:
    with pytest.raises(MalformedError):
        Filter.read({}, subject="x" * 201)


@pytest.mark.parametrize(
    ("wanted", "narrows"),
    [(Filter(), False), (Filter(cursor="abc"), False), (Filter(subject="x"), True),
     (Filter(outcome="approved"), True)],
)  # fmt: skip
def test_paging_narrows_nothing(wanted: Filter, narrows: bool) -> None:
    assert wanted.narrows is narrows
