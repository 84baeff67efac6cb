"""Where a model version comes from and what it decided, as a graph.

From the registered manifest, the log and counts of decisions. Training data is named by its digest
and source, never shown: its rows are somebody's data. Nothing here opens a record.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from ledger.canonical import JsonValue
from ledger.errors import NotFoundError
from ledger.operate.decision_search import DecisionQuery, Tally, tallies
from ledger.operate.registry import ModelVersion
from service.manifest_texts import stated
from service.runtime import Runtime

__all__ = ["Edge", "Lineage", "Node", "NodeKind", "lineage"]

MAX_NODES_OF_A_KIND: Final = 200  # data sets of one version; what is more is counted
MAX_CHARACTERS: Final = 300  # of a text of the manifest that a graph shows


class NodeKind(StrEnum):
    """What a node of the graph is."""

    ARTEFACT = "artefact"
    CODE = "code"
    DECISIONS = "decisions"
    MODEL = "model"
    POLICY = "policy"
    RUN = "run"
    TRAINING_DATA = "training_data"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing on the way; `id` is its kind and its digest, or what else names it."""

    id: str
    kind: NodeKind
    name: str
    details: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Edge:
    """One step of the way: `how` is what `source` was to `target`."""

    source: str
    target: str
    how: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """The graph. `not_stated` names kinds that the manifest says nothing of."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    not_stated: tuple[NodeKind, ...]
    left_out: int

    def of(self, kind: NodeKind) -> tuple[Node, ...]:
        """The nodes of one kind, in the order of the manifest."""
        return tuple(each for each in self.nodes if each.kind is kind)


def lineage(runtime: Runtime, version: ModelVersion) -> Lineage:
    """The graph of a model version as things stand now.

    Raises:
        VerificationError: what is stored is not what was logged.
        PushbackError: a database does not answer.
    """
    data, left_out = _training_data(version.manifest)
    made = tuple(_artefacts(version.manifest))
    code, run = _code(version.manifest), _run(version.manifest)
    model = _model(runtime, version)
    runtime.decisions.find(DecisionQuery(model=version.digest, limit=1))  # the newest count too
    counted = tallies(runtime.databases[1], version.digest)
    policies = tuple(_policy(runtime, each) for each in counted)
    decided = tuple(_decisions(version, each) for each in counted)
    begin = run or model  # where the run is not stated, data leads to the model itself
    edges = [Edge(each.id, begin.id, "used_by") for each in (*data, *code)]
    edges += [Edge(run.id, each.id, "made") for each in made] if run else []
    edges += [Edge(each.id, model.id, "part_of") for each in made]
    edges += [Edge(model.id, each.id, "decided_under") for each in policies]
    pairs = zip(policies, decided, strict=True)
    edges += [Edge(policy.id, each.id, "applied_in") for policy, each in pairs]
    nodes = (*data, *code, *((run,) if run else ()), *made, model, *policies, *decided)
    found = {each.kind for each in nodes}
    stated = (NodeKind.TRAINING_DATA, NodeKind.CODE, NodeKind.RUN)
    missing = tuple(kind for kind in stated if kind not in found)
    return Lineage(nodes, tuple(edges), missing, left_out)


def _training_data(manifest: Mapping[str, Any]) -> tuple[tuple[Node, ...], int]:
    listed = manifest.get("training_data")
    sets = [each for each in _listed(listed) if isinstance(each, Mapping)]
    nodes: dict[str, Node] = {}
    for at, each in enumerate(sets[:MAX_NODES_OF_A_KIND]):
        name = _text(each, "source") or "a data set"
        node_id = f"{NodeKind.TRAINING_DATA}:{_text(each, 'sha256') or at}"
        details = _details(each, "sha256", "source", "period", "rows", "types")
        nodes.setdefault(node_id, Node(node_id, NodeKind.TRAINING_DATA, name, details))
    return tuple(nodes.values()), max(0, len(sets) - MAX_NODES_OF_A_KIND)


def _artefacts(manifest: Mapping[str, Any]) -> Iterator[Node]:
    files: Mapping[str, Any] = manifest["artefacts"]  # a version without is not registered
    for name, file in sorted(files.items()):
        details = _details(file, "sha256", "format", "bytes")
        yield Node(f"{NodeKind.ARTEFACT}:{name}", NodeKind.ARTEFACT, _short(name), details)


def _code(manifest: Mapping[str, Any]) -> tuple[Node, ...]:
    code = manifest.get("code")
    details = _details(code, "repository", "commit") if isinstance(code, Mapping) else {}
    if not details:
        return ()
    name = str(details.get("repository") or "Code")
    node_id = f"{NodeKind.CODE}:{details.get('commit', '')}"
    return (Node(node_id, NodeKind.CODE, name, details),)


def _run(manifest: Mapping[str, Any]) -> Node | None:
    run = manifest.get("run")
    if not isinstance(run, Mapping) or not run:
        return None
    details = _details(run, "reference", "duration_seconds")
    cost = run.get("cost")
    if isinstance(cost, Mapping):
        details["cost"] = _details(cost, "amount", "currency")
    name = str(details.get("reference") or "a run without a reference")
    return Node(f"{NodeKind.RUN}:{name}", NodeKind.RUN, name, details)


def _model(runtime: Runtime, version: ModelVersion) -> Node:
    registered = runtime.approvals.history(version.digest)[0]
    details: dict[str, JsonValue] = {
        "sha256": version.digest,
        "status": version.status,
        "registered_at": _moment(registered.at),
        "seq": registered.seq,
    }
    node_id = f"{NodeKind.MODEL}:{version.digest}"
    return Node(node_id, NodeKind.MODEL, version.reference, details)


def _policy(runtime: Runtime, tally: Tally) -> Node:
    try:
        name = runtime.registry.policy(tally.policy).reference
    except NotFoundError:  # the index is only a way to find records
        name = "a policy that is not registered"
    node_id = f"{NodeKind.POLICY}:{tally.policy}"
    return Node(node_id, NodeKind.POLICY, name, {"sha256": tally.policy})


def _decisions(version: ModelVersion, tally: Tally) -> Node:
    details: dict[str, JsonValue] = {
        "count": tally.count,
        "first": _moment(tally.first),
        "last": _moment(tally.last),
    }
    node_id = f"{NodeKind.DECISIONS}:{version.digest}/{tally.policy}"
    return Node(node_id, NodeKind.DECISIONS, "decisions on record", details)


def _details(value: Mapping[str, Any], *names: str) -> dict[str, JsonValue]:
    """The members of these names that are texts, numbers or lists of texts."""
    found: dict[str, JsonValue] = {}
    for name in names:
        member = value.get(name)
        if isinstance(member, str) and member:
            found[name] = _short(member)
        elif type(member) in {int, float}:
            found[name] = member
        elif texts := [_short(each) for each in _listed(member) if isinstance(each, str)]:
            found[name] = list(texts[:MAX_NODES_OF_A_KIND])
    return found


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: Mapping[str, Any], name: str) -> str:
    return _short(stated(value, name))


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
