"""Additive models as JSON of our own: linear models, scorecards, explainable boosting machines.

A margin is an intercept and one number per term, looked up or multiplied in float64 and added
in the order of the terms. No library reads the file, so nothing in it can run. The form is
docs/formats.md, section 6.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from explain.errors import ArtefactRefused, ModelMismatch
from explain.features import Feature
from explain.predictor import FeatureSchema, Rows

__all__ = ["AdditiveModel", "AdditivePredictor", "ebm_document", "parse"]

SPACES: Final = ("log-odds", "response")
MAX_TERMS: Final = 2_000  # an EBM of 500 features has 500 main terms and some hundred pairs
MAX_CELLS: Final = 1_000_000  # numbers of all tables together
MAX_NUMBER: Final = 1e15  # of any number in the file; as of an input
MAX_DEPTH_OF_PAIRS: Final = 2  # features of one term

_MEMBERS: Final = frozenset({"v", "kind", "space", "intercept", "terms"})
_WEIGHTED: Final = frozenset({"feature", "weight", "missing"})
_TABLED: Final = frozenset({"features", "cuts", "scores"})


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One addend: a weight times a feature, or a look-up of one or two features.

    `cuts` are, by feature, the rising limits between cells. A look-up has, by feature, a cell
    for a missing value, one below the first cut, one from each cut on; `scores` has that shape.
    """

    columns: tuple[int, ...]
    weight: float
    missing: float
    cuts: tuple[NDArray[np.float64], ...]
    scores: NDArray[np.float64] | None

    def values(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what this term adds to each row; NaN where a missing value has no number."""
        if self.scores is None:
            column = rows[:, self.columns[0]]
            return np.where(np.isnan(column), self.missing, column * self.weight)
        return np.asarray(self.scores[self.cells(rows)], dtype=np.float64)

    def cells(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.intp], ...]:
        """Return where in `scores` each row lies, by feature; of a weight nothing."""
        return tuple(
            _cell(rows[:, column], cuts)
            for column, cuts in zip(self.columns, self.cuts, strict=True)
        )


def _cell(values: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the cell of each value: that of a missing one is the first."""
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(cuts, values, "right"))


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveModel:
    """A whole model of `features` columns: its margin, in `space`, is the intercept and terms."""

    kind: str
    features: int
    space: str
    intercept: float
    terms: tuple[Term, ...]

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """Return what each term adds to each row, shape (rows, terms)."""
        double = np.asarray(rows, dtype=np.float64)
        return np.stack([term.values(double) for term in self.terms], axis=1)


class AdditivePredictor:
    """An additive model that is asked for margins."""

    def __init__(self, model: AdditiveModel) -> None:
        self.model = model
        self.space = model.space

    def margin(self, rows: Rows) -> NDArray[np.float64]:
        """Return the margin per row, shape (rows,).

        Raises:
            ModelMismatch: a value is missing, and the model says nothing about that.
        """
        double = np.asarray(rows, dtype=np.float64)
        margins = np.full(len(double), self.model.intercept)
        for term in self.model.terms:  # one after another: the same bits in any batch
            margins += term.values(double)
        if np.isnan(margins).any():
            raise ModelMismatch("the model has no number for a missing value that is allowed")
        return margins


