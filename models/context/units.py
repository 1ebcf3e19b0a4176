"""What live units have shown, compiled: nodes in bounded memory, a ring of units by age, a heap of deadlines.

A unit that takes more than its part of the nodes is lossy from then on: its evidence stays, what it repeats
goes on to count, but nothing more is new in it, nor overdue, nor is it learnt. When there are no nodes left,
the unit that was quiet longest is forgotten as a whole, and for a new entity the least recently used of those
that could have its slot. `clock.forgotten` counts units that lost something before they ended: to forget one
that has ended, and was judged and learnt, is no loss.
"""

from typing import Final

import numpy as np

from models.context.tables import GONE, State, mix
from models.jit import jit, jit_in_place

NEVER: Final = 1e18  # s; tables hold finite numbers
UNIT_SHARE: Final = 8  # a unit holds at most one of so many parts of all nodes
WAITING, ENDED = 1, 2  # states of an entity in the ring


@jit_in_place
def _bucket(state: State, slot: int, item: np.uint64) -> int:
    return int((mix(item, np.uint64(slot)) >> np.uint64(9)) & np.uint64(len(state.buckets) - 1))


@jit_in_place
def node_of(state: State, slot: int, item: np.uint64) -> int:
    """Node of an item in a unit, 0 for none."""
    node = state.buckets[_bucket(state, slot, item)]
    while node != 0 and not (state.nodes[node].item == item and state.nodes[node].unit == slot):
        node = state.nodes[node].in_bucket
    found: int = node
    return found


@jit_in_place
def add_node(state: State, slot: int, item: np.uint64) -> int:
    """A new node of a unit; 0, and the unit is lossy from then on, when it holds too many."""
    clock, entity = state.clock[0], state.entities[slot]
    if entity.items >= len(state.nodes) // UNIT_SHARE:
        if entity.lossy == 0:
            clock.forgotten += 1
            set_timer(state, slot, NEVER)  # what it lacks can not be told from what is not remembered
        entity.lossy += 1
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
    set_timer(state, slot, NEVER)


@jit_in_place
def _forget_oldest(state: State) -> None:
    """Make room: the unit that was quiet longest is forgotten as a whole, so that nothing false is said."""
    slot = int(state.newer[len(state.newer) - 1])
    forget(state, slot)
    state.entities[slot].key = GONE
    state.entities[slot].used = 0


@jit_in_place
def forget(state: State, slot: int) -> None:
    """Give up a unit that is in the ring; whose slot that is, the caller says."""
    if state.entities[slot].waiting == WAITING:
        state.clock[0].forgotten += 1
    release(state, slot)
    unlink(state, slot)


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
def begin_later(state: State, since: int, seconds: float) -> None:
    """Units from this serial number on began so much later than was known then; they are the youngest."""
    slot = int(state.older[-1])
    while slot < len(state.older) - 1 and state.entities[slot].serial >= since:
        entity = state.entities[slot]
        entity.first += seconds
        entity.last += seconds
        entity.quiet_at = min(NEVER, entity.quiet_at + seconds)
        if entity.timer > 0:
            set_timer(state, slot, entity.due + seconds)
        slot = int(state.older[slot])


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
    entity.waiting = WAITING
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
            set_timer(state, slot, entity.due)
    node = int(clock.free_node)
    while node != 0:
        if node < 0 or node > used or seen[node]:
            return False
        seen[node] = True
        node = int(state.nodes[node].in_unit)
    return bool(seen[1:].all())


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
def set_timer(state: State, slot: int, due: float) -> None:
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
