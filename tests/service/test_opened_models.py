"""The pool of opened models: never more processes than it says, and nobody waits for another's."""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from explain.errors import ArtefactRefused
from service import sandbox
from service.opened_models import MAX_MODELS, OpenedModels
from service.sandbox import Opening, Retired, SandboxedModel, SandboxedPredictor

LINE = json.dumps(
    {"v": 1, "kind": "linear", "space": "log-odds", "intercept": 0.5,
     "terms": [{"feature": "a", "weight": 1, "missing": 0}]}
).encode()  # fmt: skip


def opening(data: bytes) -> Opening:
    """A model of one feature, for scoring only."""
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "format": "linear-json"}
    described = {"name": "a", "label": {"en": "a"}, "type": "number"}
    manifest = {
        "artefacts": {"model": entry},
        "explainer": {"engine": "none", "tolerance": 100},
        "features": [
            described | {"mutability": "any", "missing": "allowed", "protected": False},
        ],
        "output": {"space": "log-odds", "favourable": "higher", "target": "good"},
    }
    return Opening(manifest, lambda: {"model": data})


@pytest.fixture
def pool() -> Iterator[OpenedModels]:
    made = OpenedModels()
    yield made
    made.close()


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[sandbox._Process]:
    """Those that were started, in order."""
    started: list[sandbox._Process] = []
    real = sandbox._Process

    def start(command: Sequence[str]) -> sandbox._Process:
        started.append(real(command))
        return started[-1]

    monkeypatch.setattr(sandbox, "_Process", start)
    return started


def running(processes: list[sandbox._Process]) -> int:
    return sum(each._child.poll() is None for each in processes)


ROW = np.array([[2.0]])


def test_the_pool_keeps_a_bounded_number_and_reopens_what_made_room(
    pool: OpenedModels, processes: list[sandbox._Process]
) -> None:
    made = opening(LINE)
    held = [pool.model("0", made)]
    assert pool.model("0", made) is held[0]
    held += [pool.model(str(at), made) for at in range(1, MAX_MODELS + 1)]
    assert running(processes) == MAX_MODELS
    # Who still holds one that made room gets an answer, and no room beside the pool's.
    for each in held:
        assert each.predictor.margin(ROW).tolist() == [2.5]
        assert running(processes) == MAX_MODELS
    pool.forget("1")
    assert running(processes) == MAX_MODELS - 1
    pool.close()
    assert running(processes) == 0


def test_one_that_makes_room_before_its_turn_is_asked_anew(
    pool: OpenedModels, processes: list[sandbox._Process]
) -> None:
    first = pool.model("0", opening(LINE))
    pool._places["0"].sandbox.close()  # as another thread does, just before the question
    assert first.predictor.margin(ROW).tolist() == [2.5]
    assert (len(processes), running(processes)) == (2, 1)
    assert list(pool._places) == ["0"]


def test_one_that_does_not_open_takes_nobodys_room(
    pool: OpenedModels, processes: list[sandbox._Process]
) -> None:
    first = pool.model("0", opening(LINE))
    for at in range(1, MAX_MODELS + 1):
        with pytest.raises(ArtefactRefused):
            pool.model(str(at), opening(b"{}"))
    assert pool.model("0", opening(LINE)) is first
    assert running(processes) == 1


def test_one_that_opens_slowly_holds_up_no_other(pool: OpenedModels) -> None:
    made = opening(LINE)
    ready = pool.model("ready", made)
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> dict[str, bytes]:
        begun.set()
        assert go_on.wait(60)
        return dict(made.files())

    slow = Opening(made.manifest, slowly)
    opener = threading.Thread(target=lambda: pool.model("slow", slow), daemon=True)
    asker = threading.Thread(
        target=lambda: pool.model("ready", made).predictor.margin(ROW), daemon=True
    )
    opener.start()
    assert begun.wait(60)
    asker.start()
    asker.join(60)
    answered = not asker.is_alive()
    go_on.set()
    opener.join(60)
    asker.join(60)
    assert answered
    assert pool.model("ready", made) is ready


def test_one_that_is_closed_in_its_turn_answers_and_then_ends(
    processes: list[sandbox._Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SandboxedModel(opening(LINE))
    answer = model._answer

    def closed(*asked: Any) -> Any:
        model.close()  # as the pool does, from another thread: it does not wait
        return answer(*asked)

    monkeypatch.setattr(model, "_answer", closed)
    assert SandboxedPredictor(model).margin(ROW).tolist() == [2.5]
    assert running(processes) == 0
    with pytest.raises(Retired, match="ask again"):
        model.ask("margin", ROW)
    assert len(processes) == 1
