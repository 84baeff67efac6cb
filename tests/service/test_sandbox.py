"""A model in a process of its own: whatever happens there, it is an error of ours here."""

import hashlib
import json
import os
import random
import re
import signal
import sys
from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from explain.artifacts import open_model
from explain.attribution import to_units
from explain.errors import (
    ArtefactRefused,
    ExplainError,
    ModelCrashed,
    ModelMismatch,
    NotReproduced,
)
from service import sandbox
from service.model_frames import packed
from service.sandbox import (
    COMMAND,
    Opening,
    SandboxedAttributor,
    SandboxedModel,
    SandboxedPredictor,
)

# Ours, as it is started, but trusting every file as the libraries themselves do.
TRUSTING = """
import sys
from explain import lightgbm_text
from service import model_process
lightgbm_text.parse = lambda data: lightgbm_text.LightGBMModel(2, "log-odds", (), data.decode("latin-1"))
sys.exit(model_process.main())
"""


LINE = json.dumps(
    {"v": 1, "kind": "linear", "space": "log-odds", "intercept": 0.5,
     "terms": [{"feature": "a", "weight": 1, "missing": 0}]}
).encode()  # fmt: skip


def peer(code: str) -> tuple[str, ...]:
    """A process in the place of ours that does something else."""
    return (sys.executable, "-c", code)


def feature(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": {"en": name},
        "type": "number",
        "mutability": "any",
        "missing": "allowed",
        "protected": False,
    }


def opening(data: bytes, form: str, engine: str = "none", **more: Any) -> Opening:
    rows = json.dumps([{"a": 0.1, "b": 0.2}, {"a": 0.9, "b": None}]).encode()
    files = {"model": data, "background": rows}
    named = {name: {"sha256": hashlib.sha256(held).hexdigest()} for name, held in files.items()}
    named["model"] |= {"format": form}
    manifest = {
        "artefacts": named,
        "explainer": {"engine": engine, "tolerance": 100},
        "features": [feature("a"), feature("b")],
        "output": {"space": "log-odds", "favourable": "higher", "target": "good"},
    } | more
    return Opening(manifest, lambda: files)


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    # Numbers that 32 bits hold, so that each library sees the same.
    return np.random.default_rng(8).uniform(size=(60, 2)).astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def boosted(rows: NDArray[np.float64]) -> bytes:
    data = xgboost.DMatrix(rows, rows[:, 0] > rows[:, 1], nthread=1)
    asked = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    return bytes(xgboost.train(asked, data, 5).save_raw("json"))


@pytest.fixture(scope="module")
def text(rows: NDArray[np.float64]) -> bytes:
    asked = {"objective": "binary", "num_leaves": 5, "num_threads": 1, "verbose": -1}
    data = lightgbm.Dataset(rows, (rows[:, 0] > rows[:, 1]).astype(float))
    made: str = lightgbm.train(asked, data, 5).model_to_string()
    return made.encode()


@pytest.fixture(scope="module")
def model(boosted: bytes) -> Iterator[SandboxedModel]:
    made = SandboxedModel(opening(boosted, "xgboost-json", "leaf-tables"))
    made.open()
    yield made
    made.close()


def pid_of(model: SandboxedModel) -> int:
    process = model._process
    assert process is not None
    return process._child.pid


# What it gives


def test_it_gives_what_the_same_model_gives_in_this_process(
    model: SandboxedModel, boosted: bytes, rows: NDArray[np.float64]
) -> None:
    made = opening(boosted, "xgboost-json", "leaf-tables")
    here = open_model(made.manifest, made.files())
    predictor = SandboxedPredictor(model)
    assert predictor.space == here.predictor.space == "log-odds"
    np.testing.assert_array_equal(predictor.margin(rows), here.predictor.margin(rows))
    there = SandboxedAttributor(model).attribute(rows)
    assert there == tuple(here.attributor.attribute(rows))


