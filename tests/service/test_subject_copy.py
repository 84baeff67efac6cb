"""The copy of everything about one person: whole, true, checkable without us, nobody else's."""

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from explain.errors import NotAttributed
from ledger.entries import ExportIssued, parse_entry
from ledger.errors import MalformedError, PermissionRefused, RefusedError, VerificationError
from ledger.operate.decision import Decision
from ledger.operate.erasure import Ground
from ledger.roles import Principal, Role
from reports.documents.subject_copy import Held
from service.reading import Caller, Reading
from service.subject_copy import gathering, making, verify
from service.subject_copy.deadlines import Deadlines
from service.subject_copy.making import CopyRequest, make_copy
from tests.service.api.conftest import CONTACTS
from tests.service.ui.lender import SUBJECT, Lender

ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)
OTHER = "MTG-100000"  # another person, whose decision is the first
COUNT = 14  # decisions, of which two are about SUBJECT


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("people") / "data")
    made.record(COUNT)
    (made.settings.data / "contacts.json").write_text(json.dumps(CONTACTS))
    yield made
    made.runtime.close()


def asked(lender: Lender, subject: str = SUBJECT, **changes: Any) -> CopyRequest:
    told: dict[str, Any] = {"received": lender.now.date(), "language": "en"}
    return CopyRequest(**{"subject": subject} | told | changes)


def copied(lender: Lender, subject: str = SUBJECT, **changes: Any) -> dict[str, bytes]:
    """The files of a copy, by name."""
    copy = make_copy(lender.runtime, Caller(ANN, "audit", ""), asked(lender, subject, **changes))
    with copy.file, zipfile.ZipFile(copy.file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def data_of(files: dict[str, bytes]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(files["data.json"])
    jsonschema.Draft202012Validator(json.loads(files["schema.json"])).validate(data)
    return data


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def checked(files: dict[str, bytes], folder: Path, policy: Path | None = None) -> tuple[int, str]:
    """What its reader gets who runs the one command: exit status, and what it says."""
    said = io.StringIO()
    chosen = ["--policy", str(policy)] if policy else []
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(verify, "HERE", unpacked(files, folder))
        patch.setattr(sys, "argv", ["verify.py", *chosen])
        status = verify.main()
    return status, said.getvalue()


def with_another(lender: Lender, **context: Any) -> str:
    """One more decision, of a person of its own, with these in its context."""
    payload = lender.runtime.decisions.read(lender.ids[1]).payload.to_json()
    new = lender.runtime.decisions.new_id()
    told: Any = payload["context"]
    payload |= {"id": new, "subject": f"MTG-{new[-6:]}", "context": told | context}
    lender.runtime.decisions.record([Decision.from_json(payload)])
    return str(payload["subject"])


def test_it_has_every_decision_of_the_person_as_recorded_and_nobody_elses(lender: Lender) -> None:
    data = data_of(copied(lender))
    mine = [
        each
        for each in lender.ids
        if lender.runtime.decisions.read(each).payload.subject == SUBJECT
    ]
    assert [each["id"] for each in data["decisions"]] == list(reversed(mine))
    for each in data["decisions"]:
        payload = lender.runtime.decisions.read(each["id"]).payload.to_json()
        for member in ("input", "output", "context", "subject", "source", "model", "policy"):
            assert each[member] == payload[member]
        assert each["attributions"]["value"] == payload["attributions"]
        assert each["explanation"]["summary"]
    assert data["held"] == "decisions"
    assert {each["name"] for each in data["models"]} == {"mortgage-approval"}


def test_its_reader_can_check_it_without_us(lender: Lender, tmp_path: Path) -> None:
    files = copied(lender)
    command = [sys.executable, "verify.py"]
    done = subprocess.run(
        command, cwd=unpacked(files, tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Everything holds: 2 decisions")


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("index.html", "index.html: it is missing"),
        ("export.tlog-proof", "export.tlog-proof: "),
        ("proofs/{}.openings.json", ".tlog-proof: "),
        ("proofs/{}.tlog-proof", "data.json: there is no proof of"),
    ],
)
def test_a_lost_file_is_noticed(lender: Lender, tmp_path: Path, lost: str, said: str) -> None:
    files = copied(lender)
    del files[lost.format(data_of(files)["decisions"][0]["id"])]
    status, told = checked(files, tmp_path)
    assert status == 1
    assert said in told


def test_its_reader_may_trust_keys_from_elsewhere(lender: Lender, tmp_path: Path) -> None:
    files = copied(lender)
    theirs = tmp_path / "theirs.txt"
    theirs.write_bytes(files["policy.txt"])
    folder = tmp_path / "copy"
    folder.mkdir()
    assert checked(files, folder, theirs)[0] == 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("data.json", b'"outcome": "declined"', b'"outcome": "approved"'),
        ("index.html", b"Declined", b"Approved"),
    ],
)
def test_a_changed_file_is_noticed(
    lender: Lender, tmp_path: Path, name: str, old: bytes, new: bytes
) -> None:
    files = copied(lender)
    assert old in files[name]
    files[name] = files[name].replace(old, new)
    status, said = checked(files, tmp_path)
    assert status == 1
    assert f"DOES NOT HOLD: {name}: it was changed" in said


