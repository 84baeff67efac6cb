"""The lineage of a model version in words: a stage for each step, for a picture and a table."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ledger.operate.registry import ModelVersion
from reports.documents import LineageItem, LineageStage
from reports.formatting import Formatting
from service.lineage import Lineage, Node, NodeKind, lineage
from service.runtime import Runtime

__all__ = ["lineage_in_words", "lineage_stages"]

_LARGEST: Final = 10**12  # a cost or duration beyond it is a mistake

_Facts = Callable[[Mapping[str, Any], Formatting], Iterator[str]]


def lineage_in_words(
    runtime: Runtime, version: ModelVersion, language: str
) -> tuple[LineageStage, ...]:
    """The lineage of a version as things stand now; raises as `service.lineage.lineage`."""
    return lineage_stages(lineage(runtime, version), Formatting(language))


def lineage_stages(graph: Lineage, write: Formatting) -> tuple[LineageStage, ...]:
    """The graph in words; numbers and days as `write` has them."""
    data = _stated(graph, NodeKind.TRAINING_DATA, "Training data not stated", write)
    if graph.left_out:
        data = (*data, LineageItem(f"and {write.count(graph.left_out)} more data sets"))
    code = _stated(graph, NodeKind.CODE, "Code not stated", write)
    decided = _items(graph, NodeKind.DECISIONS, write)
    none = LineageItem("No decision on record", stated=False)
    shown = [
        LineageStage("Data and code", (*data, *code)),
        LineageStage(
            "Training run", _stated(graph, NodeKind.RUN, "Training run not stated", write)
        ),
        LineageStage("Files", _stated(graph, NodeKind.ARTEFACT, "No file", write)),
        LineageStage("Model version", _items(graph, NodeKind.MODEL, write)),
    ]
    if decided:
        shown.append(LineageStage("Policy", _items(graph, NodeKind.POLICY, write)))
    shown.append(LineageStage("Decisions", decided or (none,), each=bool(decided)))
    return tuple(shown)


def _stated(
    graph: Lineage, kind: NodeKind, otherwise: str, write: Formatting
) -> tuple[LineageItem, ...]:
    return _items(graph, kind, write) or (LineageItem(otherwise, stated=False),)


def _items(graph: Lineage, kind: NodeKind, write: Formatting) -> tuple[LineageItem, ...]:
    return tuple(_item(each, write) for each in graph.of(kind))


def _item(node: Node, write: Formatting) -> LineageItem:
    digest = node.details.get("sha256") or node.details.get("commit")
    facts = tuple(text for text in _FACTS[node.kind](node.details, write) if text)
    name = node.name
    if node.kind is NodeKind.DECISIONS:
        name = f"{write.count(node.details['count'])} {node.name}"  # type: ignore[arg-type]
    return LineageItem(name, facts, digest if isinstance(digest, str) else "")


def _facts_of_data(details: Mapping[str, Any], write: Formatting) -> Iterator[str]:
    yield str(details.get("period", ""))
    rows = details.get("rows")
    yield f"{write.count(rows)} rows" if type(rows) is int else ""


def _facts_of_run(details: Mapping[str, Any], write: Formatting) -> Iterator[str]:
    seconds = _decimal(details.get("duration_seconds"))
    yield f"{write.exact(seconds)} seconds" if seconds is not None else ""
    cost: Mapping[str, Any] = details.get("cost", {})
    amount = _decimal(cost.get("amount"))
    currency = cost.get("currency")
    if amount is None:
        yield "cost not stated"
    else:
        yield f"cost {write.money(amount, currency if isinstance(currency, str) else 'USD')}"


def _facts_of_artefact(details: Mapping[str, Any], write: Formatting) -> Iterator[str]:
    yield str(details.get("format", ""))
    size = details.get("bytes")
    yield f"{write.count(size)} bytes" if type(size) is int else ""


def _facts_of_model(details: Mapping[str, Any], write: Formatting) -> Iterator[str]:
    yield str(details["status"])
    at = datetime.fromisoformat(details["registered_at"])
    yield f"registered {write.short_day(at)}, entry {write.count(details['seq'])}"


def _facts_of_decisions(details: Mapping[str, Any], write: Formatting) -> Iterator[str]:
    first, last = (datetime.fromisoformat(details[each]) for each in ("first", "last"))
    yield f"{write.short_day(first)} to {write.short_day(last)}"


def _no_facts(_details: Mapping[str, Any], _write: Formatting) -> Iterator[str]:
    yield ""


_FACTS: Final[Mapping[NodeKind, _Facts]] = {
    NodeKind.ARTEFACT: _facts_of_artefact,
    NodeKind.CODE: _no_facts,
    NodeKind.DECISIONS: _facts_of_decisions,
    NodeKind.MODEL: _facts_of_model,
    NodeKind.POLICY: _no_facts,
    NodeKind.RUN: _facts_of_run,
    NodeKind.TRAINING_DATA: _facts_of_data,
}


def _decimal(value: object) -> Decimal | None:
    """The number that a manifest states as a number or a text; None if it is none."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < _LARGEST else None
