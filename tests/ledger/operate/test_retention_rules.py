"""Rules from files, and what they come to: floors, ceilings, and what contradicts itself."""

import json
import re
import tempfile
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.errors import MalformedError, RefusedError
from ledger.operate.retention_class import Resolution, resolve, resolve_policy
from ledger.operate.retention_file import MAX_FILE_BYTES, read_rules
from ledger.operate.retention_rules import Mark, RuleBook
from tests.ledger.operate.retention_samples import file_of, retention_class, rule, written

TODAY = date(2026, 11, 25)
THEN = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


def book(*documents: Any) -> RuleBook:
    with tempfile.TemporaryDirectory() as directory:
        return read_rules(written(Path(directory), *documents))


def resolved(*rules: dict[str, Any], on: date = TODAY, **members: Any) -> Resolution:
    return resolve(book(file_of(rules, [retention_class(**members)])), "credit", on)


def shipped(name: str) -> Any:
    return json.loads(files("ledger.operate").joinpath(name).read_text("utf-8"))


def test_what_is_shipped_fits_its_schema_and_counts_only_if_it_was_read() -> None:
    document = shipped("retention_rules.json")
    jsonschema.validate(document, shipped("retention_rules.schema.json"))
    ours = read_rules()
    assert (len(ours.rules), ours.classes, ours.stated) == (len(document["rules"]), {}, False)
    for each in ours.rules.values():
        assert each.active == (each.mark not in (Mark.MEMORY, Mark.UNMARKED)), each.id
        assert each.read_on == date(2026, 11, 23)
    assert [each.id for each in ours.rules.values() if each.mark is Mark.MEMORY] == [
        "aml-relationship",
        "product-liability",
    ]


def test_a_credit_class_of_the_us() -> None:
    ours = book(file_of(classes=[retention_class(regimes=["ecoa"], jurisdictions=["US-NY"])]))
    found = resolve(ours, "credit", TODAY)
    assert found.until(THEN) == datetime(2028, 3, 1, tzinfo=UTC)  # 31 Jan + 25 months: 29 Feb
    assert [each.id for each in found.floors] == ["reg-b"]
    told = "\n".join(found.lines(THEN))
    assert "12 CFR 1002.12(b)" in told
    assert "give the class a buffer" in told
    assert "until 2028-03-01T00:00:00Z" in told
    assert "2 years 1 month after the decision, by reg-b" in "\n".join(found.lines())


def test_the_longest_floor_wins_with_its_buffer_and_the_ceiling_alone_without_any() -> None:
    two = (rule(period="P1Y"), rule(id="longer", period="P3Y"))
    assert resolved(*two).until(THEN) == datetime(2029, 2, 1, tzinfo=UTC)
    assert resolved(*two, buffer="P6M").until(THEN) == datetime(2029, 8, 1, tzinfo=UTC)
    alone = resolved(regimes=["gdpr"])
    assert alone.until(THEN) == datetime(2033, 2, 1, tzinfo=UTC)
    assert "no floor holds" in "\n".join(alone.lines())
    law = resolved(rule(bound="ceiling", period="P2Y"))
    assert law.until(THEN) == datetime(2028, 2, 1, tzinfo=UTC)


def test_the_day_is_the_local_one() -> None:
    found = resolved(rule(), zone="Pacific/Auckland")  # already 1 February there
    assert found.until(THEN) == datetime(2027, 2, 1, 11, tzinfo=UTC)


def test_rules_count_only_while_in_force_and_where_they_hold() -> None:
    later = rule(id="later", period="P3Y", since="2027-01-01")
    over = rule(id="over", period="P3Y", ended="2026-11-25")
    abroad = rule(id="abroad", period="P3Y", jurisdiction="US")
    memory = rule(id="memory", period="P3Y", mark="memory")
    found = resolved(rule(), later, over, abroad, memory)
    assert [each.id for each in found.floors] == ["test-floor"]
    assert {each.id: why for each, why in found.uncounted} == {
        "later": "in force from 2027-01-01",
        "memory": "unverified (memory): check before relying",
        "over": "ended on 2026-11-25",
    }
    assert "not counted" in "\n".join(found.lines())
    assert len(resolved(rule(), later, on=date(2027, 1, 1)).floors) == 2


@pytest.mark.parametrize(
    ("rules", "records", "holds"),
    [
        ("EU", "DE", True),
        ("EU", "DE-BY", True),
        ("EU", "EU", True),
        ("EU", "CH", False),
        ("DE", "EU", False),
        ("US", "US-CO", True),
        ("US-CO", "US", False),
        ("US-CO", "US-CA", False),
        ("*", "BR", True),
    ],
)
def test_where_a_rule_holds(rules: str, records: str, holds: bool) -> None:
    ours = book(file_of([rule(jurisdiction=rules)]))
    assert ours.rules["test-floor"].holds_in([records]) == holds


