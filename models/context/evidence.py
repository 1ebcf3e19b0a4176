"""Evidence of units, compiled: what is unusual about an entity so far, by kind of evidence, in nats.

A unit is an entity; it ends when it falls idle, and goes on when it wakes. Evidence adds up over it (sums of
surprise, as in a sequential test; Wald, Annals of Mathematical Statistics 16, 1945):

- new: at the first occurrence of a template, -log of the share of units that ever show each of its words;
- overdue: -log of the share of units that never show a usual template (so many times), when its deadline has
  passed; what is due at about the same time is one step and counts once. When the unit has ended, or is quiet
  for longer than its kind ever is, all that it lacks counts, each given that what is due before it lacks too;
- ending: -log of the share of units that end after what it has shown last, when it has ended;
- error: at a line of level ERROR or worse, -log of the share of units that ever show an error as rare; new,
  too, and the one of both that says more counts;
- known: what it shows, or lacks, as units did that labels call faulty; models/context/known.py;
- repeats: when a count reaches 2, 3, ... 8, 16, 32 ..., -log of the share of units that reach it, of those
  that reach the one before.

Shares are those of models/context/reference.py; what evidence is usual is in models/context/usual.py. A unit
is learnt when it ends.
"""

from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.context.known import faults_of, lack_of, learn_fault, odds
from models.context.reference import (
    CALIBRATE,
    ERROR_SHOWN,
    FAULTS,
    LEARN,
    PAIRS,
    USUAL_UNITS,
    error_of,
    is_apart,
    is_lacking,
    kind_of,
    lacks,
    lacks_too,
    last_count,
    learn_lacks,
    learn_pairs,
    learn_unit,
    left_out,
    nats_of_error,
    nats_of_share,
    shown_by,
    units_of,
)
from models.context.tables import (
    DUE_TIMES,
    REASONS,
    TAG_ALL,
    TAG_KIND,
    TAG_WORD,
    Records,
    State,
    known_slot,
    mix,
)
from models.context.units import NEVER, add_node, node_of, set_timer
from models.context.usual import (
    ADDED,
    ENDING,
    ERROR,
    KNOWN,
    LINE,
    NEW,
    OVERDUE,
    REPEATS,
    SUSPICION,
    calibrated,
    judge_of,
    learn_usual,
    suspicion,
)
from models.jit import jit_in_place

RARE: Final = 0.7  # nats: a word in half of the units is none to remember
STEP: Final = 1.0  # nats, and
STEP_SHARE: Final = 0.1  # share of what it had before, by which evidence grows before it is shown again


@jit_in_place
def begin(state: State, slot: int, template: np.uint64) -> None:
    """A unit begins with a template: its kind, and its first deadline."""
    clock, entity = state.clock[0], state.entities[slot]
    clock.units += 1
    entity.serial = clock.units
    entity.items = entity.nodes = 0
    entity.lossy = entity.suspected = 0
    entity.timer = 0
    entity.evidence[:] = 0.0
    entity.evidence[LINE] = -NEVER
    entity.why_nats[:] = 0.0
    entity.shown = entity.step_nats = entity.steps = entity.longest = 0.0
    entity.checked = entity.step = -1.0
    entity.quiet_at = NEVER
    entity.kind = kind_of(state, mix(template, TAG_KIND))
    entity.faults = faults_of(state, entity.kind)
    entity.judged = units_of(state, entity.kind) >= USUAL_UNITS


@jit_in_place
def _note(entity: Records, kind: int, template: np.uint64, nats: float, share: float, age: float) -> None:
    """Keep a reason for a unit's evidence, if it is among those that add most."""
    at = 0
    for i in range(REASONS):
        if entity.why_nats[i] > 0.0 and entity.why_kind[i] == kind and entity.why_template[i] == template:
            at = i
            break
        if entity.why_nats[i] < entity.why_nats[at]:
            at = i
    if nats <= entity.why_nats[at]:
        return
    entity.why_kind[at] = kind
    entity.why_template[at] = template
    entity.why_nats[at] = nats
    entity.why_share[at] = share
    entity.why_age[at] = age


@jit_in_place
def end_after(entity: Records, ends: float, occurrences: float, age: float) -> None:
    """A unit has ended: so many did after what it has shown last, of so many that have shown it."""
    share = ends / max(1.0, occurrences)
    nats = max(0.0, -log((ends + 0.5) / (occurrences + 1.0)))
    entity.evidence[ENDING] = max(entity.evidence[ENDING], nats)
    _note(entity, ENDING, entity.previous, nats, min(1.0, share), age)


@jit_in_place
def tell(entity: Records, reasons: Records) -> None:
    """Write the reasons for a unit's evidence to reasons (REASONS,); a kind of -1 is none."""
    for i in range(REASONS):
        reasons[i].kind = entity.why_kind[i] if entity.why_nats[i] > 0.0 else -1
        reasons[i].template = entity.why_template[i]
        reasons[i].nats = entity.why_nats[i]
        reasons[i].share = entity.why_share[i]
        reasons[i].age = entity.why_age[i]


