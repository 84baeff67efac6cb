"""The lineage of a model version over HTTP: a graph that hangs together and shows no row."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from ledger.operate.registry import ModelVersion
from ledger.roles import Role
from reports.formatting import Formatting
from service.lineage import MAX_NODES_OF_A_KIND, Lineage, NodeKind, lineage
from service.lineage_words import lineage_stages
from tests.service.api.conftest import Door
from tests.service.ui.lender import Lender

MODEL = "mortgage-approval@1.0.0"
STATED: dict[str, Any] = {
    "training_data": [
        {"sha256": "ab" * 32, "source": "applications", "period": "1990", "rows": 1488,
         "types": ["form", "bureau"], "rows_themselves": [{"name": "Jane Doe"}]},
        {"sha256": "ab" * 32, "source": "the same again"},
        {"source": "a set without a digest"},
        "not an object",
    ],
    "code": {"repository": "https://git.example/models", "commit": "3b1f0c9d"},
    "run": {"reference": "run 42", "duration_seconds": "660.02",
            "cost": {"amount": "4.27", "currency": "EUR"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A lender of these tests alone: they say what there is in it."""
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(3)
    yield Door(made, made.app().test_client())
    made.runtime.close()


def of(door: Door, **members: Any) -> Lineage:
    """The lineage of the model as if its manifest said this too."""
    version = door.lender.runtime.registry.model(MODEL)
    return lineage(
        door.lender.runtime,
        ModelVersion(
            version.digest, version.name, version.version,
            {**version.manifest, **members}, version.status,
        ),
    )  # fmt: skip


def told(graph: Lineage) -> str:
    return "\n".join(
        f"{stage.title}: {item.name}, {', '.join(item.facts)}"
        for stage in lineage_stages(graph, Formatting("en-GB"))
        for item in stage.items
    )


def test_the_graph_over_http(door: Door) -> None:
    response = door.ask(Role.AUDITOR, "GET", f"/v1/models/{MODEL}/lineage")
    assert response.status_code == 200
    graph = response.get_json()
    nodes = {each["id"]: each for each in graph["nodes"]}
    assert len(nodes) == len(graph["nodes"])
    for edge in graph["edges"]:
        assert {edge["source"], edge["target"]} <= nodes.keys()
    (decided,) = [each for each in nodes.values() if each["kind"] == "decisions"]
    rows = door.lender.runtime.decisions
    assert decided["details"]["count"] == len(door.lender.ids)
    first = rows.read(door.lender.ids[0]).payload.decided_at
    assert decided["details"]["first"].startswith(f"{first:%Y-%m-%dT%H:%M}")
    assert graph["not_stated"] == ["training_data", "code", "run"]
    assert door.ask(Role.SOURCE, "GET", f"/v1/models/{MODEL}/lineage").status_code == 403
    assert door.ask(Role.AUDITOR, "GET", "/v1/models/nobody@1/lineage").status_code == 404


def test_the_way_leads_over_the_run(door: Door) -> None:
    graph = of(door, **STATED)
    assert graph.not_stated == ()
    assert [each.name for each in graph.of(NodeKind.TRAINING_DATA)] == [
        *("applications", "a set without a digest"),
    ]
    (run,) = graph.of(NodeKind.RUN)
    (model,) = graph.of(NodeKind.MODEL)
    (policy,) = graph.of(NodeKind.POLICY)
    hows = {(each.source, each.how): each.target for each in graph.edges}
    data = f"training_data:{'ab' * 32}"
    assert hows[data, "used_by"] == hows["code:3b1f0c9d", "used_by"] == run.id
    assert hows[run.id, "made"] == "artefact:model"
    assert hows["artefact:background", "part_of"] == model.id
    assert hows[model.id, "decided_under"] == policy.id
    assert hows[policy.id, "applied_in"].startswith("decisions:")
    assert "Jane Doe" not in str(asdict(graph))


def test_without_a_run_data_leads_to_the_model(door: Door) -> None:
    graph = of(door, training_data=STATED["training_data"])
    (model,) = graph.of(NodeKind.MODEL)
    assert {each.target for each in graph.edges if each.how == "used_by"} == {model.id}


def test_in_words(door: Door) -> None:
    said = told(of(door, **STATED))
    for line in (
        "Data and code: applications, 1990, 1,488 rows",
        "Training run: run 42, 660.02 seconds, cost €4.27",
        "Files: model, xgboost-json",
        f"Model version: {MODEL}, registered",
        "Policy: mortgage-cutoff@1.0.0",
        "3 decisions on record, 4 Mar 2026 to 8 Mar 2026",
    ):
        assert line in said
    bare = told(of(door))
    for line in ("Training data not stated", "Code not stated", "Training run not stated"):
        assert line in bare


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({"run": {"cost": {"amount": "free"}, "duration_seconds": "NaN"}}, "cost not stated"),
        ({"run": {"cost": 4}}, "a run without a reference, cost not stated"),
        ({"run": {"reference": "r", "cost": {"amount": 2, "currency": 7}}}, "cost US$2.00"),
        ({"run": {"reference": "r", "cost": {"amount": "1e99"}}}, "cost not stated"),
        ({"run": []}, "Training run not stated"),
        ({"code": "https://git.example"}, "Code not stated"),
        ({"code": {"commit": "3b1f"}}, "Data and code: Code"),
        ({"training_data": {}}, "Training data not stated"),
        ({"training_data": [{"source": "x" * 5_000, "rows": "many"}]}, "x" * 299 + "…"),
        ({"training_data": [{}]}, "a data set"),
        (
            {"training_data": [{"source": str(at)} for at in range(MAX_NODES_OF_A_KIND + 3)]},
            "and 3 more data sets",
        ),
    ],
)
def test_a_manifest_that_says_little_or_nonsense(
    door: Door, members: dict[str, Any], line: str
) -> None:
    assert line in told(of(door, **members))


def test_a_version_that_decided_nothing(door: Door) -> None:
    graph = of(door)
    nothing = replace(
        graph, nodes=tuple(n for n in graph.nodes if n.kind is not NodeKind.DECISIONS)
    )
    assert "No decision on record" in told(nothing)
