"""Errors that few units ever show, and units under suspicion that come together in one source."""

from math import log

import pytest

from models.context.context import Context
from models.context.features import NAMES
from models.context.kernel import SOURCE
from models.context.templates import TemplateMiner
from schemas.events import EventBatch, Row

START, DAY = 1.7e9, 86_400.0
NEW, RATES = NAMES.index("unit_new"), NAMES.index("source_rates")
UNITS, GAP = 6000, 20.0  # s between the units of a quiet stream
LATER = START + UNITS * GAP


def line(time: float, message: str, entity: str, severity: int = 9) -> Row:
    return (time, severity, "s", entity, message, None, 0, 0, "")


def unit(name: str, start: float, error: str = "", severity: int = 17) -> list[Row]:
    """One that works as one of two kinds do, or fails."""
    kind = "alpha bravo charlie delta" if hash_of(name) % 5 else "echo foxtrot golf hotel india juliet"
    rows = [line(start, "begin", name), line(start + 0.1, kind, name)]
    return [*rows, line(start + 0.2, error or "commit", name, severity if error else 9)]


def hash_of(name: str) -> int:
    return sum(name.encode())


def quiet(count: int, start: float, prefix: str = "r") -> list[Row]:
    return [row for i in range(count) for row in unit(f"{prefix}{i}", start + i * GAP)]


@pytest.fixture
def known() -> Context:
    """A stream in which no unit ever failed, and units vary more than in what is new."""
    context = Context(TemplateMiner(), 10.0)
    context.update(EventBatch.of(quiet(UNITS, START)))
    return context


def highest(context: Context, rows: list[Row], column: int, entity: str | None = None) -> float:
    """The highest value of a column, of an entity or of sources."""
    events = EventBatch.of(rows)
    found = context.update(events)
    names = context.names(events, found)
    return float(
        max(
            (
                found.x[i, column]
                for i, (_, of) in enumerate(names)
                if (of == entity if entity is not None else found.trigger[i] == SOURCE)
            ),
            default=0.0,
        )
    )


def test_an_error_that_no_unit_ever_showed_is_one_in_as_many(known: Context) -> None:
    """However units vary else: words of a fifth of them alone say more than a nat each."""
    nats = highest(known, unit("odd", LATER, "lost lease"), NEW, "odd")
    assert nats == pytest.approx(log(2 * UNITS), abs=0.1)


def test_news_of_level_info_is_held_against_how_units_vary(known: Context) -> None:
    assert highest(known, unit("odd", LATER, "lost lease", 9), NEW, "odd") < 4.0


def test_the_next_units_of_a_fault_say_hardly_less(known: Context) -> None:
    nats = [highest(known, unit(f"odd{i}", LATER + 60.0 * i, "lost lease"), NEW, f"odd{i}") for i in range(4)]
    assert nats == sorted(nats, reverse=True)
    assert nats[-1] > log(UNITS / 5.0)


def test_what_came_back_after_a_month_was_not_learnt_as_normal(known: Context) -> None:
    """Thirty units of 30,000 in all have shown it: one in a thousand."""
    fault = [row for i in range(30) for row in unit(f"odd{i}", LATER + 30.0 * i, "lost lease")]
    known.update(EventBatch.of(fault))
    month = quiet(4 * UNITS, LATER + 3600.0, "q")
    for start in range(0, len(month), 9000):
        known.update(EventBatch.of(month[start : start + 9000]))
    again = month[-1][0] + 60.0
    assert highest(known, unit("again", again, "lost lease"), NEW, "again") > 6.5


def test_where_errors_are_worded_anew_each_time_a_new_one_says_little(known: Context) -> None:
    words = (f"{a}{b}" for a in "abcdefghij" for b in "klmnopqrst")
    rows = [
        row
        for i, word in enumerate(words)
        for row in [*unit(f"f{i}", LATER + 20.0 * i, f"lost {word}"), *unit(f"g{i}", LATER + 20.0 * i + 10.0)]
    ]
    known.update(EventBatch.of(rows))
    assert highest(known, unit("odd", LATER + 2100.0, "lost lease"), NEW, "odd") < log(2 * UNITS / 50.0)


def test_several_units_under_suspicion_add_up_in_their_source(known: Context) -> None:
    """Minutes apart, in each of which the source writes as much as ever."""
    together = [row for i in range(5) for row in unit(f"odd{i}", LATER + 150.0 * i, "lost lease")]
    between = quiet(35, LATER + 5.0, "b")
    rows = sorted([*together, *between], key=lambda row: row[0])
    assert highest(known, rows, RATES) > 26.0


def test_one_of_them_alone_says_less_than_half_as_much(known: Context) -> None:
    rows = sorted([*unit("odd", LATER, "lost lease"), *quiet(35, LATER + 5.0, "b")], key=lambda row: row[0])
    assert highest(known, rows, RATES) < 13.0