@jit_in_place
def observe(
    state: State, slot: int, template: np.uint64, words: NDArray[np.uint64], now: float, mode: int
) -> bool:
    """A unit shows a template: what is new or repeated adds to its evidence. Whether it is the first time."""
    entity = state.entities[slot]
    left = left_out(entity, mode)
    node = node_of(state, slot, template)
    if node == 0:
        node = add_node(state, slot, template)
        if node == 0:
            return False
        units = max(0.0, units_of(state, entity.kind) - left)
        before_it = entity.evidence[NEW]
        for word in words:
            if word == 0:
                break
            item = mix(word, TAG_WORD)
            nats = nats_of_share(shown_by(state, entity.kind, item, 0, left), units)
            if nats > RARE and node_of(state, slot, item) == 0 and add_node(state, slot, item) != 0:
                entity.evidence[NEW] += nats
        shown = shown_by(state, entity.kind, template, 1, left)
        share = shown / max(1.0, units)
        _note(entity, NEW, template, entity.evidence[NEW] - before_it, share, now - entity.first)
        _recognise(state, entity, template, template, 1, shown, now - entity.first, mode)
    row = state.nodes[node]
    row.times += 1
    times = int(row.times)
    if times <= DUE_TIMES:
        row.ages[times - 1] = max(0.0, now - entity.first)
    before = last_count(times)
    if before > 0:
        reached = shown_by(state, entity.kind, template, times, left)
        of = shown_by(state, entity.kind, template, before, left)
        _recognise(state, entity, template, template, times, reached, now - entity.first, mode)
        if of > 0.0:
            nats = max(0.0, -log((reached + 0.5) / (of + 1.0)))
            entity.evidence[REPEATS] += nats
            _note(entity, REPEATS, template, nats, reached / of, now - entity.first)
    return times == 1


@jit_in_place
def observe_error(state: State, slot: int, template: np.uint64, now: float, mode: int) -> None:
    """A unit shows a template at level ERROR or worse: the rarest such line counts."""
    entity, item = state.entities[slot], error_of(template)
    if node_of(state, slot, item) != 0:
        return
    node = add_node(state, slot, item)
    if node == 0:
        return
    state.nodes[node].times = ERROR_SHOWN
    nats, share = nats_of_error(state, entity.kind, item, left_out(entity, mode))
    entity.evidence[ERROR] = max(entity.evidence[ERROR], nats)
    _note(entity, NEW, template, nats, share, now - entity.first)


@jit_in_place
def _recognise(
    state: State,
    entity: Records,
    template: np.uint64,
    item: np.uint64,
    times: int,
    normal: float,
    age: float,
    mode: int,
) -> None:
    """Whether a unit is like known faults in an item of a template, which so many normal units show."""
    if entity.faults == 0.0:
        return
    nats, share = odds(state, entity, item, times, normal, mode)
    entity.evidence[KNOWN] = max(entity.evidence[KNOWN], nats)
    _note(entity, KNOWN, template, nats, share, age)


@jit_in_place
def await_next(state: State, slot: int) -> None:
    """After an event: when the unit is to be looked at again, if it shows nothing until then."""
    entity = state.entities[slot]
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0 or state.kinds[kind].due == 0 or entity.lossy != 0:
        return
    entity.quiet_at = entity.last + state.kinds[kind].quiet
    if entity.timer == 0:
        set_timer(state, slot, min(entity.quiet_at, _next_due(state, slot)))
    elif entity.quiet_at < entity.due:
        set_timer(state, slot, entity.quiet_at)


@jit_in_place
def _next_due(state: State, slot: int) -> float:
    """The deadline of the next thing that a unit has not shown yet; NEVER for none."""
    entity = state.entities[slot]
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0:
        return NEVER
    known = state.kinds[kind]
    for i in range(_after(known, entity.checked), known.due):
        node = node_of(state, slot, known.due_template[i])
        if node == 0 or state.nodes[node].times < known.due_times[i]:
            due: float = entity.first + known.due_age[i]
            return due
        entity.checked = known.due_age[i]
    return NEVER


@jit_in_place
def _after(known: Records, age: float) -> int:
    """The first deadline of a kind after an age."""
    low, high = 0, int(known.due)
    while low < high:
        middle = (low + high) // 2
        if known.due_age[middle] <= age:
            low = middle + 1
        else:
            high = middle
    return low


