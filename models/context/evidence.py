"""Evidence of units, compiled: what is unusual about an entity so far, by kind of evidence, in nats.

A unit is an entity; it ends when it falls idle, and goes on when it wakes. Evidence adds up over it (sums of
surprise, as in a sequential test; Wald, Annals of Mathematical Statistics 16, 1945):

- new: at the first occurrence of a template, -log of the share of units that ever show each of its words;
- overdue: -log of the share of units that never show a usual template (so many times), when its deadline has
  passed; what is due at about the same time is one step and counts once. When the unit has ended, or is quiet
  for longer than its kind ever is, all that it lacks counts, each given that what is due before it lacks too;
- ending: -log of the share of units that end after what it has shown last, when it has ended;
- repeats: when a count reaches 2, 3, ... 8, 16, 32 ..., -log of the share of units that reach it, of those
  that reach the one before.

Shares are of the units of one kind, those that began with the same template, once KIND_UNITS of them have
ended, and of all units before. A unit is learnt when it ends. Units under suspicion are learnt apart, and
all units once what is usual is settled, by training or by SETTLED_UNITS: what APART_UNITS of them have shown
is then as usual as it was frequent meanwhile, after a day if nearly all did, after APART_DAYS if fewer did.
What all of them lack for a day is due no more; a kind that is APART_DAYS old is learnt from all its units.

What is usual of each kind of evidence is learnt from the last units of a kind too, until training settles it.
Evidence is given as nats beyond the median, divided by the spread where that is more than a nat: so kinds of
evidence add like with like. Of a context that nobody trained, the spread covers every unit it has seen: as
long as most of what units show is new, that says little.

Long because an entity's evidence is one state machine: what it has shown, its deadlines, and what is learnt.
"""

from math import exp, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.context.line import LEAST_SPREAD, Line, weighed
from models.context.line import nats as nats_of_line
from models.context.tables import (
    AGE_BINS,
    DUE_ITEMS,
    DUE_TIMES,
    EVIDENCE,
    GONE,
    REASONS,
    RECENT_UNITS,
    TAG_ALL,
    TAG_KIND,
    TAG_PAIR,
    TAG_WORD,
    TEMPLATE_WORDS,
    Records,
    State,
    known_slot,
    mix,
    slot_of,
)
from models.jit import jit, jit_in_place

NEW, OVERDUE, REPEATS, ENDING, LINE = range(EVIDENCE + 1)
# What to do beside looking, as bits: learn what units show, what evidence is usual, what units lack together;
# and judge each unit by all others, as it has been learnt itself.
LEARN, CALIBRATE, LEAVE_OUT, PAIRS = 1, 2, 4, 8

KIND_UNITS: Final = 50.0  # ended units of a kind that say what is usual for it
USUAL_UNITS: Final = 5  # ended units that say what is usual at all
USUAL_SHARE: Final = 0.5  # of the units that show something by their first end: then it has a deadline
NEVER: Final = 1e18  # s; tables hold finite numbers
RARE: Final = 0.7  # nats: a word in half of the units is none to remember
CERTAIN_UNITS: Final = 250  # the same where a share TAIL of them says nothing: fewer leave it to chance
YOUNGEST: Final = 0.25  # s, upper end of the first bin of ages
AGE_RATIO: Final = 1.5  # from one bin of ages to the next
SAME_STEP: Final = 1.1  # deadlines that lie no further apart than this ratio (and a second) are one step
TAIL: Final = 0.1  # share of the units that training has seen which may be faulty, and say nothing
UNIT_SHARE: Final = 8  # a unit holds at most one of so many parts of all nodes
STEP: Final = 1.0  # nats, and
STEP_SHARE: Final = 0.1  # share of what it had before, by which evidence grows before it is shown again
SUSPICION: Final = 7.0  # nats of evidence that make a unit suspicious: about one normal unit in a thousand
APART_AFTER: Final = 100.0  # units of a kind after which suspicious ones are learnt apart
SETTLED_UNITS: Final = 1000.0  # units of a kind after which all of them are
DAY: Final = 86_400.0  # s
# what was learnt apart is believed when so many units have shown it, over a day if nearly all did, else more
APART_UNITS, APART_SHARE, APART_DAYS = 20.0, 0.8, 7.0


