"""What units of a kind show, compiled: learnt from those that ended, with a deadline for what is usual.

Shares are of the units of one kind, those that began with the same template, once KIND_UNITS of them have
ended, and of all units before. Units under suspicion are learnt apart, and all units once what is usual is
settled, by training or by SETTLED_UNITS: what APART_UNITS of them have shown is then as usual as it was
frequent meanwhile, after a day if nearly all did, after APART_DAYS if fewer did. What all of them lack for a
day is due no more; a kind that is APART_DAYS old is learnt from all its units.
"""

from math import exp, log
from typing import Final

import numpy as np

from models.context.ages import deadline, learn_time
from models.context.tables import (
    DUE_ITEMS,
    DUE_TIMES,
    TAG_ALL,
    TAG_KIND,
    TAG_PAIR,
    TAG_SEVERITY,
    TAG_WORD,
    TEMPLATE_WORDS,
    Records,
    State,
    known_slot,
    mix,
    slot_of,
)
from models.context.units import NEVER, node_of
from models.jit import jit, jit_in_place

# What to do beside looking, as bits: learn what units show, what evidence is usual, what units lack together;
# judge each unit by all others, as it has been learnt itself; and learn what faulty units show.
LEARN, CALIBRATE, LEAVE_OUT, PAIRS, FAULTS = 1, 2, 4, 8, 16
KIND_UNITS: Final = 50.0  # ended units of a kind that say what is usual for it
USUAL_UNITS: Final = 5  # ended units that say what is usual at all
USUAL_SHARE: Final = 0.5  # of the units that show something by their first end: then it has a deadline
MOST_COUNTED: Final = 1024  # occurrences in a unit that are told apart
NO_COUNT: Final = 1 << 30
ERROR_SHOWN: Final = -1  # `times` of a node that stands for a template at level ERROR
SAME_STEP: Final = 1.1  # deadlines that lie no further apart than this ratio (and a second) are one step
APART_AFTER: Final = 100.0  # units of a kind after which suspicious ones are learnt apart
SETTLED_UNITS: Final = 1000.0  # units of a kind after which all of them are
DAY: Final = 86_400.0  # s
# what was learnt apart is believed when so many units have shown it, over a day if nearly all did, else more
APART_UNITS, APART_SHARE, APART_DAYS = 20.0, 0.8, 7.0


@jit_in_place
def _share_key(kind: np.uint64, item: np.uint64, times: int) -> np.uint64:
    return mix(mix(kind, item), np.uint64(times + 77))


@jit_in_place
def shown_by(state: State, kind: np.uint64, item: np.uint64, times: int, left_out: float) -> float:
    """How many units of a kind have shown something, but for the one left out."""
    slot = known_slot(state.shares, _share_key(kind, item, times), state.clock[0])
    if slot < 0:
        return 0.0
    n: float = max(0.0, state.shares[slot].n - left_out)
    return n


@jit_in_place
def units_of(state: State, kind: np.uint64) -> float:
    """How many units of a kind have been learnt, 0 for an unknown one."""
    slot = known_slot(state.kinds, kind, state.clock[0])
    if slot < 0:
        return 0.0
    units: float = state.kinds[slot].units
    return units


@jit_in_place
def error_of(template: np.uint64) -> np.uint64:
    """The item that stands for a template at level ERROR or worse."""
    return mix(template, TAG_SEVERITY)


@jit_in_place
def nats_of_error(state: State, kind: np.uint64, item: np.uint64, left_out: float) -> tuple[float, float]:
    """-log of the share of all units of a kind that ever ended, under suspicion or not, that have shown an
    error as rare as this one, and the share that have shown this one.

    That there was an error for the first time is as rare as such first times were (Good, Biometrika 40,
    1953), so where errors are worded anew each time, new ones say little.
    """
    where = known_slot(state.kinds, kind, state.clock[0])
    if where < 0:
        return 0.0, 0.0
    known = state.kinds[where]
    slot = known_slot(state.shares, _share_key(kind, item, 0), state.clock[0])
    shown, first = 0.0, known.errors
    if slot >= 0:
        share = state.shares[slot]
        shown = share.apart + share.n * known.ended / max(1.0, known.units)
        first -= left_out if shown <= left_out else 0.0  # it was the one that showed it first
    shown, ended = max(0.0, shown - left_out), max(0.0, known.ended - left_out)
    return max(0.0, nats_of_share(shown + first, ended)), min(1.0, shown / max(1.0, ended))


@jit_in_place
def nats_of_share(count: float, units: float) -> float:
    """-log of a share of units; never of nothing, since the next unit may be the first."""
    nats: float = -log((count + 0.5) / (units + 1.0))
    return nats


@jit_in_place
def kind_of(state: State, own: np.uint64) -> np.uint64:
    """The kind that a unit is judged by: its own when that is known well enough, else that of all units."""
    return own if units_of(state, own) >= KIND_UNITS else TAG_ALL


@jit_in_place
def last_count(times: int) -> int:
    """The count before this one of 1, 2, ... 8, 16, 32, ...; 0 where the count is none of them."""
    if times <= 8:
        return times - 1
    return times // 2 if times & (times - 1) == 0 and times <= MOST_COUNTED else 0


