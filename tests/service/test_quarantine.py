"""A version that no longer answers as it was registered is set apart, on record, until it does."""

import copy
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from explain.errors import ModelCrashed, NotReproduced
from ledger.errors import PushbackError, VerificationError
from ledger.operate.decisions import Decision
from ledger.operate.incidents import Incidents
from ledger.operate.registry import ModelVersion
from ledger.roles import Role
from service import explaining, opened_models, sandbox
from service.attributing import Attributing
from service.cli import main
from service.gauges import Ledger
from service.quarantine import QUARANTINE_FILE
from service.registering import register_model
from tests.service.ui.lender import Lender

Files = dict[str, bytes]

# Our process, with a library that scores otherwise than the one the model was registered with.
OTHERWISE = """
import sys
from explain import boosters
from service import model_process
margin = boosters.XGBoostPredictor.margin
boosters.XGBoostPredictor.margin = lambda self, rows: margin(self, rows) + 1
sys.exit(model_process.main())
"""


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    made = Lender(tmp_path / "data")
    made.record(1)
    yield made
    made.runtime.close()


@pytest.fixture
def client(lender: Lender) -> FlaskClient:
    return lender.app().test_client()


@pytest.fixture
def off(lender: Lender) -> ModelVersion:
    """A version that no library reads, whose golden row says something that it does not."""
    (model,) = lender.runtime.registry.models()
    terms = [{"feature": "loan_to_value", "weight": -1}]
    document = {"v": 1, "kind": "linear", "space": "log-odds", "intercept": 50, "terms": terms}
    data = json.dumps(document).encode()
    manifest: Any = copy.deepcopy(dict(model.manifest)) | {"version": "9.9.9"}
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "format": "linear-json"}
    manifest["artefacts"] = {"model": entry}
    manifest["explainer"] |= {"engine": "none"}
    row = {"loan_to_value": 80, "late": 1, "bankrupt": False}
    manifest["golden_rows"] = [{"input": row, "margin": 9_000_000}]
    return register_model(lender.runtime.registry, manifest, {"model": data})


def invoke(lender: Lender, status: int, *words: str) -> str:
    environment = {"LEDGER_DATA": str(lender.settings.data), "LEDGER_ORIGIN": "ledger.example/demo"}
    done = CliRunner().invoke(main, words, env=environment)
    assert done.exit_code == status, done.output
    return done.output


def codes(lender: Lender) -> list[str]:
    entries = lender.runtime.incidents["decisions"].all()
    return [str(getattr(entry.body, "code", "")) for entry in entries]


def test_it_is_set_apart_once_on_record_and_refused_from_then_on(
    lender: Lender, off: ModelVersion, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotReproduced, match="golden row 0"):
        lender.runtime.explaining.opened(off)
    monkeypatch.setattr(explaining, "opened_models", lambda: pytest.fail("it was opened again"))
    with pytest.raises(NotReproduced, match=r"set apart since 2026-03-.*golden row 0"):
        lender.runtime.explaining.opened(off)
    monkeypatch.undo()
    assert codes(lender) == ["model_not_reproduced"]
    entry = lender.runtime.incidents["decisions"].all()[0]
    detail = lender.runtime.incidents["decisions"].open(entry.id).members
    assert detail["model"] == off.digest
    assert "golden row 0" in str(detail["why"])
    # Everybody is told, and the other versions go on.
    key = {"Authorization": f"Bearer {lender.keys[Role.AUDITOR]}"}
    answered: Any = client.get("/v1/models", headers=key).json
    told = {each["version"]: each.get("quarantine") for each in answered["versions"]}
    assert "golden row 0" in told.pop("9.9.9")["why"]
    assert set(told.values()) == {None}
    samples = list(Ledger("", lambda: lender.runtime).samples())
    assert ("ledger_models_set_apart", (), 1) in samples
    assert "set apart" in invoke(lender, 0, "model", "list")


