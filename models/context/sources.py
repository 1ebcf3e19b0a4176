"""Evidence of sources, compiled: what is unusual about a source over the last minute, in nats.

A source is judged over a short while, with or without entities. Evidence fades by 1/e in a minute, and adds
up:

- rates: over its templates, its errors, and all of its events, how surprising it is that there were so many
  in the last minute, given those of the hour before: half the deviance of a negative binomial count
  (McCullagh & Nelder, Generalized Linear Models, 1989), as log lines come in clumps. Units
  that come under suspicion are counted likewise, over a quarter of an hour, and held against a week.
  A burst of errors needs no history: until it is known how many are usual, they count by USUAL_ERRORS;
- shifts: over the slots of measured numbers, z^2 / 2 of the mean of the last values.

As with units, what is usual is learnt from the source's own last minutes, and as long as those are few, how
widely they vary from the minutes of all sources; nats are counted beyond that. A source under suspicion
teaches neither what is usual nor how often that happens which makes it suspicious, until it was so for twice
as long as it was known before, a day at most.
"""

from math import exp, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.context import seasons
from models.context.evidence import STEP
from models.context.line import LEAST_SPREAD, Line, nats, weighed
from models.context.reference import DAY
from models.context.tables import (
    MINUTES,
    POOL,
    SOURCE_EVIDENCE,
    TAG_RATE,
    TAG_SEVERITY,
    TAG_SUSPECT,
    Records,
    State,
    mix,
    slot_of,
)
from models.context.usual import SUSPICION, cover
from models.jit import jit, jit_in_place

RATES, SHIFTS, LINE = range(SOURCE_EVIDENCE + 1)
SHORT: Final = 60.0  # s, the while over which a source is judged
LONG: Final = 3600.0  # s, what that is compared with
# s: units under suspicion are few, so they are counted for longer, and held against more
SUSPECT_SHORT, SUSPECT_LONG = 900.0, 7 * DAY
CLUMPING: Final = 10.0  # of counts: their rate varies by about 1 / sqrt(CLUMPING) of itself
LEAST_MINUTES: Final = 5  # of a source, with events, that say what is usual at all
USUAL_ERRORS: Final = 5.0  # a minute, of a source that has yet to show how many are usual
LASTING: Final = 2.0  # times as long as a source was known before: what lasts longer is the new normal
POOLED_MINUTES: Final = 60  # of all sources, that say what is usual of any
POOL_TAIL: Final = 0.01  # share of these that may be of trouble, and say nothing
POOL_WORTH: Final = 60.0  # minutes of a source that count as much as those of all
NO_LINE: Final = -1e18  # what the highest of no rows says; tables hold finite numbers
STEP_SHARE: Final = 0.25  # by which evidence grows before it is shown again: a burst grows with each event
SLIGHT: Final = 1.0  # nats: what adds less to a source under suspicion is learnt all the same


@jit_in_place
def surprise_of_count(count: float, expected: float) -> float:
    """Half the deviance of a count above what is expected of it, nats; 0 below."""
    if count <= expected:
        return 0.0
    clumped: float = (count + CLUMPING) * log((count + CLUMPING) / (expected + CLUMPING))
    return count * log(count / expected) - clumped


@jit_in_place
def advance(clock: Records, source: Records, now: float, line_known: bool) -> None:
    """Let a source's evidence fade; when its minute is over, its highest evidence is learnt as usual."""
    passed = max(0.0, now - source.weighed)
    source.weighed = max(now, source.weighed)
    fade = exp(-passed / SHORT)
    for k in range(SOURCE_EVIDENCE):
        source.evidence[k] *= fade
        source.renewed[k] *= fade
    source.errors *= fade
    minute = source.weighed // SHORT
    if minute == source.minute:
        return
    if source.minute != 0.0:
        _close_minute(clock, source, line_known)
    source.minute = minute
    source.peak[:] = 0.0
    source.peak[LINE] = NO_LINE
    source.renewed[:] = 0.0
    source.shown = min(source.shown, suspicion(source))


