"""Salient events of a replay, as the arrays that circuits are given: what benches measure on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.demo.simulation import simulate
from agents.inputs.inputs import Inputs
from agents.inputs.merge import in_order
from agents.partitions import PartitionStates
from agents.triage import PartitionTriage, TriageOutput
from models.bundle import Bundle
from models.detector import Triage
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.watermark import SalientMessage

_SEED, _SECONDS = 7, 1200.0  # of the simulated services; the default bundle was trained on another seed


@dataclass(frozen=True, slots=True)
class Salient:
    """Wires and open wires (m, n) and prefilter logits (m,) of salient events; features (r, d) of all rows
    that the prefilter let through.
    """

    wires: NDArray[np.float32]
    is_open: NDArray[np.bool_]
    logit: NDArray[np.float64]
    x: NDArray[np.float32]


def of_inputs(bundle: Bundle, inputs: Inputs) -> Salient:
    """Of files or topics, read as the bundle remembers. Raises ValueError where nothing is salient."""
    reading = bundle.manifest.read_options()
    partitions = PartitionStates(
        lambda topic, partition: PartitionTriage(bundle, TopicDecoder(reading), topic, partition)
    )
    batches = in_order(inputs.streams(), lambda _: TopicDecoder(reading))
    outputs = [partitions.of(batch.topic, batch.partition).process(batch) for batch in batches]
    return _joined(bundle, outputs)


def of_simulation(bundle: Bundle) -> Salient:
    """Of simulated services with the incidents of the demo in them."""
    return _joined(bundle, [_simulated(bundle)])


def messages_of_simulation(bundle: Bundle) -> list[SalientMessage]:
    """The same as they are on the salient topic, with the watermarks between them."""
    return _simulated(bundle).messages


def _simulated(bundle: Bundle) -> TriageOutput:
    values = [event.encode() for event in simulate(_SEED, _SECONDS, incidents="demo")]
    events = TopicDecoder(ReadOptions()).decode(values, range(len(values)), [None] * len(values)).events
    output = TriageOutput()
    output.add(Triage(bundle, "bench", 0).process(events))
    return output


def _joined(bundle: Bundle, outputs: Sequence[TriageOutput]) -> Salient:
    results = [result for output in outputs for result in output.results]
    salient = [event for output in outputs for event in output.salient]
    if not salient:
        raise ValueError("no event of the input is salient, so there is nothing to measure")
    threshold = bundle.manifest.prefilter_threshold
    return Salient(
        np.array([event.wires for event in salient], np.float32),
        np.array([event.open_wires for event in salient], bool),
        np.array([event.prefilter for event in salient]),
        np.concatenate([result.rows.x[result.logits >= threshold] for result in results]),
    )
