"""Synthetic faults: a pure function of events and seed, and each does what its name says."""

import pytest

from models.training.faults import _KINDS, Faulty, _assemble, _Injector, inject
from schemas.events import EventBatch

START = 1.7e9


def normal(n: int = 3000) -> EventBatch:
    """Interleaved requests of 6 steps, 2 services."""
    rows = []
    for i in range(n):
        step = i % 6
        message = ("begin 1", "query took 30ms", "cache hit", "write 512 bytes", "flush 7", "end of request")[
            step
        ]
        numbers = {"ms": 5.0} if step == 1 else None
        rows.append((START + i, 9, ("api", "db")[step % 2], f"r{i // 6}", message, numbers, i, 0, ""))
    return EventBatch.of(rows)


def columns(events: EventBatch) -> list[list[object]]:
    return [getattr(events, name) for name in EventBatch.__slots__]


def test_same_seed_same_faults() -> None:
    one, other, third = inject(normal(), 1), inject(normal(), 1), inject(normal(), 2)
    assert columns(one.events) == columns(other.events)
    assert (one.bag, one.kinds, one.entities, one.silences) == (
        other.bag, other.kinds, other.entities, other.silences,
    )  # fmt: skip
    assert columns(one.events) != columns(third.events)


def test_events_stay_in_time_order_and_faults_are_rare() -> None:
    faulty = inject(normal(9000), 3)
    assert faulty.events.time == sorted(faulty.events.time)
    assert 10 <= len(faulty.kinds) <= 30
    assert len(faulty.bag) == len(faulty.events)
    assert max(faulty.bag) < len(faulty.kinds)
    assert all(len(column) == len(faulty.events) for column in columns(faulty.events))


def test_no_events_no_faults() -> None:
    assert len(inject(EventBatch(), 0).events) == 0


def one_fault(kind: str) -> tuple[EventBatch, Faulty, int]:
    """The events, and with one fault of a kind in them, at the row."""
    events = normal()
    row = 1501  # the query of a request
    for seed in range(50):  # not every draw fits: a silence or delay must not last too long
        to = _Injector(events, seed)
        if _KINDS[kind][1](to, row, 0):
            break
    to.faulty.kinds.append(kind)
    _assemble(to)
    return events, to.faulty, row


@pytest.mark.parametrize("kind", _KINDS)
def test_each_kind_leaves_the_rest_alone(kind: str) -> None:
    events, faulty, row = one_fault(kind)
    far = [i for i in range(len(events)) if abs(i - row) > 400]
    kept = set(zip(faulty.events.offset, faulty.events.message, faulty.events.time, strict=True))
    assert all((events.offset[i], events.message[i], events.time[i]) in kept for i in far)
    assert faulty.events.time == sorted(faulty.events.time)
    shown = [i for i, bag in enumerate(faulty.bag) if bag == 0]
    assert shown or faulty.entities or faulty.silences


def test_what_goes_missing() -> None:
    events, faulty, row = one_fault("dropped")
    assert set(range(len(events))) - set(faulty.events.offset) == {row}
    assert faulty.entities == {events.entity[row]: (0, events.time[row])}
    events, faulty, row = one_fault("truncated")
    assert set(range(len(events))) - set(faulty.events.offset) == set(range(row, row + 5))
    events, faulty, row = one_fault("silence")
    ((source, start, end, bag),) = faulty.silences
    gone = set(range(len(events))) - set(faulty.events.offset)
    assert source == events.source[row]
    assert bag == 0
    assert gone == {i for i in range(3000) if events.source[i] == source and start <= events.time[i] <= end}


def test_what_comes_too_often_or_at_another_time() -> None:
    events, faulty, row = one_fault("repeated")
    assert 2 <= faulty.events.offset.count(row) <= 5
    events, faulty, row = one_fault("burst")
    assert faulty.events.offset.count(row) > 30
    events, faulty, row = one_fault("reordered")
    assert sorted(faulty.events.offset) == list(range(3000))
    assert faulty.events.offset != list(range(3000))
    events, faulty, row = one_fault("delayed")
    at = faulty.events.offset.index(row)
    assert faulty.events.time[at] >= events.time[row] + 10.0


def test_what_reads_differently() -> None:
    for kind in ("renamed", "parameter", "severity", "novel"):
        events, faulty, row = one_fault(kind)
        (at,) = [i for i, bag in enumerate(faulty.bag) if bag == 0]
        changed = faulty.events
        if kind == "renamed":
            assert changed.message[at] != events.message[row]
        elif kind == "parameter":
            numbers = changed.numbers[at]
            assert changed.message[at] != events.message[row] or (numbers and numbers["ms"] >= 100.0)
        elif kind == "severity":
            assert changed.severity[at] == 17
        else:
            assert changed.message[at] not in events.message
            assert len(changed) == len(events) + 1