@jit_in_place
def count_after(times: int) -> int:
    """The next one of 1, 2, ... 8, 16, 32, ... MOST_COUNTED; beyond it none that is ever reached."""
    if times < 8:
        return times + 1
    following = 16
    while following <= times:
        following *= 2
    return following if following <= MOST_COUNTED else NO_COUNT


@jit_in_place
def left_out(entity: Records, mode: int) -> float:
    """How many units to take off all counts of normal ones: the unit itself, where it is among them."""
    return 1.0 if mode & LEAVE_OUT and entity.faulty == 0 else 0.0


@jit_in_place
def is_lacking(state: State, slot: int, known: Records, i: int) -> bool:
    """Whether a unit does not show what is due."""
    node = node_of(state, slot, known.due_template[i])
    return bool(node == 0 or state.nodes[node].times < known.due_times[i])


@jit_in_place
def lacks(state: State, slot: int, known: Records, i: int, left: float) -> float:
    """Nats that a unit does not show what is due; 0 when it does. left: units to take off the counts."""
    if not is_lacking(state, slot, known, i):
        return 0.0
    lacking, units = max(0.0, known.due_lacking[i] - left), max(0.0, known.built - left)
    return max(0.0, nats_of_share(lacking, units))


@jit_in_place
def _pair_key(known: Records, i: int) -> np.uint64:
    """Of what is due and of what is due before it."""
    one = _share_key(known.key, known.due_template[i], known.due_times[i])
    return mix(mix(one, _share_key(known.key, known.due_template[i - 1], known.due_times[i - 1])), TAG_PAIR)


@jit_in_place
def lacks_too(state: State, known: Records, i: int, nats: float, left: float) -> float:
    """Nats that a unit lacks what is due, as it lacks what is due before it: units often lack both.

    nats: that any unit lacks it; taken as what one more unit has shown (a Dirichlet prior of weight 1). left:
    units to take off the counts.
    """
    pair = known_slot(state.shares, _pair_key(known, i), state.clock[0])
    both = before = 0.0
    if pair >= 0:
        both = max(0.0, state.shares[pair].n - left)
        before = max(0.0, state.shares[pair].early - left)
    return -log((both + exp(-nats)) / (before + 1.0))


@jit_in_place
def learn_pairs(state: State, slot: int) -> None:
    """What a unit lacks together with what is due before it."""
    kind = known_slot(state.kinds, state.entities[slot].kind, state.clock[0])
    if kind < 0:
        return
    known = state.kinds[kind]
    lacked_before = False
    for i in range(known.due):
        lacking = is_lacking(state, slot, known, i)
        if lacked_before:
            pair, fresh = slot_of(state.shares, _pair_key(known, i), state.clock[0])
            share = state.shares[pair]
            if fresh:
                share.kind = state.share_kinds[pair] = np.uint64(0)
                share.n = share.early = share.since = share.apart = share.ended = 0.0
            share.early += 1.0
            share.n += 1.0 if lacking else 0.0
        lacked_before = lacking


@jit_in_place
def is_apart(state: State, entity: Records, kind: np.uint64, suspicious: bool) -> bool:
    """Whether a unit that ends is to be learnt apart in a kind."""
    slot = known_slot(state.kinds, kind, state.clock[0])
    if slot >= 0:
        known = state.kinds[slot]
        if known.settled != 0:
            return True
        if known.ended >= APART_UNITS and entity.last - known.since >= APART_DAYS * DAY:
            return False
    return suspicious and units_of(state, entity.kind) >= APART_AFTER


@jit_in_place
def learn_unit(state: State, slot: int, suspicious: bool, may_settle: bool) -> None:
    """What a unit has shown since it was learnt last, for its own kind and for all units."""
    entity = state.entities[slot]
    _learn(state, slot, TAG_ALL, suspicious, may_settle)
    _learn(state, slot, mix(entity.first_template, TAG_KIND), suspicious, may_settle)
    node = int(entity.nodes)
    while node != 0:
        state.nodes[node].learnt = state.nodes[node].times
        node = int(state.nodes[node].in_unit)


@jit_in_place
def make_kind(state: State, kind: np.uint64, now: float) -> int:
    """Slot of a kind of units, of which nothing is known yet if it is new."""
    where, fresh = slot_of(state.kinds, kind, state.clock[0])
    known = state.kinds[where]
    if fresh:
        known.ended = known.units = known.built = known.errors = 0.0
        known.due = known.settled = known.judged = known.certain = 0
        known.since = now
        known.gaps[:] = 0
    return where


