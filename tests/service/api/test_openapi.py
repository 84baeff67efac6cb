import re
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def document(door: Any) -> dict[str, Any]:
    found: dict[str, Any] = door.client.get("/openapi.json").get_json()
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"]
    assert document["info"]["version"]
    assert set(document) <= {
        "openapi",
        "info",
        "paths",
        "components",
        "security",
        "servers",
        "tags",
    }


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_route_is_described(door: Any, document: dict[str, Any]) -> None:
    rules = door.client.application.url_map.iter_rules()
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith(("ui.", "api-docs"))
    }
    assert {(path, method) for path, method, _ in operations(document)} == served


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    ids = []
    for path, method, operation in operations(document):
        ids.append(operation["operationId"])
        assert operation["summary"], (path, method)
        assert any(status.startswith("2") for status in operation["responses"]), (path, method)
        if operation["security"]:
            assert {"401", "403"} <= operation["responses"].keys(), (path, method)
        for status, response in operation["responses"].items():
            assert response["description"]
            if not status.startswith("2"):
                assert list(response["content"]) == ["application/problem+json"]
    assert len(ids) == len(set(ids))


def test_every_parameter_of_a_path_is_described(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            every = item.get("parameters", []) + operation.get("parameters", [])
            described = {each["name"] for each in every if each["in"] == "path"}
            assert described == set(re.findall(r"{(\w+)}", path)), (path, method)


def test_the_shapes_are_strict(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["Decision"]["additionalProperties"] is False
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
