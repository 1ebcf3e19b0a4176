"""What a row says by itself, compiled: its features weighed, in nats beyond what a normal unit's rows say."""

from math import log1p
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.context.features import EVIDENCE_COLUMNS, WIDTH
from models.jit import jit, jit_in_place
from schemas.salient import Trigger

LINE_COLUMNS: Final = slice(0, EVIDENCE_COLUMNS.start)  # of x: what a row says by itself
LEAST_SPREAD: Final = 0.05  # of what rows say, for a nat: alike as normal units may be
# nats: a row that says more by itself is believed less and less, as single features have long tails and no
# unit shows how long; rows stay in their order
KNEE: Final = 5.0

EVENT, ENTITY_END = Trigger.EVENT.code, Trigger.ENTITY_END.code
_COLUMNS: Final = int(EVIDENCE_COLUMNS.start)


class Line(NamedTuple):
    """How rows are weighed.

    weight (WIDTH,): of the features; bias (triggers,): of a row by its trigger, as what time brings has few
    features and all others at 0; usual (2, 2): centre and spread of the highest row of normal units, for
    sources over a minute and for entities; known: whether there is any such thing yet.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    usual: NDArray[np.float64]
    known: bool


UNKNOWN: Final = Line(np.zeros(WIDTH), np.zeros(len(Trigger)), np.array([[0.0, 1.0], [0.0, 1.0]]), False)


@jit_in_place
def weighed(line: Line, x: NDArray[np.float32], trigger: int) -> float:
    """The features of a row x (WIDTH,), weighed and summed up."""
    total: float = line.bias[trigger]
    for column in range(_COLUMNS):
        if line.weight[column] != 0.0:
            total += x[column] * line.weight[column]
    return total


@jit_in_place
def nats(value: float, centre: float, spread: float) -> float:
    """How far a row's weighed sum is beyond what is usual."""
    beyond: float = max(0.0, (value - centre) / spread)
    if beyond <= KNEE:
        return beyond
    return KNEE + 2.0 * log1p((beyond - KNEE) / 2.0)


@jit
def of_rows(
    line: Line, x: NDArray[np.float32], trigger: NDArray[np.int8], of_entity: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What each of rows x (n, WIDTH) says, (n,), with triggers (n,) and whether it has an entity (n,).

    By the bundle's own idea of what is usual, which a context may go beyond. Rows that show evidence alone
    say nothing by themselves.
    """
    found = np.zeros(len(x))
    for row in range(len(x)):
        if trigger[row] == EVENT or trigger[row] == ENTITY_END:
            centre, spread = line.usual[1 if of_entity[row] else 0]
            found[row] = nats(weighed(line, x[row], trigger[row]), centre, spread)
    return found
