"""A model that is watched: it predicts as it did, and each prediction is on record."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NoReturn, ParamSpec, TypeVar, cast

from ledger.client.client import Client
from ledger.client.predictions import Outcome, Prediction, WatchedModel
from ledger.client.scribe import Scribe
from ledger.errors import MalformedError

__all__ = ["PREDICTS", "Watched", "logged", "rows_of", "watch"]

PREDICTS: Final = frozenset({"predict", "predict_proba", "inplace_predict"})
"""Calls that are predictions. What else a model can do is passed through."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Tell = Callable[..., Prediction | Sequence[Prediction]]


class Watched:
    """Stands in for a model: every attribute is the model's. Made by :func:`watch`."""

    def __init__(self, model: Any, watching: Mapping[str, Any]) -> None:
        self.__dict__["_watched_model"] = model
        self.__dict__["_watching"] = watching

    def __getattr__(self, name: str) -> Any:
        """The model's own attribute; its predictions are put on record."""
        if name in ("_watched_model", "_watching"):
            raise AttributeError(name)  # never made: asking on would not end
        found = getattr(self._watched_model, name)  # as the model says that it has none
        return self._watching.get(name, found)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._watched_model, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._watched_model, name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the model, which is not watched so: its calls are its own affair."""
        return self._watched_model(*arguments, **named)

    def __len__(self) -> int:
        """The model's own length, such as a pipeline's number of steps."""
        return len(self._watched_model)

    def __getitem__(self, item: Any) -> Any:
        """The model's own item, such as a step of a pipeline."""
        return self._watched_model[item]

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return dir(self._watched_model)

    def __repr__(self) -> str:
        return f"watched {self._watched_model!r}"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "a watched model holds a client with files and threads and cannot be copied or"
            " pickled: pickle the model inside, and watch it again where it is loaded"
        )


def watch(
    watched: WatchedModel,
    client: Client | Callable[[], Client],
    *,
    model: str,
    policy: str,
    outcome: Outcome,
    context: Mapping[str, Any] | None = None,
    calls: Collection[str] = PREDICTS,
    strict: bool = False,
) -> Any:
    """The model, as it was; what it predicts from now on is on record.

    Args:
        watched: a model and how it is read, such as `explain.watched.watched(model)`.
        client: records the decisions, or makes the client that does.
        model: the registered model version, `name@version` or digest.
        policy: likewise.
        outcome: what becomes of a prediction: a `CutOff`, or a function.
        context: members of every decision's `context`, such as `decision_role`.
        calls: which of the model's calls are predictions.
        strict: raise what goes wrong with the record. For tests.

    Raises:
        MalformedError: the model has none of these calls.
    """
    scribe = Scribe(
        client, model=model, policy=policy, outcome=outcome, context=context, strict=strict
    )
    inside = watched.model
    watching = {
        name: _watching(getattr(inside, name), watched, scribe)
        for name in calls
        if callable(getattr(inside, name, None))
    }
    if not watching:
        raise MalformedError("watch: the model cannot predict")
    return Watched(inside, watching)


def logged(
    client: Client | Callable[[], Client],
    *,
    model: str,
    policy: str,
    outcome: Outcome,
    tell: Tell,
    context: Mapping[str, Any] | None = None,
    strict: bool = False,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """A decorator: what a function predicts is on record.

    Args:
        client: as for :func:`watch`, like all that is not here.
        model: likewise.
        policy: likewise.
        outcome: likewise.
        tell: given what the function returned and what it was called with, says what it came
            to: a prediction, or one for each row. Use `Stated`, or what a watched model's
            `predictions` says.
        context: likewise.
        strict: likewise.

    Raises:
        MalformedError: at the decoration, for a function that yields.
    """
    scribe = Scribe(
        client, model=model, policy=policy, outcome=outcome, context=context, strict=strict
    )

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise MalformedError("logged: a generator has no result to record")

        def note(result: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
            def read() -> Sequence[Prediction]:
                told = tell(result, *arguments, **named)
                return told if isinstance(told, list | tuple) else [cast("Prediction", told)]

            scribe.note(read, 1)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*arguments: Any, **named: Any) -> Any:
                result = await function(*arguments, **named)
                note(result, arguments, named)
                return result

            return cast("Callable[Parameters, Result]", awaited)

        @functools.wraps(function)
        def called(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
            result = function(*arguments, **named)
            note(result, arguments, named)
            return result

        return called

    return decorate


def rows_of(result: Any) -> int:
    """How many rows a result has, as well as can be told: at least one."""
    try:
        return max(1, len(result))
    except TypeError:
        return 1


def _watching(call: Callable[..., Any], watched: WatchedModel, scribe: Scribe) -> Any:
    try:
        first = next(iter(inspect.signature(call).parameters), "")
    except (TypeError, ValueError):  # of a call that is not Python's
        first = ""

    @functools.wraps(call)
    def predict(*arguments: Any, **named: Any) -> Any:
        result = call(*arguments, **named)
        rows = arguments[0] if arguments else named.get(first)
        scribe.note(lambda: watched.predictions(rows, result), rows_of(result))
        return result

    return predict
