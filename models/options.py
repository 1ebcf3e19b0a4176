"""What a user may choose about training and evaluating, with every default in this one place.

Light on purpose: the command line shows these defaults and loads nothing else to do so.
"""

from dataclasses import dataclass
from typing import Final

MIN_EVENTS: Final = 500  # fewer are refused: what is usual cannot be told from them
PRESETS: Final = ("sparse", "reuploading", "threshold")


@dataclass(frozen=True)
class EvaluateOptions:
    """How salient events are evaluated, alike in a worker and in a replay.

    device: where circuits run, "auto" or one of models.circuits.devices.NAMES. shots: samples that an
    expectation is estimated from; None is exact. batch: salient events scored at once, at most.
    false_alarm_rate: an event alerts when its p-value is at most this; None is the bundle's. resolve_after:
    seconds of event time without a new alert after which an incident is resolved.
    """

    device: str = "auto"
    shots: int | None = None
    batch: int = 1024
    false_alarm_rate: float | None = None
    resolve_after: float = 300.0


@dataclass(frozen=True)
class TrainingOptions:
    """How a bundle is trained.

    seed: same events, options and seed give the same bundle. wires, layers and preset: those of the circuit.
    steps: of gradient descent. salience_budget: share of rows past the prefilter. open_wires: mean number
    over normal salient events that the gate is trained to. false_alarm_rate: None for the default rate or,
    with labels, for the rate with the best F1 on the calibration part. cold: the bundle starts without what
    was learnt of these very sources, for use on other systems.
    """

    seed: int = 0
    wires: int = 8
    layers: int = 2
    preset: str = "sparse"
    steps: int = 400
    salience_budget: float = 0.02
    open_wires: float = 4.0
    false_alarm_rate: float | None = None
    cold: bool = False
