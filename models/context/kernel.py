"""The surprise features of one event after the other, over tables of fixed size: the inner loop of triage.

Every table is set-associative: a key lives in one bucket of WAYS slots and a new key takes the place of the
least recently used one, so memory is bounded by construction and every access is O(1). Keys are 64-bit
hashes, 0 is an empty slot. Probabilities of seen and unseen items are Witten-Bell estimates (Witten & Bell,
IEEE Trans. Information Theory 37, 1991): with N observations of D distinct items, an item seen c times has
c/(N+D) and a new one D/(N+D), so in a young context, where all is new, nothing is surprising.

Long because numba keeps compiled code by file and sees no change of what a kernel calls in another one.
"""

from math import exp, log, log1p
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.context.features import CAP
from models.jit import jit
from schemas.salient import Trigger

WAYS: Final = 8
SHORT: Final = 60.0  # s, the burst window
LONG: Final = 3600.0  # s, what a burst is compared with
FUTURE_JUMP: Final = 86_400.0  # s, an event further ahead of the watermark than this is doubted
FUTURE_WITNESSES: Final = 5  # doubted events in a row that make the watermark believe them
RESTART_GAP: Final = 1800.0  # s without events after which rates start afresh
RECENT: Final = 0.15  # weight of one event in the mean of the last ones
KIND_TEMPLATES: Final = 24  # templates remembered per kind of entity
ENTITY_TEMPLATES: Final = 16  # distinct templates counted per entity
COUNT_BINS: Final = 5  # 1, 2, 3, 4, 5 or more
NAME_BYTES: Final = 64  # of an entity's name, kept for events that time alone brings
QUIET_STREAM: Final = 60.0  # s without any event that do not count as a silence of each source
SEVERITY_NATS: Final = 3.0  # what a step from INFO to WARN, ERROR or FATAL counts by itself
SILENCE_MIN_EVENTS: Final = 50.0
SILENCE_FACTOR: Final = 4.0  # longest usual gaps of a source that make a silence

EVENT, ENTITY_END, SILENCE = Trigger.EVENT.code, Trigger.ENTITY_END.code, Trigger.SILENCE.code

# Columns of x, in the order of features.FEATURES.
(
    F_TEMPLATE_SOURCE, F_TEMPLATE, F_AGE, F_WORD, F_ENTITY_TRANSITION, F_SOURCE_TRANSITION, F_REPEATS, F_GAP,
    F_END, F_MISSING, F_COUNTS, F_PATH, F_DURATION, F_TEMPLATE_BURST, F_SOURCE_BURST, F_SILENCE, F_SEVERITY,
    F_SEVERITY_SOURCE, F_ERROR_BURST, F_PARAMETER, F_PARAMETER_SHIFT, F_PARAMETER_NEW,
) = range(22)  # fmt: skip

# What a hash is a hash of, so that one table holds many kinds of context.
(
    TAG_SOURCE, TAG_WORD, TAG_ENTITY_NEXT, TAG_SOURCE_NEXT, TAG_SEVERITY, TAG_GAP, TAG_PATH, TAG_NUMBER,
    TAG_VALUE,
) = (np.uint64(0xA0761D6478BD642F + 2 * i) for i in range(9))  # fmt: skip
TAG_ALL: Final = np.uint64(0xE7037ED1A0B428DB)
TAG_DURATION: Final = np.uint64(0x8EBC6AF09C88C6E3)
TAG_RATE: Final = np.uint64(0x1D8E4E27C47D124F)
TAG_COUNTS: Final = np.uint64(0x589965CC75374CC3)


Records: TypeAlias = Any  # structured arrays and their records, whose fields no type checker sees