def test_data_that_differs_from_what_was_logged_is_noticed_with_a_manifest_to_match(
    lender: Lender, tmp_path: Path
) -> None:
    import hashlib

    files = copied(lender)
    data = json.loads(files["data.json"])
    data["decisions"][0]["input"]["late"] = 9
    files["data.json"] = json.dumps(data).encode()
    manifest = json.loads(files["manifest.json"])
    for each in manifest["files"]:
        each["sha256"] = hashlib.sha256(files[each["path"]]).hexdigest()
    files["manifest.json"] = json.dumps(manifest).encode()
    status, said = checked(files, tmp_path)
    assert status == 1
    assert "input of" in said
    assert "export.tlog-proof: it is of another copy" in said


def test_that_it_was_handed_out_is_on_the_log(lender: Lender) -> None:
    copy = make_copy(lender.runtime, Caller(ANN), asked(lender))
    copy.file.close()
    entry = parse_entry(lender.runtime.logs["decisions"].entry(copy.id))
    assert entry.body == ExportIssued(copy.manifest)


def test_nothing_is_handed_over_that_cannot_be_logged(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(digest: str) -> ExportIssued:
        raise RefusedError("no")

    monkeypatch.setattr(making, "ExportIssued", refused)
    with pytest.raises(RefusedError):
        make_copy(lender.runtime, Caller(ANN), asked(lender))


def test_look_ups_have_dates_and_purposes_but_no_staff(lender: Lender) -> None:
    mine = data_of(copied(lender))["decisions"][0]["id"]
    handler = Principal("k-handler", "Carol Handler", Role.CASE_HANDLER)
    Reading(lender.runtime, Caller(handler, "complaint", "case-77")).note(
        [mine, lender.ids[0]], ("input",)
    )
    Reading(lender.runtime, Caller(handler, "review", "")).note([lender.ids[0]], ("input",))
    files = copied(lender)
    looks = data_of(files)["lookups"]
    complaint = [each for each in looks if each["purpose"] == "complaint"]
    assert [(each["role"], each["decisions"]) for each in complaint] == [("case_handler", 1)]
    assert not [each for each in looks if each["purpose"] == "review"]  # it was not about them
    assert looks[-1]["purpose"] == "data_subject_request"  # the reading for this copy
    everything = b"".join(files.values())
    for secret in (b"Carol", b"k-handler", b"case-77", lender.ids[0].encode(), OTHER.encode()):
        assert secret not in everything


def test_of_a_stranger_it_says_that_nothing_is_held(lender: Lender, tmp_path: Path) -> None:
    files = copied(lender, "NOBODY")
    data = data_of(files)
    assert (data["held"], data["decisions"], data["lookups"]) == ("nothing", [], [])
    assert b"We hold nothing about you" in files["index.html"]
    assert b"NOBODY" not in b"".join(files.values())
    assert checked(files, tmp_path)[0] == 0


def test_after_an_erasure_it_says_what_is_left(lender: Lender, tmp_path: Path) -> None:
    person = with_another(lender)
    found, _ = lender.runtime.erasing.request(ANN, Ground.OBJECTION, subject=person)
    lender.runtime.erasing.approve(BEN, found.id)
    files = copied(lender, person)
    data = data_of(files)
    assert data["held"] == "erased"
    assert [each["id"] for each in data["erasures"]] == [found.id]
    assert json.loads(files[f"erasures/{found.id}.json"])["erasure"] == found.id
    assert b"they were erased" in files["index.html"]
    assert checked(files, tmp_path)[0] == 0


def test_what_is_about_somebody_else_is_left_out_and_said(lender: Lender, tmp_path: Path) -> None:
    person = with_another(lender, guarantor="Third Person", branch="<b>Main</b> \u202eStreet")
    files = copied(lender, person, withhold=("context.guarantor",))
    (decision,) = data_of(files)["decisions"]
    assert decision["withheld"] == ["context.guarantor"]
    assert b"Third Person" not in b"".join(files.values())
    page = files["index.html"].decode()
    assert "left out: it is about somebody else" in page
    assert "&lt;b&gt;Main&lt;/b&gt; [U+202E]Street" in page
    assert checked(files, tmp_path)[0] == 0


def test_a_long_copy_goes_on_on_further_pages(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "PAGE_DECISIONS", 1)
    monkeypatch.setattr(making, "READ_ROWS", 1)
    files = copied(lender)
    assert b'href="decisions-002.html"' in files["index.html"]
    assert files["index.html"].count(b"<article") == 1
    assert files["decisions-002.html"].count(b"<article") == 1


def test_it_does_not_write_explanations_without_end(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MAX_FRESH", 0)
    person = with_another(lender)
    files = copied(lender, person)
    (decision,) = data_of(files)["decisions"]
    assert decision["explanation"] is None
    assert decision["unexplained"] == "ask us for it"
    assert b"There is no explanation in words: ask us for it." in files["index.html"]


def test_a_copy_speaks_the_language_asked_for_and_what_was_told_stays_as_it_was(
    lender: Lender,
) -> None:
    person = with_another(lender)
    french = copied(lender, person, language="fr")["index.html"].decode()
    assert '<html lang="fr"' in french
    assert "Copie des données que nous détenons sur vous" in french
    # The model has no words in French, so the explanation is in the ledger's own language;
    # and from then on it is what the person was told.
    assert "the model\u2019s score was" in french
    german = copied(lender, person, language="de")["index.html"].decode()
    assert "Was das Modell über Sie erhalten hat" in german
    assert "the model\u2019s score was" in german


def test_what_cannot_be_explained_says_why(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> None:
    person = with_another(lender)

    def unable(*_: object) -> None:
        raise NotAttributed("its contributions have not been worked out yet")

    monkeypatch.setattr(type(lender.runtime.explaining), "issue", unable)
    page = copied(lender, person)["index.html"]
    assert b"no explanation in words: its contributions have not been worked out yet" in page


def test_one_decision_that_breaks_costs_its_words_and_not_the_copy(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = with_another(lender)

    def broken(*_: object) -> None:
        raise TypeError("unhashable type: 'dict'")

    monkeypatch.setattr(type(lender.runtime.explaining), "issue", broken)
    files = copied(lender, person)
    (told,) = data_of(files)["decisions"]
    assert (told["explanation"], told["unexplained"]) == (None, "ask us for it")
    assert b"unhashable" not in b"".join(files.values())


def test_a_record_that_is_not_what_was_logged_still_stops_the_copy(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = with_another(lender)

    def changed(*_: object) -> None:
        raise VerificationError("explanation: not what was logged")

    monkeypatch.setattr(type(lender.runtime.explaining), "issue", changed)
    with pytest.raises(VerificationError):
        copied(lender, person)


def test_pages_need_no_network_and_nothing_beside_them(lender: Lender) -> None:
    page = copied(lender)["index.html"].decode()
    assert "http://" not in page
    assert "https://" not in page
    assert "src=" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


@pytest.mark.parametrize(
    "role", [each for each in Role if each is not Role.DATA_PROTECTION_OFFICER]
)
def test_only_officers_hand_it_out(lender: Lender, role: Role) -> None:
    with pytest.raises(PermissionRefused):
        make_copy(lender.runtime, Caller(replace(ANN, role=role)), asked(lender))


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"language": "xx"}, "language"),
        ({"withhold": ("input.late",)}, "withhold"),
        ({"withhold": ("context.",)}, "withhold"),
        ({"received": date(2999, 1, 1)}, "received_on"),
    ],
)
def test_a_wrong_request_names_its_member(
    lender: Lender, changes: dict[str, Any], member: str
) -> None:
    with pytest.raises(MalformedError) as error:
        make_copy(lender.runtime, Caller(ANN), asked(lender, **changes))
    assert error.value.member == member


@pytest.mark.parametrize(
    ("received", "answer_by", "extended_by"),
    [
        (date(2026, 3, 5), date(2026, 4, 6), date(2026, 6, 5)),  # 5 April is a Sunday
        (date(2026, 8, 31), date(2026, 9, 30), date(2026, 11, 30)),  # no 31 September
        (date(2026, 2, 28), date(2026, 3, 30), date(2026, 5, 28)),  # 28 March is a Saturday
        (date(2026, 12, 31), date(2027, 2, 1), date(2027, 3, 31)),  # 31 January is a Sunday
        (date(2027, 11, 30), date(2027, 12, 30), date(2028, 2, 29)),  # a leap year
    ],
)
def test_deadlines(received: date, answer_by: date, extended_by: date) -> None:
    assert Deadlines.of(received) == Deadlines(received, answer_by, extended_by)


def test_what_is_held_has_three_answers() -> None:
    assert {each.value for each in Held} == {"decisions", "erased", "nothing"}


def test_a_copy_is_read_from_its_beginning(lender: Lender) -> None:
    copy = make_copy(lender.runtime, Caller(ANN), asked(lender))
    with copy.file:
        whole = copy.file.read()
    assert len(whole) == copy.size
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
