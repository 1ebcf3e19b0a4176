"""How much of what a context is to judge by is still being learnt."""

from dataclasses import dataclass

import numpy as np

from models.context.kernel import KNOWN_MINUTES, KNOWN_UNITS
from models.context.reference import USUAL_UNITS
from models.context.tables import TAG_ALL, State
from models.context.usual import CERTAIN_UNITS

__all__ = ["Learning", "learning_of"]


@dataclass(frozen=True, slots=True)
class Learning:
    """How many sources are judged by too few normal minutes yet, kinds by too few units, and how many not."""

    learning_sources: int
    known_sources: int
    learning_kinds: int
    known_kinds: int


def learning_of(state: State) -> Learning:
    """Count them, as rows would say it of each (``learning`` of `models.context.kernel`); reads only."""
    minutes = state.sources["minutes"][state.speakers[: int(state.clock["speakers"][0])]]
    used = np.flatnonzero(state.kinds["key"])
    is_all = state.kinds["key"][used] == TAG_ALL
    certain, judged = state.kinds["certain"][used] != 0, state.kinds["judged"][used]
    by_enough = certain | (judged >= KNOWN_UNITS)
    of_its_own = judged >= np.where(certain, CERTAIN_UNITS, USUAL_UNITS)
    is_known = np.where(of_its_own, by_enough, (is_all & by_enough).any())[~is_all]
    known = int((minutes >= KNOWN_MINUTES).sum())
    return Learning(len(minutes) - known, known, int((~is_known).sum()), int(is_known.sum()))
