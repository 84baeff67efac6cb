"""Retention as an operator meets it: classes in files, a refusal to start, two officers, a page."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ledger.errors import ErasedError, LedgerError, PushbackError, RefusedError
from ledger.operate.erasure import Stage
from ledger.operate.erasure_store import ErasureStore
from ledger.operate.expiry import Scope
from ledger.roles import Principal, Role
from service.assembly import assemble
from service.cli import main
from service.erasing import go_on
from service.reading import Caller
from service.retiring import overdue
from service.runtime import Runtime, system_clock
from service.settings import Settings
from service.ui.decision_page import Shown
from tests.ledger.operate.premises import policy_manifest
from tests.ledger.operate.retention_samples import file_of, retention_class, rule, written
from tests.service.deployment import ORIGIN, Deployment

ANN = Principal("k-ann", "Ann", Role.DATA_PROTECTION_OFFICER)
BEN = Principal("k-ben", "Ben", Role.DATA_PROTECTION_OFFICER)
LOOKS = retention_class(id="looks", covers="access_log", regimes=["access_log"], jurisdictions=[])

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    one = Deployment(Settings(data=tmp_path_factory.mktemp("made") / "data", origin=ORIGIN))
    one.found()
    return one.data, one.grow(2)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(tmp_path / "rules", file_of([rule(period="P5Y")], [retention_class(), LOOKS]))


@pytest.fixture
def settings(made: tuple[Path, tuple[str, ...]], tmp_path: Path, rules: Path) -> Settings:
    shutil.copytree(made[0], tmp_path / "data")
    return Settings(data=tmp_path / "data", origin=ORIGIN, retention=rules)


@pytest.fixture
def run(settings: Settings) -> Run:
    environment = {
        "LEDGER_DATA": str(settings.data),
        "LEDGER_ORIGIN": ORIGIN,
        "LEDGER_RETENTION": str(settings.retention),
    }

    def invoke(*arguments: str, code: int = 0) -> Result:
        done = CliRunner(env=environment).invoke(main, ("retention", *arguments))
        assert done.exit_code == code, done.output
        return done

    return invoke


def years_later() -> Any:
    return system_clock() + timedelta(days=3_650)


def officer(settings: Settings, folder: Path, name: str) -> list[str]:
    """The options of an officer with a fresh key."""
    runtime = Runtime.open(settings)
    try:
        key, _ = runtime.api_keys.issue(name, Role.DATA_PROTECTION_OFFICER)
    finally:
        runtime.close()
    (folder / name).write_text(key)
    return ["--key-file", str(folder / name)]


def test_two_officers_at_the_command_line(
    run: Run, settings: Settings, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, ben, twin = (officer(settings, tmp_path, name) for name in ("ann", "ben", "ANN"))
    assert "Would expire: 0" in run("run", "--dry-run", *ann).stderr
    monkeypatch.setattr("service.runtime.system_clock", years_later)
    assert json.loads(run("status").stdout)["overdue"] == 2
    planned = run("run", "--dry-run", *ann)
    assert "mortgage-cutoff@1.0.0: 2 due from before" in planned.stderr
    assert "Would expire: 2. Held back: none." in planned.stderr
    plan = planned.stdout.strip()
    assert "another person has to agree" in run("run", plan, *ann, code=1).output
    assert "another person has to agree" in run("run", plan, *twin, code=1).output
    assert "expired, key destroyed: 2 records" in run("run", plan, *ben).stdout
    shown = json.loads(run("show", plan, *ben).stdout)
    assert (shown["stage"], shown["expired"], shown["report"]["due"]) == ("done", 2, 2)
    assert plan in run("list", *ann).stdout
    standing = json.loads(run("status").stdout)
    assert standing["overdue"] == 0
    assert standing["last_run"] is not None
    access = run("run", "--dry-run", "--of", "access", *ann)
    assert "access log: 2 due" in access.stderr
    run("run", access.stdout.strip(), *ben)
    run("run", "--dry-run", plan, *ann, code=2)
    run("run", *ann, code=2)
    runtime = Runtime.open(settings)
    try:
        for each in made[1]:
            with pytest.raises(ErasedError):
                runtime.decisions.read(each)
        noted = [
            field
            for entry in runtime.logs["access"].entries()
            for field in _fields(runtime, entry)
            if field.startswith("retention.run/")
        ]
    finally:
        runtime.close()
    assert f"retention.run/{shown['report_sha256']}" in noted


def _fields(runtime: Runtime, raw: bytes) -> tuple[str, ...]:
    try:
        return runtime.access_log.open(json.loads(raw)["id"]).fields
    except LedgerError:
        return ()


def test_the_arithmetic_is_shown(run: Run, made: Any) -> None:
    assert "12 CFR 1002.12(b)" in run("rules").stdout
    assert "does not count: unverified (memory)" in run("rules").stdout
    assert "5 years after the decision, by test-floor" in run("explain", "credit").stdout
    assert "Test Act s. 1" in run("explain", "mortgage-cutoff@1.0.0").stdout
    assert "until 20" in run("explain", made[1][0]).stdout
    assert "no class debit" in run("explain", "debit", code=1).output
    run("explain", "absent@1", code=1)


def test_what_contradicts_itself_refuses_to_start(
    run: Run, settings: Settings, rules: Path
) -> None:
    written(rules, file_of([rule(period="P9Y")], [retention_class(), LOOKS]))
    told = run("status", code=1).output
    assert "class credit: the floor test-floor: 9 years (Test Act s. 1) is longer" in told
    with pytest.raises(RefusedError, match="Raise that ceiling"):
        Runtime.open(settings)
    Runtime.open(settings, despite_gap=True).close()  # a loss can be recorded all the same
    (rules / "0.json").write_text('{"v": 1, "clases": []}')
    assert "0.json: retention: a member that nobody knows (clases)" in run("status", code=2).output
    shutil.rmtree(rules)
    assert "LEDGER_RETENTION: No such file" in run("status", code=1).output


def test_a_policy_has_to_state_its_class(settings: Settings) -> None:
    runtime = Runtime.open(settings)
    try:
        client = assemble(runtime).test_client()
        key, _ = runtime.api_keys.issue("owner", Role.MODEL_OWNER)
        body = {"manifest": policy_manifest(version="2.0.0", retention_class="debit")}
        refused = client.post("/v1/policies", json=body, headers={"Authorization": f"Bearer {key}"})
    finally:
        runtime.close()
    assert refused.status_code == 403
    problem = refused.get_json()
    assert problem["member"] == "retention_class"
    assert "no class debit" in problem["detail"]


def test_without_classes_nothing_changes(settings: Settings, made: Any) -> None:
    plain = Runtime.open(Settings(data=settings.data, origin=ORIGIN))
    try:
        plain.registry.register_policy(policy_manifest(version="2.0.0", retention_class="any"))
        view = plain.decisions.read(made[1][0])
        assert plain.expiring.standing(view.payload.policy, view.payload.decided_at).until is None
        assert overdue(plain, Scope.DECISIONS).records == 0
    finally:
        plain.close()


def test_a_decision_says_until_when_it_is_kept(settings: Settings, made: Any) -> None:
    runtime = Runtime.open(settings)
    try:
        client = assemble(runtime).test_client()
        key, _ = runtime.api_keys.issue("auditor", Role.AUDITOR)
        found = client.get(
            f"/v1/decisions/{made[1][0]}", headers={"Authorization": f"Bearer {key}"}
        ).get_json()
        page = Shown(runtime, Caller(ANN), receipt="", letter="", issue="")
        (fact,) = page._kept(runtime.decisions.read(made[1][0]))
    finally:
        runtime.close()
    assert fact.label == "Kept until"
    assert fact.text.endswith("class credit")
    assert found["retention"]["class"] == "credit"
    assert found["retention"]["until"] > found["decision"]["context"]["decided_at"]


def test_a_start_goes_on_with_runs_that_were_cut_short(settings: Settings) -> None:
    runtime = Runtime.open(settings, years_later)
    try:
        for scope, erasing in zip((Scope.DECISIONS, Scope.ACCESS), runtime.expiring.erasings,
                                  strict=True):  # fmt: skip
            plan = runtime.expiring.dry_run(ANN, scope)
            store = ErasureStore(runtime.databases[1], access=scope is Scope.ACCESS)
            size = runtime.logs[scope.value].size()
            store.approve(plan.run, BEN.id, BEN.role.value, system_clock(), size)
            assert [each.id for each in erasing.under_way()] == [plan.run]
        thread = go_on(runtime)
        assert thread is not None
        thread.join(30)
        for scope in Scope:
            assert [each.stage for each in runtime.expiring.runs(scope)] == [Stage.DONE]
        assert go_on(runtime) is None
    finally:
        runtime.close()


def test_a_dry_run_that_dies_before_its_plan_leaves_only_a_report(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime.open(settings, years_later)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(ErasureStore, "add", _die)
            with pytest.raises(PushbackError):
                runtime.expiring.dry_run(ANN, Scope.DECISIONS)
        (left,) = settings.retention_dir.iterdir()
        with pytest.raises(LedgerError):
            runtime.expiring.run(BEN, left.stem)
        plan = runtime.expiring.dry_run(ANN, Scope.DECISIONS)
        assert runtime.expiring.run(BEN, plan.run).decisions == 2
    finally:
        runtime.close()


def _die(*_: object) -> None:
    raise PushbackError("the machine died", retry_after=1)
