"""What `explain` raises on purpose, named by what the caller does next.

Nothing foreign leaks from the package: an error of numpy, xgboost, shap or fluent
is raised again as one of these. A text never quotes a person's value; `member`
names the place.
"""

from collections.abc import Sequence

__all__ = [
    "AdditivityError",
    "ArtefactRefused",
    "ExplainError",
    "FactsDiffer",
    "LanguageMissing",
    "LetterWithheld",
    "ModelCrashed",
    "ModelMismatch",
    "ModelUnsupported",
    "NotAttributed",
    "NotReproduced",
    "SchemaError",
]


class ExplainError(Exception):
    """Anything this package raises on purpose.

    Attributes:
        member: the JSON member at fault as a dotted path (`input.income`), or None.
    """

    def __init__(self, message: str, *, member: str | None = None) -> None:
        super().__init__(message)
        self.member = member


class SchemaError(ExplainError):
    """A value is not in the form that was agreed: send it again, corrected."""


class AdditivityError(ExplainError):
    """Contributions do not add up to the model's own output: store none of them."""


class ArtefactRefused(ExplainError):
    """A model file that must not be opened: bring another file."""


class ModelMismatch(ExplainError):
    """A model file that opens, but is not the model that was described: raise the alarm."""


class NotReproduced(ModelMismatch):
    """A model that answers its golden rows otherwise than when it was registered: set it apart."""


class ModelCrashed(ExplainError):
    """What runs a model died, ran out of its limits or gave no answer: look at the model's file."""


class ModelUnsupported(ExplainError):
    """A fitted model that is not taken apart exactly: state its predictions yourself."""


class LetterWithheld(ExplainError):
    """A check of the explanation failed: nothing goes out by itself, a person writes.

    Attributes:
        gates: the names of the checks that failed.
    """

    def __init__(self, gates: Sequence[str]) -> None:
        named = ", ".join(gates)
        super().__init__(
            f"a check of this explanation failed ({named}), so no letter is made automatically:"
            " read what the check found, and have a person write the letter"
        )
        self.gates = tuple(gates)


class LanguageMissing(ExplainError):
    """No catalogue speaks this language, or it lacks a message: choose another."""


class FactsDiffer(ExplainError):
    """What would be said in another language is not what was said first: ask a person."""


class NotAttributed(ExplainError):
    """There are no contributions to explain: none came with the decision, and none were found."""