# ---- what a unit has shown


@jit_in_place
def _bucket(state: State, slot: int, item: np.uint64) -> int:
    return int((mix(item, np.uint64(slot)) >> np.uint64(9)) & np.uint64(len(state.buckets) - 1))


@jit_in_place
def _node(state: State, slot: int, item: np.uint64) -> int:
    """Node of an item in a unit, 0 for none."""
    node = state.buckets[_bucket(state, slot, item)]
    while node != 0 and not (state.nodes[node].item == item and state.nodes[node].unit == slot):
        node = state.nodes[node].in_bucket
    found: int = node
    return found


@jit_in_place
def _add_node(state: State, slot: int, item: np.uint64) -> int:
    """A new node of a unit; 0, and the unit is lossy from then on, when it holds too many."""
    clock, entity = state.clock[0], state.entities[slot]
    if entity.items >= len(state.nodes) // UNIT_SHARE:
        entity.lossy += 1
        clock.forgotten += 1
        return 0
    while clock.free_node == 0 and clock.next_node >= len(state.nodes) - 1:
        _forget_oldest(state)
    if clock.free_node != 0:
        node = int(clock.free_node)
        clock.free_node = state.nodes[node].in_unit
    else:
        clock.next_node += 1
        node = int(clock.next_node)
    bucket = _bucket(state, slot, item)
    row = state.nodes[node]
    row.item = item
    row.unit = slot
    row.times = row.learnt = 0
    row.in_bucket = state.buckets[bucket]
    state.buckets[bucket] = node
    row.in_unit = entity.nodes
    entity.nodes = node
    entity.items += 1
    return node


@jit_in_place
def release(state: State, slot: int) -> None:
    """Give up all nodes of a unit, and its deadline."""
    entity, clock = state.entities[slot], state.clock[0]
    node = int(entity.nodes)
    while node != 0:
        row = state.nodes[node]
        following = int(row.in_unit)
        bucket = _bucket(state, slot, row.item)
        before = state.buckets[bucket]
        if before == node:
            state.buckets[bucket] = row.in_bucket
        else:
            while state.nodes[before].in_bucket != node:
                before = state.nodes[before].in_bucket
            state.nodes[before].in_bucket = row.in_bucket
        row.in_unit = clock.free_node
        clock.free_node = node
        node = following
    entity.nodes = entity.items = 0
    _set_timer(state, slot, NEVER)


@jit_in_place
def _forget_oldest(state: State) -> None:
    """Make room: the unit that was quiet longest is forgotten as a whole, so that nothing false is said."""
    clock = state.clock[0]
    slot = int(state.newer[len(state.newer) - 1])
    release(state, slot)
    unlink(state, slot)
    state.entities[slot].key = GONE
    state.entities[slot].used = 0
    clock.forgotten += 1


@jit_in_place
def unlink(state: State, slot: int) -> None:
    """Take a unit out of the ring."""
    clock = state.clock[0]
    if clock.next_end == slot:
        clock.next_end = state.newer[slot]
    state.newer[state.older[slot]] = state.newer[slot]
    state.older[state.newer[slot]] = state.older[slot]
    state.entities[slot].waiting = 0


@jit_in_place
def make_youngest(state: State, slot: int) -> None:
    """Put a unit at the young end of the ring, waiting for its end."""
    clock, entity = state.clock[0], state.entities[slot]
    if entity.waiting != 0:
        unlink(state, slot)
    head = len(state.older) - 1
    youngest = state.older[head]
    state.newer[youngest] = slot
    state.older[slot] = youngest
    state.newer[slot] = head
    state.older[head] = slot
    entity.waiting = 1
    if clock.next_end == head:
        clock.next_end = slot


