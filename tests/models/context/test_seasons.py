"""Seasons: what comes again at its hour is usual, what comes at another is not, and once is not enough."""

from itertools import groupby

import numpy as np
import pytest

from models.context.context import Context, Rows
from models.context.features import NAMES
from models.context.kernel import SILENCE
from models.context.templates import TemplateMiner
from schemas.events import EventBatch, Row

DAY, HOUR = 86_400.0, 3600.0
MONDAY = 1_704_067_200.0
SUSPICIOUS = 7.0  # nats


def event(time: float, message: str, source: str) -> Row:
    return (time, 9, source, "", message, None, 0, 0)


def every(seconds: float, start: float, end: float, message: str, source: str) -> list[Row]:
    """Lines about so many seconds apart."""
    rng = np.random.default_rng(int(start) % 1000)
    times = np.arange(start, end, seconds)
    return [event(float(t), message, source) for t in times + rng.uniform(0.0, 0.9 * seconds, len(times))]


def run(rows: list[Row]) -> Rows:
    return Context(TemplateMiner(), 60.0).update(EventBatch.of(sorted(rows)))


def job(start: float) -> list[Row]:
    return every(1.5, start, start + 600.0, "copied chunk 5", "shop")


def most_rates(rows: Rows, start: float, hours: float = 1.0) -> float:
    during = (rows.time >= start) & (rows.time < start + hours * HOUR)
    return float(rows.x[during, NAMES.index("source_rates")].max())


def test_a_nightly_job_is_usual_from_the_third_night_on_at_its_hour_alone() -> None:
    usual = every(30.0, MONDAY, MONDAY + 8 * DAY, "order 7 shipped", "shop")
    nights = [MONDAY + night * DAY + 2 * HOUR for night in range(8)]
    at_noon = MONDAY + 7 * DAY + 12 * HOUR
    rows = run([*usual, *(line for night in nights for line in job(night)), *job(at_noon)])
    found = [most_rates(rows, night) for night in nights]
    assert found[0] > SUSPICIOUS
    assert max(found[2:]) < SUSPICIOUS
    assert most_rates(rows, at_noon) > SUSPICIOUS


def test_a_job_that_starts_a_little_earlier_is_usual_too() -> None:
    usual = every(30.0, MONDAY, MONDAY + 6 * DAY, "order 7 shipped", "shop")
    nights = [MONDAY + night * DAY + 2 * HOUR - 300.0 * (night == 5) for night in range(6)]
    rows = run([*usual, *(line for night in nights for line in job(night))])
    assert most_rates(rows, nights[5], 0.5) < SUSPICIOUS


def test_a_weekly_job_is_usual_from_the_third_week_on() -> None:
    usual = every(60.0, MONDAY, MONDAY + 29 * DAY, "order 7 shipped", "shop")
    weeks = [MONDAY + (7 * week + 6) * DAY + 4 * HOUR for week in range(4)]
    rows = run([*usual, *(line for week in weeks for line in job(week))])
    found = [most_rates(rows, week) for week in weeks]
    assert found[0] > SUSPICIOUS
    assert max(found[2:]) < SUSPICIOUS


def silences(rows: Rows) -> list[tuple[int, int]]:
    """Week and day of week of each told silence, each once."""
    days = (rows.time[rows.trigger == SILENCE] - MONDAY) // DAY
    return [(int(day) // 7, int(day) % 7) for day, _ in groupby(days.tolist())]


@pytest.mark.parametrize("seconds", [20.0, 60.0])
def test_a_quiet_sunday_is_usual_from_the_third_one_on(seconds: float) -> None:
    """But a quiet Wednesday is not."""
    lines = every(seconds, MONDAY, MONDAY + 28 * DAY, "always here", "other")
    for day in range(28):
        start, end = MONDAY + day * DAY, MONDAY + (day + 1) * DAY
        if day % 7 == 6 or day == 23:
            lines += every(seconds, start, start + 2 * HOUR, "parcel 8 read", "warehouse")
            start = end - 2 * HOUR
        lines += every(seconds, start, end, "parcel 8 read", "warehouse")
    assert set(silences(run(lines))) == {(0, 6), (1, 6), (3, 2)}
