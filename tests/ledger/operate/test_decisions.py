"""Recording, reading, finding and explaining decisions."""

import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from ledger.commitments import verify_opening
from ledger.entries import Decision as DecisionEntry
from ledger.entries import Kind, NoticeIssued, parse_entry
from ledger.errors import (
    DuplicateSubmission,
    ErasedError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    VerificationError,
)
from ledger.operate.decisions import DecisionQuery, Recorded
from ledger.storage.database import writing
from ledger.storage.models import record_key, sealed_payload
from tests.ledger.operate.premises import NOON, Open, Premises, attributions, enter, output

DIGEST = "ab" * 32


def test_a_decision_is_recorded_and_read_back(premises: Premises, ledger: Open) -> None:
    decision = premises.decision()
    (recorded,) = ledger.decisions.record([decision])
    assert (recorded.id, recorded.seq, recorded.status) == (decision.id, 3, "recorded")
    view = ledger.decisions.read(decision.id)
    assert view.payload.input == decision.input
    assert view.payload.subject == decision.subject
    assert view.payload.model == ledger.registry.model(decision.model).digest
    assert (view.seq, view.raw, view.entry.id) == (3, recorded.receipt.entry, decision.id)
    assert view.at > NOON
    assert view.receipt == recorded.receipt


def test_nothing_about_a_person_is_in_the_log_or_in_clear(premises: Premises, ledger: Open) -> None:
    ledger.decisions.record([premises.decision()])
    premises.close()
    for path in premises.directory.glob("ledger.db*"):
        data = path.read_bytes()
        for secret in (b"MTG-000000", b"92.5", b"413207"):
            assert secret not in data
    for path in premises.directory.glob("vault.db*"):
        assert b"MTG-000000" not in path.read_bytes()


def test_the_same_again_gives_the_first_receipt(premises: Premises, ledger: Open) -> None:
    decision = premises.decision()
    (first,) = ledger.decisions.record([decision])
    ledger.decisions.record([premises.decision(1)])
    (again,) = premises.open().decisions.record([decision])
    assert (again.seq, again.status) == (first.seq, "duplicate")
    assert again.receipt.entry == first.receipt.entry
    assert ledger.log.size() == 5


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"source": {"id": "loan-desk", "seq": 9}}, "source.seq"),
        ({"subject": "MTG-000009"}, "subject"),
        (
            {"context": {"decided_at": "2026-05-14T12:00:01Z", "decision_role": "sole"}},
            "context.decided_at",
        ),
        ({"attributions": attributions(-413_207, years=7)}, "attributions.base"),
    ],
)
def test_the_same_id_with_other_content_names_the_difference(
    premises: Premises, ledger: Open, members: dict[str, object], member: str
) -> None:
    document = premises.document()
    ledger.decisions.record([premises.decision(**document)])
    with pytest.raises(DuplicateSubmission) as raised:
        ledger.decisions.record([premises.decision(**(document | members))])
    assert raised.value.member == member


def test_another_entrys_id_is_taken(premises: Premises, ledger: Open) -> None:
    # The first entry's id is public, so anybody can send it.
    taken = parse_entry(next(ledger.log.entries())).id
    with pytest.raises(DuplicateSubmission) as raised:
        ledger.decisions.record([premises.decision(id=taken)])
    assert raised.value.member == "id"


def test_within_a_batch_an_id_counts_once(premises: Premises, ledger: Open) -> None:
    one, other = premises.document(1), premises.document(2)
    other["id"] = one["id"]
    batch = [premises.decision(**each) for each in (one, one, other)]
    first, again, refused = ledger.decisions.record_each(batch)
    assert isinstance(first, Recorded)
    assert isinstance(again, Recorded)
    assert (first.status, again.status, first.seq) == ("recorded", "duplicate", again.seq)
    assert isinstance(refused, DuplicateSubmission)


def test_one_bad_decision_costs_no_good_one(premises: Premises, ledger: Open) -> None:
    good = [premises.decision(seq) for seq in range(2)]
    bad = [
        premises.decision(model="unknown@1"),
        premises.decision(policy=DIGEST),
        premises.decision(output=output(-413_207, "approved")),
    ]
    results = ledger.decisions.record_each([good[0], *bad, good[1]])
    members = [each.member for each in results if isinstance(each, LedgerError)]
    assert members == ["model", "policy", "output.outcome"]
    assert [each.seq for each in results if isinstance(each, Recorded)] == [3, 4]
    with pytest.raises(NotFoundError):
        ledger.decisions.record([premises.decision(7), bad[0]])
    assert ledger.log.size() == 5  # all or none


