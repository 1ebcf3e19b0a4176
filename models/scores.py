"""The scores that the detector gives a salient event, each with its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ScoreName(StrEnum):
    """Every score there is. All are logits: the prefilter's nats, to which each head adds its own.

    Density matrices add how surprising the state of the open wires is; so all rows compare, sent or not.
    """

    PREFILTER = "prefilter"
    TWIN = "twin"
    DENSITY = "density"
    HYBRID = "hybrid"
    HYBRID_INT8 = "hybrid_int8"


ALERTS_BY: Final = ScoreName.HYBRID_INT8  # an event alerts when the p-value of this one is small enough
PUBLISHED: Final = (ScoreName.PREFILTER, ScoreName.TWIN, ALERTS_BY)  # what an alert shows


@dataclass(frozen=True, slots=True)
class EventScores:
    """Some scores of n events: values (n,) and p_values (n,) in (0, 1] by name.

    A p-value is the share of normal units that reach at least this score.
    """

    values: Mapping[ScoreName, Floats]
    p_values: Mapping[ScoreName, Floats]
