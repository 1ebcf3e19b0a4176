"""The rate of false alarms that people ask for, and the p-values up to which units alert to keep it.

A unit, an entity or a source over a minute, is alarming when its p-value is at most a. Of normal units a
share a is, so of so many units a day a times as many are, and asking for some of them a day gives a. How many
units there are is learnt from the stream as it goes (models/context/kernel.py).
"""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SECONDS: Final = {"hour": 3600.0, "day": 86_400.0, "week": 604_800.0}
MILLION: Final = 1e6  # events
MOST: Final = 0.02  # largest p-value that alerts however few units there are: one in fifty is nothing rare
UNUSUAL: Final = 0.01  # p-value up to which a unit of an incident is not normal again
UNITS: Final = (*SECONDS, "million", "unit")
SEVERE: Final = 17  # OpenTelemetry severity number from which a line is severe in itself
_NAMES: Final = ", ".join(UNITS)
_TEXT: Final = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?|\d{0,9}\.\d{1,9})\s*/\s*([a-z]{1,10})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """So many false alarms an hour, day or week of event time, per million events, or per unit (a share)."""

    count: float
    per: str

    @classmethod
    def parse(cls, text: str) -> "FalseAlarms":
        """From text such as 1/day, 20/million or 0.001/unit. Raises ValueError for anything else."""
        match = _TEXT.fullmatch(text)
        if match is None or match[2] not in UNITS:
            units = ", ".join(UNITS)
            raise ValueError(f"{text!r} is no rate of false alarms: give one like 1/day, per {units}")
        rate = cls(float(match[1]), match[2])
        if rate.count <= 0.0 or (rate.per == "unit" and rate.count >= 1.0):
            raise ValueError(f"{text!r}: more than 0, and per unit less than 1")
        return rate

    def __str__(self) -> str:
        return f"{self.count:.9f}".rstrip("0").rstrip(".") + f"/{self.per}"

    def shares(self, pace: NDArray[np.float64]) -> NDArray[np.float64]:
        """Largest p-value (n,) that alerts at a pace (n, 2): units that begin, a second and an event; for
        those of a time or of events at most MOST.
        """
        if self.per == "unit":
            return np.full(len(pace), self.count)
        units = MILLION * pace[:, 1] if self.per == "million" else SECONDS[self.per] * pace[:, 0]
        return np.minimum(self.count / units, MOST)

    def limits(
        self,
        pace: NDArray[np.float64],
        learning: NDArray[np.bool_],
        severity: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Largest p-value (n,) at which rows alert; 0 for those of units that cannot be judged yet, but for a
        share of units, which is taken at its word.

        Args:
            pace: (n, 2), as `shares` takes it.
            learning: (n,) whether too little is known to judge the unit; then only what is severe alerts.
            severity: (n,) OpenTelemetry severity numbers.
        """
        if self.per == "unit":
            return self.shares(pace)
        return np.where(learning & (severity < SEVERE), 0.0, self.shares(pace))