def parse(data: bytes, kind: str, schema: FeatureSchema) -> AdditiveModel:
    """Return the model that a file of this kind describes, for these features.

    Raises:
        ArtefactRefused: it is not in the form, or names a feature or category that is none.
    """
    document = _document(data)
    if document.keys() != _MEMBERS or document["v"] != 1 or type(document["v"]) is not int:
        raise _wrong(f"must have exactly the members {', '.join(sorted(_MEMBERS))}, and v 1")
    if document["kind"] != kind:
        raise _wrong(f"is not of the kind {kind!r} that the manifest says")
    space = document["space"]
    if space not in SPACES:
        raise _wrong(f"must be in a space of {', '.join(SPACES)}")
    entries = document["terms"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_TERMS:
        raise _wrong(f"must have 1 to {MAX_TERMS:,} terms")
    terms = tuple(_term(entry, kind, schema) for entry in entries)
    if len({term.columns for term in terms}) != len(terms):
        raise _wrong("has two terms of the same features")
    if sum(term.scores.size for term in terms if term.scores is not None) > MAX_CELLS:
        raise _wrong("has tables that are too large")
    intercept = _number(document["intercept"])
    return AdditiveModel(kind, len(schema.features), str(space), intercept, terms)


def _document(data: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise _wrong("has a member twice")
        return members

    try:
        document = json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _wrong("is not JSON") from error
    if not isinstance(document, dict):
        raise _wrong("is not an object")
    return document


def _term(entry: object, kind: str, schema: FeatureSchema) -> Term:
    if not isinstance(entry, dict):
        raise _wrong("has a term that is not an object")
    if kind == "linear" and "weight" in entry:
        return _weighted(entry, schema)
    if entry.keys() != _TABLED:
        raise _wrong(f"has a term without exactly {', '.join(sorted(_TABLED))}")
    names, cuts = entry["features"], entry["cuts"]
    most = MAX_DEPTH_OF_PAIRS if kind == "ebm" else 1
    if (
        not isinstance(names, list)
        or not 1 <= len(names) <= most
        or len(set(map(str, names))) != len(names)
    ):
        raise _wrong(f"has a term that is not of 1 to {most} features")  # fmt: skip
    if not isinstance(cuts, list) or len(cuts) != len(names):
        raise _wrong("has a term without cuts for each of its features")
    features = tuple(_feature(name, schema) for name in names)
    limits = tuple(_cuts(one, feature) for one, (_, feature) in zip(cuts, features, strict=True))
    shape = tuple(len(limit) + 2 for limit in limits)
    scores = np.array(_cells(entry["scores"], shape), dtype=np.float64).reshape(shape)
    return Term(tuple(column for column, _ in features), 0.0, 0.0, limits, scores)


def _weighted(entry: Mapping[str, Any], schema: FeatureSchema) -> Term:
    if not {"feature", "weight"} <= entry.keys() <= _WEIGHTED:
        raise _wrong(f"has a term with other members than {', '.join(sorted(_WEIGHTED))}")
    column, feature = _feature(entry["feature"], schema)
    if feature.type == "category":
        raise _wrong("has a weight for a category; it needs a table")
    missing = _number(entry["missing"]) if "missing" in entry else math.nan
    if feature.missing_allowed and "missing" not in entry:
        raise _wrong(f"has no number for a missing {feature.name}, which the manifest allows")
    return Term((column,), _number(entry["weight"]), missing, (), None)


def _feature(name: object, schema: FeatureSchema) -> tuple[int, Feature]:
    if not isinstance(name, str) or name not in schema.names:
        raise _wrong("has a term on a feature that does not exist")
    column = schema.index(name)
    return column, schema.features[column]


def _cuts(given: object, feature: Feature) -> NDArray[np.float64]:
    """Return the limits of cells; of a category its values in the schema's order, a cell each."""
    if feature.type == "category":
        if given != list(feature.categories):
            raise _wrong(f"does not list the categories of {feature.name} as the manifest does")
        return np.arange(1, len(feature.categories), dtype=np.float64)
    if not isinstance(given, list):
        raise _wrong("has cuts that are not a list")
    cuts = [_number(one) for one in given]
    if any(after <= before for before, after in pairwise(cuts)):
        raise _wrong("has cuts that do not rise")
    return np.array(cuts, dtype=np.float64)


def _cells(given: object, shape: tuple[int, ...]) -> Sequence[float]:
    """Return the numbers of a table row by row, if it has this shape."""
    if not isinstance(given, list) or len(given) != shape[0]:
        raise _wrong("has scores of another shape than its cuts give")
    if len(shape) == 1:
        return [_number(one) for one in given]
    return [number for row in given for number in _cells(row, shape[1:])]


def _number(value: object) -> float:
    if type(value) not in {int, float} or not -MAX_NUMBER <= value <= MAX_NUMBER:  # type: ignore[operator] # checked
        raise _wrong("has a number that is none, or not of a usual size")
    return float(value)  # type: ignore[arg-type] # checked


def _wrong(what: str) -> ArtefactRefused:
    return ArtefactRefused(f"model file: it {what}")


def ebm_document(model: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the document of a fitted explainable boosting machine of interpret.

    Write it with :func:`json.dumps`. `names` are the manifest's, in the order of the columns.

    Raises:
        ArtefactRefused: it has more than one output, a link or terms that are not known here.
    """
    space = {"logit": "log-odds", "identity": "response"}.get(str(model.link_))
    if space is None or np.ndim(model.term_scores_[0]) != len(model.term_features_[0]):
        raise _wrong("is an EBM with a link that is not known, or more than one output")
    terms = []
    for columns, scores in zip(model.term_features_, model.term_scores_, strict=True):
        cuts = [_levels(model, column, len(columns)) for column in columns]
        # The library's last cell is for values that it never saw; the schema refuses those.
        kept = np.asarray(scores)[tuple(slice(0, size - 1) for size in np.shape(scores))]
        listed = {"features": [names[at] for at in columns], "cuts": cuts}
        terms.append(listed | {"scores": kept.tolist()})
    intercept = float(np.ravel(model.intercept_)[0])
    return {"v": 1, "kind": "ebm", "space": space, "intercept": intercept, "terms": terms}


def _levels(model: Any, column: int, order: int) -> list[Any]:
    """Return the cuts that a term of this many features uses, of a category its values."""
    levels = model.bins_[column]
    level = levels[min(len(levels), order) - 1]
    if isinstance(level, Mapping):
        if len(set(level.values())) != len(level):
            raise _wrong("is an EBM that takes categories together; give each a bin of its own")
        return [name for name, _ in sorted(level.items(), key=lambda each: each[1])]
    return [float(cut) for cut in level]
