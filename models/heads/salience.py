"""The prefilter threshold of a partition: it moves, so that a set share of the rows is salient on any stream.

Each row moves it: up by a fixed factor if the row was salient, else down by one so small that both even out
where the share of salient rows is the budget. This is stochastic approximation of a quantile (Robbins &
Monro, Annals of Mathematical Statistics 22, 1951) with a step that stays, so that it follows a stream that
changes (as in Gibbs & Candès, Adaptive conformal inference under distribution shift, NeurIPS 2021), on the
scale of log(1 + nats), as evidence spans from tenths to hundreds of nats. No distribution is assumed: between
two rows n apart the share is off the budget by log of the ratio of 1 + threshold at both, over STEP n. Equal
rows take turns.

Two bounds hold at any load. A row that could alert always passes (`could_alert`), so a storm may exceed the
budget by just such rows. And the threshold is not below 0 nats, where all rows pass that the gate opens a
wire for: if these are fewer than the budget, there is nothing else to send.
"""

from math import exp
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.context.features import CAP_EVIDENCE
from models.false_alarms import UNUSUAL
from models.heads.calibration import UnitCalibration
from models.jit import jit_in_place

# By which a salient row raises log(1 + nats), about. Larger follows faster, smaller ranks better.
STEP: Final = 0.05
# Times the largest p-value that alerts: up to it by the prefilter alone a row could alert. Circuit and
# readout add half a nat at most on what was measured, and this leaves them one and a half or more.
COULD_ALERT: Final = 5.0
_MOST: Final = 1.0 + CAP_EVIDENCE  # 1 + nats that the threshold may reach


class SalienceThreshold:
    """The threshold of one partition, in nats; a pure function of the rows seen, in their order."""

    def __init__(self, start: float, budget: float) -> None:
        """start: nats at first; budget: share of rows (0, 1] to be salient."""
        self._up, self._down = exp(STEP * (1.0 - budget)), exp(-STEP * budget)
        self._level = min(max(1.0 + start, 1.0), _MOST)

    @property
    def nats(self) -> float:
        """The threshold for the next row, unless that always passes."""
        return self._level - 1.0

    def take(
        self, logit: NDArray[np.float64], is_open: NDArray[np.bool_], always: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which of the next rows are salient (n,), and the threshold (n,) in force at each, nats.

        At a row that always passes it is no higher than the row's own score.

        logit: prefilter scores (n,); is_open (n, wires): what the gate opens of each row; always (n,):
        whether it passes whatever the threshold, if a wire is open.
        """
        salient, threshold = np.empty(len(logit), np.bool_), np.empty(len(logit))
        has_wire = np.logical_or.reduce(is_open, axis=1)
        self._level = _follow(logit, has_wire, always, self._level, self._up, self._down, salient, threshold)
        return salient, threshold

    def snapshot(self) -> NDArray[np.float64]:
        """All that later thresholds depend on (1,)."""
        return np.array([self._level])

    def resume(self, state: NDArray[np.generic]) -> None:
        """Go on from a snapshot. Raises ValueError for anything else."""
        if state.shape != (1,) or not 1.0 <= (level := float(state.astype(np.float64)[0])) <= _MOST:
            raise ValueError("not a snapshot of a salience threshold")
        self._level = level


def could_alert(
    logit: NDArray[np.float64],
    of_entity: NDArray[np.bool_],
    limits: NDArray[np.float64],
    calibration: UnitCalibration,
    least: float,
) -> NDArray[np.bool_]:
    """Which rows (n,) could alert, or say that a unit of an incident is not normal again.

    logit: prefilter scores (n,); of_entity (n,): whether a row has an entity; limits (n,): largest p-value
    that alerts; calibration: of the prefilter; least: nats below which no row could.
    """
    p = calibration.p_values(logit, of_entity)
    return np.greater_equal(logit, least) & (p <= np.maximum(UNUSUAL, COULD_ALERT * limits))


@jit_in_place
def _follow(
    logit: NDArray[np.float64],
    has_wire: NDArray[np.bool_],
    always: NDArray[np.bool_],
    level: float,
    up: float,
    down: float,
    salient: NDArray[np.bool_],
    threshold: NDArray[np.float64],
) -> float:
    """Fill salient and threshold (n,), row by row; the level, 1 + nats, after the last."""
    for row in range(len(logit)):
        threshold[row] = min(level - 1.0, logit[row]) if always[row] else level - 1.0
        salient[row] = has_wire[row] and logit[row] >= threshold[row]
        level = min(max(level * (up if salient[row] else down), 1.0), _MOST)
    return level
