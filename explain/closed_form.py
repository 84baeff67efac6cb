"""Exact interventional Shapley values of additive models, in closed form and 64 bits.

A term of one feature moves the margin by what it adds to the row, less what it adds to the
reference group on average; that is its feature's Shapley value, and no sampling is involved.
A term of two features (in an explainable boosting machine) is a game of two players: each is
given half of what it does alone and half of what it does when the other is there already.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from explain.additive import AdditiveModel, Term
from explain.attribution import XGBOOST_TOLERANCE, Attribution, quantise_rows
from explain.errors import SchemaError
from explain.predictor import Predictor, Rows

__all__ = ["ClosedForm"]

Scores = NDArray[np.float64]
_Adds = Callable[[NDArray[np.float64], NDArray[np.float64]], None]


class ClosedForm:
    """The engine; it is named as its model's kind: `linear`, `scorecard` or `ebm`.

    Raises:
        ModelMismatch: the model has no number for a missing value of the reference group.
        SchemaError: model, reference group and features differ in number.
    """

    def __init__(
        self,
        model: AdditiveModel,
        background: Rows,
        predictor: Predictor,
        names: tuple[str, ...],
        tolerance: int = XGBOOST_TOLERANCE,
    ) -> None:
        if len(names) != model.features or background.shape[1:] != (len(names),):
            raise SchemaError("model, reference group and features differ in number")
        if not len(background):
            raise SchemaError("the reference group needs at least one row")
        self.engine = model.kind
        self._predictor = predictor
        self._names = names
        self._tolerance = tolerance
        self._base = float(predictor.margin(background).mean())
        double = np.asarray(background, dtype=np.float64)
        weighted = [term for term in model.terms if term.scores is None]
        self._adds = [_weighted(weighted, double)] if weighted else []
        for term in model.terms:
            if term.scores is not None:
                make = _alone if len(term.columns) == 1 else _paired
                self._adds.append(make(term, term.scores, double))

    @property
    def base(self) -> float:
        """The reference group's average margin: where every explanation starts."""
        return self._base

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """Return the Shapley values, shape (rows, features), in the output space."""
        double = np.asarray(rows, dtype=np.float64)
        phi = np.zeros(double.shape)
        for add in self._adds:
            add(double, phi)
        return phi

    def attribute(self, rows: Rows) -> Sequence[Attribution]:
        """Return one attribution per row. Raises AdditivityError as the protocol says."""
        return quantise_rows(
            self.engine,
            self._names,
            base=self._base,
            phi=self.values(rows),
            margins=self._predictor.margin(rows),
            tolerance=self._tolerance,
            space=self._predictor.space,
        )


def _weighted(terms: Sequence[Term], background: NDArray[np.float64]) -> _Adds:
    columns = np.array([term.columns[0] for term in terms], dtype=np.intp)  # none is there twice
    weights = np.array([term.weight for term in terms])
    missing = np.array([term.missing for term in terms])

    def told(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        found = rows.take(columns, axis=1)
        return np.where(np.isnan(found), missing, found * weights)

    average = told(background).mean(axis=0)

    def add(rows: NDArray[np.float64], phi: NDArray[np.float64]) -> None:
        phi[:, columns] += told(rows) - average

    return add


def _alone(term: Term, _: Scores, background: NDArray[np.float64]) -> _Adds:
    (column,) = term.columns
    average = float(term.values(background).mean())

    def add(rows: NDArray[np.float64], phi: NDArray[np.float64]) -> None:
        phi[:, column] += term.values(rows) - average

    return add


def _paired(term: Term, scores: Scores, background: NDArray[np.float64]) -> _Adds:
    first, second = term.columns
    first_cell, second_cell = term.cells(background)
    average = float(scores[first_cell, second_cell].mean())
    # What the term adds on average if one feature is the row's and the other the group's.
    given_first = scores[:, second_cell].mean(axis=1)
    given_second = scores[first_cell, :].mean(axis=0)

    def add(rows: NDArray[np.float64], phi: NDArray[np.float64]) -> None:
        one, other = term.cells(rows)
        whole, alone, beside = scores[one, other], given_first[one], given_second[other]
        phi[:, first] += (alone - average + whole - beside) / 2
        phi[:, second] += (beside - average + whole - alone) / 2

    return add
