"""Shapley values by their definition: slow, short, and knowing nothing of any engine."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Margins = Callable[[Any], NDArray[np.float64]]


def shapley_by_definition(margins: Margins, row: Any, background: Any) -> NDArray[np.float64]:
    """The textbook sum over all subsets; the value of a subset is the average over the
    reference group with that subset's columns taken from the row."""
    width = len(row)
    subsets = [
        subset for size in range(width + 1) for subset in itertools.combinations(range(width), size)
    ]
    mixed = np.repeat(background[None, :, :], len(subsets), axis=0)
    for at, subset in enumerate(subsets):
        mixed[at][:, list(subset)] = row[list(subset)]
    asked = margins(mixed.reshape(-1, width)).reshape(len(subsets), -1).mean(axis=1)
    value = dict(zip(subsets, asked.tolist(), strict=True))
    phi = np.zeros(width)
    for column in range(width):
        for subset in subsets:
            if column in subset:
                continue
            weight = math.factorial(len(subset)) * math.factorial(width - len(subset) - 1)
            gain = value[tuple(sorted((*subset, column)))] - value[subset]
            phi[column] += weight / math.factorial(width) * gain
    return phi
