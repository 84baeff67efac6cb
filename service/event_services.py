"""Which model servers send events, and how their payloads become decisions: the operator's file.

`LEDGER_EVENTS` names it. Pure but for reading it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from ledger import canonical
from ledger.canonical import MAX_INTEGER
from ledger.errors import MalformedError
from ledger.operate.decision import ROLES
from ledger.operate.decision_check import RULE
from service.settings import SettingsError

__all__ = ["EventService", "instances", "margins", "read_services"]

MAX_FILE_BYTES: Final = 1_000_000
MAX_INSTANCES: Final = 1_000  # of one request, as of one batch
MAX_DEPTH: Final = 8  # of lists in a tensor's data; tables need two
MAX_LOG_ODDS: Final = 1e6  # a margin beyond it is a mistake
SCALE: Final = 6
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_NAME: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(/[A-Za-z0-9.-]{1,253}){1,2}")
_TEXTS: Final = {"model", "policy", "source", "prediction", "output", "subject", "component"}
_OWN: Final = frozenset({"decided_at", RULE})  # of the context: the ledger writes them itself
_MEMBERS: Final = _TEXTS | {"context", "features"}


@dataclass(frozen=True, slots=True)
class EventService:
    """One model server.

    Attributes:
        name: `namespace/inferenceservice`, or with the endpoint behind it, as
            `namespace/inferenceservice/canary`.
        model: `name@version` or digest.
        policy: likewise; its cut-off makes the outcome.
        source: what the log calls it.
        prediction: what it answers with: `margin`, or `probability` of the favourable class.
        output: the name of the output tensor that holds it; "" for the first.
        subject: the extension attribute that carries the reference to the person, or "".
        component: whose events count, where more than one of its parts logs: `predictor` or
            `transformer`.
        features: the order of a row's columns; empty: the model's own order.
        context: members that every decision's context gets.
    """

    name: str
    model: str
    policy: str
    source: str
    prediction: str = "margin"
    output: str = ""
    subject: str = ""
    component: str = "predictor"
    features: tuple[str, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, name: str, document: Any) -> Self:
        """Read one entry of the file.

        Raises:
            SettingsError: it is none.
        """
        if not _NAME.fullmatch(name):
            raise SettingsError("LEDGER_EVENTS: a name is not namespace/inferenceservice")
        if not isinstance(document, Mapping) or document.keys() - _MEMBERS:
            raise SettingsError(f"LEDGER_EVENTS: {name}: give {', '.join(sorted(_MEMBERS))} only")
        texts = {key: value for key, value in document.items() if key in _TEXTS}
        if not all(isinstance(value, str) for value in texts.values()):
            raise SettingsError(f"LEDGER_EVENTS: {name}: a member is not a text")
        for needed in ("model", "policy", "source"):
            if needed not in texts:
                raise SettingsError(f"LEDGER_EVENTS: {name}: {needed} is missing")
        if not _CODE.fullmatch(texts["source"]):
            raise SettingsError(
                f"LEDGER_EVENTS: {name}: the source is no code such as kserve.loans"
            )
        if texts.get("prediction", "margin") not in {"margin", "probability"}:
            raise SettingsError(f"LEDGER_EVENTS: {name}: prediction is margin or probability")
        context = _context(document.get("context", {}), name)
        features = document.get("features", [])
        if not isinstance(features, list) or not all(isinstance(each, str) for each in features):
            raise SettingsError(f"LEDGER_EVENTS: {name}: features is not a list of names")
        return cls(name=name, context=context, features=tuple(features), **texts)

    def ordered(self, features: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """A model's features, by name, in the order of this server's columns.

        Raises:
            MalformedError: the operator's file orders other features.
        """
        if not self.features:
            return list(features.values())
        if sorted(self.features) != sorted(features):
            raise MalformedError("event: LEDGER_EVENTS orders other features than the model has")
        return [features[each] for each in self.features]


def _context(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or _OWN & value.keys():
        raise SettingsError(
            f"LEDGER_EVENTS: {name}: context is not an object, or says when or by which rule"
        )
    if not all(isinstance(each, str | int | float | None) for each in value.values()):
        raise SettingsError(f"LEDGER_EVENTS: {name}: a member of context is a list or an object")
    if value.get("decision_role", ROLES[0]) not in ROLES:
        raise SettingsError(f"LEDGER_EVENTS: {name}: decision_role is one of {', '.join(ROLES)}")
    return dict(value)


def read_services(path: Path | None) -> Mapping[str, EventService]:
    """The model servers of the file, by name; none without a file.

    Raises:
        SettingsError: it cannot be read, or is not in its form.
    """
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            document = canonical.parse(file.read(MAX_FILE_BYTES + 1), max_bytes=MAX_FILE_BYTES)
    except OSError as error:
        raise SettingsError("LEDGER_EVENTS: the file cannot be read") from error
    except MalformedError as error:
        raise SettingsError(f"LEDGER_EVENTS: {error}") from error
    listed = document.get("services") if isinstance(document, Mapping) else None
    if not isinstance(listed, Mapping):
        raise SettingsError("LEDGER_EVENTS: not an object of services")
    return {name: EventService.parse(name, each) for name, each in listed.items()}


def instances(
    content: Mapping[str, Any], features: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The inputs of a request, one for each prediction, by feature and in the model's own types.

    Reads KServe's V1 protocol (`instances`: rows or objects) and V2, the open inference
    protocol (`inputs`: one tensor of rows, or a tensor for each feature).

    Raises:
        MalformedError: it is neither, or a row does not fit the features.
    """
    names = [str(feature["name"]) for feature in features]
    if isinstance(content.get("instances"), list):
        rows = content["instances"]
    elif isinstance(content.get("inputs"), list):
        rows = _tensor_rows(content["inputs"], names)
    else:
        raise MalformedError("event: neither instances nor inputs", member="data")
    if not 1 <= len(rows) <= MAX_INSTANCES:
        raise MalformedError(f"event: not 1 to {MAX_INSTANCES:,} instances", member="data")
    return [_row(row, names, features, at) for at, row in enumerate(rows)]


