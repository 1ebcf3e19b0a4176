"""The surprise features of one event after the other: the inner loop of triage.

Probabilities of seen and unseen items are Witten-Bell estimates (Witten & Bell, IEEE Trans. Information
Theory 37, 1991): with N observations of D distinct items, an item seen c times has c/(N+D) and a new one
D/(N+D), so in a young context, where all is new, nothing is surprising. What the unit of an event adds up to
is in models/context/evidence.py.

Long because it is one loop over all features of an event.
"""

from math import exp, log, log1p
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.context import evidence, seasons, silence, sources, units, usual
from models.context.features import CAP, CAP_EVIDENCE
from models.context.line import Line
from models.context.tables import (
    NAME_BYTES,
    REASONS,
    TAG_ALL,
    TAG_DURATION,
    TAG_END,
    TAG_ENTITY_NEXT,
    TAG_GAP,
    TAG_NUMBER,
    TAG_PATH,
    TAG_SEVERITY,
    TAG_SOURCE,
    TAG_SOURCE_NEXT,
    TAG_VALUE,
    TAG_WORD,
    Records,
    State,
    known_slot,
    mix,
    slot_of,
)
from models.jit import jit, jit_in_place
from schemas.salient import Trigger

SETTLING: Final = 60.0  # s, by which ages of a stream and its templates are softened
RESTART_GAP: Final = 1800.0  # s without events after which rates start afresh
RECENT: Final = 0.15  # weight of one event in the mean of the last ones
QUIET_STREAM: Final = 60.0  # s without any event that do not count as a silence of each source
SEVERITY_NATS: Final = 3.0  # what a step from INFO to WARN, ERROR or FATAL counts by itself
SEVERE: Final = 20.0  # nats of a FATAL line, whatever the context; less as the source logs more of them:
SEVERE_LINES: Final = 1000.0  # lines of a source that this prior is worth
PACE_WHILE: Final = 7 * 86_400.0  # s, over which it fades how many units and events there were
LEAST_WHILE: Final = 60.0  # s: a pace is not told of less
KNOWN_UNITS, KNOWN_MINUTES = 50, 10  # normal units of a kind, minutes of a source, that one can be judged by

ERROR_LEVEL: Final = 17  # OpenTelemetry severity number from which a line is an error

EVENT, ENTITY_END, SILENCE, OVERDUE, SOURCE = (
    trigger.code
    for trigger in (Trigger.EVENT, Trigger.ENTITY_END, Trigger.SILENCE, Trigger.OVERDUE, Trigger.SOURCE)
)

# Columns of x, in the order of features.FEATURES.
(
    F_TEMPLATE_SOURCE, F_TEMPLATE, F_AGE, F_WORD, F_ENTITY_TRANSITION, F_SOURCE_TRANSITION, F_GAP,
    F_PATH, F_DURATION, F_SEVERITY, F_SEVERITY_SOURCE, F_PARAMETER, F_PARAMETER_NEW,
    F_NEW, F_OVERDUE, F_REPEATS, F_ENDING, F_KNOWN, F_RATES, F_SHIFTS, F_SEVERE,
    F_SILENCE,
) = range(22)  # fmt: skip


class Input(NamedTuple):
    """n events: columns that the kernel reads."""

    time: NDArray[np.float64]  # NaN = unknown
    doubted: NDArray[np.bool_]  # whether the watermark is not to follow it
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
    of_entity: NDArray[np.bool_]
    names: NDArray[np.uint8]
    line: NDArray[np.float64]  # what the row says by itself, nats
    scale: NDArray[np.float64]  # (n, 2) centre and spread that these nats were counted by
    why: Records  # (n, REASONS) for the evidence that the row shows of its unit
    pace: NDArray[np.float64]  # (n, 2) units that begin, a second and an event
    known: NDArray[np.float64]  # normal units that the row's unit is judged by
    learning: NDArray[np.bool_]  # whether these are too few to judge by


@jit_in_place
def _moment(moments: Records, key: np.uint64, clock: Records) -> Records:
    slot, fresh = slot_of(moments, key, clock)
    row = moments[slot]
    if fresh:
        row.n = row.d = row.mean = row.deviation = row.recent = 0.0
    return row


@jit_in_place
def _surprise(
    counts: Records, moments: Records, clock: Records, context: np.uint64, item: np.uint64
) -> float:
    """-log p(item | context) before this observation, which is then counted. Nats."""
    whole = _moment(moments, context, clock)
    slot, fresh = slot_of(counts, mix(context, item), clock)
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