def test_many_rows_come_in_parts(
    model: SandboxedModel, rows: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SandboxedAttributor(model).attribute(rows)
    monkeypatch.setattr(sandbox, "VALUES_AT_ONCE", 14)
    assert SandboxedAttributor(model).attribute(rows) == whole
    assert len(whole) == len(rows)


@pytest.mark.parametrize(("engine", "asked"), [("all-subsets", 5), ("linear", 1)])
def test_what_takes_seconds_a_row_is_asked_row_by_row(
    rows: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch, engine: str, asked: int
) -> None:
    model = SandboxedModel(opening(LINE, "linear-json", engine))
    model.open()
    ask, told = model.ask, list[str]()

    def noted(what: str, some: Any) -> Any:
        told.append(what)
        return ask(what, some)

    monkeypatch.setattr(model, "ask", noted)
    found = SandboxedAttributor(model).attribute(rows[:5])
    assert told == ["attribute"] * asked
    here = open_model(model._opening.manifest, model._opening.files())
    assert found == tuple(here.attributor.attribute(rows[:5]))
    model.close()


def test_an_error_of_ours_comes_back_as_itself(boosted: bytes) -> None:
    made = opening(boosted, "xgboost-json")
    entry = made.manifest["artefacts"]["model"]
    entry["sha256"] = "0" * 64
    with pytest.raises(ModelMismatch, match="digest") as raised:
        SandboxedModel(made).open()
    assert raised.value.member == "model"


def test_a_golden_row_that_comes_out_otherwise_is_said() -> None:
    golden = [{"input": {"a": 0.5, "b": 0.5}, "margin": 9_000_000}]
    with pytest.raises(NotReproduced, match="golden row 0"):
        SandboxedModel(opening(LINE, "linear-json", golden_rows=golden)).open()


# How it ends


def test_one_that_is_gone_is_replaced_and_asked_again(
    model: SandboxedModel, rows: NDArray[np.float64]
) -> None:
    predictor = SandboxedPredictor(model)
    before, first = predictor.margin(rows), pid_of(model)
    os.kill(first, signal.SIGKILL)
    np.testing.assert_array_equal(predictor.margin(rows), before)
    assert pid_of(model) != first


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "processor time"),
        ("import sys; sys.exit(3)", "status 3"),
        ("import os; os.write(1, bytes(8))", "no sound answer"),
        ("import os; os.write(1, b'\\xff' * 8)", "no sound answer"),
        ("import os; os.write(1, bytes([0, 0, 0, 2, 0, 0, 0, 0]) + b'[]')", "no sound answer"),
        ("import os; os.write(1, bytes([0, 0, 0, 2, 0, 0, 0, 0]) + b'{}')", "no sound answer"),
        (
            'import os; os.write(1, bytes([0, 0, 0, 14, 0, 0, 0, 0]) + b\'{"error": "os"}\'[:14])',
            "no sound answer",
        ),
        ("import os, time; os.close(1); os.close(0); time.sleep(60)", "closed its pipes"),
    ],
)
def test_a_peer_that_dies_or_lies_is_an_error_of_ours(boosted: bytes, code: str, said: str) -> None:
    # It reads what it is asked first, so that it dies with an answer due.
    reading = "import os; left = 1\nwhile left > 0 and os.read(0, 65536)[-1:] != b']': pass\n"
    with pytest.raises(ModelCrashed, match=said):
        SandboxedModel(opening(boosted, "xgboost-json"), peer(reading + code)).open()


def test_one_that_is_silent_is_ended(boosted: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "OPEN_SECONDS", 0.2)
    for code in ("import time; time.sleep(60)", "while True: pass"):
        asked = SandboxedModel(opening(boosted * 40, "xgboost-json"), peer(code))
        with pytest.raises(ModelCrashed, match="no answer in 0 seconds"):
            asked.open()
        assert asked._process is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "SchemaError", "text": "x" * 900, "member": "input.a"}, "^x{500}$"),
        ({"error": "SchemaError", "text": 5, "member": None}, "no sound answer"),
        ({"error": "SchemaError", "text": "x", "member": 5}, "no sound answer"),
        ({"error": "os", "text": "x", "member": None}, "no sound answer"),
        ({"error": ["SchemaError"], "text": "x", "member": None}, "no sound answer"),
    ],
)
def test_what_an_answer_calls_an_error_is_one_of_ours(answer: dict[str, Any], said: str) -> None:
    with pytest.raises(ExplainError, match=said):
        raise sandbox._error(answer)


