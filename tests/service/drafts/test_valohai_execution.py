"""Drafts from Valohai: every file that it writes, alone and together, and hostile ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from service.cli import main
from service.drafts.draft import MAX_LISTED, MAX_MEMBERS
from service.drafts.valohai_execution import valohai_draft

ID = "0178f482-8686-fb28-8af1-3d36af38079d"
SHA = "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
# The shapes of docs.valohai.com/executions/system-configuration-files; values are invented.
EXECUTION: dict[str, Any] = {
    "valohai.commit-identifier": "4d34124453b680daa0ecb881bcf1bd735a3bf99d",
    "valohai.creator-id": 3323,
    "valohai.creator-name": "jane.doe",
    "valohai.creator-email": "jane.doe@bank.example",
    "valohai.environment-name": "Azure F2s v2 (No GPU)",
    "valohai.execution-counter": 736,
    "valohai.execution-duration": 660.0186445713043,
    "valohai.execution-id": ID,
    "valohai.execution-image": "python:3.13",
    "valohai.execution-status": "complete",
    "valohai.execution-step": "train",
    "valohai.pipeline-id": "0178f482-0000-7000-8000-000000000000",
}
INPUTS: dict[str, Any] = {
    "applications": {
        "files": [
            {
                "name": "apps.csv",
                "path": "/valohai/inputs/applications/apps.csv",
                "size": 1648877,
                "uri": "s3://user:secret@lender-data/apps.csv?X-Amz-Signature=abc",
                "checksums": {"md5": "9fb629c4189551a2d022fa330f9573f3", "sha256": SHA.upper()},
                "metadata": [{"category": "application form", "years": [1990, 1991]}],
            },
            {"name": "more.csv", "uri": "datum://016b8893-047a-b24a-a200-c1331f825cef",
             "checksums": {"sha256": "8d422c7b..."}},
        ]
    }
}  # fmt: skip
PARAMETERS: dict[str, Any] = {"max_depth": 3, "eta": 0.3, "early": True, "columns": ["a", "b"]}
# The shape of the interface's answer: valohai/valohai-cli, tests/fixtures/data.py.
ANSWER: dict[str, Any] = {
    "counter": 736,
    "id": ID,
    "project": {"id": "x", "name": "mortgage", "owner": 1},
    "commit": {"repository": 666, "identifier": "4d341244", "ref": "master"},
    "creator": {"id": 3323, "username": "jane.doe"},
    "duration": 777,
    "status": "complete",
    "parameters": {"max_depth": 4},
    "inputs": [{"name": "applications", "urls": ["https://bank.example/apps.csv?token=abc"]}],
    "environment": {"name": "Azure", "per_hour_price_usd": "1.20000"},
    "cumulative_metadata": {"auc": 0.861, "note": "ok", "curve": [[1, 2]]},
    "image": "python:3.13",
    "price": 4.27,
}


def test_the_files_of_an_execution() -> None:
    draft = valohai_draft([EXECUTION, INPUTS, PARAMETERS])
    assert draft.manifest == {
        "code": {"commit": "4d34124453b680daa0ecb881bcf1bd735a3bf99d"},
        "parameters": {"columns": "a, b", "early": "true", "eta": "0.3", "max_depth": "3"},
        "training_data": [
            {"input": "applications", "source": "s3://lender-data/apps.csv", "sha256": SHA,
             "types": ["category: application form", "years: 1990, 1991"], "bytes": 1648877},
            {"input": "applications", "source": "datum://016b8893-047a-b24a-a200-c1331f825cef"},
        ],
        "run": {"reference": f"valohai execution {ID}", "duration_seconds": "660.0186445713043",
                "environment": "Azure F2s v2 (No GPU)", "image": "python:3.13",
                "pipeline": "0178f482-0000-7000-8000-000000000000"},
    }  # fmt: skip
    assert [note for note in draft.notes if "jane.doe" in note]
    assert any("Cost and metrics" in note for note in draft.notes)
    said = json.dumps(draft.manifest)
    assert not any(word in said for word in ("jane", "secret", "Signature", "3323"))


def test_the_answer_of_the_interface_has_the_cost() -> None:
    draft = valohai_draft([ANSWER])
    assert draft.manifest["run"] == {
        "reference": f"valohai execution {ID}", "duration_seconds": "777", "environment": "Azure",
        "image": "python:3.13", "cost": {"amount": "4.27", "currency": "USD"},
    }  # fmt: skip
    assert draft.manifest["metrics"] == {"auc": "0.861", "note": "ok"}
    assert draft.manifest["training_data"] == [
        {"input": "applications", "source": "https://bank.example/apps.csv"}
    ]
    assert not any("Cost" in note for note in draft.notes)
    together = valohai_draft([EXECUTION, INPUTS, PARAMETERS, ANSWER]).manifest
    assert together["parameters"] == {"max_depth": "4"}  # what the platform says it ran with
    assert together["training_data"][0]["sha256"] == SHA  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"status": "error"}, "The execution was error"),
        ({"status": None}, "in an unknown state"),
        ({"commit": {"identifier": "~8603a024"}}, "an ad hoc package"),
        ({"creator": None, "creator_name": "ben"}, "created by ben"),
    ],
)
def test_what_a_person_should_know(changes: dict[str, Any], note: str) -> None:
    assert any(note in each for each in valohai_draft([ANSWER | changes]).notes)


def test_a_price_without_a_currency_states_none() -> None:
    run = valohai_draft([ANSWER | {"environment": {"name": "own"}}]).manifest["run"]
    assert run["cost"] == {"amount": "4.27"}  # type: ignore[index, call-overload]
    free = valohai_draft([ANSWER | {"price": None}]).manifest["run"]
    assert "cost" not in free  # type: ignore[operator]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([PARAMETERS], "none of these"),
        ([{}], "none of these"),
        ([EXECUTION, ANSWER | {"id": ID.replace("8", "9")}], "different executions"),
        ([ANSWER | {"id": "../../etc"}], "not the id"),
        ([{"other": {"nested": {}}}], "not a file of"),
        ([ANSWER, {"a": {"files": [{}] * (MAX_LISTED + 1)}}], "more than"),
        ([ANSWER | {"parameters": {str(n): n for n in range(MAX_MEMBERS + 1)}}], "more than"),
        ([ANSWER, {str(n): {"files": [{}] * 99} for n in range(3)}], "more than"),
    ],
)
def test_what_is_no_execution_is_refused(files: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        valohai_draft(files)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(ANSWER)), values, st.sampled_from(sorted(EXECUTION)), values)
def test_any_member_can_be_anything(one: str, value: Any, two: str, other: Any) -> None:
    for files in (
        [ANSWER | {one: value}],
        [EXECUTION | {two: other}, INPUTS],
        [ANSWER, {"a": other}],
    ):
        try:
            draft = valohai_draft(files)
        except MalformedError:
            continue
        assert set(draft.manifest) <= {"code", "parameters", "metrics", "training_data", "run"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["model", "import-valohai", *arguments])


def test_at_a_terminal(tmp_path: Path) -> None:
    for name, value in (("execution", EXECUTION), ("inputs", INPUTS), ("answer", ANSWER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    (tmp_path / "model.ubj").write_bytes(b"model")
    out = tmp_path / "draft.json"
    paths = [str(tmp_path / f"{name}.json") for name in ("execution", "inputs", "answer")]
    result = run(*paths, "--name", "m", "--version", "1", "--artefact",
                 f"model={tmp_path}/model.ubj", "-o", str(out))  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "")
    draft = json.loads(out.read_text())
    assert list(draft)[:3] == ["name", "version", "artefacts"]
    assert draft["artefacts"]["model"]["format"] == "xgboost-ubj"
    assert draft["artefacts"]["model"]["bytes"] == 5
    needed, people, *_ = result.stderr.splitlines()
    assert needed.startswith("Missing to register and explain it: kind, artefacts.background, ")
    assert "training_data[].sha256 (1 of 2)" in people
    assert "run.cost" not in people
    again = run(*paths, "-o", str(out))
    assert (again.exit_code, "draft.json" in again.stderr) == (2, True)
    printed = run(paths[2])
    assert json.loads(printed.stdout)["run"]["cost"]["amount"] == "4.27"


@pytest.mark.parametrize("content", [b"[]", b"no JSON", b'{"a": 1, "a": 2}', b"\xff"])
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.json").write_bytes(content)
    result = run(str(tmp_path / "f.json"))
    assert (result.exit_code, result.stdout) == (2, "")
    wrong = run(str(tmp_path / "f.json"), "--artefact", "model")
    assert wrong.exit_code == 2
