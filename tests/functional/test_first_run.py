"""The first run of an operator, from an empty directory to a proof that verifies elsewhere."""

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from click.testing import CliRunner, Result

from explain.artifacts import open_model
from ledger.roles import Role
from service import create_app
from service.cli import main
from service.settings import Settings
from tests.service.ui.lender import POLICY, _applicants, _model

CONTACTS = {
    "controller": {"name": "Harbour Savings Bank", "address": ["1 Example Street", "Boston"]},
    "review": {"name": "Review desk", "telephone": "+1 617 555 0100"},
    "authority": {"name": "Data protection authority", "address": ["2 Example Street"]},
}
Run = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(place: Path) -> Run:
    def invoke(*arguments: str, code: int = 0) -> Result:
        runner = CliRunner(env={"LEDGER_DATA": str(place)})
        done = runner.invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done

    return invoke


def write(path: Path, value: Any) -> str:
    path.write_text(json.dumps(value))
    return str(path)


def small_model() -> tuple[dict[str, Any], dict[str, bytes]]:
    return _model(_applicants(40))


def register(run: Run, folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Register model and policy at the command line; return the model."""
    manifest, files = small_model()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    named = [f"--artefact={name}={folder / name}" for name in files]
    done = run("model", "register", write(folder / "model-manifest.json", manifest), *named)
    assert "mortgage-approval@1.0.0" in done.output
    run("policy", "register", write(folder / "policy.json", POLICY | {"regimes": ["gdpr"]}))
    return manifest, files


def declined(manifest: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """A decision that the small model gives about a weak application."""
    row = {"loan_to_value": 99.5, "late": 4, "bankrupt": True}
    model = open_model(manifest, files)
    (attribution,) = model.attributor.attribute(model.schema.row(row)[None, :])
    return {
        "model": "mortgage-approval@1.0.0",
        "policy": "mortgage-cutoff@1.0.0",
        "source": {"id": "loan-desk", "seq": 1},
        "subject": "MTG-000123",
        "input": row,
        "output": {"margin": attribution.margin, "scale": 6, "space": "log-odds", "outcome": "declined"},
        "attributions": attribution.to_json(),
        "context": {"decided_at": "2026-05-14T09:31:07Z", "decision_role": "sole"},
    }  # fmt: skip


# WeasyPrint leaves the colour profile that it embeds open.
@pytest.mark.filterwarnings("ignore:.*sRGB2014:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file.*sRGB2014:ResourceWarning")
def test_from_an_empty_directory_to_a_proof_that_verifies_elsewhere(
    run: Run, place: Path, tmp_path: Path
) -> None:
    assert "ledger.example/demo" in run("init", "--origin", "ledger.example/demo").output
    (place / "contacts.json").write_text(json.dumps(CONTACTS))
    manifest, files = register(run, tmp_path)
    record = recorded_over_http(place, declined(manifest, files))

    found = run("decisions", "find", "--outcome", "declined", "--json")
    assert json.loads(found.output)["decisions"][0]["id"] == record
    shown = json.loads(run("decisions", "show", record).output)
    assert shown["decision"]["subject"] == "MTG-000123"
    assert "declined" in run("explain", record, "--case", "C-1").output.lower()
    assert json.loads(run("explain", record, "--json").output)["outcome"] == "declined"
    assert record in run("decisions", "find", "--since", "2026-05-01T00:00:00Z").output
    for noun, name in (("model", "mortgage-approval"), ("policy", "mortgage-cutoff")):
        assert f"{name}@1.0.0" in run(noun, "list").output
        assert json.loads(run(noun, "show", f"{name}@1.0.0").output)["name"] == name
    page = tmp_path / "letter.html"
    run("letter", record, "--html", "-o", str(page))
    assert "Harbour Savings Bank" in page.read_text("utf-8")
    listed = run("letter", record, "--contents", "gdpr_15").output
    assert "GDPR Art. 22(3): a person who may intervene" in listed
    assert "Art. 15(1)(c): recipients: NOT IN THE LETTER (to add: the recipients)" in listed
    layered = run("explain", record, "--audience", "regulator", "--language", "en").output
    assert "Passed: " in layered
    assert "millionths of the log-odds" in layered
    assert run("replay", record).output.startswith("reproduced")
    assert "1 recorded, none missing" in run("sources").output

    proof, openings = tmp_path / "decision.tlog-proof", tmp_path / "openings.json"
    run("proof", record, "-o", str(proof), "--openings", str(openings))
    cose = tmp_path / "decision.cose"
    assert run("proof", record, "--cose", str(cose)).stdout == ""
    run("proof", record, "--cose", str(tmp_path / "decision.cbor"), code=2)
    letter = tmp_path / "letter.pdf"
    run("letter", record, "-o", str(letter))
    with pikepdf.open(letter) as pdf:
        attached = {name: bytes(pdf.attachments[name].get_file().read_bytes()) for name in pdf.attachments}  # fmt: skip
    assert set(attached) == {
        "evidence.json",
        "explanation-openings.json",
        "explanation.tlog-proof",
        "openings.json",
        "receipt.tlog-proof",
    }
    assert json.loads(attached["evidence.json"])["decision"] == record
    (tmp_path / "attached.tlog-proof").write_bytes(attached["receipt.tlog-proof"])
    for name in ("explanation.tlog-proof", "explanation-openings.json"):
        (tmp_path / name).write_bytes(attached[name])

    groups = tmp_path / "groups.csv"
    groups.write_text(f"id,sex\n{record},A\n")
    report = tmp_path / "report.pdf"
    period = ("--since", "2026-05-01", "--until", "2026-05-31")
    done = run("report", "--model", "mortgage-approval@1.0.0", *period, "--groups", str(groups),
               "-o", str(report))  # fmt: skip
    assert "1 decisions, 0 findings" in done.output
    assert report.read_bytes().startswith(b"%PDF-")

    run("export", str(tmp_path / "public"))
    policy = str(place / "policy.txt")
    for target in (
        [str(proof), "--openings", str(openings)],
        [str(cose), "--openings", str(openings)],
        [str(tmp_path / "attached.tlog-proof")],
        [
            str(tmp_path / "explanation.tlog-proof"),
            "--openings",
            str(tmp_path / "explanation-openings.json"),
        ],
        [str(place / "ledger.db")],
        [str(tmp_path / "public" / "decisions")],
        [str(tmp_path / "public" / "access")],
    ):
        verified(*target, "--policy", policy)
    run("verify", str(proof), "--policy", policy)
    proof.write_text(proof.read_text().replace("index 3", "index 2"))
    run("verify", str(proof), "--policy", policy, code=1)


def recorded_over_http(place: Path, body: dict[str, Any]) -> str:
    app = create_app(Settings(data=place))
    runtime = app.extensions["ledger"]
    key, _ = runtime.api_keys.issue("loan desk", Role.SOURCE)
    header = {"Authorization": f"Bearer {key}"}
    got = app.test_client().post("/v1/decisions", json=body, headers=header)
    runtime.close()
    assert got.status_code == 201, got.text
    return str(got.get_json()["id"])


def verified(*arguments: str) -> None:
    """Check in another process that knows nothing but the files."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "ledger.verify", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_on_disk_is_its_owners_alone(run: Run, place: Path, tmp_path: Path) -> None:
    run("init")
    run("key", "issue", "--name", "audit", "--role", "auditor")
    register(run, tmp_path)
    files = [path for path in place.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"ledger.db", "vault.db", "vault.kek", "session.key"}
    loose = {str(path.relative_to(place)): oct(path.stat().st_mode) for path in files
             if stat.S_IMODE(path.stat().st_mode) & 0o077}  # fmt: skip
    assert loose == {}


def test_founding_twice_changes_nothing(run: Run, place: Path) -> None:
    run("init", "--origin", "ledger.example/demo")
    before = (place / "policy.txt").read_bytes()
    done = run("init", "--origin", "ledger.example/other", code=1)
    assert "a ledger already" in done.output
    assert (place / "policy.txt").read_bytes() == before


def test_founding_that_was_cut_short_is_taken_up(run: Run, place: Path) -> None:
    run("init", "--origin", "ledger.example/demo")
    (place / "policy.txt").unlink()
    run("init", "--origin", "ledger.example/demo")
    run("model", "list")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["model", "list"], 1, "decision-ledger init"),
        (["key", "issue", "--name", "x", "--role", "king"], 2, "king"),
        (["nonsense"], 2, "No such command"),
        (["model", "register", "/nonexistent"], 2, "does not exist"),
    ],
)
def test_failure_is_one_sentence_and_a_code(
    run: Run, arguments: list[str], code: int, says: str
) -> None:
    done = run(*arguments, code=code)
    assert says in done.output
    assert "Traceback" not in done.output


