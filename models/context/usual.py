"""What evidence is usual, compiled: of units of a kind when they ended; and evidence beyond that, in nats.

It is learnt from the last units of a kind, until training settles it. Evidence is given as nats beyond the
median, divided by the spread where that is more than a nat: so kinds of evidence add like with like. Of a
context that nobody trained, the spread covers every unit it has seen: as long as most of what units show is
new, that says little.
"""

from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.context.line import LEAST_SPREAD, Line, weighed
from models.context.line import nats as nats_of_line
from models.context.reference import SETTLED_UNITS, USUAL_UNITS
from models.context.tables import EVIDENCE, RECENT_UNITS, TAG_ALL, Records, State, known_slot
from models.jit import jit, jit_in_place

NEW, OVERDUE, REPEATS, ENDING, KNOWN, ERROR, LINE = range(EVIDENCE + 1)
ADDED: Final = ERROR  # kinds before it add up; an error is new, too, and counts there if it says more
CERTAIN_UNITS: Final = 250  # of a kind, where a share TAIL of them says nothing: fewer leave it to chance
TAIL: Final = 0.1  # share of the units that training has seen which may be faulty, and say nothing
SUSPICION: Final = 7.0  # nats of evidence that make a unit suspicious: about one normal unit in a thousand


@jit_in_place
def learn_usual(state: State, kind: np.uint64, evidence: NDArray[np.float64], suspicious: bool) -> None:
    """The evidence of a unit that ended, as usual for a kind; now and then, what that says."""
    slot = known_slot(state.kinds, kind, state.clock[0])
    if slot < 0:
        return
    known = state.kinds[slot]
    if known.certain != 0 or (suspicious and known.judged >= SETTLED_UNITS):
        return
    for k in range(EVIDENCE + 1):
        known.recent[known.judged % RECENT_UNITS, k] = evidence[k]
    known.judged += 1
    every = 1 if known.judged < 16 else 16  # sorting takes its time
    if known.judged >= USUAL_UNITS and known.judged % every == 0:
        settle(known, 0.0)


@jit_in_place
def make_certain(state: State) -> None:
    """What evidence is usual, training has now seen; some of its units may be faulty."""
    for slot in range(len(state.kinds)):
        if state.kinds[slot].key != 0 and state.kinds[slot].judged >= USUAL_UNITS:
            settle(state.kinds[slot], TAIL)
            state.kinds[slot].certain = 1


@jit
def settle(known: Records, tail: float) -> None:
    """What evidence is usual for a kind: of its last units but the share `tail` of them that has most."""
    n = min(known.judged, RECENT_UNITS)
    for k in range(EVIDENCE + 1):
        values = np.sort(known.recent[:n, k].astype(np.float64))
        known.centre[k], known.spread[k] = cover(values, tail, LEAST_SPREAD if k == LINE else 1.0)


@jit
def cover(values: NDArray[np.float64], tail: float, least: float) -> tuple[float, float]:
    """Centre and spread of ascending values (n,): the spread, at least `least`, is as much as makes a value
    rarer by a factor of e.

    It covers all of them but the share `tail` at the top: none is then further from the median, in nats, than
    the share of those that are at least as far says.
    """
    n = len(values)
    centre = values[n // 2]
    spread = least
    for higher in range(int(tail * n), n // 4):
        share = (higher + 1.0) / (n + 1.0)
        spread = max(spread, (values[n - 1 - higher] - centre) / log(0.5 / share))
    return centre, spread


@jit_in_place
def judge_of(state: State, kind: np.uint64) -> int:
    """Slot of the kind whose units say what evidence is usual, -1 for none: its own, or all units."""
    slot = known_slot(state.kinds, kind, state.clock[0])
    if slot >= 0:
        enough = CERTAIN_UNITS if state.kinds[slot].certain != 0 else USUAL_UNITS
        if state.kinds[slot].judged >= enough:
            return slot
    slot = known_slot(state.kinds, TAG_ALL, state.clock[0])
    return slot if slot >= 0 and state.kinds[slot].judged >= USUAL_UNITS else -1


@jit_in_place
def calibrated(known: Records, evidence: NDArray[np.float64], k: int) -> float:
    """Evidence beyond what is usual, in nats."""
    beyond: float = max(0.0, (evidence[k] - known.centre[k]) / known.spread[k])
    if k == NEW:
        beyond = max(beyond, (evidence[ERROR] - known.centre[ERROR]) / known.spread[ERROR])
    return beyond


@jit_in_place
def suspicion(state: State, entity: Records) -> float:
    """All evidence of a unit beyond what is usual, nats; 0 while nothing is known to be usual."""
    judge = judge_of(state, entity.kind)
    if judge < 0:
        return 0.0
    total = 0.0
    for k in range(ADDED):
        total += calibrated(state.kinds[judge], entity.evidence, k)
    return total


@jit_in_place
def line_nats(
    state: State,
    entity: Records,
    line: Line,
    x: NDArray[np.float32],
    trigger: int,
    scale: NDArray[np.float64],
) -> float:
    """What a row of a unit says by itself beyond what is usual, whose centre and spread go to scale (2,)."""
    said = weighed(line, x, trigger)
    entity.evidence[LINE] = max(entity.evidence[LINE], said)
    judge = judge_of(state, entity.kind)
    if judge < 0 or state.kinds[judge].certain != 0:
        scale[0], scale[1] = line.usual[1]
    else:
        scale[0], scale[1] = state.kinds[judge].centre[LINE], state.kinds[judge].spread[LINE]
    return nats_of_line(said, scale[0], scale[1])