@jit_in_place
def _close_minute(clock: Records, source: Records, line_known: bool) -> None:
    """A minute is over. It is learnt when the next one is none of trouble, whose beginning it may be."""
    suspicious = _suspicion(source, source.peak) >= SUSPICION
    if not suspicious:
        source.suspected = 0.0
    elif source.suspected == 0.0:
        source.suspected = source.weighed
    if suspicious and _is_young_trouble(source):
        source.holds = 0
        return
    if source.holds != 0:
        _learn_minute(clock, source, line_known)
    # in the first minute nothing is usual yet
    source.holds = 1 if source.minute * SHORT >= source.since + SHORT else 0
    for k in range(SOURCE_EVIDENCE + 1):
        source.held[k] = source.peak[k]


@jit_in_place
def _is_young_trouble(source: Records) -> bool:
    """Whether what makes a source suspicious is not to be learnt yet."""
    if source.minutes < LEAST_MINUTES:
        return False
    lasts = source.weighed - source.suspected
    return bool(
        source.suspected == 0.0 or lasts < min(DAY, LASTING * max(0.0, source.suspected - source.since))
    )


@jit_in_place
def _learn_minute(clock: Records, source: Records, line_known: bool) -> None:
    for k in range(SOURCE_EVIDENCE):
        source.recent[source.minutes % MINUTES, k] = source.held[k]
    source.minutes += 1
    if source.minutes > LEAST_MINUTES:
        _learn_pool(clock, source)
    if source.minutes >= LEAST_MINUTES:
        for k in range(SOURCE_EVIDENCE):
            _settle(source, k, source.minutes, 1.0)
            _blend(clock, source, k)
    if line_known and source.held[LINE] > NO_LINE:
        source.recent[source.lines % MINUTES, LINE] = source.held[LINE]
        source.lines += 1
        if source.lines >= LEAST_MINUTES:
            _settle(source, LINE, source.lines, LEAST_SPREAD)


@jit
def _settle(source: Records, k: int, minutes: int, least: float) -> None:
    values = np.sort(source.recent[: min(minutes, MINUTES), k].astype(np.float64))
    source.centre[k], source.spread[k] = cover(values, 0.0, least)


@jit_in_place
def _learn_pool(clock: Records, source: Records) -> None:
    """How far a minute is beyond the centre of its source, as usual of any source."""
    for k in range(SOURCE_EVIDENCE):
        clock.pool[clock.pooled % POOL, k] = source.held[k] - source.centre[k]
    clock.pooled += 1
    if clock.pooled >= POOLED_MINUTES and clock.pooled % 16 == 0:  # sorting takes its time
        for k in range(SOURCE_EVIDENCE):
            _settle_pool(clock, k)


@jit
def _settle_pool(clock: Records, k: int) -> None:
    values = np.sort(clock.pool[: min(clock.pooled, POOL), k].astype(np.float64))
    _, clock.pool_spread[k] = cover(values, POOL_TAIL, 1.0)


@jit_in_place
def _blend(clock: Records, source: Records, k: int) -> None:
    """The spread that few minutes of a source show is held against that of all sources."""
    if clock.pooled >= POOLED_MINUTES + 16:
        own = source.minutes / (source.minutes + POOL_WORTH)
        source.spread[k] += (1.0 - own) * (clock.pool_spread[k] - source.spread[k])


@jit_in_place
def line_nats(
    source: Records, line: Line, x: NDArray[np.float32], trigger: int, scale: NDArray[np.float64]
) -> float:
    """What a row without an entity says by itself beyond what is usual of its source over a minute.

    The centre and spread of what is usual go to scale (2,).
    """
    said = weighed(line, x, trigger)
    source.peak[LINE] = max(source.peak[LINE], said)
    if source.lines < LEAST_MINUTES:
        scale[0], scale[1] = line.usual[0]
    else:
        scale[0], scale[1] = source.centre[LINE], source.spread[LINE]
    return nats(said, scale[0], scale[1])


@jit_in_place
def _suspicion(source: Records, evidence: Records) -> float:
    total = 0.0
    for k in range(SOURCE_EVIDENCE):
        total += calibrated(source, evidence, k)
    return total


@jit_in_place
def calibrated(source: Records, evidence: Records, k: int) -> float:
    """Evidence beyond what is usual of the source, in nats; of its errors alone until something is usual."""
    if source.minutes < LEAST_MINUTES:
        return source.errors if k == RATES else 0.0
    beyond: float = max(0.0, (evidence[k] - source.centre[k]) / source.spread[k])
    return beyond


@jit_in_place
def suspicion(source: Records) -> float:
    """All evidence of a source now, beyond what is usual, nats."""
    return _suspicion(source, source.evidence)