def test_an_operator_relies_on_what_they_checked() -> None:
    relied = [{"rule": "memory", "reason": "read by legal on 2026-11-01"}]
    document = file_of([rule(id="memory", mark="memory")], [retention_class()], rely_on=relied)
    assert len(resolve(book(document), "credit", TODAY).floors) == 1
    with pytest.raises(MalformedError, match="no rule absent to rely on"):
        book(file_of(rely_on=[{"rule": "absent", "reason": "x"}]))


def test_a_floor_from_an_event_that_is_not_on_record_keeps_everything() -> None:
    found = resolved(rule(), rule(id="open", start="relationship_end"))
    assert (found.until(THEN), found.due_before(THEN)) == (None, None)
    assert "never expires" in "\n".join(found.lines(THEN))
    assert "nothing of it expires" in "\n".join(found.lines())
    assert found.to_json()["floors"] == ["test-floor", "open"]


@pytest.mark.parametrize(
    ("rules", "members", "names"),
    [
        ([rule(period="P8Y")], {}, ("test-floor", "own ceiling", "7 years")),
        ([rule(period="P6Y")], {"buffer": "P13M"}, ("buffer of 1 year 1 month", "own ceiling")),
        ([rule(), rule(id="most", bound="ceiling", period="P11M")], {}, ("test-floor", "most")),
        ([rule(period="P8Y", since="2030-01-01")], {}, ("test-floor",)),
        # 365 days are a year, but for the years that are longer.
        ([rule(period="P1Y")], {"ceiling": {"period": "P365D", "reason": "r"}}, ("365 days",)),
        # From 31 January, 28 days end on the last of February, but not from the 1st.
        ([rule(period="P31D")], {"ceiling": {"period": "P1M", "reason": "r"}}, ("1 month",)),
    ],
)
def test_contradictions_name_both_rules(
    rules: list[dict[str, Any]], members: dict[str, Any], names: tuple[str, ...]
) -> None:
    with pytest.raises(RefusedError) as refused:
        resolved(*rules, **members)
    assert all(name in str(refused.value) for name in (*names, "class credit", "Raise"))


def test_what_is_over_or_unverified_contradicts_nothing() -> None:
    resolved(rule(period="P8Y", ended="2026-01-01"), rule(id="m", period="P9Y", mark="memory"))
    resolved(rule(period="P28D"), ceiling={"period": "P1M", "reason": "r"})


def test_a_regime_has_to_be_known_and_to_hold_there() -> None:
    with pytest.raises(RefusedError, match="rules of ecoa hold in US"):
        resolved(regimes=["ecoa"])
    ours = book(file_of([rule()], [retention_class()]))
    with pytest.raises(RefusedError, match="no regime ecoaa"):
        resolve(ours, "credit", TODAY, ["ecoaa"])
    with pytest.raises(RefusedError, match="no class debit"):
        resolve(ours, "debit", TODAY)