def test_an_unknown_setting_ends_the_program() -> None:
    done = CliRunner(env={"LEDGER_DATTA": "x"}).invoke(main, ["model", "list"])
    assert (done.exit_code, "LEDGER_DATTA: no such setting" in done.output) == (2, True)


def test_keys_are_issued_listed_and_revoked(run: Run) -> None:
    run("init")
    key = run("key", "issue", "--name", "audit office", "--role", "auditor").stdout.strip()
    key_id = key.split("_")[1]
    listed = run("key", "list").output
    assert key_id in listed
    assert "in force" in listed
    assert key.split("_", 2)[2] not in listed  # a secret may begin with "_"
    run("key", "revoke", key_id)
    assert "revoked" in run("key", "list").output
    run("key", "revoke", "0011223344556677", code=1)


def test_the_help_names_every_command(run: Run) -> None:
    text = run("--help").output
    for name in main.commands:
        assert f"  {name} " in text
        assert run(name, "--help").output


def test_a_model_is_registered_over_http_too(run: Run, place: Path) -> None:
    run("init")
    manifest, files = small_model()
    app = create_app(Settings(data=place))
    runtime = app.extensions["ledger"]
    key, _ = runtime.api_keys.issue("modelling", Role.MODEL_OWNER)
    client, header = app.test_client(), {"Authorization": f"Bearer {key}"}
    body = {
        "manifest": manifest,
        "artefacts": {name: base64.b64encode(data).decode() for name, data in files.items()},
    }
    spoilt = body | {"artefacts": {"model": base64.b64encode(b"other").decode()}}
    assert client.post("/v1/models", json=spoilt, headers=header).status_code == 422
    made = client.post("/v1/models", json=body, headers=header)
    assert made.status_code == 201, made.text
    shown = client.get(made.headers["Location"], headers=header).get_json()
    assert shown["manifest"] == manifest
    changed = body | {"manifest": manifest | {"owner": "someone else"}}
    assert client.post("/v1/models", json=changed, headers=header).status_code == 409
    runtime.close()
