"""A watched model and a logged function: as they were, and on record."""

import asyncio
import copy
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ledger.client import Client, CutOff, Stated, logged, occasion, watch
from ledger.errors import MalformedError, StoppedError
from tests.ledger.client.clients import client_of, told, until
from tests.ledger.client.simulator import Ledger
from tests.ledger.client.test_fork import in_child

NOWHERE = "http://127.0.0.1:9"
CUT_OFF = CutOff(0, "approved", "declined")
NAMES: dict[str, Any] = {"model": "m@1", "policy": "p@1", "outcome": CUT_OFF}


class Halves:
    """A model of one feature, which it halves."""

    kind = "halves"
    steps = (1, 2)

    def predict(self, rows: list[float], *, scale: float = 1.0) -> list[float]:
        return [row / 2 * scale for row in rows]

    def predict_proba(self, rows: list[float]) -> list[float]:
        if not all(isinstance(row, float) for row in rows):
            raise ValueError("only numbers")
        return self.predict(rows)

    def fit(self, rows: list[float]) -> "Halves":
        del rows
        return self

    def __call__(self, row: float) -> float:
        return row / 2

    def __len__(self) -> int:
        return 2

    def __getitem__(self, item: int) -> int:
        return self.steps[item]


@dataclass
class Read:
    """How it is read, by somebody who knows it."""

    model: Any = field(default_factory=Halves)
    attributed: bool = True
    fails: bool = False
    unexplained: str | None = None

    def predictions(self, rows: Any, result: Any) -> Sequence[Stated]:
        if self.fails:
            raise ValueError("Mary Example")
        return [self._one(row, half) for row, half in zip(rows, result, strict=True)]

    def _one(self, row: float, half: float) -> Stated:
        margin = round(half * 1e6)
        parts = {"engine": "halves", "space": "log-odds", "scale": 6, "base": 0, "residual": 0}
        attributions = parts | {"values": {"x": margin}} if self.attributed else None
        return Stated({"x": row}, margin, "log-odds", attributions, self.unexplained)


def test_a_watched_model_predicts_as_it_did_and_is_recorded(
    ledger: Ledger, url: str, spool: Path
) -> None:
    with client_of(url, spool) as client:
        model = watch(Read(), client, context={"decision_role": "sole"}, **NAMES)
        with occasion(subjects=["S-1", None]) as batch:
            assert model.predict([3.0, -1.0]) == [1.5, -0.5]
        assert model.predict(rows=[8.0]) == [4.0]
        assert model.predict_proba([1.0]) == [0.5]
        assert client.flush()
        assert [ticket.seq for ticket in batch.tickets] == [1, 2]
    found = list(ledger.decisions.values())
    assert [each["output"]["margin"] for each in found] == [1_500_000, -500_000, 4_000_000, 500_000]
    assert [each["output"]["outcome"] for each in found][:2] == ["approved", "declined"]
    assert [each.get("subject") for each in found] == ["S-1", None, None, None]
    assert found[0]["input"] == {"x": 3.0}
    assert found[0]["attributions"]["values"] == {"x": 1_500_000}
    assert (found[0]["model"], found[0]["policy"]) == ("m@1", "p@1")
    assert all(each["context"]["decision_role"] == "sole" for each in found)


def test_everything_else_is_the_models_own(spool: Path) -> None:
    inside = Halves()
    with client_of(NOWHERE, spool) as client:
        model = watch(Read(inside), client, **NAMES)
        assert (model.kind, len(model), model[1], model(4.0)) == ("halves", 2, 2, 2.0)
        assert model.fit([]) is inside
        assert bool(model)
        assert "predict" in dir(model)
        assert "watched" in repr(model)
        model.threshold = 3
        assert inside.threshold == 3
        del model.threshold
        assert not hasattr(inside, "threshold")
        with pytest.raises(AttributeError, match="nothing"):
            _ = model.nothing
        assert model.predict.__name__ == "predict"
        assert client.counters().accepted == 0
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="watch it again"):
                attempt(model)
        with pytest.raises(AttributeError):
            _ = object.__new__(type(model)).predict


