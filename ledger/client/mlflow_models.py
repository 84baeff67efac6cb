"""MLflow: a pyfunc model around any other, which puts its predictions on record.

It is logged and loaded like every model, and holds the other as its artefact `model`. What it
is given here travels with it by pickle, so a client, which cannot, is made where it is loaded.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ledger.client.client import Client
from ledger.client.predictions import Outcome, WatchedModel
from ledger.client.scribe import Scribe
from ledger.client.watching import rows_of

__all__ = ["logged_pyfunc"]


def logged_pyfunc(
    read: Callable[[Any], WatchedModel],
    client: Callable[[], Client],
    *,
    model: str,
    policy: str,
    outcome: Outcome,
    context: Mapping[str, Any] | None = None,
    strict: bool = False,
) -> Any:
    """A `mlflow.pyfunc.PythonModel` to save with `artifacts={"model": …}`.

    Once it is loaded, its `client` is the client that it records with.

    Args:
        read: given the loaded pyfunc model, how it is read.
        client: makes the client, in each process that loads the model.
        model: the registered model version, `name@version` or digest.
        policy: likewise.
        outcome: what becomes of a prediction: a `CutOff`, or a function.
        context: members of every decision's `context`.
        strict: raise what goes wrong with the record. For tests.

    Raises:
        ImportError: MLflow is not installed.
    """
    made = {"model": model, "policy": policy, "outcome": outcome, "context": context}
    return _class()(read, client, {**made, "strict": strict})


@cache
def _class() -> type:
    """The class, which MLflow wants to be its own: made once it is asked for."""
    import mlflow.pyfunc
    import pandas as pd

    class LoggedPyfunc(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # it ships no types
        def __init__(self, read: Any, client: Any, made: Mapping[str, Any]) -> None:
            self._read, self._client, self._made = read, client, made
            self._inner: Any = None

        def load_context(self, context: Any) -> None:
            self._inner = mlflow.pyfunc.load_model(context.artifacts["model"])
            self._watched = self._read(self._inner)
            self._scribe = Scribe(self._client, **self._made)

        def predict(
            self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
        ) -> Any:
            del context
            result = self._inner.predict(model_input, params)
            self._scribe.note(
                lambda: self._watched.predictions(model_input, result), rows_of(result)
            )
            return result

        @property
        def client(self) -> Client:
            return self._scribe.client

        def __getstate__(self) -> dict[str, Any]:
            return {**self.__dict__, "_inner": None, "_watched": None, "_scribe": None}

    return LoggedPyfunc