def test_what_cannot_be_put_on_record_now_is_at_the_next_refusal(
    lender: Lender, off: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise PushbackError("busy", retry_after=1.0)

    monkeypatch.setattr(Incidents, "record", busy)
    with pytest.raises(NotReproduced, match="golden row 0"):
        lender.runtime.explaining.opened(off)
    with pytest.raises(NotReproduced, match="set apart"):
        lender.runtime.explaining.opened(off)
    monkeypatch.undo()
    assert codes(lender) == []
    with pytest.raises(NotReproduced, match="set apart"):
        lender.runtime.explaining.opened(off)
    assert codes(lender) == ["model_not_reproduced"]


def test_it_is_used_again_once_it_answers_as_before(
    lender: Lender, off: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "golden row 0" in invoke(lender, 1, "model", "check", off.reference)
    assert "set apart" not in invoke(lender, 0, "model", "check", _other(lender, off))
    # The library that was at fault is put right: its answer here is that of the other version.
    (good,) = [each for each in lender.runtime.registry.models() if each.digest != off.digest]
    right = lender.runtime.explaining.opened(good)
    monkeypatch.setattr(opened_models.OpenedModels, "model", lambda *_: right)
    assert "is used again" in invoke(lender, 0, "model", "check", off.reference)
    assert lender.runtime.explaining.opened(off).background is right.background
    assert codes(lender) == ["model_not_reproduced", "model_reproduced_again"]
    assert lender.runtime.quarantine.all() == {}
    assert "is used again" not in invoke(lender, 0, "model", "check", off.reference)


class Started:
    """The processes of models that are started meanwhile, and with which command from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command: tuple[str, ...] = sandbox.COMMAND
        self.processes: list[sandbox._Process] = []
        self._start = sandbox._Process
        monkeypatch.setattr(sandbox, "_Process", self)

    def __call__(self, _command: object) -> sandbox._Process:
        self.processes.append(self._start(self.command))
        return self.processes[-1]

    def go_on_with_another_library(self) -> None:
        self.command = (sys.executable, "-c", OTHERWISE)
        self.processes[-1]._child.kill()


@pytest.fixture
def started(lender: Lender, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    (model,) = lender.runtime.registry.models()
    opened_models.opened_models().forget(model.digest)
    yield Started(monkeypatch)
    opened_models.opened_models().forget(model.digest)


def test_a_library_that_scores_otherwise_sets_it_apart_when_it_is_opened(
    lender: Lender, started: Started
) -> None:
    (model,) = lender.runtime.registry.models()
    started.command = (sys.executable, "-c", OTHERWISE)
    with pytest.raises(NotReproduced, match="reference group otherwise"):
        lender.runtime.explaining.opened(model)
    assert list(lender.runtime.quarantine.all()) == [model.digest]
    assert codes(lender) == ["model_not_reproduced"]


def test_a_library_that_scores_otherwise_sets_it_apart_in_the_middle_of_a_question(
    lender: Lender, started: Started
) -> None:
    (version,) = lender.runtime.registry.models()
    model = lender.runtime.explaining.opened(version)
    started.go_on_with_another_library()
    for ask in (model.predictor.margin, model.attributor.attribute):
        with pytest.raises(NotReproduced, match="reference group otherwise"):
            ask(model.background[:1])
    assert len(started.processes) == 2  # what is set apart is not started for each question
    assert list(lender.runtime.quarantine.all()) == [version.digest]
    assert codes(lender) == ["model_not_reproduced"]
    replayed = lender.runtime.explaining.replay(lender.ids[0])
    assert (replayed.verdict, "set apart" in replayed.why) == ("impossible", True)
    assert len(started.processes) == 2


def test_that_it_is_set_apart_under_the_attributor_is_no_crash(
    lender: Lender, started: Started
) -> None:
    document = lender.runtime.decisions.read(lender.ids[0]).payload.to_json()
    document |= {"id": lender.runtime.decisions.new_id(), "source": {"id": "x", "seq": 1}}
    del document["attributions"]
    lender.runtime.decisions.record([Decision.from_json(document)])
    (version,) = lender.runtime.registry.models()
    lender.runtime.explaining.opened(version)
    started.go_on_with_another_library()
    task = Attributing.of(lender.runtime)
    assert task.work() == 0
    trouble = task.state.read()[version.digest]
    assert (trouble.crashes, "reference group otherwise" in trouble.why) == (0, True)
    assert list(lender.runtime.quarantine.all()) == [version.digest]


def _other(lender: Lender, off: ModelVersion) -> str:
    return next(m.reference for m in lender.runtime.registry.models() if m.digest != off.digest)


def test_a_crash_sets_nothing_apart(
    lender: Lender, off: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ModelCrashed("died of SIGSEGV")

    monkeypatch.setattr(opened_models.OpenedModels, "model", crash)
    with pytest.raises(ModelCrashed):
        lender.runtime.explaining.opened(off)
    assert "died of SIGSEGV" in invoke(lender, 1, "model", "check", off.reference)
    assert lender.runtime.quarantine.all() == {}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": {}}', '{"a": {"why": 1, "since": ""}}'])
def test_a_file_that_is_not_ours_lets_nothing_through(
    lender: Lender, off: ModelVersion, content: str
) -> None:
    (lender.settings.data / QUARANTINE_FILE).write_text(content)
    with pytest.raises(VerificationError, match=r"quarantine\.json"):
        lender.runtime.explaining.opened(off)