def test_what_the_model_raises_is_raised_and_no_prediction(spool: Path) -> None:
    with client_of(NOWHERE, spool) as client:
        model = watch(Read(), client, **NAMES)
        with pytest.raises(ValueError, match="only numbers"):
            model.predict_proba(["x"])
        assert client.counters().accepted == client.counters().failed == 0


def test_calls_can_be_chosen_and_there_must_be_one(spool: Path) -> None:
    with client_of(NOWHERE, spool) as client:
        model = watch(Read(), client, calls={"predict_proba"}, **NAMES)
        model.predict([1.0])
        model.predict_proba([1.0])
        assert client.counters().accepted == 1
        with pytest.raises(MalformedError):
            watch(Read(), client, calls={"score"}, **NAMES)


def test_a_failure_of_reading_leaves_the_prediction_and_a_gap(
    ledger: Ledger, url: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(url, spool) as client:
        model = watch(Read(fails=True), client, **NAMES)
        with occasion() as batch:
            assert model.predict([3.0, 5.0]) == [1.5, 2.5]
        watch(Read(), client, **NAMES).predict([1.0])
        assert client.flush()
        until(lambda: len(told(ledger)) == 2)
        assert (client.counters().failed, client.counters().accepted) == (2, 1)
    assert told(ledger) == dict.fromkeys((1, 2), "prediction_not_readable")
    assert [ticket.failure for ticket in batch.tickets] == ["prediction_not_readable"] * 2
    assert not any(ticket.accepted for ticket in batch.tickets)
    assert "Mary" not in caplog.text


def bad_outcome(prediction: Any) -> str:
    raise KeyError(prediction)


def test_a_failure_of_the_outcome_costs_one_row(ledger: Ledger, url: str, spool: Path) -> None:
    def sometimes(prediction: Any) -> str:
        return bad_outcome(prediction) if prediction.margin < 0 else "approved"

    with client_of(url, spool) as client:
        model = watch(Read(), client, model="m@1", policy="p@1", outcome=sometimes)
        assert model.predict([1.0, -1.0, 2.0]) == [0.5, -0.5, 1.0]
        assert client.flush()
    assert ledger.counters() == {client.counters().source: [1, 3]}


def test_missing_attributions_are_counted_and_left_to_the_ledger(
    ledger: Ledger, url: str, spool: Path
) -> None:
    with client_of(url, spool) as client:
        watch(Read(attributed=False, unexplained="additivity"), client, **NAMES).predict([1.0])
        watch(Read(attributed=False), client, **NAMES).predict([1.0])
        assert client.flush()
        assert client.counters().unattributed == 2
    assert ["attributions" in each for each in ledger.decisions.values()] == [False, False]


def test_subjects_that_do_not_fit_name_nobody(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:
        with occasion(subjects=["S-1"]):
            watch(Read(), client, **NAMES).predict([1.0, 2.0])
        assert client.flush()
    assert all("subject" not in each for each in ledger.decisions.values())


def test_a_strict_one_says_what_is_wrong(spool: Path) -> None:
    with client_of(NOWHERE, spool) as client:
        strict = NAMES | {"strict": True}
        for read, kind in (
            (Read(fails=True), ValueError),
            (Read(attributed=False, unexplained="additivity"), MalformedError),
        ):
            with pytest.raises(kind):
                watch(read, client, **strict).predict([1.0])
        watch(Read(attributed=False), client, **strict).predict([1.0])
        with pytest.raises(KeyError):
            watch(Read(), client, **strict | {"outcome": bad_outcome}).predict([1.0])
        with pytest.raises(MalformedError), occasion(subjects=[]):
            watch(Read(), client, **strict).predict([1.0])
        client.close(0)
        with pytest.raises(Exception, match="not accepted"):
            watch(Read(), client, **strict).predict([1.0])


def test_a_client_that_is_closed_or_cannot_be_made_harms_nothing(spool: Path) -> None:
    def none() -> Client:
        raise StoppedError("no client")

    with client_of(NOWHERE, spool) as client:
        client.close(0)
        for failing in (client, none):
            for read in (Read(), Read(fails=True)):
                assert watch(read, failing, **NAMES).predict([3.0]) == [1.5]


def test_the_client_is_made_once_with_the_first_prediction(
    ledger: Ledger, url: str, spool: Path
) -> None:
    made: list[Client] = []
    with client_of(url, spool) as client:

        def make() -> Client:
            made.append(client)
            return client

        model = watch(Read(), make, **NAMES)
        assert not made
        for _ in range(2):
            model.predict([1.0])
        assert client.flush()
    assert len(made) == 1
    assert len(ledger.decisions) == 2


def test_a_child_of_a_fork_counts_for_itself(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:
        model = watch(Read(), client, **NAMES)
        with occasion(request="r-1"):
            model.predict([1.0])

        def child() -> None:
            model.predict([2.0])
            assert client.flush()
            assert client.counters().accepted == 1

        in_child(child)
        assert client.flush()
    assert sorted(map(len, ledger.counters().values())) == [1, 1]


def tell(result: float, row: float, **_: Any) -> Stated:
    return Stated({"x": row}, round(result * 1e6))


def test_a_logged_function_is_what_it_was(ledger: Ledger, url: str, spool: Path) -> None:
    with client_of(url, spool) as client:

        @logged(client, tell=tell, **NAMES)
        def half(row: float, *, loud: bool = False) -> float:
            """Half of it."""
            del loud
            return row / 2

        @logged(client, tell=lambda result, rows: list(map(tell, result, rows)), **NAMES)
        def halves(rows: list[float]) -> list[float]:
            return [row / 2 for row in rows]

        @logged(client, tell=tell, **NAMES)
        async def later(row: float) -> float:
            await asyncio.sleep(0)
            return row / 2

        assert (half.__name__, half.__doc__) == ("half", "Half of it.")
        assert half(3.0, loud=True) == 1.5
        assert halves([1.0, 2.0]) == [0.5, 1.0]
        assert asyncio.run(later(5.0)) == 2.5
        with pytest.raises(TypeError):
            half("x")  # type: ignore[arg-type]
        assert client.flush()
    margins = [each["output"]["margin"] for each in ledger.decisions.values()]
    assert margins == [1_500_000, 500_000, 1_000_000, 2_500_000]


def test_a_function_that_tells_nonsense_is_harmless(spool: Path) -> None:
    for nonsense in (lambda *_: None, lambda *_: 1 / 0, lambda: None):
        with client_of(NOWHERE, spool) as client:

            @logged(client, tell=nonsense, **NAMES)  # type: ignore[arg-type]
            def half(row: float) -> float:
                return row / 2

            assert half(3.0) == 1.5
            assert (client.counters().accepted, client.counters().failed) == (0, 1)


def test_a_generator_cannot_be_logged(spool: Path) -> None:
    def yields() -> Any:
        yield 1

    async def yields_later() -> Any:
        yield 1

    with client_of(NOWHERE, spool) as client:
        for function in (yields, yields_later):
            with pytest.raises(MalformedError):
                logged(client, tell=tell, **NAMES)(function)


def test_a_cut_off_is_what_the_policy_says() -> None:
    manifest = {
        "cut_off": {"space": "log-odds", "scale": 6, "margin": 5},
        "outcomes": {"pass": "yes", "fail": "no"},
    }
    higher, lower = CutOff.of(manifest), CutOff.of(manifest, favourable="lower")
    assert [higher(Stated({}, margin)) for margin in (4, 5, 6)] == ["no", "yes", "yes"]
    assert [lower(Stated({}, margin)) for margin in (4, 5, 6)] == ["yes", "yes", "no"]
    with pytest.raises(MalformedError):
        higher(Stated({}, 5, "probability"))
    for broken in ({}, {"cut_off": 3, "outcomes": {}}, manifest | {"outcomes": {"pass": "yes"}}):
        with pytest.raises(MalformedError):
            CutOff.of(broken)
    with pytest.raises(MalformedError):
        CutOff(0.5, "yes", "no")  # type: ignore[arg-type]
    with pytest.raises(MalformedError):
        CutOff(5, "yes", "no", favourable="up")  # type: ignore[arg-type]
