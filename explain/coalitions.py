"""Shapley values of any game, exact where it is small, else from seeded orders with an error.

A game is a function that says what a set of players comes to; who the players are (features
of a row, regions of an image) is the caller's business. The orders in which players join are
drawn with SHAKE-256 from the seed, so that they are the same in every version of every
library, and each order is walked forwards and backwards, which halves the error of what
depends on the order only by pairs (Mitchell et al. 2022, https://arxiv.org/abs/2104.12199).
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explain.errors import SchemaError

__all__ = ["MAX_EXACT_PLAYERS", "Game", "Split", "by_orders", "by_subsets"]

Game = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""Sets of players in, one per row as flags by player; what each comes to out."""

MAX_EXACT_PLAYERS = 16  # 65,536 sets
MAX_PLAYERS = 1_000  # more regions or features than anyone could read
MIN_ORDERS = 2  # fewer show no scatter, so no error
MAX_ORDERS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What a game comes to, split among its players.

    `base` is what nobody comes to. `error` is the standard error of each player's value, as
    the orders scatter; zero where the split is exact.
    """

    base: float
    values: NDArray[np.float64]
    error: NDArray[np.float64]


def by_subsets(players: int, game: Game) -> Split:
    """Return the exact split, from every set of players.

    Raises:
        SchemaError: more than 16 players, or none.
    """
    if not 1 <= players <= MAX_EXACT_PLAYERS:
        raise SchemaError(f"an exact split is of 1 to {MAX_EXACT_PLAYERS} players")
    sets = np.arange(1 << players)
    flags = (sets[:, None] >> np.arange(players)) & 1 != 0
    comes_to = np.asarray(game(flags), dtype=np.float64)
    sizes = flags.sum(axis=1)
    weight = np.array([1 / (players * math.comb(players - 1, size)) for size in range(players)])
    values = np.empty(players)
    for player in range(players):
        without = sets[~flags[:, player]]
        gains = comes_to[without | (1 << player)] - comes_to[without]
        values[player] = math.fsum((gains * weight[sizes[without]]).tolist())
    return Split(float(comes_to[0]), values, np.zeros(players))


def by_orders(players: int, game: Game, *, orders: int, seed: int) -> Split:
    """Return an approximate split from `orders` orders, and their reverses.

    It adds up exactly: only how it is shared out among the players is approximate.

    Raises:
        SchemaError: too many players or orders; fewer than two orders tell no error.
    """
    if not 1 <= players <= MAX_PLAYERS:
        raise SchemaError(f"a split is of 1 to {MAX_PLAYERS:,} players")
    if not MIN_ORDERS <= orders <= MAX_ORDERS:
        raise SchemaError(f"{MIN_ORDERS} to {MAX_ORDERS:,} orders can be tried", member="orders")
    found = np.empty((orders, players))
    base = 0.0
    for at in range(orders):
        order = drawn_order(players, seed, at)
        forwards, base = _walk(order, game)
        backwards, _ = _walk(order[::-1], game)
        found[at] = (forwards + backwards) / 2
    error = found.std(axis=0, ddof=1) / math.sqrt(orders)
    return Split(base, found.mean(axis=0), error)


def _walk(order: NDArray[np.intp], game: Game) -> tuple[NDArray[np.float64], float]:
    """Return what each player adds when they join in this order, and what nobody comes to."""
    players = len(order)
    flags = np.zeros((players + 1, players), dtype=np.bool_)
    for joined, player in enumerate(order, 1):
        flags[joined:, player] = True
    comes_to = np.asarray(game(flags), dtype=np.float64)
    added = np.empty(players)
    added[order] = np.diff(comes_to)
    return added, float(comes_to[0])


def drawn_order(players: int, seed: int, number: int) -> NDArray[np.intp]:
    """Return one order of players: by a 64-bit word of each, drawn from seed and number."""
    told = f"decision-ledger/v1/order\n{players}\n{seed}\n{number}\n".encode()
    words = np.frombuffer(hashlib.shake_256(told).digest(8 * players), dtype=">u8")
    return np.argsort(words, kind="stable")
