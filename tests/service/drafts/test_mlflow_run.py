"""Drafts from MLflow: a run as it writes it, in both of its shapes, and from a real database."""

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, RefusedError
from service.cli import main
from service.drafts.draft import gaps
from service.drafts.mlflow_run import fetched_run, mlflow_draft
from tests.service.drafts.test_valohai_execution import values

RUN_ID = "192d983f6c684a74bad67301a0a96cb8"
SIGNATURE = json.dumps(
    [
        {"type": "double", "name": "loan_to_value", "required": True},
        {"type": "long", "name": "late"},
        {"type": "boolean", "name": "bankrupt"},
        {"type": "datetime", "name": "opened"},
    ]
)
HISTORY = json.dumps(
    [{"run_id": RUN_ID, "artifact_path": "model", "signature": {"inputs": SIGNATURE}}]
)
DATASET = {
    "name": "applications",
    "digest": "8f2c1a9b",
    "source_type": "http",
    "source": json.dumps({"url": "https://user:secret@bank.example/apps.csv?token=abc"}),
    "schema": json.dumps({"mlflow_colspec": [{"type": "double", "name": "loan_to_value"}]}),
    "profile": json.dumps({"num_rows": 1488, "num_elements": 4464}),
}
TAGS = {
    "mlflow.user": "jane.doe",
    "mlflow.source.git.commit": "3b1f0c9d",
    "mlflow.source.git.repoURL": "https://token@git.example/models.git",
    "mlflow.log-model.history": HISTORY,
    "team": "risk",
}
RUN: dict[str, Any] = {
    "info": {"run_id": RUN_ID, "status": "FINISHED", "user_id": "jane.doe",
             "start_time": 1795650257127, "end_time": 1795650917147},
    "data": {"metrics": {"auc": 0.861}, "params": {"max_depth": "3"}, "tags": TAGS},
    "inputs": {"dataset_inputs": [
        {"dataset": DATASET, "tags": {"mlflow.data.context": "training"}},
        {"dataset": DATASET | {"name": "held out"}, "tags": {"mlflow.data.context": "test"}},
    ]},
}  # fmt: skip


def listed(pairs: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value} for name, value in pairs.items()]


def test_a_run_as_mlflow_describes_it() -> None:
    draft = mlflow_draft(RUN)
    assert draft.manifest == {
        "code": {"repository": "https://git.example/models.git", "commit": "3b1f0c9d"},
        "parameters": {"max_depth": "3"},
        "metrics": {"auc": "0.861"},
        "training_data": [
            {"source": "applications, https://bank.example/apps.csv",
             "types": ["loan_to_value: double"], "mlflow_digest": "8f2c1a9b", "rows": 1488},
        ],
        "features": [
            {"name": "loan_to_value", "type": "number"}, {"name": "late", "type": "integer"},
            {"name": "bankrupt", "type": "boolean"}, {"name": "opened"},
        ],
        "run": {"reference": f"mlflow run {RUN_ID}", "duration_seconds": "660.02",
                "tags": {"team": "risk"}, "model_paths": ["model"]},
    }  # fmt: skip
    assert "jane" not in json.dumps(draft.manifest)
    assert "It was run by jane.doe." in " ".join(draft.notes)
    missing = [each.member for each in gaps(draft.manifest)]
    assert "features[].type (1 of 4)" in missing
    assert "training_data[].sha256 (1 of 1)" in missing


def test_the_answer_of_the_interface_says_the_same() -> None:
    data = {name: listed(pairs) for name, pairs in RUN["data"].items()}
    inputs = [
        {"dataset": each["dataset"], "tags": listed(each["tags"])}
        for each in RUN["inputs"]["dataset_inputs"]
    ]
    answer = {"run": {"info": RUN["info"], "data": data, "inputs": {"dataset_inputs": inputs}}}
    assert mlflow_draft(answer) == mlflow_draft(RUN)


def test_a_run_that_is_not_over() -> None:
    info = {"run_uuid": RUN_ID, "status": "RUNNING", "start_time": 1795650257127}
    draft = mlflow_draft({"info": info})
    assert draft.manifest == {"run": {"reference": f"mlflow run {RUN_ID}"}}
    assert "The run was RUNNING" in draft.notes[0]