_SLOT = [("key", "u8"), ("used", "i8")]  # used: access number of the last use
_RATE = [("short", "f8"), ("long", "f8"), ("time", "f8"), ("since", "f8")]
RATE: Final = np.dtype(_RATE)
# item in context -> number of times
COUNT: Final = np.dtype([*_SLOT, ("n", "f8")])
# context -> observations n with d distinct items, or n with their running mean and absolute deviation
MOMENT: Final = np.dtype(
    [*_SLOT, ("n", "f8"), ("d", "f8"), ("mean", "f8"), ("deviation", "f8"), ("recent", "f8")]
)
TEMPLATE: Final = np.dtype([
    *_SLOT, ("rate", RATE), ("first_seen", "f8"), ("occurrences", "f8"), ("ends", "f8"),
    ("repeats", "f8", (12,)),
])  # fmt: skip
SOURCE: Final = np.dtype([
    *_SLOT, ("rate", RATE), ("errors", RATE), ("previous", "u8"), ("events", "f8"), ("last", "f8"),
    ("longest_gap", "f8"), ("silent", "f8"),
])  # fmt: skip
KIND: Final = np.dtype([
    *_SLOT, ("ended", "f8"), ("templates", "u8", (KIND_TEMPLATES,)),
    ("counts", "f8", (KIND_TEMPLATES, COUNT_BINS)),
])  # fmt: skip
ENTITY: Final = np.dtype([
    *_SLOT, ("first", "f8"), ("last", "f8"), ("episode", "i8"), ("waiting", "i8"), ("severity", "i8"),
    ("first_template", "u8"), ("previous", "u8"), ("source", "u8"), ("path", "u8"),
    ("templates", "u8", (ENTITY_TEMPLATES,)), ("counts", "i8", (ENTITY_TEMPLATES,)),
    ("name", "u1", (NAME_BYTES,)),
])  # fmt: skip
CLOCK: Final = np.dtype([
    ("watermark", "f8"), ("start", "f8"), ("rates_since", "f8"), ("doubted", "i8"), ("accesses", "i8"),
    ("tick", "f8"), ("silence_due", "f8"),
])  # fmt: skip


class State(NamedTuple):
    """All that one input partition remembers. Times in event-time seconds. Tables are structured arrays."""

    counts: Records
    moments: Records
    templates: Records
    sources: Records
    kinds: Records
    entities: Records
    # (entities + 1,) waiting entities as a ring, oldest first; the last slot is its head
    older: NDArray[np.int32]
    newer: NDArray[np.int32]
    clock: Records  # (1,)


class Input(NamedTuple):
    """n events: columns that the kernel reads."""

    time: NDArray[np.float64]  # NaN = unknown
    severity: NDArray[np.int64]
    source: NDArray[np.uint64]
    entity: NDArray[np.uint64]  # 0 = none
    names: NDArray[np.uint8]  # (n, NAME_BYTES) of the entities
    template: NDArray[np.uint64]
    values: NDArray[np.uint64]
    numbers: NDArray[np.float64]
    measured: NDArray[np.bool_]
    words: NDArray[np.uint64]
    attribute_row: NDArray[np.int64]  # (m,) ascending event index of each numeric attribute
    attribute_name: NDArray[np.uint64]
    attribute_number: NDArray[np.float64]


class Output(NamedTuple):
    """Rows: events, and between them what time alone brought. Sized for the worst case."""

    x: NDArray[np.float32]
    trigger: NDArray[np.int8]
    event: NDArray[np.int64]  # index of the event, or of the one whose time brought the row
    time: NDArray[np.float64]
    watermark: NDArray[np.float64]
    template: NDArray[np.uint64]
    source: NDArray[np.uint64]
    severity: NDArray[np.int64]
    names: NDArray[np.uint8]


@jit
def mix(a: np.uint64, b: np.uint64) -> np.uint64:
    """Hash of two hashes, never 0."""
    h = (a ^ (b + np.uint64(0x9E3779B97F4A7C15) + (a << np.uint64(6)) + (a >> np.uint64(2)))) * np.uint64(
        0xFF51AFD7ED558CCD
    )
    h = h ^ (h >> np.uint64(32))
    return h | np.uint64(1)


