"""One model version, opened: what explaining one of its decisions needs."""

from dataclasses import dataclass

from explain.attribution import Attributor
from explain.predictor import FeatureSchema, Predictor, Rows

__all__ = ["Model"]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Ask it, take its outputs apart, compare with its reference group.

    `background` is the reference group, shape (rows, features). `tolerance` is
    how far the engine may miss the model's own margin, in units of 10^-6.
    """

    schema: FeatureSchema
    predictor: Predictor
    attributor: Attributor
    background: Rows
    tolerance: int