@jit_in_place
def _learn(state: State, slot: int, kind: np.uint64, suspicious: bool, may_settle: bool) -> None:
    """What a unit has shown since it was learnt last, as what units of a kind show."""
    entity = state.entities[slot]
    where = make_kind(state, kind, entity.last)
    known = state.kinds[where]
    apart = is_apart(state, entity, kind, suspicious)
    first = entity.episode == 0
    if first:
        known.ended += 1.0
        if not apart:
            known.units += 1.0
            learn_time(known.gaps, entity.longest)
    node = int(entity.nodes)
    while node != 0:
        row = state.nodes[node]
        if row.learnt == 0 and row.times > 0:
            _learn_words(state, known, row.item, entity, apart)
        if row.times == ERROR_SHOWN and row.learnt == 0:
            if known_slot(state.shares, _share_key(known.key, row.item, 0), state.clock[0]) < 0:
                known.errors += 1.0
            learn_share(state, known, row.item, 0, entity, apart)
        times = count_after(row.learnt)
        while times <= row.times:
            share = learn_share(state, known, row.item, times, entity, apart)
            if first and not apart and times <= DUE_TIMES:
                share.early += 1.0
                learn_time(share.ages, row.ages[times - 1])
            times = count_after(times)
        node = int(row.in_unit)
    if known.settled == 0 and known.units >= USUAL_UNITS and known.units >= 1.1 * known.built:
        build(state, where)
        known.settled = 1 if may_settle and known.units >= SETTLED_UNITS else 0


@jit_in_place
def _learn_words(state: State, known: Records, template: np.uint64, entity: Records, apart: bool) -> None:
    where = known_slot(state.templates, template, state.clock[0])
    if where < 0:
        return
    for i in range(TEMPLATE_WORDS):
        word = state.templates[where].words[i]
        if word == 0:
            break
        learn_share(state, known, mix(word, TAG_WORD), 0, entity, apart)


@jit_in_place
def learn_share(
    state: State, known: Records, item: np.uint64, times: int, entity: Records, apart: bool
) -> Records:
    """Count a unit, once, among those that show something."""
    where, fresh = slot_of(state.shares, _share_key(known.key, item, times), state.clock[0])
    share = state.shares[where]
    if fresh:
        share.kind = state.share_kinds[where] = known.key
        share.template = item
        share.times = times
        share.unit = 0
        share.n = share.early = share.apart = share.since = share.ended = 0.0
        share.ages[:] = 0
    if share.unit == entity.serial:
        return share
    share.unit = entity.serial
    if not apart:
        share.n += 1.0
        return share
    if share.apart == 0.0:
        share.since = entity.last
        share.ended = known.ended - 1.0
    share.apart += 1.0
    part, days = share.apart / (known.ended - share.ended), (entity.last - share.since) / DAY
    if share.apart >= APART_UNITS and (days >= APART_DAYS or (part >= APART_SHARE and days >= 1.0)):
        share.n = max(share.n, known.units * part)
        share.apart = 0.0
    return share


@jit_in_place
def learn_lacks(state: State, slot: int) -> None:
    """What a unit lacks of what is due in a settled kind."""
    entity = state.entities[slot]
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0 or state.kinds[kind].settled == 0:
        return
    known = state.kinds[kind]
    for i in range(known.due):
        _learn_lack(known, i, lacks(state, slot, known, i, 0.0) > 0.0, entity.last)


@jit_in_place
def _learn_lack(known: Records, i: int, lacking: bool, now: float) -> None:
    """What no unit of a settled kind has shown for long is due no more."""
    if not lacking:
        known.due_apart[i] = 0.0
        return
    if known.due_apart[i] == 0.0:
        known.due_since[i] = now
    known.due_apart[i] += 1.0
    if known.due_apart[i] >= APART_UNITS and now - known.due_since[i] >= DAY:
        known.due_lacking[i] = known.built


@jit
def build(state: State, where: int) -> None:
    """The deadlines of a kind, from what its units have shown by their first end."""
    known = state.kinds[where]
    found = np.zeros(DUE_ITEMS, np.int64)
    ages = np.zeros(DUE_ITEMS)
    n = 0
    for of_kind in np.flatnonzero(state.share_kinds == known.key):
        share = state.shares[of_kind]
        if share.early >= USUAL_SHARE * known.units and share.early > 0.0 and n < DUE_ITEMS:
            found[n] = of_kind
            ages[n] = deadline(share.ages)
            n += 1
    step = -NEVER
    order = np.argsort(ages[:n], kind="mergesort")
    for i in range(n):
        share = state.shares[found[order[i]]]
        age = ages[order[i]]
        if i > 0:  # each has a place of its own
            age = max(age, known.due_age[i - 1] + 1e-5)
        if age > step * SAME_STEP + 1.0:
            step = age
        known.due_template[i] = share.template
        known.due_times[i] = share.times
        known.due_age[i] = age
        known.due_step[i] = step
        known.due_lacking[i] = max(0.0, known.units - share.early)
        known.due_apart[i] = 0.0
    known.due = n
    known.built = known.units
    known.quiet = deadline(known.gaps)


@jit_in_place
def conclude(state: State) -> None:
    """Learn what units show that have woken and not ended again; then the deadlines of all kinds."""
    for slot in range(len(state.entities)):
        entity = state.entities[slot]
        if entity.waiting != 0 and entity.episode > 0 and entity.lossy == 0:
            learn_unit(state, slot, False, False)
    for where in range(len(state.kinds)):
        if state.kinds[where].key != 0 and state.kinds[where].units >= USUAL_UNITS:
            build(state, where)
            state.kinds[where].settled = 1
