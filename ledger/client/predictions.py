"""What a watched model has to say of each row that it predicts, and what a policy makes of it.

A port: `ledger` knows no model. `explain.watched` has the models that it understands; anyone
who knows better writes another, or states each prediction as a value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

from ledger.errors import MalformedError

__all__ = ["SCALE", "CutOff", "Outcome", "Prediction", "Stated", "WatchedModel", "output_of"]

SCALE: Final = 6  # a margin is in units of 10^-6 of its space (docs/formats.md §5)


class Prediction(Protocol):
    """One row of one call. Reading it costs nothing and raises nothing."""

    @property
    def input(self) -> Mapping[str, Any]:
        """The raw features by name: null, booleans, numbers and texts."""

    @property
    def margin(self) -> int:
        """What the model itself came to for this row, in units of 10^-6 of `space`."""

    @property
    def space(self) -> str:
        """Where margins lie and contributions add up, such as `log-odds`."""

    @property
    def attributions(self) -> Mapping[str, Any] | None:
        """Their sum is the margin (docs/formats.md §5); None: they are left to the ledger."""

    @property
    def unexplained(self) -> str | None:
        """Why attributions that should be there are not, as a code; None: nothing failed."""


class WatchedModel(Protocol):
    """A model, and how its calls are read."""

    @property
    def model(self) -> Any:
        """The model itself, as it is called."""

    def predictions(self, rows: Any, result: Any) -> Sequence[Prediction]:
        """One prediction for each row of a call, in its order.

        Args:
            rows: what the model was called with.
            result: what it returned. A margin that does not belong to it is no prediction.

        Raises:
            Exception: of any kind, where it cannot be said truly what each row came to. Its
                text may hold data: it is never shown. Contributions that could not be
                computed, or do not add up, are no such case: those are None.
        """


Outcome: TypeAlias = Callable[[Prediction], str]
"""What becomes of a prediction: one of the policy's outcomes."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A prediction as its producer states it."""

    input: Mapping[str, Any]
    margin: int
    space: str = "log-odds"
    attributions: Mapping[str, Any] | None = None
    unexplained: str | None = None


@dataclass(frozen=True, slots=True)
class CutOff:
    """A policy's limit. A margin at it, or on the favourable side, passes.

    Attributes:
        margin: the limit, in units of 10^-6 of `space`.
        passed: the outcome of those that pass, such as `approved`.
        failed: of the others, such as `declined`.
        space: of the margins that it limits.
        favourable: which side passes.
    """

    margin: int
    passed: str
    failed: str
    space: str = "log-odds"
    favourable: Literal["higher", "lower"] = "higher"

    def __post_init__(self) -> None:
        if type(self.margin) is not int:
            raise MalformedError("cut-off: the margin is a whole number", member="margin")
        if self.favourable not in ("higher", "lower"):
            raise MalformedError("cut-off: favourable is higher or lower", member="favourable")

    @classmethod
    def of(
        cls, policy: Mapping[str, Any], favourable: Literal["higher", "lower"] = "higher"
    ) -> Self:
        """The cut-off of a policy's manifest (docs/formats.md §7).

        Raises:
            MalformedError: it states none.
        """
        try:
            limit, outcomes = policy["cut_off"], policy["outcomes"]
            margin, space = limit["margin"], limit["space"]
            passed, failed = outcomes["pass"], outcomes["fail"]
        except (KeyError, TypeError) as error:
            raise MalformedError("policy: no cut-off, or no outcomes") from error
        return cls(margin, passed, failed, space, favourable)

    def __call__(self, prediction: Prediction) -> str:
        """The outcome of a prediction.

        Raises:
            MalformedError: its margin lies in another space.
        """
        if prediction.space != self.space:
            raise MalformedError("cut-off: the margin lies in another space", member="space")
        over, limit = prediction.margin, self.margin
        passes = over <= limit if self.favourable == "lower" else over >= limit
        return self.passed if passes else self.failed


def output_of(prediction: Prediction, outcome: Outcome) -> dict[str, Any]:
    """The section `output` of its decision. Raises what `outcome` raises."""
    return {
        "margin": prediction.margin,
        "scale": SCALE,
        "space": prediction.space,
        "outcome": outcome(prediction),
    }