@jit_in_place
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


@jit_in_place
def _shift(moments: Records, clock: Records, context: np.uint64, floor: float) -> float:
    """How far the mean of the last events of a context has left its centre: z^2 / 2 of the mean, in nats."""
    row = _moment(moments, context, clock)
    if row.n < 30.0:
        return 0.0
    spread = (1.2533 * row.deviation + floor) * (RECENT / (2.0 - RECENT)) ** 0.5
    nats: float = 0.5 * ((row.recent - row.mean) / spread) ** 2
    return min(CAP_EVIDENCE, nats)


@jit_in_place
def _entity_slot(
    state: State,
    key: np.uint64,
    name: NDArray[np.uint8],
    template: np.uint64,
    now: float,
    faulty: NDArray[np.uint64],
) -> tuple[int, bool]:
    """Slot of an entity, which begins with this template if it is new; one evicted for it leaves no row."""
    slot, fresh = slot_of(state.entities, key, state.clock[0])
    if fresh:
        entity = state.entities[slot]
        if entity.waiting != 0:
            units.forget(state, slot)
        entity.first = entity.last = now
        entity.episode = entity.severity = 0
        entity.previous = entity.path = 0
        entity.first_template = template
        known_fault = np.searchsorted(faulty, key)
        entity.faulty = known_fault < len(faulty) and faulty[known_fault] == key
        evidence.begin(state, slot, template)
        state.clock[0].recent_units += 1.0
        for i in range(NAME_BYTES):
            entity.name[i] = name[i]
    return slot, fresh


@jit_in_place
def _entity_features(
    state: State,
    source: Records,
    x: NDArray[np.float32],
    reasons: Records,
    events: Input,
    row: int,
    now: float,
    known: Records,
    faulty: NDArray[np.uint64],
    mode: int,
) -> int:
    """Features of an event in its entity, the slot of which is given back.

    source: of the event, up to which its evidence has faded; known: of its template.
    """
    template, clock = events.template[row], state.clock[0]
    slot, fresh = _entity_slot(state, events.entity[row], events.names[row], template, now, faulty)
    entity = state.entities[slot]
    known.occurrences += 1.0
    if not fresh:
        after = mix(entity.previous, TAG_ENTITY_NEXT)
        x[F_ENTITY_TRANSITION] = _surprise(state.counts, state.moments, clock, after, template)
        if entity.waiting == units.WAITING:  # a pause that counted as an end is no gap within an episode
            gap = log(max(0.0, now - entity.last) + 0.01)
            pair = mix(mix(entity.previous, template), TAG_GAP)
            x[F_GAP] = _robust_z(state.moments, clock, pair, gap, 0.5)
            if entity.episode == 0:
                entity.longest = max(entity.longest, now - entity.last)
    entity.previous = template
    entity.source = events.source[row]
    entity.last = max(now, entity.last)
    entity.severity = max(entity.severity, events.severity[row])
    units.make_youngest(state, slot)
    if evidence.observe(state, slot, template, events.words[row], now, mode):
        entity.path += mix(template, TAG_PATH)
    if events.severity[row] >= ERROR_LEVEL:
        evidence.observe_error(state, slot, template, now, mode)
    if entity.episode == 0:
        evidence.await_next(state, slot)
    evidence.show(state, entity, x, reasons, F_NEW, CAP_EVIDENCE, False)
    if evidence.is_first_suspicion(entity):
        sources.suspect(state, source)
    return slot


@jit_in_place
def _end_features(state: State, out: Output, at: int, slot: int, line: Line, mode: int) -> None:
    """Features of an entity that fell idle; what it has shown goes on if it wakes up, as the next episode."""
    entity, clock, x = state.entities[slot], state.clock[0], out.x[at]
    where, _ = _template_slot(state, entity.previous, entity.last)
    known = state.templates[where]
    evidence.end_after(entity, known.ends, known.occurrences, entity.last - entity.first)
    known.ends += 1.0
    key = mix(entity.first_template, np.uint64(min(entity.episode, 3) + 17))
    x[F_PATH] = _surprise(state.counts, state.moments, clock, mix(key, TAG_PATH), entity.path)
    duration = log(entity.last - entity.first + 0.1)
    x[F_DURATION] = _robust_z(state.moments, clock, mix(key, TAG_DURATION), duration, 0.5)
    out.line[at] = usual.line_nats(state, entity, line, x, ENTITY_END, out.scale[at])
    evidence.end(state, slot, mode)
    evidence.show(state, entity, x, out.why[at], F_NEW, CAP_EVIDENCE, entity.shown == 0.0)
    entity.episode += 1


