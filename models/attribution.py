"""What a salient event's score rests on: each feature and each open wire left out, and all computed anew.

Leave-one-out attribution, or occlusion (Zeiler & Fergus, Visualizing and Understanding Convolutional
Networks, ECCV 2014). Nothing of the detector is taken as linear: prefilter, INT8 encoder, gate, circuit and
INT8 readout are those of triage and evaluation. Effects need not add up to the score: where either of two
features would do, leaving out one alone changes little.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.context.features import EVIDENCE_COLUMNS, NAMES
from models.context.line import of_rows
from models.detector import Evaluator, InferenceGate
from models.heads import prefilter
from models.scores import ALERTS_BY
from schemas.salient import SalientEvent


@dataclass(frozen=True, slots=True)
class Part:
    """One feature or open wire, and the event without it.

    name: of the feature, or the number of the wire from 0 on; value: in nats or robust z units, of a wire in
    [-1, 1]; usual: what it is set back to, 0 for a wire, which is closed; score, a logit, and p_value in
    (0, 1]: of the event without it; adds: by how much its score is higher with it.
    """

    name: str
    value: float
    usual: float
    score: float
    p_value: float
    adds: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the score of an event rests on.

    prefilter: its prefilter score less the threshold, nats; score, a logit: that and what circuit and readout
    add to it; p_value in (0, 1]; features: all that are beyond what is usual; wires: all that are open. Both
    with what adds most first.
    """

    prefilter: float
    score: float
    p_value: float
    features: list[Part]
    wires: list[Part]


def usual_values(bundle: Bundle) -> NDArray[np.float32]:
    """What each feature (WIDTH,) is set back to: the 95th percentile of normal rows; for evidence 0, none."""
    usual = bundle.weights["typical"].astype(np.float32)
    usual[EVIDENCE_COLUMNS] = 0.0
    return usual


def attribute(
    bundle: Bundle, evaluator: Evaluator, event: SalientEvent, scale: Sequence[float]
) -> Attribution:
    """Leave out of an event, one at a time, each feature beyond what is usual and each open wire.

    A feature is set back in its row alone: what the event's context has learnt, and the other evidence of
    its unit, stay as they are. A row that the prefilter or the gate would then drop runs no circuit, and has
    the score of an event that no circuit sees.

    Args:
        bundle: the one that triaged the event.
        evaluator: of that bundle.
        event: with all of its features.
        scale: centre and spread (2,) that its row was held against, from models.context.context.Rows.scale: a
            context goes by its own stream as soon as it knows enough of it, and then the bundle does not say.

    Raises:
        ValueError: bundle and scale do not give the event's prefilter score.
    """
    evaluator.check(event)
    x, usual = np.array(event.features, np.float32), usual_values(bundle)
    beyond = np.flatnonzero(x > usual)
    rows = np.tile(x, (1 + len(beyond), 1))  # the event, and then without each feature
    rows[1 + np.arange(len(beyond)), beyond] = usual[beyond]
    logits = _logits(bundle, event, scale, rows)
    if not np.isclose(logits[0], event.prefilter, rtol=1e-9, atol=1e-9):
        raise ValueError("an event's features do not give its prefilter score by this bundle and scale")
    wires, is_open = InferenceGate(bundle.models, bundle.weights)(rows)
    if not event.audit:  # of an audited one all that is left of it would be evaluated, too
        is_open &= (logits >= event.threshold)[:, None]
    opened = np.flatnonzero(is_open[0])
    closed = np.repeat(is_open[:1], len(opened), axis=0)
    closed[np.arange(len(opened)), opened] = False
    scores = evaluator.score_arrays(
        np.concatenate([wires, np.repeat(wires[:1], len(opened), axis=0)]),
        np.concatenate([is_open, closed]),
        np.concatenate([logits, np.repeat(logits[:1], len(opened))]),
        [ALERTS_BY],
    )[ALERTS_BY]
    p_values = bundle.calibrations[ALERTS_BY].p_values(scores, np.full(len(scores), bool(event.entity)))
    whole = float(scores[0])
    without = [(float(s), float(p), whole - float(s)) for s, p in zip(scores[1:], p_values[1:], strict=True)]
    features = [
        Part(NAMES[i], float(x[i]), float(usual[i]), *found)
        for i, found in zip(beyond.tolist(), without, strict=False)
    ]
    closures = [
        Part(str(i), float(wires[0, i]), 0.0, *found)
        for i, found in zip(opened.tolist(), without[len(beyond) :], strict=True)
    ]
    above = float(logits[0]) - bundle.manifest.prefilter_threshold
    return Attribution(above, whole, float(p_values[0]), _sorted(features), _sorted(closures))


def _logits(
    bundle: Bundle, event: SalientEvent, scale: Sequence[float], rows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Prefilter scores (n,) of rows x (n, WIDTH) like that of an event, held against the same scale."""
    line = prefilter.from_arrays(bundle.weights)._replace(usual=np.array([scale, scale], np.float64))
    trigger = np.full(len(rows), event.trigger.code, np.int8)
    said = of_rows(line, rows, trigger, np.full(len(rows), bool(event.entity)))
    return prefilter.logit(rows, said)


def _sorted(parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: -part.adds)