def test_a_suspended_model_takes_no_decisions(premises: Premises, ledger: Open) -> None:
    model = ledger.registry.model("mortgage-approval@1.0.0").digest
    enter(ledger.writer, model, "suspended")
    with pytest.raises(RefusedError) as raised:
        ledger.decisions.record([premises.decision()])
    assert raised.value.member == "model"
    enter(ledger.writer, model, "approved")
    assert ledger.decisions.record([premises.decision()])


def test_a_batch_without_new_decisions_writes_nothing(premises: Premises, ledger: Open) -> None:
    assert ledger.decisions.record([]) == ()
    assert ledger.log.size() == 3


def test_openings_open_what_was_logged(premises: Premises, ledger: Open) -> None:
    decision = premises.decision()
    ledger.decisions.record([decision])
    body = ledger.decisions.read(decision.id).entry.body
    assert isinstance(body, DecisionEntry)
    shown = ["input.years", "attributions.values.years"]
    for openings in (
        ledger.decisions.openings(decision.id),
        ledger.decisions.openings(decision.id, shown),
    ):
        for opening in openings:
            verify_opening(opening, getattr(body, opening.section))
    disclosed = {opening.section: opening.disclosed() for opening in openings}
    assert disclosed == {
        "input": {"years": 3},
        "output": {},
        "attributions": {"values.years": 1_000},
        "context": {},
    }
    with pytest.raises(MalformedError):
        ledger.decisions.openings(decision.id, ["input.unknown"])


def record_many(premises: Premises, ledger: Open) -> None:
    batch = []
    for seq in range(10):
        margin = 5 if seq % 2 else -5
        batch.append(
            premises.decision(
                seq,
                subject=f"person-{seq % 3}",
                output=output(margin),
                attributions=attributions(margin),
            )
        )
    ledger.decisions.record(batch)


def test_decisions_are_found_newest_first(premises: Premises, ledger: Open) -> None:
    record_many(premises, ledger)
    page = ledger.decisions.find(DecisionQuery())
    assert [row.seq for row in page.rows] == list(range(12, 2, -1))
    assert page.rows[0].decided_at == NOON + timedelta(minutes=9)
    assert page.rows[0].margin == 5
    assert (page.total, page.next_cursor) == (10, None)
    assert page.facets.outcome == (("approved", 5), ("declined", 5))
    model = ledger.registry.model("mortgage-approval@1.0.0").digest
    assert page.facets.model == ((model, 10),)


@pytest.mark.parametrize(
    ("query", "seqs"),
    [
        (DecisionQuery(subject="person-1"), [10, 7, 4]),
        (DecisionQuery(subject="person-7"), []),
        (DecisionQuery(outcome="approved", subject="person-0"), [12, 6]),
        (DecisionQuery(since=NOON + timedelta(minutes=8)), [12, 11]),
        (DecisionQuery(until=NOON + timedelta(minutes=2)), [4, 3]),
        (DecisionQuery(model="mortgage-approval@1.0.0", limit=2), [12, 11]),
        (DecisionQuery(model="unknown@1"), []),
        (DecisionQuery(policy=DIGEST), []),
    ],
)
def test_every_filter_narrows(
    premises: Premises, ledger: Open, query: DecisionQuery, seqs: list[int]
) -> None:
    record_many(premises, ledger)
    assert [row.seq for row in ledger.decisions.find(query).rows] == seqs


def test_pages_follow_each_other_without_loss(premises: Premises, ledger: Open) -> None:
    record_many(premises, ledger)
    at_once = [premises.decision(9) for _ in range(3)]  # three at one moment
    ledger.decisions.record(at_once)
    seen: list[int] = []
    cursor = None
    while True:
        page = ledger.decisions.find(DecisionQuery(limit=2, cursor=cursor))
        seen += [row.seq for row in page.rows]
        cursor = page.next_cursor
        assert page.total == 13
        if cursor is None:
            break
    assert sorted(seen) == list(range(3, 16))
    assert len(seen) == 13


@pytest.mark.parametrize("cursor", ["", "x", "MTpubw==", "MQ==", "é", "A" * 500])
def test_a_cursor_is_ours_or_refused(ledger: Open, cursor: str) -> None:
    with pytest.raises(MalformedError) as raised:
        ledger.decisions.find(DecisionQuery(cursor=cursor))
    assert raised.value.member == "cursor"


def test_a_query_is_bounded() -> None:
    for limit in (0, 501):
        with pytest.raises(MalformedError):
            DecisionQuery(limit=limit)
    with pytest.raises(MalformedError):
        DecisionQuery(since=NOON.replace(tzinfo=None))