@jit_in_place
def _template_slot(state: State, template: np.uint64, now: float) -> tuple[int, bool]:
    slot, fresh = slot_of(state.templates, template, state.clock[0])
    if fresh:
        known = state.templates[slot]
        known.first_seen = now
        known.occurrences = known.ends = 0.0
        known.words[:] = 0
    return slot, fresh


@jit_in_place
def _emit(
    out: Output, clock: Records, at: int, trigger: int, event: int, now: float, watermark: float
) -> None:
    """Begin a row of which nothing else is known yet."""
    out.trigger[at] = trigger
    out.event[at] = event
    out.time[at] = now
    out.watermark[at] = watermark
    out.pace[at, 0] = (clock.recent_units + 1.0) / max(clock.recent_seconds, LEAST_WHILE)
    out.pace[at, 1] = (clock.recent_units + 1.0) / (clock.recent_events + 1.0)
    out.line[at] = out.scale[at, 0] = 0.0
    out.scale[at, 1] = 1.0
    out.known[at] = 0.0
    out.learning[at] = True
    for i in range(REASONS):
        out.why[at, i].kind = -1
    out.x[at, :] = 0.0


@jit_in_place
def _known_of_unit(state: State, out: Output, at: int, slot: int) -> None:
    """By how many units the one of a row is judged."""
    judge = usual.judge_of(state, state.entities[slot].kind)
    if judge >= 0:
        kind = state.kinds[judge]
        out.known[at] = kind.judged
        out.learning[at] = kind.certain == 0 and kind.judged < KNOWN_UNITS


@jit_in_place
def _known_of_source(out: Output, clock: Records, at: int, source: Records) -> None:
    """By how many minutes of it the source of a row is judged; a minute of it with a row is a unit."""
    minute = out.time[at] // sources.SHORT
    if source.counted != minute:
        source.counted = minute
        clock.recent_units += 1.0
    out.known[at] = source.minutes
    out.learning[at] = source.minutes < KNOWN_MINUTES


@jit_in_place
def _unit_row(state: State, out: Output, at: int, slot: int) -> None:
    """What a row says of the unit that time brought it for."""
    entity = state.entities[slot]
    _known_of_unit(state, out, at, slot)
    out.of_entity[at] = True
    out.template[at] = entity.previous
    out.source[at] = entity.source
    out.severity[at] = entity.severity
    for i in range(NAME_BYTES):
        out.names[at, i] = entity.name[i]


@jit_in_place
def _deadlines(state: State, out: Output, at: int, event: int, timeout: float, line: Line, mode: int) -> int:
    """Rows for entities of which something is overdue at the new watermark. Next free row."""
    clock = state.clock[0]
    while clock.timers > 0:
        slot = int(state.timers[1])
        entity = state.entities[slot]
        if entity.due > clock.watermark:
            break
        if evidence.check(state, slot, clock.watermark, timeout, mode):
            _emit(out, clock, at, OVERDUE, event, entity.looked, clock.watermark)
            x = out.x[at]
            if evidence.show(state, entity, x, out.why[at], F_NEW, CAP_EVIDENCE, False):
                _unit_row(state, out, at, slot)
                at += 1
                _suspect_overdue(state, entity, line.known)
    return at


@jit_in_place
def _suspect_overdue(state: State, entity: Records, line_known: bool) -> None:
    """What is overdue in an entity may make it the next one under suspicion in its source."""
    where = known_slot(state.sources, entity.source, state.clock[0])
    if where >= 0 and evidence.is_first_suspicion(entity):
        source = state.sources[where]
        sources.advance(state.clock[0], source, entity.looked, line_known)
        sources.suspect(state, source)


