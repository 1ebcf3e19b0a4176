"""Seasons of a source, compiled: what is usual at an hour of the day, or of the week, in UTC.

- counts: the highest count over a minute that was seen in an hour of the day, on two days or more;
- gaps: the longest gap that was seen in an hour of the week, twice where its silence was told.

What happened once may be trouble, so the highest but one counts. Both are forgotten slowly, so that what has
changed is news again. The hours before and after count as well: not all jobs are punctual.
"""

from math import sqrt
from typing import Final

from models.context.tables import DAY_HOURS, WEEK_HOURS, Records
from models.jit import jit_in_place

HOUR: Final = 3600.0
ONCE_KEPT, USUAL_KEPT = 0.98, 0.97  # of counts, a day: weekly jobs are usual, too
GAP_KEPT: Final = 0.9  # of gaps, a week
LEAST_GAP: Final = 60.0  # s, shorter ones need no season
MOST_GAP: Final = 65_535.0  # s, longer ones are as usual as this


@jit_in_place
def usual_count(row: Records, now: float) -> float:
    """A count over a minute as is usual at this hour, as a mean: two standard deviations below the highest.

    Counts scatter by half a unit in their square root, whatever their mean (Anscombe, Biometrika 35, 1948).
    """
    hour = int(now // HOUR) % DAY_HOURS
    before, after = (hour - 1) % DAY_HOURS, (hour + 1) % DAY_HOURS
    highest: float = max(row.by_hour[hour], row.by_hour[before], row.by_hour[after])
    return (sqrt(highest) - 1.0) ** 2 if highest > 1.0 else 0.0


@jit_in_place
def pass_hours(row: Records, now: float) -> None:
    """If the hour of a row is over, its highest count is learnt; and with the days some is forgotten."""
    hour = now // HOUR
    if hour == row.hour:
        return
    if row.top > 0.0:
        of_day = int(row.hour) % DAY_HOURS
        row.by_hour[of_day] = max(row.by_hour[of_day], min(row.top, row.once[of_day]))
        row.once[of_day] = max(row.once[of_day], row.top)
        days = max(0.0, hour // DAY_HOURS - row.hour // DAY_HOURS)
        for i in range(DAY_HOURS):
            row.once[i] *= ONCE_KEPT**days
            row.by_hour[i] *= USUAL_KEPT**days
    row.hour = hour
    row.top = 0.0


@jit_in_place
def usual_gap(source: Records, now: float) -> float:
    """The longest usual gap at this hour of the week, s; 0 where none is known."""
    hour = int(now // HOUR) % WEEK_HOURS
    before, after = (hour - 1) % WEEK_HOURS, (hour + 1) % WEEK_HOURS
    return float(max(source.week[hour], source.week[before], source.week[after]))


@jit_in_place
def learn_gap(source: Records, now: float, told: bool) -> None:
    """A source speaks again: the gap that each hour since has seen, told as a silence or not.

    While nobody spoke it was no longer silent than before: its gap is less than the time that passed.
    """
    spoke, hour, reached = int(source.spoke // HOUR), int(now // HOUR), int(source.week_hour)
    if hour > reached:  # it is a week since these hours were there
        for at in range(max(reached, hour - WEEK_HOURS) + 1, hour + 1):
            i = at % WEEK_HOURS
            source.week[i] = int(source.week[i] * GAP_KEPT)
            source.week_once[i] = int(source.week_once[i] * GAP_KEPT)
        source.week_hour = hour
    if now - source.last < LEAST_GAP:
        return
    for at in range(max(spoke, hour - WEEK_HOURS + 1), hour + 1):
        i = at % WEEK_HOURS
        gap = int(min(MOST_GAP, now - source.last, (at + 1.0) * HOUR - source.spoke))
        usual = min(gap, int(source.week_once[i])) if told else gap
        source.week[i] = max(int(source.week[i]), usual)
        source.week_once[i] = max(int(source.week_once[i]), gap)
