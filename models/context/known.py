"""Known faults, compiled: what units have shown that labels call faulty, against what normal ones have.

A signature is one thing that units of a kind show or lack: a template so many times, or nothing of it by the
end. What says most counts, and not the sum: the signs of one fault come together. Each is the log of the odds
that a unit like it is faulty beyond those of any unit, with a Beta prior worth DOUBT units, so that what one
faulty unit has shown by chance says little.
"""

from math import log
from typing import Final

import numpy as np

from models.context.reference import (
    LEAVE_OUT,
    count_after,
    is_lacking,
    learn_share,
    make_kind,
    shown_by,
    units_of,
)
from models.context.tables import TAG_END, TAG_FAULT, Records, State, known_slot, mix
from models.jit import jit_in_place

DOUBT: Final = 2.0  # units


@jit_in_place
def faults_of(state: State, kind: np.uint64) -> float:
    """How many units of a kind labels call faulty."""
    return units_of(state, mix(kind, TAG_FAULT))


@jit_in_place
def lack_of(template: np.uint64) -> np.uint64:
    """The item that stands for lacking a template."""
    return mix(template, TAG_END)


@jit_in_place
def learn_fault(state: State, slot: int) -> None:
    """A unit that labels call faulty has ended: what it has shown, and what it lacks of what is due."""
    entity = state.entities[slot]
    fault = state.kinds[make_kind(state, mix(entity.kind, TAG_FAULT), entity.last)]
    fault.units += 1.0
    fault.ended += 1.0
    node = int(entity.nodes)
    while node != 0:
        row = state.nodes[node]
        times = count_after(0)
        while times <= row.times:
            learn_share(state, fault, row.item, times, entity, False)
            times = count_after(times)
        node = int(row.in_unit)
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0:
        return
    known = state.kinds[kind]
    for i in range(known.due):
        if is_lacking(state, slot, known, i):
            learn_share(state, fault, lack_of(known.due_template[i]), known.due_times[i], entity, False)


@jit_in_place
def odds(
    state: State, entity: Records, item: np.uint64, times: int, normal: float, mode: int
) -> tuple[float, float]:
    """How much likelier a unit that shows something is to be faulty, nats, and the share of those that are.

    normal: how many normal units have shown it; the unit itself counts nowhere.
    """
    left_out = 1.0 if mode & LEAVE_OUT and entity.faulty != 0 else 0.0
    kind = mix(entity.kind, TAG_FAULT)
    shown = shown_by(state, kind, item, times, left_out)
    if shown <= 0.0:
        return 0.0, 0.0
    faulty = units_of(state, kind) - left_out
    prior = (faulty + 0.5) / (faulty + units_of(state, entity.kind) + 1.0)
    share = (shown + DOUBT * prior) / (shown + normal + DOUBT)
    nats = log(share / (1.0 - share)) - log(prior / (1.0 - prior))
    return max(0.0, nats), shown / (shown + normal)
