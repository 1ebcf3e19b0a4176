"""Compile the inner loops once, after installation, so that no worker waits for it."""

import numpy as np

from models import cuts
from models.circuits.compiled import CompiledCircuit
from models.circuits.spec import CircuitSpec, initial_weights
from models.context.context import Context
from models.context.templates import TemplateMiner
from models.heads.density import DensityMatrices
from schemas.events import EventBatch


def warm_up() -> None:
    """Run one event through the compiled loops; numba keeps the machine code beside the sources."""
    event = (0.0, 9, "source", "entity", "message 1", {"n": 1.0}, 0, 0, "")
    Context(TemplateMiner(), 60.0).update(EventBatch.of([event]))
    list(cuts.blocks(b"state"))
    spec, head = CircuitSpec(1, 1), DensityMatrices()
    circuit, is_open = CompiledCircuit(spec, initial_weights(spec, 0)), np.ones((1, 1), bool)
    for part in circuit.evolved(is_open.astype(np.float32), is_open):
        head.update(part.pattern, part.states)
        head.scores(part.pattern, part.states)


if __name__ == "__main__":
    warm_up()
