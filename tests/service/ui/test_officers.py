"""The pages of erasures and holds: ask, agree as somebody else, read the certificate, hold."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest

from ledger.operate.erasure import Ground, Refusal
from ledger.roles import Role
from service.ui.officers import GROUNDS, REASONS
from tests.service.ui.conftest import Browser, SignIn, enter
from tests.service.ui.lender import SUBJECT, Lender

OFFICER = Role.DATA_PROTECTION_OFFICER


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(8)
    yield made
    made.runtime.close()


@pytest.fixture
def sign_in(lender: Lender) -> SignIn:
    return partial(enter, lender)


@pytest.fixture
def colleague(lender: Lender) -> Callable[[], Browser]:
    """Signs in a second officer, with a key of another name."""

    def signed_in() -> Browser:
        key = lender.runtime.api_keys.issue(f"Officer {lender.clock()}", OFFICER)[0]
        browser = Browser(lender.app().test_client())
        browser.get("/sign-in")
        browser.post("/sign-in", key=key, purpose="data_subject_request")
        return browser

    return signed_in


def test_one_asks_another_agrees(
    lender: Lender, sign_in: SignIn, colleague: Callable[[], Browser]
) -> None:
    ann, ben = sign_in(OFFICER), colleague()
    ann.get("/erasures")
    asked = ann.post("/erasures", subject=SUBJECT, ground="consent_withdrawn")
    assert asked.status_code == 303
    address = asked.headers["Location"]
    assert SUBJECT not in address
    mine = ann.get(address)
    assert "another officer has to approve" in mine.text
    assert "Approve, and erase" not in mine.text
    alone = ann.post(f"{address}/approve")
    assert (alone.status_code, "Another person has to agree" in alone.text) == (403, True)
    theirs = ben.get(address)
    assert "Approve, and erase for good" in theirs.text
    assert ben.post(f"{address}/approve").status_code == 303
    done = ben.get(address)
    assert "Erased, key destroyed" in done.text
    assert "Refuse" not in done.text
    file = ben.client.get(f"{address}/certificate.json")
    said = json.loads(file.text)
    assert said["decisions"] == [lender.ids[3]]
    assert SUBJECT not in file.text
    gone = ben.get(f"/decisions/{lender.ids[3]}")
    assert (gone.status_code, "This record was erased" in gone.text) == (410, True)
    assert "Ground: consent withdrawn" in gone.text
    assert "Erased" in ann.get("/erasures").text
    again = ann.post("/erasures", subject=SUBJECT, ground="objection")
    assert again.status_code == 410


def test_a_request_is_refused_with_a_reason(
    lender: Lender, sign_in: SignIn, colleague: Callable[[], Browser]
) -> None:
    ann = sign_in(OFFICER)
    ann.get("/erasures")
    records = f"{lender.ids[1]}  {lender.ids[2].upper()}"
    address = ann.post("/erasures", records=records, ground="objection").headers["Location"]
    ben = colleague()
    ben.get(address)
    assert ben.post(f"{address}/refuse", reason="because").status_code == 400
    assert ben.post(f"{address}/refuse", reason="identity_not_shown").status_code == 303
    told = ben.get(address).text
    assert REASONS[Refusal.IDENTITY_NOT_SHOWN] in told
    assert "complain" in told
    late = ben.post(f"{address}/approve")
    assert (late.status_code, "decided meanwhile" in late.text) == (409, True)


def test_a_hold_keeps_and_is_released_by_two(
    lender: Lender, sign_in: SignIn, colleague: Callable[[], Browser]
) -> None:
    ann, ben = sign_in(OFFICER), colleague()
    ann.get("/holds")
    review = f"{lender.now + timedelta(days=90):%Y-%m-%d}"
    form = {"matter": "Other v Bank", "ground": "a claim", "owner": "legal"}
    assert ann.post("/holds", records=lender.ids[5], review="soon", **form).status_code == 400
    assert ann.post("/holds", records=lender.ids[5], review=review, **form).status_code == 303
    page = ann.get("/holds").text
    assert "Other v Bank" in page
    assert "In force" in page
    (release,) = re.findall(r'action="(/holds/[^"]+/release)"', page)
    assert "A legal hold keeps this decision" in ann.get(f"/decisions/{lender.ids[5]}").text
    handler = sign_in(Role.CASE_HANDLER, purpose="case_handling")
    refused = handler.get(f"/decisions/{lender.ids[5]}")
    assert (refused.status_code, "legal hold restricts" in refused.text) == (403, True)
    assert handler.get("/holds").status_code == 403
    assert "Under a legal hold" in handler.get("/decisions").text
    exported = [each["id"] for each in handler.get("/decisions.json").get_json()["decisions"]]
    assert lender.ids[5] not in exported
    assert len(exported) > 3
    assert lender.ids[5] in ann.get("/decisions.csv").text
    ann.get("/erasures")
    address = ann.post("/erasures", records=lender.ids[5], ground="objection").headers["Location"]
    ben.get(address)
    kept = ben.post(f"{address}/approve")
    assert (kept.status_code, "legal hold forbids" in kept.text) == (409, True)
    assert lender.ids[5] in ben.get(address).text
    ann.post(release, reason="settled")
    waits = ann.get("/holds").text
    assert "another officer has to agree" in waits
    assert release not in waits
    lender.now += timedelta(days=91)
    ben = colleague()
    assert "Review overdue" in ben.get("/holds").text
    ben.post(release, reason="settled")
    assert "Released" in ben.get("/holds").text


def test_who_only_looks_decides_nothing(sign_in: SignIn) -> None:
    auditor = sign_in(Role.AUDITOR, purpose="audit")
    for address in ("/erasures", "/holds"):
        page = auditor.get(address)
        assert page.status_code == 200
        assert page.text.count("<form") == 1  # signing out
    assert auditor.post("/erasures", subject="x", ground="objection").status_code == 403
    administrator = sign_in(Role.ADMINISTRATOR, purpose="audit")
    assert "Erasures" not in administrator.get("/").text
    assert administrator.get("/erasures").status_code == 403


def test_each_code_has_its_words() -> None:
    assert set(GROUNDS) == set(Ground)
    assert set(REASONS) == set(Refusal)
