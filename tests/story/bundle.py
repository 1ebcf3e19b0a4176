"""A detector made by hand, so that every score in the story can be worked out on paper.

Four features count, with weight 1 each: severity_rank, severe, unit_ending and source_silence. What passes
2.4 is encoded on two wires, the first for severity, the second for what time brings:

    a_0 = tanh(severity_rank / 10)        a_1 = tanh(unexpected_end / 5 + source_silence / 50)

and a wire is open above 0.1. The circuit has no angles of its own, so an open wire reads cos(pi a) and a
closed one 1. The readouts are linear in <Z>: see READOUT_BIAS and READOUT_WEIGHTS.
"""

from pathlib import Path

import numpy as np

from models.bundle import (
    ENCODER,
    ENCODER_FLOAT,
    FORMAT,
    READOUT,
    READOUT_FLOAT,
    TWIN_READOUT,
    Bundle,
    Manifest,
)
from models.context.context import Arrays, Context
from models.context.features import NAMES
from models.context.tables import TAG_ALL, slot_of
from models.context.templates import TemplateMiner
from models.heads.calibration import Calibration, UnitCalibration
from models.heads.density import DensityMatrices
from models.int8.onnx_graph import Layer, build
from models.scores import ScoreName
from tests.story.events import START

TIMEOUT = 60.0  # s without events that end an entity
THRESHOLD = 2.4
RATE = "0.2/unit"
KNOWN = 1000  # units of all kinds together
NORMAL = 19  # events behind the p-values: a score that k of them reach has p = (k + 1) / 20
# The highest scores of the normal events. Heads disagree, so that it shows by which of them alerts go.
CALIBRATION = {
    ScoreName.PREFILTER: [2.0, 2.6, 7.0, 8.0, 10.0],
    ScoreName.TWIN: [-1.0, 0.0, 2.0, 6.0, 7.0],
    ScoreName.DENSITY: [0.0],
    ScoreName.HYBRID: [-2.0, -1.5, -1.2, 0.0, 3.0],
    ScoreName.HYBRID_INT8: [0.5, 1.0, 1.5, 5.0, 9.0],
}
# What each readout adds to the prefilter's logit less THRESHOLD, on [<Z_0>, <Z_1>, a_0, a_1, prior].
READOUT_WEIGHTS = {READOUT: [-2.0, -1.0, 0.0, 0.0, 0.0], READOUT_FLOAT: [0.0] * 5, TWIN_READOUT: [0.0] * 5}
READOUT_BIAS = {READOUT: 3.0, READOUT_FLOAT: -2.0, TWIN_READOUT: -1.0}
TYPICAL = {"severity_rank": 1.0, "severe": 0.0, "unit_ending": 0.5, "source_silence": 0.0}


def linear(weight: list[list[float]], bias: list[float], activation: str | None) -> bytes:
    """One layer in float32, which is what all files of this bundle hold, the INT8 ones too."""
    w = np.array(weight, np.float32)
    none = np.zeros(w.shape, np.int8), np.ones(len(w), np.float32)
    limit = np.full(w.shape[1], 1e6, np.float32)
    return build([Layer(w, np.array(bias, np.float32), limit, True, *none, activation)], quantized=False)


def by_feature(values: dict[str, float], otherwise: float = 0.0) -> list[float]:
    return [values.get(name, otherwise) for name in NAMES]


def context_of_the_reference() -> Arrays:
    """A context that knows one thing: evidence of units counts as it is, beyond a median of 0."""
    context = Context(TemplateMiner(), TIMEOUT)
    clock, kinds = context.state.clock[0], context.state.kinds
    clock["watermark"] = clock["start"] = clock["tick"] = clock["rates_since"] = START
    slot, _ = slot_of(kinds, TAG_ALL, clock)
    kinds[slot]["certain"] = kinds[slot]["settled"] = 1
    kinds[slot]["judged"], kinds[slot]["spread"] = KNOWN, 1.0
    return context.dump()


def make_bundle(folder: Path) -> Bundle:
    """Written to a folder and loaded from it, as any bundle is."""
    encoder = linear(
        [by_feature({"severity_rank": 0.1}), by_feature({"unit_ending": 0.2, "source_silence": 0.2})],
        [0.0, 0.0],
        "Tanh",
    )
    readouts = {
        file: linear([weights], [READOUT_BIAS[file]], None) for file, weights in READOUT_WEIGHTS.items()
    }
    weights = {
        "prefilter.weight": np.array(by_feature(dict.fromkeys(TYPICAL, 1.0))),
        "prefilter.bias": np.zeros(5),
        "prefilter.usual": np.array([[0.0, 1.0], [0.0, 1.0]]),
        "gate.tau": np.full(2, 0.1, np.float32),
        "gate.alpha": np.full(2, 10.0, np.float32),
        "circuit.weights": np.zeros((1, 7), np.float32),
        "twin.weights": np.zeros(7, np.float32),
        # All other features are never beyond what is typical, so no alert names them.
        "typical": np.array(by_feature(TYPICAL, otherwise=30.0)),
        **DensityMatrices().arrays(),
    }
    reading = {"format": "json", "line": None, "entity_field": "request", "entity_pattern": None}
    manifest = Manifest(
        format=FORMAT, qualm="", features=list(NAMES), wires=2, layers=1, preset="sparse",
        entity_timeout=TIMEOUT, salience_budget=0.02, prefilter_threshold=THRESHOLD, false_alarms=RATE,
        merges=[], reading={**reading, "source_field": None}, training={},
        calibrated_on={"entity": NORMAL, "source": NORMAL},
    )  # fmt: skip
    alike = {name: Calibration(np.array(scores), NORMAL) for name, scores in CALIBRATION.items()}
    calibrations = {name: UnitCalibration(each, each) for name, each in alike.items()}
    models = {ENCODER: encoder, ENCODER_FLOAT: encoder, **readouts}
    return Bundle(manifest, weights, context_of_the_reference(), models, calibrations).save(folder)