@jit
def relink(state: State) -> bool:
    """Find buckets and deadlines anew, from entities and nodes; whether the nodes belong to them."""
    clock = state.clock[0]
    used = int(clock.next_node)
    seen = np.zeros(used + 1, np.bool_)
    clock.timers = 0
    for slot in range(len(state.entities)):
        entity = state.entities[slot]
        node = int(entity.nodes)
        while node != 0:
            if node < 0 or node > used or seen[node] or state.nodes[node].unit != slot:
                return False
            seen[node] = True
            bucket = _bucket(state, slot, state.nodes[node].item)
            state.nodes[node].in_bucket = state.buckets[bucket]
            state.buckets[bucket] = node
            node = int(state.nodes[node].in_unit)
        if entity.timer != 0:
            entity.timer = 0
            _set_timer(state, slot, entity.due)
    node = int(clock.free_node)
    while node != 0:
        if node < 0 or node > used or seen[node]:
            return False
        seen[node] = True
        node = int(state.nodes[node].in_unit)
    return bool(seen[1:].all())


# ---- deadlines: a heap of units by the time of their next one


@jit_in_place
def _earlier(state: State, one: int, other: int) -> bool:
    """Which of two units comes first; the older one of two that are due at one moment."""
    a, b = state.entities[one], state.entities[other]
    if a.due != b.due:
        return bool(a.due < b.due)
    return bool(a.serial < b.serial)


@jit_in_place
def _place(state: State, at: int, slot: int) -> None:
    state.timers[at] = slot
    state.entities[slot].timer = at