@jit
def _slot(table: Records, key: np.uint64, clock: Records) -> tuple[int, bool]:
    """Slot of key and whether it is new there; then the caller clears the rest of the record."""
    clock.accesses += 1
    base = int((key >> np.uint64(7)) & np.uint64(len(table) // WAYS - 1)) * WAYS
    oldest = base
    for slot in range(base, base + WAYS):
        if table[slot].key == key:
            table[slot].used = clock.accesses
            return slot, False
        if table[slot].key == 0:
            oldest = slot
            break
        if table[slot].used < table[oldest].used:
            oldest = slot
    table[oldest].key = key
    table[oldest].used = clock.accesses
    return oldest, True


@jit
def _moment(moments: Records, key: np.uint64, clock: Records) -> Records:
    slot, fresh = _slot(moments, key, clock)
    row = moments[slot]
    if fresh:
        row.n = row.d = row.mean = row.deviation = row.recent = 0.0
    return row


@jit
def _surprise(
    counts: Records, moments: Records, clock: Records, context: np.uint64, item: np.uint64
) -> float:
    """-log p(item | context) before this observation, which is then counted. Nats."""
    whole = _moment(moments, context, clock)
    slot, fresh = _slot(counts, mix(context, item), clock)
    seen = 0.0 if fresh else counts[slot].n
    total, distinct = whole.n, whole.d
    whole.n = total + 1.0
    counts[slot].n = seen + 1.0
    if fresh:
        whole.d = distinct + 1.0
    if total == 0.0:
        return 0.0
    surprise: float = -log(max(distinct if fresh else seen, 0.5) / (total + distinct))
    return min(CAP, surprise)


@jit
def _robust_z(moments: Records, clock: Records, context: np.uint64, value: float, floor: float) -> float:
    """|value - running centre| in running absolute deviations of this context, which then learns value.

    Outliers are clipped before they are learnt. Fewer than 20 observations say nothing.
    """
    row = _moment(moments, context, clock)
    distance = value - row.mean
    z = 0.0
    if row.n >= 20.0:
        z = max(0.0, abs(distance) / (1.2533 * row.deviation + floor) - 1.0)
        reach = 4.0 * row.deviation + floor
        distance = min(max(distance, -reach), reach)
    rate = max(1.0 / (row.n + 1.0), 0.01)
    if row.n > 0.0:
        row.deviation += rate * (abs(distance) - row.deviation)
        reach = 8.0 * row.deviation + floor
        row.recent += RECENT * min(max(value - row.recent, -reach), reach)
    else:
        row.recent = value
    row.mean += rate * distance
    row.n += 1.0
    return min(CAP, z)


@jit
def _shift(moments: Records, clock: Records, context: np.uint64, floor: float) -> float:
    """How far the mean of the last events of a context has left its centre: z^2 / 2 of the mean, in nats."""
    row = _moment(moments, context, clock)
    if row.n < 30.0:
        return 0.0
    spread = (1.2533 * row.deviation + floor) * (RECENT / (2.0 - RECENT)) ** 0.5
    nats: float = 0.5 * ((row.recent - row.mean) / spread) ** 2
    return min(CAP, nats)


@jit
def _burst(moments: Records, clock: Records, context: np.uint64, rate: Records, now: float) -> float:
    """Log ratio of the rate of the last SHORT seconds to that of the last LONG ones, with this event.

    As a robust z, since many sources are bursty by nature; only more than usual counts.
    """
    if rate.since < clock.rates_since or rate.time == 0.0:
        rate.short = rate.long = 0.0
        rate.since = rate.time = max(now, clock.rates_since)
    passed = max(0.0, now - rate.time)
    rate.time = max(now, rate.time)
    rate.short *= exp(-passed / SHORT)
    rate.long *= exp(-passed / LONG)
    age = max(SHORT, now - clock.rates_since)
    usual = 0.5 + rate.long * SHORT / (LONG * (1.0 - exp(-age / LONG)))
    rate.short += 1.0
    rate.long += 1.0
    ratio = log((rate.short + 1.0) / (usual + 1.0))
    z = _robust_z(moments, clock, mix(context, TAG_RATE), ratio, 0.3)
    return z if ratio > 0.0 and age > 2.0 * SHORT else 0.0


@jit
def _repeat_bin(count: int) -> int:
    """Bin 0..11 that a count reaches exactly (1..8, 16, 32, 64, 128), or -1 between bins."""
    if count <= 8:
        return count - 1
    bin_ = 8
    size = 16
    while size < count and bin_ < 11:
        size *= 2
        bin_ += 1
    return bin_ if size == count else -1


@jit
def _unlink(state: State, slot: int) -> None:
    state.newer[state.older[slot]] = state.newer[slot]
    state.older[state.newer[slot]] = state.older[slot]
    state.entities[slot].waiting = 0


@jit
def _wait(state: State, slot: int) -> None:
    """Put an entity at the young end of the waiting ring."""
    if state.entities[slot].waiting != 0:
        _unlink(state, slot)
    head = len(state.older) - 1
    youngest = state.older[head]
    state.newer[youngest] = slot
    state.older[slot] = youngest
    state.newer[slot] = head
    state.older[head] = slot
    state.entities[slot].waiting = 1


@jit
def _entity_slot(state: State, key: np.uint64, name: NDArray[np.uint8], now: float) -> tuple[int, bool]:
    """Slot of an entity; one evicted for it leaves the waiting ring without a row."""
    slot, fresh = _slot(state.entities, key, state.clock[0])
    if fresh:
        entity = state.entities[slot]
        if entity.waiting != 0:
            _unlink(state, slot)
        entity.first = entity.last = now
        entity.episode = entity.severity = 0
        entity.previous = entity.path = 0
        for i in range(ENTITY_TEMPLATES):
            entity.templates[i] = 0
            entity.counts[i] = 0
        for i in range(NAME_BYTES):
            entity.name[i] = name[i]
    return slot, fresh


@jit
def _count_in_entity(entity: Records, template: np.uint64) -> int:
    """How often the entity has now shown the template; 0 when it has too many templates to count this one."""
    for i in range(ENTITY_TEMPLATES):
        if entity.templates[i] == template:
            count: int = entity.counts[i] + 1
            entity.counts[i] = count
            return count
        if entity.templates[i] == 0:
            entity.templates[i] = template
            entity.counts[i] = 1
            entity.path += mix(template, TAG_PATH)
            return 1
    return 0


@jit
def _entity_features(
    state: State, x: NDArray[np.float32], events: Input, row: int, now: float, known: Records
) -> None:
    """Features of an event in its entity; known is the record of its template."""
    template, clock = events.template[row], state.clock[0]
    slot, fresh = _entity_slot(state, events.entity[row], events.names[row], now)
    entity = state.entities[slot]
    known.occurrences += 1.0
    if fresh:
        entity.first_template = template
    else:
        after = mix(entity.previous, TAG_ENTITY_NEXT)
        x[F_ENTITY_TRANSITION] = _surprise(state.counts, state.moments, clock, after, template)
        if entity.waiting != 0:  # a pause that already counted as an end is no gap within an episode
            gap = log(max(0.0, now - entity.last) + 0.01)
            pair = mix(mix(entity.previous, template), TAG_GAP)
            x[F_GAP] = _robust_z(state.moments, clock, pair, gap, 0.5)
    count = _count_in_entity(entity, template)
    reached = _repeat_bin(count) if count > 0 else -1
    if reached >= 0:
        once = known.repeats[0]
        if reached > 0 and once > 0.0:
            x[F_REPEATS] = min(CAP, max(0.0, -log((known.repeats[reached] + 0.5) / (once + 1.0))))
        known.repeats[reached] += 1.0
    entity.previous = template
    entity.source = events.source[row]
    entity.last = max(now, entity.last)
    entity.severity = max(entity.severity, events.severity[row])
    _wait(state, slot)


@jit
def _learn_new_templates(kind: Records, entity: Records) -> float:
    """Add templates this kind of entity had not shown before; their surprise in nats."""
    surprise = 0.0
    for j in range(ENTITY_TEMPLATES):
        template = entity.templates[j]
        if template == 0:
            break
        for i in range(KIND_TEMPLATES):
            if kind.templates[i] == template:
                break
            if kind.templates[i] == 0:
                kind.templates[i] = template
                kind.counts[i, min(entity.counts[j], COUNT_BINS) - 1] = 1.0
                surprise += log(kind.ended + 3.0)
                break
    return surprise


@jit
def _counts_surprise(kind: Records, entity: Records, x: NDArray[np.float32]) -> float:
    """-log p of the template counts of an ended entity, templates taken as independent; learns them. Nats."""
    total = missing = 0.0
    for i in range(KIND_TEMPLATES):
        if kind.templates[i] == 0:
            break
        count = 0
        for j in range(ENTITY_TEMPLATES):
            if entity.templates[j] == kind.templates[i]:
                count = entity.counts[j]
                break
        present = 0.0
        for b in range(COUNT_BINS):
            present += kind.counts[i, b]
        absent = max(0.0, kind.ended - present)
        if count == 0:
            total -= log((absent + 0.5) / (kind.ended + 3.0))
            missing += max(0.0, -log((absent + 0.5) / (kind.ended + 1.0)))
        else:
            b = min(count, COUNT_BINS) - 1
            total -= log((kind.counts[i, b] + 0.5) / (kind.ended + 3.0))
            kind.counts[i, b] += 1.0
    x[F_MISSING] = min(CAP, missing)
    return total + _learn_new_templates(kind, entity)


@jit
def _end_features(state: State, x: NDArray[np.float32], slot: int) -> None:
    """Features of an entity that fell idle; its counts go on if it wakes up, as the next episode."""
    entity, clock = state.entities[slot], state.clock[0]
    where, _ = _template_slot(state, entity.previous, entity.last)
    known = state.templates[where]
    x[F_END] = max(0.0, min(CAP, -log((known.ends + 0.5) / (known.occurrences + 1.0))))
    known.ends += 1.0
    key = mix(entity.first_template, np.uint64(min(entity.episode, 3) + 17))
    which, fresh = _slot(state.kinds, key, clock)
    kind = state.kinds[which]
    if fresh:
        kind.ended = 0.0
        for i in range(KIND_TEMPLATES):
            kind.templates[i] = 0
            for b in range(COUNT_BINS):
                kind.counts[i, b] = 0.0
    surprise = _counts_surprise(kind, entity, x)
    x[F_COUNTS] = _robust_z(state.moments, clock, mix(key, TAG_COUNTS), surprise, 1.0)
    x[F_PATH] = _surprise(state.counts, state.moments, clock, mix(key, TAG_PATH), entity.path)
    duration = log(entity.last - entity.first + 0.1)
    x[F_DURATION] = _robust_z(state.moments, clock, mix(key, TAG_DURATION), duration, 0.5)
    kind.ended += 1.0
    entity.episode += 1


@jit
def _template_slot(state: State, template: np.uint64, now: float) -> tuple[int, bool]:
    slot, fresh = _slot(state.templates, template, state.clock[0])
    if fresh:
        known = state.templates[slot]
        known.first_seen = now
        known.occurrences = known.ends = known.rate.time = 0.0
        for i in range(len(known.repeats)):
            known.repeats[i] = 0.0
    return slot, fresh


@jit
def _emit(
    out: Output, at: int, trigger: int, event: int, now: float, watermark: float
) -> NDArray[np.float32]:
    out.trigger[at] = trigger
    out.event[at] = event
    out.time[at] = now
    out.watermark[at] = watermark
    x: NDArray[np.float32] = out.x[at]
    x[:] = 0.0
    return x


@jit
def _pass_time(state: State, out: Output, at: int, event: int, timeout: float) -> int:
    """Rows that the new watermark brings: entities idle for timeout (s), silent sources. Next free row."""
    clock = state.clock[0]
    head = len(state.older) - 1
    slot = state.newer[head]
    while slot != head and state.entities[slot].last + timeout <= clock.watermark:
        entity = state.entities[slot]
        following = state.newer[slot]
        _unlink(state, slot)
        x = _emit(out, at, ENTITY_END, event, entity.last + timeout, clock.watermark)
        _end_features(state, x, slot)
        out.template[at] = entity.previous
        out.source[at] = entity.source
        out.severity[at] = entity.severity
        for i in range(NAME_BYTES):
            out.names[at, i] = entity.name[i]
        at += 1
        slot = following
    step = clock.watermark - clock.tick
    clock.tick = clock.watermark
    if step > QUIET_STREAM:  # nobody spoke: that is no one source's silence
        for source in state.sources:
            source.last += step
    elif clock.watermark >= clock.silence_due:
        at = _silences(state, out, at, event)
    return at


@jit
def _silences(state: State, out: Output, at: int, event: int) -> int:
    """Rows for sources that have spoken often and now exceed their longest usual gap. Next free row."""
    clock = state.clock[0]
    due = clock.watermark + SHORT
    for slot in range(len(state.sources)):
        source = state.sources[slot]
        if source.key == 0 or source.silent != 0.0 or source.events < SILENCE_MIN_EVENTS:
            continue
        gap = clock.watermark - source.last
        usual = source.longest_gap + 1.0
        if gap < SILENCE_FACTOR * usual:
            due = min(due, source.last + SILENCE_FACTOR * usual)
            continue
        source.silent = 1.0
        x = _emit(out, at, SILENCE, event, clock.watermark, clock.watermark)
        x[F_SILENCE] = min(CAP, gap * log(min(source.events, 1000.0)) / usual)
        out.template[at] = source.previous
        out.source[at] = source.key
        out.severity[at] = 0
        out.names[at, :] = 0
        at += 1
    clock.silence_due = max(due, clock.watermark + 1.0)
    return at


@jit
def _source_features(state: State, x: NDArray[np.float32], events: Input, row: int, now: float) -> None:
    key, template, severity = events.source[row], events.template[row], events.severity[row]
    counts, moments, clock = state.counts, state.moments, state.clock[0]
    slot, fresh = _slot(state.sources, key, clock)
    source = state.sources[slot]
    if fresh:
        source.previous = 0
        source.events = source.silent = source.longest_gap = source.rate.time = source.errors.time = 0.0
        source.last = now
    x[F_TEMPLATE_SOURCE] = _surprise(counts, moments, clock, mix(key, TAG_SOURCE), template)
    if source.previous != 0:
        after = mix(mix(key, source.previous), TAG_SOURCE_NEXT)
        x[F_SOURCE_TRANSITION] = _surprise(counts, moments, clock, after, template)
    source.previous = template
    if source.silent == 0.0:
        source.longest_gap = max(now - source.last, source.longest_gap * 0.9995)
    source.silent = 0.0
    source.events += 1.0
    source.last = max(now, source.last)
    x[F_SOURCE_BURST] = _burst(moments, clock, key, source.rate, now)
    rank = 0 if severity < 13 else 1 if severity < 17 else 2 if severity < 21 else 3
    x[F_SEVERITY] = SEVERITY_NATS * rank
    x[F_SEVERITY_SOURCE] = _surprise(counts, moments, clock, mix(key, TAG_SEVERITY), np.uint64(rank + 1))
    if rank >= 2:
        x[F_ERROR_BURST] = _burst(moments, clock, mix(key, TAG_SEVERITY), source.errors, now)


@jit
def _signed_log(value: float) -> float:
    return log1p(value) if value >= 0.0 else -log1p(-value)


@jit
def _number_features(
    moments: Records,
    clock: Records,
    x: NDArray[np.float32],
    context: np.uint64,
    number: float,
    measured: bool,
) -> None:
    """How unusual a number is in its slot, and whether the last ones there are unusual together.

    Only measurements have a mean worth watching: sizes wander by job and ports by connection.
    """
    x[F_PARAMETER] = max(x[F_PARAMETER], _robust_z(moments, clock, context, _signed_log(number), 0.1))
    if measured:
        x[F_PARAMETER_SHIFT] = max(x[F_PARAMETER_SHIFT], _shift(moments, clock, context, 0.1))


@jit
def _parameter_features(state: State, x: NDArray[np.float32], events: Input, row: int, attribute: int) -> int:
    """Numeric and categorical surprise of the parameters; returns the first attribute of the next event."""
    template = events.template[row]
    counts, moments, clock = state.counts, state.moments, state.clock[0]
    for i in range(events.values.shape[1]):
        value = events.values[row, i]
        if value == 0:
            break
        position = mix(template, np.uint64(i + 1))
        number = events.numbers[row, i]
        if not np.isnan(number):
            _number_features(moments, clock, x, mix(position, TAG_NUMBER), number, events.measured[row, i])
        context = mix(position, TAG_VALUE)
        whole = _moment(moments, context, clock)
        # else an identifier: each value is new and none is news
        if whole.n < 32.0 or whole.d < 0.2 * whole.n:
            x[F_PARAMETER_NEW] = max(x[F_PARAMETER_NEW], _surprise(counts, moments, clock, context, value))
    while attribute < len(events.attribute_row) and events.attribute_row[attribute] == row:
        context = mix(mix(template, events.attribute_name[attribute]), TAG_NUMBER)
        _number_features(moments, clock, x, context, events.attribute_number[attribute], True)
        attribute += 1
    return attribute


@jit
def _advance(clock: Records, time: float) -> float:
    """Event time to use for an event stamped time; the watermark follows unless the stamp is doubted."""
    if np.isnan(time):
        watermark: float = 0.0 if np.isnan(clock.watermark) else clock.watermark
        return watermark
    if np.isnan(clock.watermark):
        clock.watermark = clock.start = clock.rates_since = clock.tick = time
        return time
    if time > clock.watermark + FUTURE_JUMP and clock.doubted < FUTURE_WITNESSES:
        clock.doubted += 1
        before: float = clock.watermark
        return before
    clock.doubted = 0
    if time > clock.watermark:
        if time > clock.watermark + RESTART_GAP:
            clock.rates_since = time
        clock.watermark = time
    return time


@jit
def run(state: State, events: Input, out: Output, timeout: float) -> int:
    """Features of every event in order; returns the number of rows written to out."""
    counts, moments, clock = state.counts, state.moments, state.clock[0]
    at = attribute = 0
    for row in range(len(events.time)):
        now = _advance(clock, events.time[row])
        at = _pass_time(state, out, at, row, timeout)
        # Before the first event with a time, nothing says how far the stream is.
        watermark = now if np.isnan(clock.watermark) else clock.watermark
        x = _emit(out, at, EVENT, row, now, watermark)
        template = events.template[row]
        out.template[at] = template
        out.source[at] = events.source[row]
        out.severity[at] = events.severity[row]
        slot, _ = _template_slot(state, template, now)
        known = state.templates[slot]
        age = max(0.0, now - known.first_seen)
        x[F_AGE] = min(CAP, max(0.0, log((max(0.0, now - clock.start) + SHORT) / (age + SHORT))))
        x[F_TEMPLATE] = _surprise(counts, moments, clock, TAG_ALL, template)
        x[F_TEMPLATE_BURST] = _burst(moments, clock, template, known.rate, now)
        for i in range(events.words.shape[1]):
            word = events.words[row, i]
            if word == 0:
                break
            x[F_WORD] = max(x[F_WORD], _surprise(counts, moments, clock, TAG_WORD, word))
        _source_features(state, x, events, row, now)
        attribute = _parameter_features(state, x, events, row, attribute)
        if events.entity[row] != 0:
            _entity_features(state, x, events, row, now, known)
        at += 1
    return at


@jit
def hash_names(names: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash (n,) of zero-padded names (n, NAME_BYTES); 0 for an empty one."""
    out = np.zeros(len(names), np.uint64)
    for row in range(len(names)):
        h = np.uint64(0)
        for byte in names[row]:
            if byte == 0:
                break
            h = (h ^ np.uint64(byte)) * np.uint64(0x100000001B3) + np.uint64(0xCBF29CE484222325)
        if h != 0:  # a conditional expression of 0 and a uint64 would go through float64 and lose bits
            out[row] = mix(h, TAG_ALL)
    return out
