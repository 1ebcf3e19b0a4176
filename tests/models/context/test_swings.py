"""Load that swings: a source whose rate comes and goes is in trouble by less than one that is steady."""

import random

import numpy as np

from models.context.context import Context
from models.context.features import NAMES
from models.context.kernel import SOURCE
from models.context.templates import TemplateMiner
from schemas.events import EventBatch, Row

START, MINUTE = 1.7e9, 60.0
RATES = NAMES.index("source_rates")


def line(time: float, source: str) -> Row:
    return (time, 9, source, "", "batch written", None, 0, 0, "")


def minutes(source: str, counts: list[int], start: float, seed: int = 0) -> list[Row]:
    """So many lines in each minute, at times by chance."""
    rng = random.Random(seed)
    times = [
        start + MINUTE * (i + at)
        for i, n in enumerate(counts)
        for at in sorted(rng.random() for _ in range(n))
    ]
    return [line(time, source) for time in times]


def highest(context: Context, rows: list[Row]) -> float:
    """The highest evidence of rates that a source shows."""
    events = EventBatch.of(sorted(rows, key=lambda row: row[0]))
    found = context.update(events)
    return float(np.max(found.x[found.trigger == SOURCE, RATES], initial=0.0))


def hours_with_a_job(hours: int) -> list[int]:
    """Two lines a minute, and in each hour five minutes of 120."""
    rng = random.Random(1)
    return [120 if i % 60 in range(30, 35) else rng.choice([1, 2, 3]) for i in range(60 * hours)]


def test_a_job_that_comes_each_hour_is_no_trouble_after_some_hours() -> None:
    context = Context(TemplateMiner(), 60.0)
    first = highest(context, minutes("s", hours_with_a_job(1), START))
    assert first > 20.0
    context.update(EventBatch.of(minutes("s", hours_with_a_job(5), START + 3600.0, seed=2)))
    later = highest(context, minutes("s", hours_with_a_job(1), START + 6 * 3600.0, 3))
    assert later < 7.0


def test_the_same_job_is_trouble_of_a_source_that_is_steady() -> None:
    context = Context(TemplateMiner(), 60.0)
    rng = random.Random(4)
    steady = [rng.choice([1, 2, 3]) for _ in range(360)]
    assert highest(context, minutes("s", steady, START)) < 11.0
    assert highest(context, minutes("s", [120] * 5, START + 6 * 3600.0)) > 50.0


def test_what_went_high_once_may_have_been_trouble_and_is_trouble_again() -> None:
    context = Context(TemplateMiner(), 60.0)
    rng = random.Random(5)
    steady = [rng.choice([1, 2, 3]) for _ in range(180)]
    context.update(EventBatch.of(minutes("s", [*steady, *[120] * 5, *steady], START)))
    assert highest(context, minutes("s", [120] * 5, START + 365 * MINUTE)) > 15.0
