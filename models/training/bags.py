"""Bags of rows: what is positive in training, where only the highest row of a bag need be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bags:
    """Positives: x (m, d), trigger (m,), of_entity (m,); bag (m,) index of the bag of each row,
    ascending from 0; weight (number of bags,).
    """

    x: NDArray[np.float32]
    trigger: NDArray[np.int8]
    of_entity: NDArray[np.bool_]
    bag: NDArray[np.int64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.weight)


def bags_of(
    x: NDArray[np.float32],
    trigger: NDArray[np.int8],
    of_entity: NDArray[np.bool_],
    bag: NDArray[np.int64],
) -> Bags:
    """Bags of rows x (n, d) with trigger (n,) and of_entity (n,), by the bag (n,) of each; -1 is in none."""
    rows = np.flatnonzero(bag >= 0)
    _, numbered = np.unique(bag[rows], return_inverse=True)
    order = np.argsort(numbered, kind="stable")
    count = int(numbered.max()) + 1 if len(rows) else 0
    chosen = rows[order]
    return Bags(x[chosen], trigger[chosen], of_entity[chosen], numbered[order], np.ones(count))


def joined(first: Bags, second: Bags) -> Bags:
    """The bags of both, those of the second after those of the first."""
    return Bags(
        np.concatenate([first.x, second.x]),
        np.concatenate([first.trigger, second.trigger]),
        np.concatenate([first.of_entity, second.of_entity]),
        np.concatenate([first.bag, second.bag + len(first)]),
        np.concatenate([first.weight, second.weight]),
    )