def test_policies() -> None:
    ours = book(file_of([rule(jurisdiction="DE")], [retention_class(jurisdictions=[])]))
    policy = {"retention_class": "credit", "regimes": ["test"], "countries": ["DE"]}
    found = resolve_policy(ours, policy, TODAY)
    assert found is not None
    assert len(found.floors) == 1
    assert resolve_policy(read_rules(), policy, TODAY) is None
    for wrong in ({}, policy | {"countries": ["FR"]}, {"retention_class": "debit"}):
        with pytest.raises(RefusedError):
            resolve_policy(ours, wrong, TODAY)
    with pytest.raises(MalformedError, match="DE or US-NY"):
        resolve_policy(ours, policy | {"countries": ["de"]}, TODAY)
    for member in ("regimes", "countries", "retention_class"):
        with pytest.raises(MalformedError):
            resolve_policy(ours, policy | {member: [7]}, TODAY)
    looks = retention_class(covers="access_log", regimes=["access_log"], jurisdictions=[])
    staff = book(file_of(classes=[looks]))
    assert resolve(staff, "credit", TODAY).until(THEN) == datetime(2027, 2, 1, tzinfo=UTC)
    with pytest.raises(RefusedError, match="not one of decisions"):
        resolve_policy(staff, {"retention_class": "credit"}, TODAY)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "not an object"),
        ({"v": 2}, "version 1"),
        (file_of(surprise=1), "surprise"),
        (file_of([rule(), rule()]), "stated twice"),
        (file_of([rule(id="reg-b")]), "stated twice"),
        (file_of([rule(replaces="because")]), "replaces no rule"),
        (file_of([rule(kinds=[])]), "about nothing"),
        (file_of([rule(kinds=["letters"])]), "kinds"),
        (file_of([rule(period="P1H")]), "ISO 8601"),
        (file_of([rule(mark="sure")]), "mark"),
        (file_of([rule(read_on="20261123")]), "read_on"),
        (file_of([rule(read_on="2026-02-30")]), "read_on"),
        (file_of([rule(source=" ")]), "source"),
        (file_of([rule(jurisdiction="Europe")]), "jurisdiction"),
        (file_of([rule(ended="2026-01-01", since="2026-01-01")]), "ends before"),
        (file_of([rule(bound="ceiling", start="relationship_end")]), "does not know"),
        (file_of([rule(regime="absent")]), "no regime absent"),
        (file_of(classes=[retention_class(ceiling=None)]), "without a ceiling"),
        (file_of(classes=[retention_class(ceiling={"period": "P1Y"})]), "reason"),
        (file_of(classes=[retention_class(covers="all")]), "covers"),
        (file_of(classes=[retention_class(zone="Mars/Base")]), "zone"),
        (file_of(classes=[retention_class(regimes="test")]), "regimes"),
        (file_of(rules=[7]), "not objects"),  # type: ignore[list-item]
        (file_of(rely_on=7), "rely_on"),
    ],
)
def test_a_file_that_is_wrong_is_named(document: Any, says: str) -> None:
    with pytest.raises(MalformedError) as malformed:
        book(document)
    assert says in str(malformed.value)


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff", b'{"v":1,"v":1}', b"[" * 100_000, b" " * (MAX_FILE_BYTES + 1)]
)
def test_bytes_that_are_no_file_of_rules(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_bytes(raw)
    with pytest.raises(MalformedError, match=r"own\.json"):
        read_rules(tmp_path)


def test_a_rule_is_replaced_with_a_reason_and_the_digest_follows(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not ours")
    before = read_rules(written(tmp_path))
    new = rule(id="reg-b", regime="ecoa", jurisdiction="US", period="P3Y", replaces="our policy")
    after = read_rules(written(tmp_path, file_of([new])))
    assert str(after.rules["reg-b"].period) == "3 years"
    assert before.digest != after.digest == read_rules(tmp_path).digest
    written(tmp_path, *([{"v": 1}] * 101))
    with pytest.raises(MalformedError, match="more than 100 files"):
        read_rules(tmp_path)


seconds = st.integers(315_532_800, 2_840_140_800)  # 1980 to 2060
moments = seconds.map(lambda unix: datetime.fromtimestamp(unix, UTC))
lengths = st.sampled_from(["P1D", "P30D", "P1M", "P6M", "P366D", "P25M", "P3Y", "P10Y"])


@given(
    st.lists(lengths, max_size=3),
    lengths,
    st.sampled_from(["UTC", "Pacific/Auckland", "America/New_York"]),
    moments,
    moments,
)
def test_what_is_due_is_what_is_over_and_never_beyond_the_ceiling(
    floors: list[str], ceiling: str, zone: str, at: datetime, now: datetime
) -> None:
    rules = [rule(id=f"r{count}", period=period) for count, period in enumerate(floors)]
    members: dict[str, Any] = {"ceiling": {"period": ceiling, "reason": "r"}, "zone": zone}
    if not floors:
        members["regimes"] = ["gdpr"]
    try:
        found = resolved(*rules, **members)
    except RefusedError:
        assume(False)
    until = found.until(at)
    assert until is not None
    for each in found.floors:  # at least, on every calendar
        assert until.date() >= each.period.after(at.date()) - timedelta(days=1)
    assert until.date() <= found.of.ceiling.after(at.date()) + timedelta(days=2)
    before = found.due_before(now)
    assert (before is not None and at < before) == (until <= now)


def test_the_example_of_the_manual_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "operating.md"
    (example,) = re.findall(r'```json\n(\{"v": 1,.*?)```', page.read_text("utf-8"), re.DOTALL)
    jsonschema.validate(json.loads(example), shipped("retention_rules.schema.json"))
    (tmp_path / "ours.json").write_text(example)
    found = resolve(read_rules(tmp_path), "credit", TODAY)
    assert found.until(THEN) == datetime(2029, 8, 1, 22, tzinfo=UTC)  # 1 February in Berlin