@jit_in_place
def _ends(state: State, out: Output, at: int, event: int, timeout: float, line: Line, mode: int) -> int:
    """Rows for entities that are idle for timeout (s) at the new watermark. Next free row."""
    clock = state.clock[0]
    head = len(state.older) - 1
    slot = int(clock.next_end)
    while slot != head and state.entities[slot].last + timeout <= clock.watermark:
        entity = state.entities[slot]
        entity.waiting = units.ENDED
        clock.next_end = state.newer[slot]
        _emit(out, clock, at, ENTITY_END, event, entity.last + timeout, clock.watermark)
        _end_features(state, out, at, slot, line, mode)
        _unit_row(state, out, at, slot)
        at += 1
        at = _end_in_source(state, out, at, event, slot, timeout, line.known)
        slot = int(clock.next_end)
    return at


@jit_in_place
def _end_in_source(
    state: State, out: Output, at: int, event: int, slot: int, timeout: float, line_known: bool
) -> int:
    """An entity that ends counts in its source, by what it has shown last. Next free row."""
    entity, clock = state.entities[slot], state.clock[0]
    where = known_slot(state.sources, entity.source, clock)
    if where < 0:
        return at
    source, now = state.sources[where], entity.last + timeout
    sources.advance(clock, source, now, line_known)
    sources.count(state, source, mix(entity.previous, TAG_END))
    if evidence.is_first_suspicion(entity):
        sources.suspect(state, source)
    if not sources.weigh(source):
        return at
    _source_row(out, clock, at, source, event, now, clock.watermark)
    out.template[at] = entity.previous
    out.severity[at] = entity.severity
    return at + 1


@jit_in_place
def _pass_time(state: State, out: Output, at: int, event: int, timeout: float, line: Line, mode: int) -> int:
    """Rows that the new watermark brings: what is overdue, idle entities, silent sources. Next free row."""
    clock = state.clock[0]
    at = _deadlines(state, out, at, event, timeout, line, mode)
    at = _ends(state, out, at, event, timeout, line, mode)
    step = clock.watermark - clock.tick
    clock.tick = clock.watermark
    if step > 0.0:
        fade = exp(-step / PACE_WHILE)
        clock.recent_units *= fade
        clock.recent_events *= fade
        clock.recent_seconds = clock.recent_seconds * fade + step
    if step > QUIET_STREAM:  # nobody spoke: that is no one source's silence
        for slot in state.speakers[: clock.speakers]:
            state.sources[slot].last += step
    elif clock.watermark >= clock.silence_due:
        at = _silences(state, out, at, event)
    return at


@jit_in_place
def _silences(state: State, out: Output, at: int, event: int) -> int:
    """Rows for sources that fell silent, and for that of those still so which is due longest. Next free row.

    For one, as the rows of a batch must have their place, however many sources are silent.
    """
    clock = state.clock[0]
    due = clock.watermark + SETTLING
    still, longest_due = -1, clock.watermark
    for slot in state.speakers[: clock.speakers]:
        source = state.sources[slot]
        next_at = silence.next_at(source, clock.watermark)
        if next_at > clock.watermark:
            due = min(due, next_at)
        elif source.silent == 0.0:
            _silence_row(out, clock, at, source, event)
            at += 1
            due = min(due, silence.next_at(source, clock.watermark))
        else:
            if still >= 0:
                due = clock.watermark
            if still < 0 or next_at < longest_due:
                still, longest_due = slot, next_at
    if still >= 0:
        source = state.sources[still]
        _silence_row(out, clock, at, source, event)
        at += 1
        due = min(due, silence.next_at(source, clock.watermark))
    clock.silence_due = max(due, clock.watermark + 1.0)
    return at


@jit_in_place
def _silence_row(out: Output, clock: Records, at: int, source: Records, event: int) -> None:
    _emit(out, clock, at, SILENCE, event, clock.watermark, clock.watermark)
    out.x[at, F_SILENCE] = min(CAP_EVIDENCE, silence.tell(source, clock.watermark))
    _known_of_source(out, clock, at, source)
    out.template[at] = source.previous
    out.source[at] = source.key
    out.severity[at] = 0
    out.of_entity[at] = False
    out.names[at, :] = 0


@jit_in_place
def _add_speaker(state: State, slot: int) -> None:
    """Note that a slot is in use, if it was not."""
    clock, speakers = state.clock[0], state.speakers
    at = int(clock.speakers)
    while at > 0 and speakers[at - 1] >= slot:
        if speakers[at - 1] == slot:
            return
        at -= 1
    for i in range(clock.speakers, at, -1):
        speakers[i] = speakers[i - 1]
    speakers[at] = slot
    clock.speakers += 1


