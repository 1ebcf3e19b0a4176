"""The simulated year holds what its calendar says, by counting its events."""

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.year import run, table
from benchmarks.year_calendar import (
    DAY,
    HOUR,
    KINDS,
    START,
    Deployment,
    Fault,
    FaultKind,
    make_calendar,
    traffic,
)
from benchmarks.year_faults import failure_line
from benchmarks.year_lines import Versions, lines_of
from benchmarks.year_services import FAILED, template_of
from benchmarks.year_simulation import Year
from models.bundle import Bundle
from models.context.templates import mask
from schemas.events import EventBatch

NOON = START + DAY + 12 * HOUR  # of a Tuesday


@cache
def days(count: int, load: float = 1.0, seed: int = 0) -> tuple[EventBatch, ...]:
    return tuple(Year(seed, count, load).batches())


def with_fault(kind: FaultKind, service: str) -> tuple[EventBatch, Fault]:
    """Two days with one fault, for two hours from noon on the second."""
    year = Year(3, 2, 2.0)
    fault = Fault(kind, NOON, NOON + 2 * HOUR, frozenset({service}), 0)
    year.calendar.faults[:] = [fault]
    return list(year.batches())[1], fault


def last_of_entities(events: EventBatch) -> dict[str, str]:
    return {
        entity: mask(message) for entity, message in zip(events.entity, events.message, strict=True) if entity
    }


def test_a_seed_is_a_year() -> None:
    first, again = (list(Year(5, 2, 0.2).batches()) for _ in range(2))
    assert first == again
    assert list(Year(6, 2, 0.2).batches()) != first


def test_days_follow_each_other_in_order_of_time() -> None:
    batches = list(Year(0, 3, 0.5).batches())
    times = [time for batch in batches for time in batch.time]
    assert times == sorted(times)
    assert [offset for batch in batches for offset in batch.offset] == list(range(len(times)))
    assert all(START + day * DAY <= batch.time[0] for day, batch in enumerate(batches))
    assert all(batch.time[-1] < START + (day + 1) * DAY for day, batch in enumerate(batches[:3]))


def requests(day: int) -> list[float]:
    batch = days(7)[day]
    accepted = [i for i, text in enumerate(batch.message) if text.startswith("accepted request")]
    return [batch.time[i] for i in accepted]


