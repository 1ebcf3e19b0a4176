"""What a user may choose about training and evaluating, with every default in this one place.

Light on purpose: the command line shows these defaults and loads nothing else to do so.
"""

from dataclasses import dataclass
from typing import Final

MIN_EVENTS: Final = 500  # fewer are refused: what is usual cannot be told from them
FALSE_ALARMS: Final = "1/day"  # accepted, where nobody says
PRESETS: Final = ("sparse", "reuploading", "threshold")


@dataclass(frozen=True)
class EvaluateOptions:
    """How salient events are evaluated, alike in a worker and in a replay.

    device: where circuits run, "auto" or one of models.circuits.devices.NAMES. shots: samples that an
    expectation is estimated from; None is exact. batch: salient events scored at once, at most.
    false_alarms: how many are accepted, as models.false_alarms.FalseAlarms reads it; None is the bundle's.
    pages_per_hour: of event time, at most, for the incidents of a partition. resolve_after: seconds of event
    time in which nothing of it was suspicious, after which an incident is resolved.
    """

    device: str = "auto"
    shots: int | None = None
    batch: int = 1024
    false_alarms: str | None = None
    resolve_after: float = 300.0
    pages_per_hour: int = 10


@dataclass(frozen=True)
class TrainingOptions:
    """How a bundle is trained.

    seed: same events, options and seed give the same bundle. wires, layers and preset: those of the circuit.
    steps: of gradient descent. salience_budget: share of rows past the prefilter. open_wires: mean number
    over normal salient events that the gate is trained to. false_alarms: how many are accepted, None for
    FALSE_ALARMS or, with labels, for the number with the best F1 on the calibration part. cold: the bundle
    starts without what was learnt of these very sources, for use on other systems.
    """

    seed: int = 0
    wires: int = 8
    layers: int = 2
    preset: str = "sparse"
    steps: int = 400
    salience_budget: float = 0.02
    open_wires: float = 4.0
    false_alarms: str | None = None
    cold: bool = False