@jit_in_place
def _source_slot(state: State, key: np.uint64, now: float) -> int:
    slot, fresh = slot_of(state.sources, key, state.clock[0])
    if fresh:
        _add_speaker(state, slot)
        source = state.sources[slot]
        source.previous = source.minutes = source.lines = source.holds = 0
        source.events = source.gaps = source.longest_gap = 0.0
        source.silent = source.pause = source.usual_pause = source.paused = 0.0
        source.evidence[:] = 0.0
        source.renewed[:] = 0.0
        source.peak[:] = 0.0
        source.peak[sources.LINE] = sources.NO_LINE
        source.errors = source.erred = source.shown = source.told = source.minute = source.suspected = 0.0
        source.counted = 0.0
        source.since = source.last = source.spoke = source.weighed = now
        source.week_hour = now // seasons.HOUR
        source.week[:] = 0
        source.week_once[:] = 0
    return slot


@jit_in_place
def _severe(counts: Records, moments: Records, clock: Records, severities: np.uint64) -> float:
    """-log of the share of FATAL lines in a source, given the context of its severities, before this one.

    With a Beta prior worth SEVERE_LINES lines: it needs no history, and history tells against it.
    """
    seen = known_slot(counts, mix(severities, np.uint64(4)), clock)
    fatal = counts[seen].n if seen >= 0 else 0.0
    lines = _moment(moments, severities, clock).n
    return -log((fatal + SEVERE_LINES * exp(-SEVERE)) / (lines + SEVERE_LINES))


@jit_in_place
def _source_features(
    state: State, x: NDArray[np.float32], events: Input, row: int, now: float, line_known: bool
) -> Records:
    """Features of an event in its source, the record of which is given back."""
    key, template, severity = events.source[row], events.template[row], events.severity[row]
    counts, moments, clock = state.counts, state.moments, state.clock[0]
    source = state.sources[_source_slot(state, key, now)]
    x[F_TEMPLATE_SOURCE] = _surprise(counts, moments, clock, mix(key, TAG_SOURCE), template)
    if source.previous != 0:
        after = mix(mix(key, source.previous), TAG_SOURCE_NEXT)
        x[F_SOURCE_TRANSITION] = _surprise(counts, moments, clock, after, template)
    source.previous = template
    silence.spoken(source, now)
    rank = 0 if severity < 13 else 1 if severity < ERROR_LEVEL else 2 if severity < 21 else 3
    if rank == 3:
        x[F_SEVERE] = _severe(counts, moments, clock, mix(key, TAG_SEVERITY))
    x[F_SEVERITY] = SEVERITY_NATS * rank
    x[F_SEVERITY_SOURCE] = _surprise(counts, moments, clock, mix(key, TAG_SEVERITY), np.uint64(rank + 1))
    sources.advance(clock, source, now, line_known)
    sources.count(state, source, template)
    sources.count(state, source, TAG_ALL)
    if rank >= 2:
        sources.count(state, source, TAG_SEVERITY)
    return source


@jit_in_place
def _signed_log(value: float) -> float:
    return log1p(value) if value >= 0.0 else -log1p(-value)


@jit_in_place
def _number_features(
    state: State,
    source: Records,
    x: NDArray[np.float32],
    context: np.uint64,
    number: float,
    measured: bool,
) -> None:
    """How unusual a number is in its slot, and whether the last ones there are unusual together.

    Only measurements have a mean worth watching: sizes wander by job and ports by connection.
    """
    moments, clock = state.moments, state.clock[0]
    x[F_PARAMETER] = max(x[F_PARAMETER], _robust_z(moments, clock, context, _signed_log(number), 0.1))
    if measured:
        sources.shift(state, source, context, _shift(moments, clock, context, 0.1))


@jit_in_place
def _parameter_features(
    state: State, source: Records, x: NDArray[np.float32], events: Input, row: int, attribute: int
) -> int:
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
            key = mix(position, TAG_NUMBER)
            _number_features(state, source, x, key, number, events.measured[row, i])
        context = mix(position, TAG_VALUE)
        whole = _moment(moments, context, clock)
        # else an identifier: each value is new and none is news
        if whole.n < 32.0 or whole.d < 0.2 * whole.n:
            x[F_PARAMETER_NEW] = max(x[F_PARAMETER_NEW], _surprise(counts, moments, clock, context, value))
    while attribute < len(events.attribute_row) and events.attribute_row[attribute] == row:
        context = mix(mix(template, events.attribute_name[attribute]), TAG_NUMBER)
        _number_features(state, source, x, context, events.attribute_number[attribute], True)
        attribute += 1
    return attribute


