"""A draft from what Valohai knows of an execution.

Read are, each told by its members and not by its name:

- the answer of `GET /api/v0/executions/<id>/` (in the shape of Valohai's own fixture in
  valohai/valohai-cli, tests/fixtures/data.py): commit, parameters, inputs, duration, price;
- `execution.json`, `inputs.json` and `parameters.json` of `/valohai/config`, as
  docs.valohai.com/executions/system-configuration-files describes them.

Valohai's price is of the environment's `per_hour_price_usd`, so that its currency is the US dollar.
Who created the execution is said to the caller and stays out of the manifest.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ledger.canonical import JsonValue
from ledger.errors import MalformedError
from service.drafts.draft import Draft, address, amount, digest, listed, scalars, section, text

__all__ = ["valohai_draft"]

_PREFIX: Final = "valohai."
_EXECUTION_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DONE: Final = "complete"


def valohai_draft(files: Sequence[Mapping[str, Any]]) -> Draft:
    """What the files of one execution say together.

    Raises:
        MalformedError: a file is none of these, or they are of different executions.
    """
    answer: Mapping[str, Any] = {}
    config: Mapping[str, Any] = {}
    inputs: Mapping[str, Any] = {}
    parameters: Mapping[str, Any] = {}
    for file in files:
        if f"{_PREFIX}execution-id" in file:
            config = file
        elif "counter" in file and isinstance(file.get("id"), str):
            answer = file
        elif file and all(isinstance(section(file, name).get("files"), list) for name in file):
            inputs = file
        elif all(not isinstance(each, Mapping) for each in file.values()):
            parameters = file
        else:
            raise MalformedError("run: not a file of a Valohai execution")
    _check_one(answer, config)
    manifest: dict[str, JsonValue] = {
        "code": _code(answer, config),
        "parameters": scalars(section(answer, "parameters") or parameters, "parameters"),
        "metrics": scalars(section(answer, "cumulative_metadata"), "cumulative_metadata"),
        "training_data": list(_from_files(inputs) if inputs else _from_answer(answer)),
        "run": _run(answer, config),
    }
    said = {name: member for name, member in manifest.items() if member}
    return Draft(said, tuple(_notes(answer, config)))


def _check_one(answer: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    ids = {text(answer.get("id")), text(config.get(f"{_PREFIX}execution-id"))} - {""}
    if not ids:
        raise MalformedError("run: none of these files says which execution it is of")
    if len(ids) > 1:
        raise MalformedError("run: the files are of different executions")
    if _EXECUTION_ID.fullmatch(ids.pop()) is None:
        raise MalformedError("run: not the id of an execution", member="id")


def _code(answer: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, JsonValue]:
    commit = section(answer, "commit").get("identifier") or config.get(
        f"{_PREFIX}commit-identifier"
    )
    repository = section(answer, "project").get("repository_url")
    found = {"repository": address(repository), "commit": text(commit)}
    return {name: each for name, each in found.items() if each}


def _run(answer: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, JsonValue]:
    execution = text(answer.get("id")) or text(config.get(f"{_PREFIX}execution-id"))
    seconds = amount(answer.get("duration")) or amount(config.get(f"{_PREFIX}execution-duration"))
    environment = section(answer, "environment")
    image = text(answer.get("image")) or text(config.get(f"{_PREFIX}execution-image"))
    name = text(environment.get("name")) or text(config.get(f"{_PREFIX}environment-name"))
    found = {
        "reference": f"valohai execution {execution}",
        "duration_seconds": seconds,
        "environment": name,
        "image": image,
        "pipeline": text(answer.get("pipeline")) or text(config.get(f"{_PREFIX}pipeline-id")),
    }
    run: dict[str, JsonValue] = {name: each for name, each in found.items() if each}
    price = amount(answer.get("price"))
    if price:
        in_dollars = "per_hour_price_usd" in environment
        run["cost"] = {"amount": price, **({"currency": "USD"} if in_dollars else {})}
    return run


def _from_files(inputs: Mapping[str, Any]) -> Iterator[dict[str, JsonValue]]:
    every = [
        (name, file)
        for name, group in sorted(inputs.items())
        for file in listed(group["files"], f"{name}.files")
        if isinstance(file, Mapping)
    ]
    for name, file in listed(every, "inputs"):
        size = file.get("size")
        found: dict[str, JsonValue] = {
            "input": text(name),
            "source": address(file.get("uri")) or text(file.get("name")),
            "sha256": digest(section(file, "checksums").get("sha256")),
            "types": list(_types(file)),
        }
        found |= {"bytes": size} if type(size) is int else {}
        yield {member: each for member, each in found.items() if each not in ("", [])}


def _types(file: Mapping[str, Any]) -> Iterator[str]:
    """The file's own metadata, as its producer attached it: what sort of data it is."""
    metadata = file.get("metadata")
    for each in listed(metadata if isinstance(metadata, list) else [metadata], "metadata"):
        if isinstance(each, Mapping):
            yield from (f"{name}: {word}" for name, word in scalars(each, "metadata").items())


def _from_answer(answer: Mapping[str, Any]) -> Iterator[dict[str, JsonValue]]:
    for each in listed(answer.get("inputs"), "inputs"):
        if isinstance(each, Mapping):
            for url in listed(each.get("urls"), "inputs.urls"):
                yield {"input": text(each.get("name")), "source": address(url)}


def _notes(answer: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    status = text(answer.get("status")) or text(config.get(f"{_PREFIX}execution-status"))
    if status != _DONE:
        yield f"The execution was {status or 'in an unknown state'} when this was written."
    creator = (
        text(section(answer, "creator").get("username"))
        or text(answer.get("creator_name"))
        or text(config.get(f"{_PREFIX}creator-name"))
    )
    if creator:
        yield (
            f"It was created by {creator}. The draft does not say so: name the function that"
            " answers for the model as owner."
        )
    if str(_code(answer, config).get("commit", "")).startswith("~"):
        yield "The code is an ad hoc package of Valohai: no commit of a repository has it."
    if not answer:
        yield "Cost and metrics are only in the answer of the interface, which was not given."
