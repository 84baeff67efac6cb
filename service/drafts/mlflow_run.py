"""A draft from what MLflow knows of a run.

Read is a run as MLflow writes it in JSON: what `mlflow runs describe` prints, or the answer of
`GET /api/2.0/mlflow/runs/get`. With mlflow-skinny installed, a run is fetched from a tracking
server or its database. Who ran it is said to the caller and stays out of the manifest.
"""

import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.errors import MalformedError, RefusedError
from service.drafts.draft import Draft, address, amount, listed, scalars, section, text

__all__ = ["fetched_run", "mlflow_draft"]

MAX_EMBEDDED_BYTES: Final = 1_000_000  # of JSON inside a text of a run, such as a signature

_COMMIT: Final = "mlflow.source.git.commit"
_REPOSITORY: Final = "mlflow.source.git.repoURL"
_HISTORY: Final = "mlflow.log-model.history"
_USER: Final = "mlflow.user"
_CONTEXT: Final = "mlflow.data.context"
_MODELS: Final = "logged_models"  # what `fetched_run` adds to a run
_TYPES: Final = {
    **dict.fromkeys(("double", "float"), "number"),
    **dict.fromkeys(("long", "integer"), "integer"),
    "boolean": "boolean",
    "string": "category",
}


def mlflow_draft(answer: Mapping[str, Any]) -> Draft:
    """What a run says of the model that it made.

    Raises:
        MalformedError: it is not a run of MLflow, or larger than one can be.
    """
    run = section(answer, "run") or answer
    info = section(run, "info")
    run_id = text(info.get("run_id")) or text(info.get("run_uuid"))
    if not run_id:
        raise MalformedError("run: not a run of MLflow", member="info.run_id")
    tags = _pairs(run, "tags")
    models = [each for each in _logged_models(run, tags) if isinstance(each, Mapping)]
    manifest: dict[str, JsonValue] = {
        "code": _code(tags),
        "parameters": scalars(_pairs(run, "params"), "params"),
        "metrics": scalars(_pairs(run, "metrics"), "metrics"),
        "training_data": list(_training_data(run)),
        "features": list(_features(models)),
        "run": _run(info, run_id, tags, models),
    }
    said = {name: member for name, member in manifest.items() if member}
    return Draft(said, tuple(_notes(info, tags, run, models)))