@pytest.mark.parametrize("value", [{}, {"info": {}}, {"run": {"info": {"run_id": 7}}}])
def test_what_is_no_run_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        mlflow_draft(value)


@given(st.sampled_from(["info", "data", "inputs"]), values, st.sampled_from(sorted(TAGS)), values)
def test_any_member_can_be_anything(member: str, value: Any, tag: str, other: Any) -> None:
    tagged = {**RUN["data"], "tags": TAGS | {tag: other}}
    for run in ({**RUN, member: value}, {**RUN, "data": tagged}, {**RUN, "logged_models": value}):
        try:
            mlflow_draft(run)
        except MalformedError:
            continue


def test_at_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(RUN))
    result = CliRunner().invoke(main, ["model", "import-mlflow", str(path), "--name", "m"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["name"] == "m"
    for wrong in ([], [str(path), "--run", "a", "--tracking-uri", "b"], ["--run", "a"]):
        assert CliRunner().invoke(main, ["model", "import-mlflow", *wrong]).exit_code == 2


def test_without_mlflow_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    imports = builtins.__import__

    def away(name: str, *rest: Any) -> Any:
        if name.startswith("mlflow"):
            raise ImportError(name)
        return imports(name, *rest)

    monkeypatch.setattr(builtins, "__import__", away)
    with pytest.raises(RefusedError, match="install mlflow-skinny"):
        fetched_run("sqlite:///nothing.db", RUN_ID)


# In a process of its own: MLflow keeps its database open until the end, and warns of its own ways.
MADE_AND_FETCHED = """
import json, pathlib, sys

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.environment_variables import MLFLOW_ALLOW_FILE_STORE
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import ColSpec, DataType, Schema

from ledger.errors import RefusedError
from service.drafts.mlflow_run import fetched_run, mlflow_draft

folder = sys.argv[1]
uri = f"sqlite:///{folder}/mlflow.db"
client = MlflowClient(uri)
experiment = client.create_experiment("credit", artifact_location=f"file://{folder}/files")
run = client.create_run(experiment).info.run_id
client.log_param(run, "max_depth", 3)
made = client.create_logged_model(experiment, name="m", source_run_id=run)
client.log_outputs(run, [LoggedModelOutput(made.model_id, step=0)])
place = pathlib.Path(made.artifact_location.removeprefix("file://"))
place.mkdir(parents=True)
columns = Schema([ColSpec(DataType.double, "loan_to_value")])
Model(signature=ModelSignature(inputs=columns)).save(str(place / "MLmodel"))
client.set_terminated(run)
whole = mlflow_draft(fetched_run(uri, run))
(place / "MLmodel").unlink()
unread = mlflow_draft(fetched_run(uri, run))
try:
    fetched_run(uri, "0" * 32)
except RefusedError as error:
    refused = str(error)
MLFLOW_ALLOW_FILE_STORE.set(True)
store = f"file://{folder}/mlruns"
client = MlflowClient(store)
run = client.create_run(client.create_experiment("older")).info.run_id
client.log_metric(run, "auc", 0.861)
MLFLOW_ALLOW_FILE_STORE.set(False)
older = mlflow_draft(fetched_run(store, run))
print(json.dumps([dict(whole.manifest), unread.notes, refused, dict(older.manifest)]))
"""


@pytest.mark.slow
def test_from_a_database_of_mlflow(tmp_path: Path) -> None:
    """A run with a logged model is fetched, its signature too; a wrong id tells no address."""
    said = subprocess.run(
        [sys.executable, "-c", MADE_AND_FETCHED, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    manifest, notes, refused, older = json.loads(said.stdout.splitlines()[-1])
    assert older["metrics"] == {"auc": "0.861"}
    assert manifest["features"] == [{"name": "loan_to_value", "type": "number"}]
    assert manifest["parameters"] == {"max_depth": "3"}
    assert any("could not be read" in note for note in notes)
    assert refused == "could not read: MLflow does not give this run"