@jit_in_place
def _renewed(source: Records) -> float:
    """Evidence of what was seen in this minute, beyond what is usual, nats: the rest is of what is over."""
    if source.minutes < LEAST_MINUTES and source.erred != source.minute:
        return 0.0
    return _suspicion(source, source.renewed)


@jit_in_place
def _apart(source: Records, added: float) -> bool:
    """Whether what adds so much to a source is not to be learnt, as the source is under suspicion."""
    return added >= SLIGHT and suspicion(source) >= SUSPICION and _is_young_trouble(source)


@jit_in_place
def _contribute(source: Records, row: Records, k: int, added: float) -> None:
    """What one item now adds to the evidence, in place of what is left of what it added before."""
    left = row.nats * exp(-(source.weighed - row.time) / SHORT)
    source.evidence[k] = max(0.0, source.evidence[k] + added - left)
    of_this_minute = left if row.time // SHORT == source.minute else 0.0
    source.renewed[k] = max(0.0, source.renewed[k] + added - of_this_minute)
    row.nats = added
    row.time = source.weighed


@jit_in_place
def suspect(state: State, source: Records) -> None:
    """One more unit under suspicion in a source, up to which its evidence has faded."""
    since = max(state.clock[0].resumed, source.since)
    _count(state, source, TAG_SUSPECT, since, SUSPECT_SHORT, SUSPECT_LONG)


@jit_in_place
def count(state: State, source: Records, item: np.uint64) -> None:
    """One more event of a source, up to which its evidence has faded, that is this."""
    _count(state, source, item, max(state.clock[0].rates_since, source.since), SHORT, LONG)


@jit_in_place
def _count(state: State, source: Records, item: np.uint64, since: float, short: float, long: float) -> None:
    """One more of an item, held against the while `long` (s) by how many there were in the last `short` (s).

    since: from when on it could have been counted.
    """
    clock, now = state.clock[0], source.weighed
    slot, fresh = slot_of(state.rates, mix(mix(source.key, item), TAG_RATE), clock)
    row = state.rates[slot]
    if fresh:
        row.hour = row.top = 0.0
        row.by_hour[:] = 0.0
        row.once[:] = 0.0
    if fresh or row.since < since:
        row.short = row.taught = row.long = row.nats = 0.0
        row.since = max(now, since)
        row.time = now
    passed = now - row.time
    fade = exp(-passed / short)
    row.short *= fade
    row.taught *= fade
    row.long *= exp(-passed / long)
    age = max(short, now - since)
    before = long * (1.0 - exp(-age / long)) - short * (1.0 - exp(-age / short))  # s, without the last ones
    expected = (max(0.0, row.long - row.taught) + 0.5) * short / before
    seasons.pass_hours(row, now)
    expected = max(expected, seasons.usual_count(row, now))
    row.short += 1.0
    row.top = max(row.top, row.short)
    surprise = surprise_of_count(row.short, expected)
    _contribute(source, row, RATES, surprise)
    if item == TAG_SEVERITY:
        source.errors = surprise_of_count(row.short, USUAL_ERRORS)
        source.erred = source.minute
    # trouble teaches no more than what is expected anyway, without which that would be forgotten
    taught = min(1.0, expected / row.short) if _apart(source, surprise) else 1.0
    row.taught += taught
    row.long += taught


@jit_in_place
def shift(state: State, source: Records, slot_key: np.uint64, surprise: float) -> None:
    """How far the mean of the last numbers of a slot has shifted, nats."""
    slot, fresh = slot_of(state.rates, mix(source.key, slot_key), state.clock[0])
    row = state.rates[slot]
    if fresh:
        row.short = row.taught = row.long = row.nats = row.since = 0.0
        row.time = source.weighed
    _contribute(source, row, SHIFTS, surprise)


@jit_in_place
def weigh(source: Records) -> bool:
    """After an event: whether the evidence is to be shown, which it then is.

    It is when it has grown by a step, and once in each minute that is suspicious by itself.
    """
    for k in range(SOURCE_EVIDENCE):
        source.peak[k] = max(source.peak[k], source.evidence[k])
    total = suspicion(source)
    grown = total >= source.shown + max(STEP, STEP_SHARE * source.shown)
    if not grown and (source.told == source.minute or total < SUSPICION or _renewed(source) < SUSPICION):
        return False
    source.shown = total
    source.told = source.minute
    return True
