"""Whose clock is wrong, compiled: what is ahead of the stream is doubted, what stays beside it is set right.

A stream is where its sources are. One that is further ahead of the others than the stream's own pauses
explain moves nothing, until the stream has gone there too: some events in a row, of several sources where
more than one speaks. While the others go on without it, its distance from them is measured, and where that
is the same each time the source has another clock (a wrong time zone, drift, a delay): from then on its times
are taken as so much earlier or later.
"""

from math import sqrt
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.context.tables import Records, slot_of
from models.jit import jit, jit_in_place

LEAST: Final = 60.0  # s ahead of the stream that nobody doubts
PAUSES: Final = 32.0  # root mean squares of the stream's pauses that nobody doubts either
FIRST_PAUSE: Final = 6 * 3600.0  # s, what this is before anything is known
MEMORY: Final = 256  # events over which it is taken
WITNESSES: Final = 8  # doubted events in a row that the stream follows, if they are of several sources
ALONE: Final = 32  # events in a row of one source, after which that is enough
AHEAD, BEHIND = 5, 8  # times in a row that a source is as far from the others before that is its clock
SAME: Final = 0.1  # share of the distance by which these may differ,
SAME_SECONDS: Final = 5.0  # or seconds
FURTHEST: Final = 36 * 3600.0  # s, as far as a clock is set right: all time zones
WILD: Final = 600.0  # s ahead at which one event is enough to tell of
TOLD_FOR: Final = 86_400.0  # s, for which a source that was told of once is not told of again
SOURCES: Final = 1 << 10

# what there is to tell of a clock: that it is wrong; was wrong in one event; is right again
WRONG, ONCE, RIGHT = 1, 2, 3
HOW: Final[dict[int, Literal["wrong", "once", "right"]]] = {WRONG: "wrong", ONCE: "once", RIGHT: "right"}

# a source -> how far its clock is ahead of the stream (s), the last distances from the others beyond that, so
# many, in which era, and how far the others were then; how far ahead its last event was if that was doubted,
# and in which era; since when its clock is told of
_SOURCE: Final = np.dtype([
    ("key", "u8"), ("used", "i8"), ("offset", "f8"), ("distances", "f8", (BEHIND,)), ("taken", "i8"),
    ("era", "i8"), ("others", "f8"), ("wild", "f8"), ("wild_era", "i8"), ("told", "f8"),
])  # fmt: skip
# the time reached, by which source, and the latest of any other; mean square of the pauses (s2), of so many
# events; how often the stream followed doubted ones; doubted ones in a row, the earliest, whose, whether of
# several; the source that spoke last, how often in a row
_STREAM: Final = np.dtype([
    ("accesses", "i8"), ("reached", "f8"), ("first", "u8"), ("second", "f8"), ("pause2", "f8"),
    ("events", "i8"), ("era", "i8"), ("doubted", "i8"), ("earliest", "f8"), ("doubtful", "u8"),
    ("several", "i8"), ("speaker", "u8"), ("spoken", "i8"),
])  # fmt: skip


class Clocks(NamedTuple):
    """What is known of the clocks of a partition's sources: of SOURCES of them at most, those last heard."""

    sources: Records
    stream: Records  # (1,)


class Readings(NamedTuple):
    """What a stream's clock says of n events.

    time (n,): in seconds, by the clock of the stream; NaN where the event has none. doubted (n,): whether the
    stream is not to follow it. told (n,): a source whose clock there is something to tell of at this event,
    0 for none; how (n,): WRONG, ONCE or RIGHT, and ahead (n,) by how much, in seconds.
    """

    time: NDArray[np.float64]
    doubted: NDArray[np.bool_]
    told: NDArray[np.uint64]
    how: NDArray[np.int8]
    ahead: NDArray[np.float64]


def unknown_clocks() -> Clocks:
    """Those of a stream of which nothing was seen."""
    stream = np.zeros(1, _STREAM)
    stream["reached"] = stream["second"] = np.nan
    stream["pause2"] = FIRST_PAUSE**2
    return Clocks(np.zeros(SOURCES, _SOURCE), stream)


