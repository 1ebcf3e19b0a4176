"""Silence of a source, compiled: how surprising a gap is, when it is told, and which pauses are usual.

Gaps have a heavy tail: beyond the longest of n gaps it falls off as a power, and its exponent is the one by
which that gap is the longest of n, counted from the mean gap: an estimate as Weissman's (Journal of the
American Statistical Association 73, 1978) from the highest observation. Lines come in clumps, so a second
holds one gap at most.
"""

from math import exp, log
from typing import Final

from models.context import seasons
from models.context.reference import DAY
from models.context.tables import Records
from models.jit import jit_in_place

LEAST_EVENTS: Final = 50.0
MOST_GAPS: Final = 1000.0  # that the longest one is believed to be the longest of
FACTOR: Final = 4.0  # longest usual gaps that make a silence
FORGETTING: Final = 0.9995  # of the longest gap, with each event
HEAVIEST, LIGHTEST = 1.0, 4.0  # exponents of a tail
STEP_SHARE: Final = 0.25  # by which evidence grows before it is told again
SOONEST, LATEST = 15.0, 240.0  # s, after which it is told again though it has not grown
PAUSE_KNOWN: Final = 2.0 * DAY  # s, for which a pause is remembered: nightly ones are usual
UNHEARD: Final = 1e18  # s, gap of a source that has yet to speak in this stream
TOLD: Final = 1e17  # s, gap at which silence is told next that has lasted long enough


@jit_in_place
def next_at(source: Records, now: float) -> float:
    """When the silence of a source is to be told next, s; long after now while there is nothing to tell."""
    if source.events < LEAST_EVENTS:
        return now + UNHEARD
    gap: float = FACTOR * _usual_gap(source, now) if source.silent == 0.0 else source.silent
    return float(source.last + gap)


@jit_in_place
def tell(source: Records, now: float) -> float:
    """Nats of a silence that is told now; then it is due again when there is more of it."""
    gap, usual, mean = now - source.last, _usual_gap(source, now), (source.gaps + 1.0) / source.events
    n = max(2.0, min(source.events, source.gaps, MOST_GAPS))
    exponent = LIGHTEST if usual <= mean else min(LIGHTEST, max(HEAVIEST, log(n) / log(usual / mean)))
    nats: float = log(n) + exponent * log(gap / usual)
    grown = gap * exp(max(1.0, STEP_SHARE * nats) / exponent)
    source.silent = min(grown, gap + min(LATEST, max(SOONEST, gap / 4.0)))
    if source.silent >= min(DAY, source.gaps):  # as long as it ever spoke: it is gone
        source.silent = TOLD
    return nats


@jit_in_place
def spoken(source: Records, now: float) -> None:
    """A source speaks: the gap before is learnt, of a silence as much as makes it less of one."""
    gap = max(0.0, now - source.last)
    if source.silent != UNHEARD:
        most = FACTOR * (source.longest_gap + 1.0)
        if gap >= most and source.events >= LEAST_EVENTS:
            _learn_pause(source, gap, now)
        learnt = min(gap, most) if source.silent != 0.0 else gap
        source.longest_gap = max(learnt, source.longest_gap * FORGETTING)
        source.gaps += gap
        seasons.learn_gap(source, now, source.silent != 0.0)
    source.silent = 0.0
    source.events += 1.0
    source.last = max(now, source.last)
    source.spoke = source.last


@jit_in_place
def _learn_pause(source: Records, gap: float, now: float) -> None:
    """A pause as long as one before is usual."""
    if now - source.paused > PAUSE_KNOWN:
        source.pause = source.usual_pause = 0.0
    source.usual_pause = max(source.usual_pause, min(gap, source.pause))
    source.pause = max(gap, source.pause)
    source.paused = now


@jit_in_place
def _usual_gap(source: Records, now: float) -> float:
    """The longest usual gap of a source and a second."""
    pause = source.usual_pause if now - source.paused <= PAUSE_KNOWN else 0.0
    return float(max(source.longest_gap, pause, seasons.usual_gap(source, now)) + 1.0)