def test_answers_of_another_size_are_none(
    model: SandboxedModel, rows: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "ask", lambda *_: ({"attributions": [{}, {}]}, bytes(8)))
    with pytest.raises(ModelCrashed, match="no sound answer"):
        SandboxedPredictor(model).margin(rows)
    with pytest.raises(ModelCrashed, match="no sound answer"):
        SandboxedAttributor(model).attribute(rows)


# Damaged files


def damaged(data: bytes, chance: random.Random) -> bytes:
    held = bytearray(data)
    for _ in range(chance.choice((1, 1, 3))):
        at = chance.randrange(len(held))
        held[at : at + chance.choice((0, 1, 4))] = chance.choice(
            (b"", b"0", b"9", b"-", b"99999", bytes([chance.randrange(256)]))
        )
    return bytes(held)


@pytest.mark.parametrize("form", ["xgboost-json", "xgboost-ubj", "lightgbm-text"])
def test_no_damaged_file_is_scored_and_none_ends_a_process(
    form: str, boosted: bytes, text: bytes, rows: NDArray[np.float64]
) -> None:
    whole = {"xgboost-json": boosted, "lightgbm-text": text}.get(form) or _binary(boosted)
    first = opening(whole, form)
    margins = open_model(first.manifest, first.files()).predictor.margin(rows)
    golden = [
        {"input": {"a": a, "b": b}, "margin": to_units(margin)}
        for (a, b), margin in zip(rows.tolist(), margins.tolist(), strict=True)
    ]
    chance, same = random.Random(11), 0
    process = sandbox._Process(COMMAND)
    for _ in range(120):
        mutant = damaged(whole, chance)
        if mutant == whole:
            continue
        # Under the digest that was registered it does not get as far as a parser.
        with pytest.raises(ModelMismatch, match="digest"):
            open_model(first.manifest, {**first.files(), "model": mutant})
        # Even registered itself, with the rows of the whole one, it is refused by our checks
        # or by its rows, or is the same model: and no process dies of it.
        made = opening(mutant, form, golden_rows=golden)
        sizes = [(name, len(data)) for name, data in made.files().items()]
        head = {"do": "open", "manifest": made.manifest, "files": sizes}
        found, _ = process.exchange(packed(head, b"".join(made.files().values())), 60)
        assert found.get("error") in (None, "ArtefactRefused", "NotReproduced", "ModelMismatch")
        if "error" not in found:
            same += 1
            asked = {"do": "margin", "of": rows.dtype.str, "shape": rows.shape}
            _, body = process.exchange(packed(asked, rows.tobytes()), 60)
            np.testing.assert_allclose(np.frombuffer(body), margins, atol=1e-4)
    process.end()
    assert same < 100


def _binary(model: bytes) -> bytes:
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    return bytes(booster.save_raw("ubj"))


def test_the_library_itself_goes_down_and_this_process_does_not(
    text: bytes, rows: NDArray[np.float64]
) -> None:
    # Without our checks: a line of the parameters that lost its colon takes LightGBM down.
    for line in re.findall(rb"\[\w+: \d+\]", text):
        mutant = text.replace(line, line.replace(b": ", b""))
        asked = SandboxedModel(opening(mutant, "lightgbm-text"), peer(TRUSTING))
        try:
            asked.open()
            SandboxedPredictor(asked).margin(rows)
        except ModelCrashed as error:
            if "died of SIG" in str(error):
                return
        except ArtefactRefused:
            continue
        finally:
            asked.close()
    pytest.fail("no damaged file took the library down")
