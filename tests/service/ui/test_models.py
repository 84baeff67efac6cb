"""The pages of models: what a version is, where it stands, and what the visitor may do."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.operate.model_stage import Act, Stage
from ledger.roles import Role
from service.manifest_changes import MAX_CHANGES
from service.ui.models import STATES
from tests.service.ui.conftest import Browser, SignIn, enter
from tests.service.ui.lender import POLICY, Lender

MODEL = "/models/mortgage-approval@1.0.0"


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(3)
    yield made
    made.runtime.close()


@pytest.fixture
def sign_in(lender: Lender) -> SignIn:
    return partial(enter, lender)


def act(browser: Browser, label: str, reason: str = "report V-17") -> int:
    """Post the form with this button, as the page offers it."""
    page = browser.get(MODEL).text
    forms = re.findall(r'<form class="stacked".*?</form>', page, re.DOTALL)
    (form,) = [each for each in forms if f">{label}</button>" in each]
    address = re.findall(r'action="([^"]+)"', form)[0]
    status = dict(re.findall(r'name="(status)" value="([^"]+)"', form))
    return browser.post(address, reason=reason, **status).status_code


def buttons(browser: Browser) -> list[str]:
    page = browser.get(MODEL).text
    return re.findall(r'<button class="(?:act|button)">([^<]+)</button>', page)


def test_two_people_bring_a_model_into_use(sign_in: SignIn) -> None:
    ann, ben = sign_in(Role.MODEL_OWNER), sign_in(Role.MODEL_RISK)
    assert "Registered, not approved" in ann.get("/models").text
    assert buttons(ann) == ["Propose approval", "Suspend", "Propose retirement"]
    assert buttons(ben) == ["Suspend"]
    assert act(ann, "Propose approval") == 303
    mine, theirs = ann.get(MODEL).text, ben.get(MODEL).text
    assert "You proposed that it is approved" in mine
    assert "One model_owner proposed that it is approved" in theirs
    assert "a second person" in ben.get("/models").text
    assert buttons(ann) == ["Take the proposal back", "Suspend"]
    assert buttons(ben) == ["Agree", "Refuse the proposal", "Suspend"]
    assert act(ben, "Agree", "looked at V-17") == 303
    assert act(ann, "Promote") == 303
    page = ben.get(MODEL).text
    for told in ("In use", "looked at V-17", "One model_risk, model risk", "Approval proposed"):
        assert told in page
    assert act(ben, "Suspend", "drift") == 303
    assert "is suspended" in ann.get("/").text
    assert buttons(ann) == ["Propose approval", "Propose retirement"]
    assert act(ann, "Propose retirement") == 303
    assert act(ben, "Refuse the proposal") == 303


def test_what_cannot_be_done_says_so_on_the_page(lender: Lender, sign_in: SignIn) -> None:
    ann = sign_in(Role.MODEL_OWNER)
    ann.get(MODEL)
    wrong = ann.post(f"{MODEL}/promote", reason="go")
    assert (wrong.status_code, "Nothing was done: model: it is " in wrong.text) == (422, True)
    assert ann.post(f"{MODEL}/suspend", reason=" ").status_code == 422
    assert ann.post(f"{MODEL}/proposals", reason="x", status="perfect").status_code == 422
    ann.post(f"{MODEL}/proposals", reason="x", status="retired")
    key = lender.runtime.api_keys.issue("One model_owner", Role.MODEL_RISK)[0]
    same = Browser(lender.app().test_client())
    same.get("/sign-in")
    same.post("/sign-in", key=key, purpose="audit")
    assert act(same, "Agree") == 403
    assert act(ann, "Take the proposal back") == 303


def test_who_only_looks_does_nothing(sign_in: SignIn) -> None:
    auditor = sign_in(Role.AUDITOR, purpose="audit")
    page = auditor.get(MODEL)
    assert (page.status_code, page.text.count("<form")) == (200, 1)  # signing out
    assert auditor.post(f"{MODEL}/suspend", reason="x").status_code == 403
    assert auditor.get("/models/nobody@1").status_code == 404
    assert f'href="{MODEL}"' in auditor.get("/").text


def test_the_lineage_is_a_picture_a_table_and_a_file(sign_in: SignIn) -> None:
    browser = sign_in(Role.AUDITOR, purpose="audit")
    page = browser.get(MODEL).text
    assert page.count("3 decisions on record") == 3  # drawn, told by the drawing, in the table
    (address,) = re.findall(r'href="([^"]+lineage\.json)"', page)
    graph = browser.get(address).get_json()
    assert {each["kind"] for each in graph["nodes"]} >= {"artefact", "decisions", "model"}
    nobody = browser.get("/models/nobody@1/lineage.json")
    assert nobody.status_code == 404


def test_a_manifest_that_no_font_has_is_shown_as_a_table(lender: Lender, sign_in: SignIn) -> None:
    found = lender.runtime.registry.model("mortgage-approval@1.0.0").manifest
    run = {"reference": "run \N{RIGHT-TO-LEFT OVERRIDE}1"}
    lender.runtime.registry.register_model({**found, "version": "1.0.1", "run": run}, {})
    page = sign_in(Role.AUDITOR, purpose="audit").get("/models/mortgage-approval@1.0.1").text
    assert "<svg xmlns" not in page
    assert "The same as a table" in page


def test_the_dictionary_says_what_nobody_translated(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in(Role.AUDITOR, purpose="audit")
    (address,) = re.findall(r'href="(/models/[^"]+/features)"', browser.get(MODEL).text)
    page = browser.get(address).text
    for told in ("Loan as a share of the price", "0 to 200", "can fall", "No; proxy not stated"):
        assert told in page
    assert "not written" not in page
    assert "No label is written in this language" in browser.get(f"{address}?language=fi").text
    found: Any = lender.runtime.registry.model("mortgage-approval@1.0.0").manifest
    first, second, *rest = found["features"]
    changed = [
        {**first, "label": {"en": "Loan", "fi": "Laina"}, "proxy": True, "bounds": [-1.5, None]},
        {**second, "group": "history", "proxy": False, "values": {"0": {"en": "none"}}},
        *({**each, "bounds": [None, 7]} for each in rest),
    ]
    version = {**found, "version": "1.2.0", "features": changed}
    lender.runtime.registry.register_model(version, {})
    page = browser.get("/models/mortgage-approval@1.2.0/features?language=fi").text
    for told in ("2 labels are not written", "Laina", "May stand in for one", "from −1.5",
                 "Neither it nor a proxy", "0: none", "group history", "up to 7"):  # fmt: skip
        assert told in page, told


def test_a_policy_is_compared_with_another(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in(Role.AUDITOR, purpose="audit")
    alone = browser.get("/policies/mortgage-cutoff@1.0.0").text
    assert "There is no other policy version" in alone
    codes = POLICY["reason_codes"] | {f"R{at}": {"en": "More"} for at in range(MAX_CHANGES + 2)}
    changed = {**POLICY, "version": "1.1.0", "countries": ["DE"], "reason_codes": codes}
    del changed["points"]
    lender.runtime.registry.register_policy(changed)
    page = browser.get("/policies/mortgage-cutoff@1.1.0").text
    (address,) = re.findall(r'href="(/policies/[^"]+against=[^"]+)"', page)
    page = browser.get(address).text
    for told in ("2,005 differences", "5 more are not shown", "points", "Removed",
                 "Compared with mortgage-cutoff 1.0.0"):  # fmt: skip
        assert told in page, told
    assert browser.get("/policies/none@1").status_code == 404
    assert browser.get("/policies/mortgage-cutoff@1.1.0?against=none@1").status_code == 404


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Lender]:
    """A lender of one test, whose model may come to its end."""
    made = Lender(tmp_path / "data")
    made.record(1)
    yield made
    made.runtime.close()


def test_a_retired_version_that_went_on_deciding_is_named(alone: Lender) -> None:
    ann, ben = (enter(alone, role) for role in (Role.MODEL_OWNER, Role.MODEL_RISK))
    assert act(ann, "Propose retirement") == 303
    assert act(ben, "Agree") == 303
    page = ann.get(MODEL).text
    assert "is over for good" in page
    assert "went on deciding" not in page
    alone.record(1)
    assert "went on deciding after it was retired" in enter(alone, Role.AUDITOR).get(MODEL).text


def test_each_stage_has_its_words() -> None:
    assert set(STATES) == set(Stage)
    assert set(Act) >= set(Stage) - {Stage.REGISTERED}