def test_an_explanation_is_sealed_logged_and_found(premises: Premises, ledger: Open) -> None:
    decision = premises.decision()
    ledger.decisions.record([decision])
    assert ledger.decisions.explanation(decision.id) is None
    for text in ("first", "second"):
        entry = ledger.decisions.attach_explanation(decision.id, {"summary": text}, DIGEST, DIGEST)
    notice = ledger.decisions.attach_notice(decision.id, {"sent": True}, DIGEST, DIGEST)
    assert ledger.decisions.explanation(decision.id) == {"summary": "first"}
    assert isinstance(notice.body, NoticeIssued)
    history = ledger.decisions.history(decision.id)
    kinds = [each.body.kind for each in history]
    assert kinds == [
        Kind.DECISION,
        Kind.EXPLANATION_ISSUED,
        Kind.EXPLANATION_ISSUED,
        Kind.NOTICE_ISSUED,
    ]
    assert history[2] == entry
    # It hangs on the same subject's key.
    holders = {ledger.vault.key_and_holder(each.id)[1] for each in history}
    assert holders == {ledger.vault.subject_tag("MTG-000000")}


def test_a_decision_without_a_subject_is_kept_under_its_month(
    premises: Premises, ledger: Open
) -> None:
    one, other = premises.decision(0, subject=None), premises.decision(1, subject=None)
    ledger.decisions.record([one])
    ledger.decisions.record([other])
    holders = {ledger.vault.key_and_holder(each.id)[1] for each in (one, other)}
    assert holders == {ledger.vault.period_tag("credit", NOON)}
    assert ledger.decisions.read(one.id).payload.subject is None


def test_what_is_no_decision_is_not_found(premises: Premises, ledger: Open) -> None:
    genesis = parse_entry(next(ledger.log.entries())).id
    for record_id in (premises.new_id(), genesis):
        for ask in (
            ledger.decisions.read,
            ledger.decisions.history,
            ledger.decisions.explanation,
            ledger.decisions.openings,
        ):
            with pytest.raises(NotFoundError):
                ask(record_id)
        with pytest.raises(NotFoundError):
            ledger.decisions.attach_explanation(record_id, {"a": 1}, DIGEST, DIGEST)


def test_without_key_or_payload_a_decision_is_erased(premises: Premises, ledger: Open) -> None:
    one, other = premises.decision(0), premises.decision(1)
    ledger.decisions.record([one, other])
    with writing(premises.vault_engine) as connection:
        connection.execute(delete(record_key).where(record_key.c.record_id == one.id))
    with writing(premises.engine) as connection:
        connection.execute(delete(sealed_payload).where(sealed_payload.c.record_id == other.id))
    for decision in (one, other):
        with pytest.raises(ErasedError):
            ledger.decisions.read(decision.id)
        (refused,) = ledger.decisions.record_each([decision])
        assert isinstance(refused, ErasedError)
        assert ledger.decisions.history(decision.id)  # that it was is still known


def test_a_payload_that_is_not_the_logged_one_raises_the_alarm(
    premises: Premises, ledger: Open
) -> None:
    one, other = premises.decision(0), premises.decision(0, subject="somebody else")
    ledger.decisions.record([one, other])
    connection = sqlite3.connect(premises.directory / "ledger.db")
    connection.executescript(
        "DROP TRIGGER fence_sealed_payload_update;"
        f"UPDATE sealed_payload SET sealed = (SELECT sealed FROM sealed_payload"
        f" WHERE record_id = '{other.id}') WHERE record_id = '{one.id}'"
    )
    connection.close()
    with pytest.raises(VerificationError):
        ledger.decisions.read(one.id)


def test_an_entry_that_is_not_the_logged_one_raises_the_alarm(
    premises: Premises, ledger: Open
) -> None:
    decision = premises.decision()
    ledger.decisions.record([decision])
    connection = sqlite3.connect(premises.directory / "ledger.db")
    connection.executescript(
        "DROP TRIGGER fence_log_entry_update;"
        "UPDATE log_entry SET entry = CAST(replace(entry, 'loan-desk', 'loan-disk') AS BLOB) WHERE seq = 3"
    )
    connection.close()
    with pytest.raises(VerificationError):
        ledger.decisions.read(decision.id)


def test_swapped_keys_raise_the_alarm(premises: Premises, ledger: Open) -> None:
    one, other = premises.decision(0), premises.decision(1)
    ledger.decisions.record([one, other])
    with writing(premises.vault_engine) as connection:
        connection.execute(
            update(record_key).where(record_key.c.record_id == one.id).values(wrapped=bytes(61))
        )
    with pytest.raises(LedgerError):
        ledger.decisions.read(one.id)
