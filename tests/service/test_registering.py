"""A model's files are looked at when it is registered: by our code alone, with the way out."""

import base64
import copy
import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.canonical import encode
from ledger.errors import MalformedError
from ledger.roles import Role
from service.cli import main
from service.registering import register_model
from tests.service.ui.lender import Lender


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[Lender]:
    made = Lender(tmp_path / "data")
    made.record(0)
    yield made
    made.runtime.close()


def version(lender: Lender, data: bytes, form: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    (model,) = lender.runtime.registry.models()
    manifest: dict[str, Any] = copy.deepcopy(dict(model.manifest)) | {"version": "2.0.0"}
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "format": form, "bytes": len(data)}
    manifest["artefacts"]["model"] = entry
    background = manifest["artefacts"]["background"]["sha256"]
    return manifest, {"model": data, "background": lender.runtime.registry.artefact(background)}


@pytest.mark.parametrize("form", ["xgboost-json", "joblib", "skops", "of-somebody-else"])
def test_a_pickle_is_refused_whatever_it_is_called(lender: Lender, form: str) -> None:
    manifest, files = version(lender, pickle.dumps({"w": [1.5]}), form)
    with pytest.raises(MalformedError, match=r"a pickle can run code .* its own format") as refused:
        register_model(lender.runtime.registry, manifest, files)
    assert refused.value.member == "artefacts.model"
    assert len(lender.runtime.registry.models()) == 1


def test_so_is_any_other_file_that_runs_code(lender: Lender) -> None:
    manifest, files = version(lender, b"{}", "of-somebody-else")
    program = pickle.dumps([1], 0)
    manifest["artefacts"]["more"] = {"sha256": hashlib.sha256(program).hexdigest()}
    with pytest.raises(MalformedError) as refused:
        register_model(lender.runtime.registry, manifest, files | {"more": program})
    assert refused.value.member == "artefacts.more"


def test_a_file_that_does_not_hold_together_is_refused_at_every_door(
    lender: Lender, tmp_path: Path
) -> None:
    manifest, files = version(lender, b'{"version": [1, 0, 0]}', "xgboost-json")
    sent = {name: base64.b64encode(data).decode() for name, data in files.items()}
    answer = (
        lender.app()
        .test_client()
        .post(
            "/v1/models",
            json={"manifest": manifest, "artefacts": sent},
            headers={"Authorization": f"Bearer {lender.keys[Role.MODEL_OWNER]}"},
        )
    )
    told: Any = answer.json
    assert (answer.status_code, told["member"]) == (422, "artefacts.model")
    assert "no member 'learner'" in told["detail"]
    (tmp_path / "manifest.json").write_bytes(encode(manifest))
    words = ["model", "register", str(tmp_path / "manifest.json")]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        words += ["--artefact", f"{name}={tmp_path / name}"]
    environment = {"LEDGER_DATA": str(lender.settings.data), "LEDGER_ORIGIN": "ledger.example/demo"}
    done = CliRunner().invoke(main, words, env=environment)
    assert done.exit_code != 0
    assert "no member 'learner'" in done.output


def test_a_format_that_is_not_opened_here_may_be_kept(lender: Lender) -> None:
    manifest, files = version(lender, b"weights", "of-somebody-else")
    assert register_model(lender.runtime.registry, manifest, files).version == "2.0.0"


def test_features_that_are_none_are_named(lender: Lender) -> None:
    manifest, files = version(lender, b"{}", "linear-json")
    del manifest["features"][0]["label"]
    with pytest.raises(MalformedError) as refused:
        register_model(lender.runtime.registry, manifest, files)
    assert refused.value.member == "features[0].label"


@pytest.mark.parametrize("engine", ["lime", "linear", "lightgbm-contributions"])
def test_an_engine_that_the_model_has_not_is_refused(lender: Lender, engine: str) -> None:
    (model,) = lender.runtime.registry.models()
    entry: Any = dict(model.manifest)["artefacts"]
    data = lender.runtime.registry.artefact(entry["model"]["sha256"])
    manifest, files = version(lender, data, entry["model"]["format"])
    manifest["explainer"] = dict(manifest["explainer"]) | {"engine": engine}
    with pytest.raises(MalformedError) as refused:
        register_model(lender.runtime.registry, manifest, files)
    assert refused.value.member == "explainer.engine"


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("unchanged") / "data")
    made.record(0)
    yield made
    made.runtime.close()


GOLDEN: dict[str, Any] = {"input": {"a": 0.5}, "margin": 1_000_000, "values": {"a": 500_000}}


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"explainer": 5}, "explainer"),
        ({"explainer": {"engine": []}}, "explainer.engine"),
        ({"explainer": {"engine": "none", "tolerance": "x"}}, "explainer.tolerance"),
        ({"explainer": {"engine": "linear", "tolerance": 101}}, "explainer.tolerance"),
        ({"output": {"space": "response"}}, "output.space"),
        ({"golden_rows": 5}, "golden_rows"),
        ({"output": {"space": "log-odds", "favourable": {"x": 1}}}, "output.favourable"),
        ({"regimes": 0}, "regimes"),
        ({"regimes": ["gdpr", 1]}, "regimes"),
        ({"golden_rows": [5]}, "golden_rows[0]"),
        ({"golden_rows": [GOLDEN, GOLDEN | {"input": 5}]}, "golden_rows[1].input"),
        ({"golden_rows": [GOLDEN | {"input": {"a": "x"}}]}, "golden_rows[0].input.a"),
        ({"golden_rows": [GOLDEN | {"margin": "1"}]}, "golden_rows[0].margin"),
        ({"golden_rows": [GOLDEN | {"values": None}]}, "golden_rows[0].values"),
        ({"golden_rows": [GOLDEN | {"values": {"a": 0.5}}]}, "golden_rows[0].values"),
    ],
)
def test_a_manifest_that_could_never_be_opened_is_refused(
    unchanged: Lender, members: dict[str, Any], place: str
) -> None:
    manifest, files = line(unchanged)
    with pytest.raises(MalformedError) as refused:
        register_model(unchanged.runtime.registry, manifest | members, files)
    assert refused.value.member == place
    assert len(unchanged.runtime.registry.models()) == 1


def test_golden_rows_are_not_asked_for(lender: Lender) -> None:
    manifest, files = line(lender)
    scored = [{"input": {"a": None}, "margin": 5}]
    sound: tuple[dict[str, Any], ...] = (
        {},
        {"golden_rows": []},
        {"golden_rows": [GOLDEN]},
        {"golden_rows": scored, "explainer": {"engine": "none", "tolerance": 0}},
        {"output": {"target": "good"}},
    )
    for at, members in enumerate(sound):
        named = manifest | members | {"version": f"2.0.{at}"}
        assert register_model(lender.runtime.registry, named, files).version == f"2.0.{at}"


def line(lender: Lender) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A model of one feature, the least that can be registered."""
    terms = [{"feature": "a", "weight": 1, "missing": 0}]
    document = {"v": 1, "kind": "linear", "space": "log-odds", "intercept": 0.5, "terms": terms}
    manifest, files = version(lender, encode(document), "linear-json")
    told = {"label": {"en": "a"}, "type": "number", "mutability": "any", "missing": "allowed"}
    manifest["features"] = [told | {"name": "a", "protected": False}]
    manifest["explainer"] = {"engine": "linear", "tolerance": 100}
    manifest["output"] = {"space": "log-odds", "favourable": "higher", "target": "good"}
    del manifest["golden_rows"]
    return manifest, files