@jit_in_place
def _sift(state: State, at: int) -> None:
    """Restore the order of the heap after the unit at one place has changed."""
    timers, size = state.timers, int(state.clock[0].timers)
    slot = int(timers[at])
    while at > 1 and _earlier(state, slot, timers[at // 2]):
        _place(state, at, timers[at // 2])
        at //= 2
    while 2 * at <= size:
        child = 2 * at
        if child < size and _earlier(state, timers[child + 1], timers[child]):
            child += 1
        if not _earlier(state, timers[child], slot):
            break
        _place(state, at, timers[child])
        at = child
    _place(state, at, slot)


@jit_in_place
def _set_timer(state: State, slot: int, due: float) -> None:
    """When a unit is to be looked at next; NEVER is what it says."""
    clock, entity = state.clock[0], state.entities[slot]
    at = int(entity.timer)
    if due >= NEVER:
        if at == 0:
            return
        last = int(state.timers[clock.timers])
        clock.timers -= 1
        entity.timer = 0
        if last != slot:
            _place(state, at, last)
            _sift(state, at)
        return
    entity.due = due
    if at == 0:
        clock.timers += 1
        at = int(clock.timers)
        _place(state, at, slot)
    _sift(state, at)


# ---- the reference: what units of a kind show


@jit_in_place
def _share(state: State, kind: np.uint64, item: np.uint64, times: int) -> int:
    """Slot of what units of a kind show so many times, -1 for unknown."""
    return known_slot(state.shares, _share_key(kind, item, times), state.clock[0])


@jit_in_place
def _share_key(kind: np.uint64, item: np.uint64, times: int) -> np.uint64:
    return mix(mix(kind, item), np.uint64(times + 77))


@jit_in_place
def _units(state: State, kind: np.uint64) -> float:
    slot = known_slot(state.kinds, kind, state.clock[0])
    if slot < 0:
        return 0.0
    units: float = state.kinds[slot].units
    return units


@jit_in_place
def _shown_by(state: State, kind: np.uint64, item: np.uint64, times: int, left_out: float) -> float:
    """How many units of a kind have shown something, but for the one left out."""
    slot = _share(state, kind, item, times)
    if slot < 0:
        return 0.0
    n: float = max(0.0, state.shares[slot].n - left_out)
    return n


@jit_in_place
def _nats(count: float, units: float) -> float:
    """-log of a share of units; never of nothing, since the next unit may be the first."""
    nats: float = -log((count + 0.5) / (units + 1.0))
    return nats


@jit_in_place
def begin(state: State, slot: int, template: np.uint64) -> None:
    """A unit begins with a template: its kind, and its first deadline."""
    clock, entity = state.clock[0], state.entities[slot]
    clock.units += 1
    entity.serial = clock.units
    entity.items = entity.nodes = 0
    entity.lossy = 0
    entity.timer = 0
    entity.evidence[:] = 0.0
    entity.evidence[LINE] = -NEVER
    entity.why_nats[:] = 0.0
    entity.shown = entity.step_nats = entity.steps = entity.longest = 0.0
    entity.checked = entity.step = -1.0
    entity.quiet_at = NEVER
    entity.kind = _kind_of(state, mix(template, TAG_KIND))
    entity.judged = _units(state, entity.kind) >= USUAL_UNITS


@jit_in_place
def _kind_of(state: State, own: np.uint64) -> np.uint64:
    """The kind that a unit is judged by: its own when that is known well enough, else that of all units."""
    return own if _units(state, own) >= KIND_UNITS else TAG_ALL


@jit_in_place
def last_count(times: int) -> int:
    """The count before this one of 1, 2, ... 8, 16, 32, ...; 0 where the count is none of them."""
    if times <= 8:
        return times - 1
    return times // 2 if times & (times - 1) == 0 and times <= 1024 else 0


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
    left_out = 1.0 if mode & LEAVE_OUT else 0.0
    node = _node(state, slot, template)
    if node == 0:
        node = _add_node(state, slot, template)
        if node == 0:
            return False
        units = max(0.0, _units(state, entity.kind) - left_out)
        before_it = entity.evidence[NEW]
        for word in words:
            if word == 0:
                break
            item = mix(word, TAG_WORD)
            nats = _nats(_shown_by(state, entity.kind, item, 0, left_out), units)
            if nats > RARE and _node(state, slot, item) == 0 and _add_node(state, slot, item) != 0:
                entity.evidence[NEW] += nats
        share = _shown_by(state, entity.kind, template, 1, left_out) / max(1.0, units)
        _note(entity, NEW, template, entity.evidence[NEW] - before_it, share, now - entity.first)
    row = state.nodes[node]
    row.times += 1
    times = int(row.times)
    if times <= DUE_TIMES:
        row.ages[times - 1] = max(0.0, now - entity.first)
    before = last_count(times)
    if before > 0:
        reached = _shown_by(state, entity.kind, template, times, left_out)
        of = _shown_by(state, entity.kind, template, before, left_out)
        if of > 0.0:
            nats = max(0.0, -log((reached + 0.5) / (of + 1.0)))
            entity.evidence[REPEATS] += nats
            _note(entity, REPEATS, template, nats, reached / of, now - entity.first)
    return times == 1


@jit_in_place
def await_next(state: State, slot: int) -> None:
    """After an event: when the unit is to be looked at again, if it shows nothing until then."""
    entity = state.entities[slot]
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0 or state.kinds[kind].due == 0 or entity.lossy != 0:
        return
    entity.quiet_at = entity.last + state.kinds[kind].quiet
    if entity.timer == 0:
        _set_timer(state, slot, min(entity.quiet_at, _next_due(state, slot)))
    elif entity.quiet_at < entity.due:
        _set_timer(state, slot, entity.quiet_at)


@jit_in_place
def _next_due(state: State, slot: int) -> float:
    """The deadline of the next thing that a unit has not shown yet; NEVER for none."""
    entity = state.entities[slot]
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0:
        return NEVER
    known = state.kinds[kind]
    for i in range(_after(known, entity.checked), known.due):
        node = _node(state, slot, known.due_template[i])
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
def _is_lacking(state: State, slot: int, known: Records, i: int) -> bool:
    """Whether a unit does not show what is due."""
    node = _node(state, slot, known.due_template[i])
    return bool(node == 0 or state.nodes[node].times < known.due_times[i])


@jit_in_place
def _lacks(state: State, slot: int, known: Records, i: int, mode: int) -> float:
    """Nats that a unit does not show what is due; 0 when it does."""
    if not _is_lacking(state, slot, known, i):
        return 0.0
    left_out = 1.0 if mode & LEAVE_OUT else 0.0
    lacking, units = max(0.0, known.due_lacking[i] - left_out), max(0.0, known.built - left_out)
    return max(0.0, _nats(lacking, units))


@jit_in_place
def check(state: State, slot: int, watermark: float, timeout: float, mode: int) -> bool:
    """Count what is overdue in a unit at this event time; whether there was anything, `looked` says when.

    What would be due after the unit's end is left to its end.
    """
    entity = state.entities[slot]
    before = entity.evidence[OVERDUE]
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
    _set_timer(state, slot, due if due <= entity.last + timeout else NEVER)
    return bool(entity.evidence[OVERDUE] > before)


@jit_in_place
def _count_step(state: State, slot: int, mode: int) -> None:
    """The next deadline has passed: what is due in one step counts once."""
    entity = state.entities[slot]
    known = state.kinds[known_slot(state.kinds, entity.kind, state.clock[0])]
    i = _after(known, entity.checked)
    entity.checked = known.due_age[i]
    nats = _lacks(state, slot, known, i, mode)
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
    total = 0.0
    lacked_before = False
    for i in range(known.due):
        nats = _lacks(state, slot, known, i, mode)
        lacking = _is_lacking(state, slot, known, i)
        if lacking and lacked_before:
            nats = _lacks_too(state, known, i, nats, mode)
        total += nats
        lacked_before = lacking
        _note_lacking(entity, known, i, nats)
    entity.evidence[OVERDUE] = max(entity.evidence[OVERDUE], total)


@jit_in_place
def _note_lacking(entity: Records, known: Records, i: int, nats: float) -> None:
    share = 1.0 - known.due_lacking[i] / max(1.0, known.built)
    _note(entity, OVERDUE, known.due_template[i], nats, share, known.due_age[i])


@jit_in_place
def _pair_key(known: Records, i: int) -> np.uint64:
    """Of what is due and of what is due before it."""
    one = _share_key(known.key, known.due_template[i], known.due_times[i])
    return mix(mix(one, _share_key(known.key, known.due_template[i - 1], known.due_times[i - 1])), TAG_PAIR)


@jit_in_place
def _lacks_too(state: State, known: Records, i: int, nats: float, mode: int) -> float:
    """Nats that a unit lacks what is due, as it lacks what is due before it: units often lack both.

    nats: that any unit lacks it; taken as what one more unit has shown (a Dirichlet prior of weight 1).
    """
    pair = known_slot(state.shares, _pair_key(known, i), state.clock[0])
    left_out = 1.0 if mode & LEAVE_OUT else 0.0
    both = before = 0.0
    if pair >= 0:
        both = max(0.0, state.shares[pair].n - left_out)
        before = max(0.0, state.shares[pair].early - left_out)
    return -log((both + exp(-nats)) / (before + 1.0))


@jit_in_place
def _learn_pairs(state: State, slot: int) -> None:
    """What a unit lacks together with what is due before it."""
    kind = known_slot(state.kinds, state.entities[slot].kind, state.clock[0])
    if kind < 0:
        return
    known = state.kinds[kind]
    lacked_before = False
    for i in range(known.due):
        lacking = _is_lacking(state, slot, known, i)
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
def end(state: State, slot: int, mode: int) -> None:
    """A unit fell idle: what it lacks at its first end it lacks for good. Then it is learnt."""
    entity = state.entities[slot]
    _set_timer(state, slot, NEVER)
    if entity.episode == 0 and entity.lossy == 0:
        _count_lacking(state, slot, mode)
        if mode & LEARN:
            _learn_lacks(state, slot, mode)
    suspicious = suspicion(state, entity) >= SUSPICION
    apart = mode & LEARN != 0 and _apart(state, entity, entity.kind, suspicious)
    if mode & PAIRS and not apart and entity.episode == 0 and entity.lossy == 0:
        _learn_pairs(state, slot)
    if mode & LEARN and entity.lossy == 0:
        _learn_unit(state, slot, suspicious, mode & CALIBRATE != 0)
    if mode & CALIBRATE and entity.judged != 0:
        _learn_usual(state, entity.kind, entity.evidence, suspicious)
        if entity.kind != TAG_ALL:
            _learn_usual(state, TAG_ALL, entity.evidence, suspicious)


# ---- learning


@jit_in_place
def _learn_unit(state: State, slot: int, suspicious: bool, may_settle: bool) -> None:
    """What a unit has shown since it was learnt last, for its own kind and for all units."""
    entity = state.entities[slot]
    _learn(state, slot, TAG_ALL, suspicious, may_settle)
    _learn(state, slot, mix(entity.first_template, TAG_KIND), suspicious, may_settle)
    node = int(entity.nodes)
    while node != 0:
        state.nodes[node].learnt = state.nodes[node].times
        node = int(state.nodes[node].in_unit)


@jit_in_place
def _apart(state: State, entity: Records, kind: np.uint64, suspicious: bool) -> bool:
    """Whether a unit that ends is to be learnt apart in a kind."""
    slot = known_slot(state.kinds, kind, state.clock[0])
    if slot >= 0:
        known = state.kinds[slot]
        if known.settled != 0:
            return True
        if known.ended >= APART_UNITS and entity.last - known.since >= APART_DAYS * DAY:
            return False
    return suspicious and _units(state, entity.kind) >= APART_AFTER


@jit_in_place
def _learn(state: State, slot: int, kind: np.uint64, suspicious: bool, may_settle: bool) -> None:
    """What a unit has shown since it was learnt last, as what units of a kind show."""
    entity, clock = state.entities[slot], state.clock[0]
    where, fresh = slot_of(state.kinds, kind, clock)
    known = state.kinds[where]
    if fresh:
        known.ended = known.units = known.built = 0.0
        known.due = known.settled = known.judged = known.certain = 0
        known.since = entity.last
        known.gaps[:] = 0
    apart = _apart(state, entity, kind, suspicious)
    first = entity.episode == 0
    if first:
        known.ended += 1.0
        if not apart:
            known.units += 1.0
            _learn_time(known.gaps, entity.longest)
    node = int(entity.nodes)
    while node != 0:
        row = state.nodes[node]
        times = int(row.learnt) + 1
        if times == 1 and row.times > 0:
            _learn_words(state, known, row.item, entity, apart)
        while times <= row.times:
            if times == 1 or last_count(times) > 0:
                share = _learn_share(state, known, row.item, times, entity, apart)
                if first and not apart and times <= DUE_TIMES:
                    share.early += 1.0
                    _learn_time(share.ages, row.ages[times - 1])
            times = times + 1 if times < 8 else 16 if times == 8 else 2 * times
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
        _learn_share(state, known, mix(word, TAG_WORD), 0, entity, apart)


@jit_in_place
def _learn_share(
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
def _learn_lacks(state: State, slot: int, mode: int) -> None:
    """What a unit lacks of what is due in a settled kind."""
    entity = state.entities[slot]
    kind = known_slot(state.kinds, entity.kind, state.clock[0])
    if kind < 0 or state.kinds[kind].settled == 0:
        return
    known = state.kinds[kind]
    for i in range(known.due):
        _learn_lack(known, i, _lacks(state, slot, known, i, mode) > 0.0, entity.last)


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


@jit_in_place
def _learn_time(bins: NDArray[np.uint16], time: float) -> None:
    """Count an age or a gap (s) in its bin."""
    bin_ = 0
    edge = YOUNGEST
    while bin_ < AGE_BINS - 1 and time > edge:
        edge *= AGE_RATIO
        bin_ += 1
    if bins[bin_] == 65_535:
        for i in range(AGE_BINS):
            bins[i] //= 2
    bins[bin_] += 1


@jit_in_place
def _quantile(bins: NDArray[np.uint16], q: float) -> float:
    """Time (s) that a share q of those counted did not exceed; by interpolation within a bin."""
    total = 0.0
    for i in range(AGE_BINS):
        total += bins[i]
    rest = q * total
    upper = YOUNGEST
    for i in range(AGE_BINS):
        if rest <= bins[i]:
            lower = 0.0 if i == 0 else upper / AGE_RATIO
            return lower + (upper - lower) * rest / max(1.0, float(bins[i]))
        rest -= bins[i]
        upper *= AGE_RATIO
    return upper


@jit_in_place
def deadline(bins: NDArray[np.uint16]) -> float:
    """Time (s) that one unit in a thousand exceeds, if long times fall off like a power law.

    As far, as a ratio, beyond the 99% quantile as that is beyond the 90% one.
    """
    most, nearly_all = _quantile(bins, 0.9) + 1.0, _quantile(bins, 0.99) + 1.0
    return nearly_all * nearly_all / most


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
            _learn_unit(state, slot, False, False)
    for where in range(len(state.kinds)):
        if state.kinds[where].key != 0 and state.kinds[where].units >= USUAL_UNITS:
            build(state, where)
            state.kinds[where].settled = 1


@jit_in_place
def _learn_usual(state: State, kind: np.uint64, evidence: NDArray[np.float64], suspicious: bool) -> None:
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


# ---- what evidence says


@jit_in_place
def _judge(state: State, kind: np.uint64) -> int:
    """Slot of the kind whose units say what evidence is usual, -1 for none: its own, or all units."""
    slot = known_slot(state.kinds, kind, state.clock[0])
    if slot >= 0:
        enough = CERTAIN_UNITS if state.kinds[slot].certain != 0 else USUAL_UNITS
        if state.kinds[slot].judged >= enough:
            return slot
    slot = known_slot(state.kinds, TAG_ALL, state.clock[0])
    return slot if slot >= 0 and state.kinds[slot].judged >= USUAL_UNITS else -1


@jit_in_place
def _calibrated(known: Records, evidence: NDArray[np.float64], k: int) -> float:
    """Evidence beyond what is usual, in nats."""
    beyond: float = max(0.0, (evidence[k] - known.centre[k]) / known.spread[k])
    return beyond


@jit_in_place
def line_nats(state: State, entity: Records, line: Line, x: NDArray[np.float32], trigger: int) -> float:
    """What a row of a unit says by itself beyond what is usual."""
    said = weighed(line, x, trigger)
    entity.evidence[LINE] = max(entity.evidence[LINE], said)
    judge = _judge(state, entity.kind)
    if judge < 0 or state.kinds[judge].certain != 0:
        return nats_of_line(said, line.usual[1, 0], line.usual[1, 1])
    return nats_of_line(said, state.kinds[judge].centre[LINE], state.kinds[judge].spread[LINE])


@jit_in_place
def suspicion(state: State, entity: Records) -> float:
    """All evidence of a unit beyond what is usual, nats; 0 while nothing is known to be usual."""
    judge = _judge(state, entity.kind)
    if judge < 0:
        return 0.0
    total = 0.0
    for k in range(EVIDENCE):
        total += _calibrated(state.kinds[judge], entity.evidence, k)
    return total


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
    judge = _judge(state, entity.kind)
    if judge >= 0:
        for k in range(EVIDENCE):
            x[first + k] = min(cap, _calibrated(state.kinds[judge], entity.evidence, k))
    if total > 0.0:
        tell(entity, reasons)
    return True