@jit
def read(clocks: Clocks, time: NDArray[np.float64], source: NDArray[np.uint64]) -> Readings:
    """Event times by the clock of the stream, from the events' own times (n,) and sources (n,) in order."""
    n = len(time)
    out = Readings(
        time.copy(), np.zeros(n, np.bool_), np.zeros(n, np.uint64), np.zeros(n, np.int8), np.zeros(n)
    )
    stream = clocks.stream[0]
    for row in range(n):
        stream.spoken = stream.spoken + 1 if source[row] == stream.speaker else 1
        stream.speaker = source[row]
        if np.isnan(time[row]):
            continue
        known = _known(clocks, source[row])
        distance = _measured(stream, known, time[row] - known.offset)
        if distance != 0.0:
            known.offset += distance
            known.wild = 0.0
            how = WRONG if abs(known.offset) > LEAST else RIGHT
            out.told[row], out.how[row], out.ahead[row] = source[row], how, known.offset
        now = out.time[row] = time[row] - known.offset
        ahead = now - stream.reached
        if ahead > _doubtful_from(stream) and not _is_followed(stream, source[row], now):
            out.doubted[row] = True
            known.wild, known.wild_era = ahead, stream.era
            continue
        if now >= stream.reached - LEAST:  # the others go on as before
            stream.doubted = 0
        if known.wild > WILD and known.wild_era == stream.era and not now < known.told + TOLD_FOR:
            known.told = now
            out.told[row], out.how[row], out.ahead[row] = source[row], ONCE, known.offset + known.wild
        known.wild = 0.0
        _go_on(stream, source[row], now)
    return out


@jit_in_place
def _known(clocks: Clocks, key: np.uint64) -> Records:
    slot, fresh = slot_of(clocks.sources, key, clocks.stream[0])
    known = clocks.sources[slot]
    if fresh:
        known.offset = known.wild = 0.0
        known.taken = 0
        known.others = known.told = -np.inf
    return known


@jit_in_place
def _doubtful_from(stream: Records) -> float:
    """Seconds ahead of the stream from which a time is doubted."""
    return float(LEAST + PAUSES * sqrt(stream.pause2))


@jit
def _measured(stream: Records, source: Records, now: float) -> float:
    """Seconds that the clock of a source is ahead beyond what is known; 0 as long as that is not clear."""
    others = stream.second if source.key == stream.first else stream.reached
    if not others > source.others:  # nobody else went on: a pause of the stream
        return 0.0
    source.others = others
    distance = now - others
    is_near = abs(distance) <= _doubtful_from(stream)
    if is_near or source.era != stream.era:
        source.taken, source.era = 0, stream.era
    if is_near:
        return 0.0
    if source.taken == BEHIND:
        source.distances[:-1] = source.distances[1:].copy()
        source.taken -= 1
    source.distances[source.taken] = distance
    source.taken += 1
    needed = AHEAD if distance > 0.0 else BEHIND
    if source.taken < needed:
        return 0.0
    last = np.sort(source.distances[source.taken - needed : source.taken])
    middle = float(last[needed // 2])
    if last[-1] - last[0] > max(SAME_SECONDS, SAME * abs(middle)) or abs(source.offset + middle) > FURTHEST:
        return 0.0
    source.taken = 0
    return middle


@jit_in_place
def _is_followed(stream: Records, source: np.uint64, now: float) -> bool:
    """Whether the stream has gone to where an event is that is doubted by itself."""
    if stream.doubted == 0:
        stream.earliest, stream.doubtful, stream.several = now, source, 0
    elif source != stream.doubtful:
        stream.several = 1
    stream.earliest = min(stream.earliest, now)
    stream.doubted += 1
    if stream.doubted < WITNESSES or (stream.several == 0 and stream.spoken < ALONE):
        return False
    _pass(stream, stream.earliest)
    stream.reached, stream.first = stream.earliest, source
    stream.era += 1
    stream.doubted = 0
    if now - stream.reached <= _doubtful_from(stream):
        return True
    stream.earliest, stream.doubtful, stream.several, stream.doubted = now, source, 0, 1
    return False


@jit_in_place
def _go_on(stream: Records, source: np.uint64, now: float) -> None:
    """The stream takes an event in."""
    if np.isnan(stream.reached):
        stream.reached, stream.first = now, source
        return
    _pass(stream, now)
    if source != stream.first and now > stream.reached:
        stream.second, stream.first = stream.reached, source
    elif source != stream.first:
        stream.second = now if np.isnan(stream.second) else max(stream.second, now)
    stream.reached = max(stream.reached, now)


@jit_in_place
def _pass(stream: Records, now: float) -> None:
    """Learn the pause before this time."""
    pause = max(0.0, now - stream.reached)
    stream.events = min(stream.events + 1, MEMORY)
    stream.pause2 += (pause * pause - stream.pause2) / (stream.events + 1.0)