@jit_in_place
def check(state: State, slot: int, watermark: float, timeout: float, mode: int) -> bool:
    """Count what is overdue in a unit at this event time; whether there was anything, `looked` says when.

    What would be due after the unit's end is left to its end.
    """
    entity = state.entities[slot]
    before, known_before = entity.evidence[OVERDUE], entity.evidence[KNOWN]
    until = min(watermark, entity.last + timeout)
    due = _next_due(state, slot)
    while min(due, entity.quiet_at) <= until:
        entity.looked = min(due, entity.quiet_at)
        if entity.quiet_at <= due:
            entity.quiet_at = NEVER
            _count_lacking(state, slot, mode)
        else:
            _count_step(state, slot, mode)
            due = _next_due(state, slot)
    due = min(due, entity.quiet_at)
    set_timer(state, slot, due if due <= entity.last + timeout else NEVER)
    return bool(entity.evidence[OVERDUE] > before or entity.evidence[KNOWN] > known_before)


@jit_in_place
def _count_step(state: State, slot: int, mode: int) -> None:
    """The next deadline has passed: what is due in one step counts once."""
    entity = state.entities[slot]
    known = state.kinds[known_slot(state.kinds, entity.kind, state.clock[0])]
    i = _after(known, entity.checked)
    entity.checked = known.due_age[i]
    nats = lacks(state, slot, known, i, left_out(entity, mode))
    _note_lacking(entity, known, i, nats)
    if entity.step != known.due_step[i]:
        entity.step = known.due_step[i]
        entity.step_nats = 0.0
    entity.steps += max(0.0, nats - entity.step_nats)
    entity.step_nats = max(entity.step_nats, nats)
    entity.evidence[OVERDUE] = max(entity.evidence[OVERDUE], entity.steps)


@jit_in_place
def _count_lacking(state: State, slot: int, mode: int) -> None:
    """The unit has ended, or is as quiet as if it had: all that it lacks it lacks for good."""
    entity = state.entities[slot]
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0:
        return
    known = state.kinds[kind]
    left = left_out(entity, mode)
    total = 0.0
    lacked_before = False
    for i in range(known.due):
        nats = lacks(state, slot, known, i, left)
        lacking = is_lacking(state, slot, known, i)
        if lacking and lacked_before:
            nats = lacks_too(state, known, i, nats, left)
        total += nats
        lacked_before = lacking
        _note_lacking(entity, known, i, nats)
        if lacking:
            template, age = known.due_template[i], known.due_age[i]
            normal = max(0.0, known.due_lacking[i] - left)
            _recognise(state, entity, template, lack_of(template), known.due_times[i], normal, age, mode)
    entity.evidence[OVERDUE] = max(entity.evidence[OVERDUE], total)


@jit_in_place
def _note_lacking(entity: Records, known: Records, i: int, nats: float) -> None:
    share = 1.0 - known.due_lacking[i] / max(1.0, known.built)
    _note(entity, OVERDUE, known.due_template[i], nats, share, known.due_age[i])


@jit_in_place
def end(state: State, slot: int, mode: int) -> None:
    """A unit fell idle: what it lacks at its first end it lacks for good. Then it is learnt."""
    entity = state.entities[slot]
    set_timer(state, slot, NEVER)
    if entity.episode == 0 and entity.lossy == 0:
        _count_lacking(state, slot, mode)
        if mode & LEARN:
            learn_lacks(state, slot)
    if mode & FAULTS and entity.episode == 0 and entity.lossy == 0:
        learn_fault(state, slot)
    suspicious = suspicion(state, entity) >= SUSPICION
    apart = mode & LEARN != 0 and is_apart(state, entity, entity.kind, suspicious)
    if mode & PAIRS and not apart and entity.episode == 0 and entity.lossy == 0:
        learn_pairs(state, slot)
    if mode & LEARN and entity.lossy == 0:
        learn_unit(state, slot, suspicious, mode & CALIBRATE != 0)
    if mode & CALIBRATE and entity.judged != 0:
        learn_usual(state, entity.kind, entity.evidence, suspicious)
        if entity.kind != TAG_ALL:
            learn_usual(state, TAG_ALL, entity.evidence, suspicious)


@jit_in_place
def show(
    state: State,
    entity: Records,
    x: NDArray[np.float32],
    reasons: Records,
    first: int,
    cap: float,
    whatever: bool,
) -> bool:
    """Write the unit's evidence to x from column `first` on, if it has grown by a step, or whatever it is.

    And what adds most to it to reasons (REASONS,). Whether it was written.
    """
    total = suspicion(state, entity)
    if not whatever and total < entity.shown + max(STEP, STEP_SHARE * entity.shown):
        return False
    entity.shown = total
    judge = judge_of(state, entity.kind)
    if judge >= 0:
        for k in range(ADDED):
            x[first + k] = min(cap, calibrated(state.kinds[judge], entity.evidence, k))
    if total > 0.0:
        tell(entity, reasons)
    return True


@jit_in_place
def is_first_suspicion(entity: Records) -> bool:
    """Whether a unit has come under suspicion, by what it has shown last; true once."""
    if entity.suspected != 0 or entity.shown < SUSPICION:
        return False
    entity.suspected = 1
    return True
