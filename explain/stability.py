"""Would the same reasons have been given with another draw of the reference group?

The group is one sample of the people it stands for. For each of its rows, a reason's share is
worked out by asking the model alone: what changes when the reason's items go from that row's
values to the person's, with all other items still the row's, and with all others already the
person's; the middle of the two is its Shapley value wherever items act together in pairs at
most. The rows are then drawn again with replacement (a bootstrap), and the recorded values
move as those shares do. The draws are fixed, so the answer is the same every time, and no
engine is asked, so it is the same question to every engine.

Reasons that change places in the draws are a tie, and named as one. A reason that another
group could have taken the place of, or that helps in some draws, is one that nobody may be
told automatically: leaving out a principal reason is what 12 CFR 1002.9(b)(2) forbids.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from explain.attribution import SCALE
from explain.model import Model
from explain.predictor import Row
from explain.reason_codes import Push, Ranking

__all__ = ["AGREED_PERCENT", "DRAWS", "Stability", "stability"]

DRAWS = 200  # a share of them is known to some two percent
SEED = 9  # fixed: the same decision is judged the same way by whoever asks
AGREED_PERCENT = 90  # of the draws must give the same reasons
TIED_PERCENT = 10  # of the draws in which two neighbours change places make them a tie
MIN_ROWS = 30  # of a group; the spread of fewer is not known well enough to judge by
MAX_ROWS = 1_000  # looked at; a larger group is steadier than they say, never less steady
ESTIMATED = "-approximate"  # ends the name of an engine whose numbers are themselves a sample
NEXT = 4  # groups beyond the reasons that could take a place; weaker ones are further off


@dataclass(frozen=True, slots=True)
class Stability:
    """How firmly the reasons stand.

    `agreed` is the share of draws, in whole percent, in which these groups would have been
    the principal reasons; None where the reference group is too small to tell, or the
    recorded values are estimates, which are unsure in themselves. `doubtful`
    are the groups that others could have replaced, or that did not always count against.
    `ties` are neighbours in the order, strongest first, that change places in the draws.
    """

    agreed: int | None
    doubtful: tuple[str, ...] = ()
    ties: tuple[tuple[str, str], ...] = ()

    @property
    def firm(self) -> bool:
        """Whether the reasons may be told as the principal ones."""
        return self.agreed is not None and self.agreed >= AGREED_PERCENT


def stability(
    model: Model, row: Row, ranking: Ranking, *, sign: int, engine: str = ""
) -> Stability:
    """Return how firmly the reasons of a ranking stand; `sign` is +1 where higher is better.

    `engine` is the one that made the recorded values.
    """
    if not ranking.reasons:
        return Stability(100)
    if len(model.background) < MIN_ROWS or engine.endswith(ESTIMATED):
        return Stability(None)
    next_ones = [one.push for one in ranking.left if one.why == "beyond_limit"][:NEXT]
    pushes = [*ranking.reasons, *next_ones]
    shares = _shares(model, row, pushes)
    moved = _draws(len(shares)) @ shares - shares.mean(axis=0)
    amounts = np.array([push.amount for push in pushes])
    drawn = (amounts + moved * 10**SCALE) * sign  # (draws, groups); below zero: against
    count = len(ranking.reasons)
    given, beyond = drawn[:, :count], drawn[:, count:]
    # Held: against, and no weaker than every group that was left out for want of room.
    held = (given < 0) & (given <= beyond.min(axis=1, initial=0.0)[:, None])
    names = [push.group for push in ranking.reasons]
    swapped = (given[:, :-1] > given[:, 1:]).mean(axis=0) * 100
    return Stability(
        int(held.all(axis=1).mean() * 100),
        tuple(
            name
            for name, share in zip(names, held.mean(axis=0) * 100, strict=True)
            if share < AGREED_PERCENT
        ),
        tuple(
            pair
            for pair, share in zip(itertools.pairwise(names), swapped, strict=True)
            if share > TIED_PERCENT
        ),
    )


def _shares(model: Model, row: Row, pushes: Sequence[Push]) -> NDArray[np.float64]:
    """Return each group's share against each row of the reference group: (rows, groups)."""
    background = model.background[:MAX_ROWS]
    columns = [[model.schema.index(name) for name in push.features] for push in pushes]
    theirs = np.repeat(row[None, None, :], len(pushes), axis=0).repeat(len(background), axis=1)
    ours = np.repeat(background[None, :, :], len(pushes), axis=0)
    for at, members in enumerate(columns):
        theirs[at][:, members] = background[:, members]  # the person, but for this group
        ours[at][:, members] = row[members]  # the reference, but for this group
    width = background.shape[1]
    asked = np.concatenate(
        [row[None, :], background, theirs.reshape(-1, width), ours.reshape(-1, width)]
    )
    margins = model.predictor.margin(asked)
    own, each = margins[0], margins[1 : 1 + len(background)]
    without, alone = margins[1 + len(background) :].reshape(2, len(pushes), len(background))
    return np.asarray(((own - without) + (alone - each)).T / 2)


@lru_cache(maxsize=8)
def _draws(rows: int) -> NDArray[np.float64]:
    """Return how much each row weighs in each draw, shape (draws, rows)."""
    picks = np.random.default_rng(SEED).multinomial(rows, [1 / rows] * rows, size=DRAWS)
    return np.asarray(picks / rows)