@jit_in_place
def _advance(state: State, time: float, doubted: bool) -> float:
    """Event time to use for an event stamped time; the watermark follows unless the stamp is doubted."""
    clock = state.clock[0]
    if doubted and clock.doubted == 0:
        clock.doubted = clock.units + 1
    if np.isnan(time) or doubted:
        watermark: float = 0.0 if np.isnan(clock.watermark) else clock.watermark
        return watermark
    if np.isnan(clock.watermark):
        clock.watermark = clock.start = clock.rates_since = clock.tick = time
        return time
    if clock.doubted > 0 and time > clock.watermark:  # a pause of the stream, as is known only now
        units.begin_later(state, clock.doubted, time - clock.watermark)
    clock.doubted = 0
    if time > clock.watermark:
        if time > clock.watermark + RESTART_GAP:
            clock.rates_since = time
        clock.watermark = time
    return time


@jit_in_place
def _source_row(
    out: Output, clock: Records, at: int, source: Records, event: int, now: float, watermark: float
) -> None:
    """What an event, or an end, makes of its source."""
    _emit(out, clock, at, SOURCE, event, now, watermark)
    x = out.x[at]
    x[F_RATES] = min(CAP_EVIDENCE, sources.calibrated(source, source.evidence, sources.RATES))
    x[F_SHIFTS] = min(CAP_EVIDENCE, sources.calibrated(source, source.evidence, sources.SHIFTS))
    _known_of_source(out, clock, at, source)
    out.source[at] = source.key
    out.of_entity[at] = False
    out.names[at, :] = 0


@jit_in_place
def run(
    state: State,
    events: Input,
    out: Output,
    timeout: float,
    line: Line,
    mode: int,
    faulty: NDArray[np.uint64],
) -> int:
    """Features of every event in order; returns the number of rows written to out.

    mode: bits of LEARN, CALIBRATE, LEAVE_OUT, PAIRS and FAULTS of models/context/reference.py. faulty (f,):
    ascending hashes of the entities that labels call faulty, in training.
    """
    counts, moments, clock = state.counts, state.moments, state.clock[0]
    at = attribute = 0
    for row in range(len(events.time)):
        now = _advance(state, events.time[row], events.doubted[row])
        at = _pass_time(state, out, at, row, timeout, line, mode)
        # Before the first event with a time, nothing says how far the stream is.
        watermark = now if np.isnan(clock.watermark) else clock.watermark
        clock.recent_events += 1.0
        _emit(out, clock, at, EVENT, row, now, watermark)
        x = out.x[at]
        template = events.template[row]
        out.template[at] = template
        out.source[at] = events.source[row]
        out.severity[at] = events.severity[row]
        out.of_entity[at] = events.entity[row] != 0
        slot, fresh = _template_slot(state, template, now)
        known = state.templates[slot]
        if fresh:
            for i in range(events.words.shape[1]):
                known.words[i] = events.words[row, i]
        age = max(0.0, now - known.first_seen)
        x[F_AGE] = min(CAP, max(0.0, log((max(0.0, now - clock.start) + SETTLING) / (age + SETTLING))))
        x[F_TEMPLATE] = _surprise(counts, moments, clock, TAG_ALL, template)
        for i in range(events.words.shape[1]):
            word = events.words[row, i]
            if word == 0:
                break
            x[F_WORD] = max(x[F_WORD], _surprise(counts, moments, clock, TAG_WORD, word))
        source = _source_features(state, x, events, row, now, line.known)
        attribute = _parameter_features(state, source, x, events, row, attribute)
        if events.entity[row] != 0:
            unit = _entity_features(state, source, x, out.why[at], events, row, now, known, faulty, mode)
            out.line[at] = usual.line_nats(state, state.entities[unit], line, x, EVENT, out.scale[at])
            _known_of_unit(state, out, at, unit)
        else:
            _known_of_source(out, clock, at, source)
            out.line[at] = sources.line_nats(source, line, x, EVENT, out.scale[at])
        at += 1
        if sources.weigh(source):
            _source_row(out, clock, at, source, row, now, watermark)
            out.template[at] = template
            out.severity[at] = events.severity[row]
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