def test_sunday_is_quiet_and_so_is_the_night() -> None:
    tuesday, sunday = requests(1), requests(6)
    assert 0.25 < len(sunday) / len(tuesday) < 0.42  # 0.4 / 1.2
    by_hour = Counter(int((time - START) % DAY // HOUR) for time in tuesday)
    assert by_hour[12] > 8 * by_hour[3]


def test_the_warehouse_does_not_work_on_sundays() -> None:
    working = ["warehouse" in batch.source for batch in days(7)[:7]]
    assert working == [True] * 6 + [False]


def test_traffic_doubles_in_a_year() -> None:
    monday = START + 12 * HOUR
    assert traffic(monday + 364 * DAY) / traffic(monday) == pytest.approx(2.0, rel=0.01)


def test_the_nightly_job_runs_for_ten_minutes_from_two_on() -> None:
    for day, batch in enumerate(days(7)[:7]):
        times = [time for time, source in zip(batch.time, batch.source, strict=True) if source == "backup"]
        assert len(times) > 500
        assert START + day * DAY + 2 * HOUR <= times[0] < times[-1] < START + day * DAY + 2 * HOUR + 601.0


def test_the_year_has_all_that_it_promises() -> None:
    calendar = make_calendar(0, 365)
    kinds = Counter(fault.kind for fault in calendar.faults)
    assert set(kinds) == set(KINDS)
    assert kinds["repeated"] == 12
    assert kinds["week"] == 1
    assert 38 <= len(calendar.faults) <= 42
    assert all(fault.start >= START + 14 * DAY for fault in calendar.faults)
    [week] = [fault for fault in calendar.faults if fault.kind == "week"]
    assert week.end - week.start == 7 * DAY
    assert len(calendar.deployments) == 25
    assert Counter(run.job.name for run in calendar.runs) == {"nightly": 365, "weekly": 52, "month end": 11}
    spans = sorted((fault.start, fault.end) for fault in calendar.faults)
    assert all(end < start for (_, end), (start, _) in pairwise(spans))


def test_days_that_are_no_year_are_refused() -> None:
    with pytest.raises(ValueError, match="0 days"):
        make_calendar(0, 0)


def test_a_silent_service_writes_nothing_while_requests_go_on() -> None:
    events, fault = with_fault("silence", "search")
    during = [
        source
        for time, source in zip(events.time, events.source, strict=True)
        if fault.start <= time < fault.end
    ]
    assert "search" in events.source
    assert "search" not in during
    ends = last_of_entities(events)
    assert len(fault.touched) > 20
    assert all(ends[entity].startswith("answered") for entity in fault.touched)


def test_requests_that_never_end_have_no_answer() -> None:
    events, fault = with_fault("never ending", "catalogue")
    ends = last_of_entities(events)
    assert len(fault.touched) > 20
    assert not any(ends[entity].startswith("answered") for entity in fault.touched)


@pytest.mark.parametrize("kind", ["new message", "repeated", "week", "dependency"])
def test_failing_requests_say_why_and_end_with_a_failure(kind: FaultKind) -> None:
    events, fault = with_fault(kind, "cart")
    failure = template_of(failure_line(fault, "cart"))
    struck = {
        entity for entity, text in zip(events.entity, events.message, strict=True) if mask(text) == failure
    }
    assert len(struck) > 10
    assert struck - {""} == fault.touched
    ends = last_of_entities(events)
    assert all(ends[entity] == template_of(FAILED) for entity in fault.touched)
    assert fault.shows_in == {"cart", "gateway"}


def test_a_latency_fault_makes_steps_ten_times_slower() -> None:
    events, fault = with_fault("latency", "search")
    took: dict[bool, list[float]] = {False: [], True: []}
    for time, text in zip(events.time, events.message, strict=True):
        if text.startswith("query for"):
            took[fault.start + 60 <= time < fault.end].append(float(text.rsplit(" ", 1)[1][:-2]))
    usual, slow = (sorted(values)[len(values) // 2] for values in (took[False], took[True]))
    assert 7 < slow / usual < 13


def test_a_burst_of_errors_needs_no_requests() -> None:
    events, fault = with_fault("error burst", "payment")
    text = template_of(failure_line(fault, "payment"))
    alone = sum(
        not entity and mask(message) == text
        for entity, message in zip(events.entity, events.message, strict=True)
    )
    assert 6600 < alone < 7800  # one a second for two hours


def test_a_deployment_renews_a_fifth_of_a_services_lines_and_doubles_its_rate() -> None:
    year = Year(3, 2, 1.0)
    deployment = Deployment("cart", NOON, 1, True)
    year.versions = Versions([deployment], 0.2, np.random.default_rng(1))
    events = list(year.batches())[1]
    before, after = Counter[str](), Counter[str]()
    for time, source, text in zip(events.time, events.source, events.message, strict=True):
        if source == "cart":
            (before if time < NOON else after)[mask(text)] += 1
    [(_, texts)] = year.versions.renewed
    new = set(after) - set(before)
    assert new <= texts
    assert len(texts) == 1 + round(0.2 * len(lines_of("cart")))
    verbose = sum(count for text, count in after.items() if "step finished" in text)
    assert verbose == pytest.approx(sum(after.values()) / 2, abs=1)


def test_a_year_of_three_days_is_run_and_its_figures_are_shown() -> None:
    figures, score = run(Bundle.default(), 0, 3, 0.3, lambda *_: None)
    assert figures["events"] == sum(map(len, Year(0, 3, 0.3).batches()))
    assert figures["records"] == score.records
    shown = {row["figure"]: row["value"] for row in table(figures)}
    assert shown["faults found"] == "0 of 0"
    assert run(Bundle.default(), 0, 3, 0.3, lambda *_: None)[0]["records"] == figures["records"]