def fetched_run(tracking: str, run_id: str) -> Mapping[str, Any]:
    """A run from a tracking server or database of MLflow, with the models that it logged.

    Args:
        tracking: such as `sqlite:///mlflow.db`, `https://mlflow.example` or `file:///…/mlruns`.
        run_id: of the run.

    Raises:
        RefusedError: MLflow is not installed, or does not give it; its reason is not repeated,
            since it may hold the address with a password in it.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.artifacts import download_artifacts
        from mlflow.environment_variables import (
            MLFLOW_ALLOW_FILE_STORE,
            MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR,
        )
        from mlflow.exceptions import MlflowException
        from mlflow.models import Model
    except ImportError as error:
        raise RefusedError(
            "could not read: install mlflow-skinny, or give the run as a JSON file"
        ) from error
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    MLFLOW_ALLOW_FILE_STORE.set(True)  # it warns of writing to directories of runs; this reads
    try:
        client = MlflowClient(tracking)
        run = client.get_run(run_id)
        models = [
            client.get_logged_model(each.model_id)
            for each in (run.outputs.model_outputs if run.outputs else ())
        ]
    except (MlflowException, OSError) as error:
        raise RefusedError("could not read: MLflow does not give this run") from error
    found: dict[str, Any] = dict(run.to_dictionary())
    found[_MODELS] = []
    for model in models:
        described: dict[str, Any] = {"artifact_path": model.artifact_location}
        with tempfile.TemporaryDirectory(prefix="mlflow") as directory:
            place = {"dst_path": directory, "tracking_uri": tracking}
            try:  # the description alone: no file of the model is fetched or loaded
                path = download_artifacts(f"{model.artifact_location}/MLmodel", **place)
                described |= Model.load(path).to_dict()
            except (MlflowException, OSError, ImportError):
                described["unread"] = True
        found[_MODELS].append(described)
    # As bytes and back, so that what MLflow hands over is as strict as a file of it.
    read = canonical.decode(canonical.encode(_plain(found)), max_bytes=MAX_EMBEDDED_BYTES * 8)
    return read if isinstance(read, Mapping) else {}


def _plain(value: Any) -> Any:
    """What JSON can say of it: a date in a model's description becomes a text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if value - value == 0 else repr(value)
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _pairs(run: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Parameters, metrics or tags: an object, or an array of {key, value}, the last of a key."""
    found = section(run, "data").get(name)
    if isinstance(found, Mapping):
        return dict(found)
    every = found if isinstance(found, list | tuple) else ()
    return {
        str(each.get("key", "")): each.get("value") for each in every if isinstance(each, Mapping)
    }


def _code(tags: Mapping[str, Any]) -> dict[str, JsonValue]:
    found = {"repository": address(tags.get(_REPOSITORY)), "commit": text(tags.get(_COMMIT))}
    return {name: each for name, each in found.items() if each}


def _run(
    info: Mapping[str, Any],
    run_id: str,
    tags: Mapping[str, Any],
    models: list[Mapping[str, Any]],
) -> dict[str, JsonValue]:
    started, ended = amount(info.get("start_time")), amount(info.get("end_time"))
    own = {name: each for name, each in tags.items() if not name.startswith("mlflow.")}
    paths = (address(each.get("artifact_path")) for each in models)
    found: dict[str, JsonValue] = {
        "reference": f"mlflow run {run_id}",
        "duration_seconds": repr((float(ended) - float(started)) / 1000)
        if started and ended
        else "",
        "tags": scalars(own, "tags"),
        "model_paths": [path for path in paths if path],
    }
    return {name: each for name, each in found.items() if each}


def _training_data(run: Mapping[str, Any]) -> Iterator[dict[str, JsonValue]]:
    for each in listed(section(run, "inputs").get("dataset_inputs"), "inputs.dataset_inputs"):
        if not isinstance(each, Mapping) or _context(each) not in {"", "train", "training"}:
            continue
        dataset = section(each, "dataset")
        source = _embedded(dataset.get("source"))
        place = source if isinstance(source, Mapping) else {}
        where = address(place.get("uri") or place.get("url") or place.get("path"))
        profile = _embedded(dataset.get("profile"))
        rows = profile.get("num_rows") if isinstance(profile, Mapping) else None
        found: dict[str, JsonValue] = {
            "source": ", ".join(part for part in (text(dataset.get("name")), where) if part),
            "types": [f"{name}: {kind}" for name, kind in _columns(dataset.get("schema"))],
            "mlflow_digest": text(dataset.get("digest")),
        }
        found |= {"rows": rows} if type(rows) is int else {}
        yield {name: member for name, member in found.items() if member not in ("", [])}


def _context(dataset_input: Mapping[str, Any]) -> str:
    tags = dataset_input.get("tags")
    if isinstance(tags, Mapping):
        return text(tags.get(_CONTEXT)).lower()
    for each in listed(tags, "inputs.dataset_inputs.tags"):
        if isinstance(each, Mapping) and each.get("key") == _CONTEXT:
            return text(each.get("value")).lower()
    return ""


def _logged_models(run: Mapping[str, Any], tags: Mapping[str, Any]) -> Iterator[object]:
    yield from listed(run.get(_MODELS), _MODELS)
    yield from listed(_embedded(tags.get(_HISTORY)), _HISTORY)


def _features(models: list[Mapping[str, Any]]) -> Iterator[dict[str, JsonValue]]:
    """The columns of the first signature: names and types, nothing that people read."""
    for model in models:
        columns = _columns(section(model, "signature").get("inputs"))
        if columns:
            for name, kind in columns:
                known = {"type": _TYPES[kind]} if kind in _TYPES else {}
                yield {"name": name, **known}
            return


def _columns(schema: object) -> list[tuple[str, str]]:
    """Names and types of the columns of an MLflow schema, which is a text of JSON."""
    read = _embedded(schema)
    if isinstance(read, Mapping):
        read = read.get("mlflow_colspec")
    return [
        (text(each.get("name")), text(each.get("type")))
        for each in (read if isinstance(read, list | tuple) else ())
        if isinstance(each, Mapping) and text(each.get("name"))
    ]


def _embedded(value: object) -> Any:
    """The value of a text of JSON; None where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return canonical.parse(value.encode(), max_bytes=MAX_EMBEDDED_BYTES)
    except MalformedError:
        return None


def _notes(
    info: Mapping[str, Any],
    tags: Mapping[str, Any],
    run: Mapping[str, Any],
    models: list[Mapping[str, Any]],
) -> Iterator[str]:
    status = text(info.get("status"))
    if status != "FINISHED":
        yield f"The run was {status or 'in an unknown state'} when this was written."
    who = text(tags.get(_USER)) or text(info.get("user_id"))
    if who:
        yield (
            f"It was run by {who}. The draft does not say so: name the function that answers for"
            " the model as owner."
        )
    if section(run, "inputs").get("dataset_inputs"):
        yield "MLflow's digests of data sets are short ones of its own, not SHA-256 of a file."
    if any(each.get("unread") for each in models):
        yield "A logged model could not be read, so that its signature is missing."
    yield "MLflow does not know what a run cost."