def margins(content: Mapping[str, Any], service: EventService) -> list[int]:
    """The margins of an answer, in units of 10^-6.

    Raises:
        MalformedError: it is not an answer, or a prediction is not a finite number.
    """
    if isinstance(content.get("predictions"), list):
        values = content["predictions"]
    elif isinstance(content.get("outputs"), list):
        values = _output(content["outputs"], service.output)
    else:
        raise MalformedError("event: neither predictions nor outputs", member="data")
    return [_margin(value, service, at) for at, value in enumerate(values)]


def _tensor_rows(tensors: Sequence[Any], names: Sequence[str]) -> list[Any]:
    by_name = {t.get("name"): t.get("data") for t in tensors if isinstance(t, Mapping)}
    if set(names) <= by_name.keys():
        columns = [_flat(by_name[name]) for name in names]
        if len({len(column) for column in columns}) != 1:
            raise MalformedError("event: tensors of different lengths", member="data.inputs")
        return [list(row) for row in zip(*columns, strict=True)]
    if len(tensors) != 1 or not isinstance(tensors[0], Mapping):
        raise MalformedError("event: no tensor for each feature", member="data.inputs")
    values = _flat(tensors[0].get("data"))
    if not values or len(values) % len(names):
        raise MalformedError("event: not rows of the model's features", member="data.inputs")
    return [values[at : at + len(names)] for at in range(0, len(values), len(names))]


def _flat(data: Any, member: str = "data.inputs", depth: int = MAX_DEPTH) -> list[Any]:
    if not isinstance(data, list) or depth == 0:
        raise MalformedError("event: a tensor without data, or nested deeply", member=member)
    flat: list[Any] = []
    for each in data:
        flat += _flat(each, member, depth - 1) if isinstance(each, list) else [each]
    return flat


def _row(
    row: Any, names: Sequence[str], features: Sequence[Mapping[str, Any]], at: int
) -> dict[str, Any]:
    member = f"data.instances[{at}]"
    if isinstance(row, Mapping):
        return dict(row)
    if not isinstance(row, list) or len(row) != len(names):
        raise MalformedError("event: not one value for each feature", member=member)
    return {
        name: _typed(value, feature, f"{member}.{name}")
        for name, value, feature in zip(names, row, features, strict=True)
    }


def _typed(value: Any, feature: Mapping[str, Any], member: str) -> Any:
    """A number of the model's row as the feature has it: a category by its position."""
    if value is None or not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if value != value:  # noqa: PLR0124  # NaN, which stands for nothing
        return None
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise MalformedError("event: not a number of a usual size", member=member)
    kind = feature.get("type")
    if kind == "boolean" and value in {0, 1}:
        return bool(value)
    if kind == "integer" and value == int(value):
        return int(value)
    if kind == "category":
        known = feature.get("categories")
        if not isinstance(known, Sequence) or value != int(value) or not 0 <= value < len(known):
            raise MalformedError("event: not the position of a category", member=member)
        return known[int(value)]
    return value


def _output(tensors: Sequence[Any], name: str) -> list[Any]:
    for tensor in tensors:
        if isinstance(tensor, Mapping) and name in {"", tensor.get("name")}:
            return _flat(tensor.get("data"), "data.outputs")
    raise MalformedError("event: no output tensor of that name", member="data.outputs")


def _margin(value: Any, service: EventService, at: int) -> int:
    member = f"data.predictions[{at}]"
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedError("event: not a number", member=member)
    if service.prediction == "probability":
        if not 0 < value < 1:
            raise MalformedError("event: not a probability between 0 and 1", member=member)
        value = math.log(value) - math.log1p(-value)
    if not -MAX_LOG_ODDS <= value <= MAX_LOG_ODDS:  # nor NaN
        raise MalformedError("event: not a margin of a usual size", member=member)
    exact: float = value * 10**SCALE
    return round(exact)
