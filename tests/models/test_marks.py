"""How far a partition is, told often where others wait for it and seldom where none does."""

from __future__ import annotations

from math import floor

import pytest

from agents.demo.simulation import simulate
from models.bundle import Bundle
from models.detector import Triage
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from schemas.lane import Places
from schemas.salient import SalientEvent
from schemas.watermark import Watermark


@pytest.fixture(scope="module")
def events() -> EventBatch:
    """A quiet quarter of an hour."""
    values = [each.encode() for each in simulate(3, 900.0, 4.0, incidents=())]
    n = len(values)
    return TopicDecoder(ReadOptions()).decode(values, range(n), [None] * n).events


def cut(events: EventBatch, size: int) -> list[EventBatch]:
    return [
        EventBatch(*(getattr(events, name)[at : at + size] for name in EventBatch.__slots__))
        for at in range(0, len(events), size)
    ]


def test_one_of_several_tells_each_second_that_a_batch_has_brought(events: EventBatch) -> None:
    triage = Triage(Bundle.default(), "t", 1, 4)
    told = -1
    for batch in cut(events, 10):
        messages = triage.process(batch).messages
        marks = [each for each in messages if isinstance(each, Watermark)]
        second = floor(triage.context.watermark)
        assert len(marks) == (second > told)
        told = max(told, second)
        for mark in marks:
            assert mark == messages[-1]
            assert (mark.lane, mark.lanes, mark.partition) == (1, 4, 1)
            assert (mark.watermark, mark.position) == (triage.context.watermark, batch.offset[-1])
    assert told == floor(max(events.time))


def test_the_only_one_tells_nothing_while_no_incident_can_be_open(events: EventBatch) -> None:
    triage = Triage(Bundle.default(), "t", 0)
    messages = [each for batch in cut(events, 10) for each in triage.process(batch).messages]
    first = next((n for n, each in enumerate(messages) if isinstance(each, SalientEvent)), len(messages))
    assert first == 0
    marks = [each for each in messages if isinstance(each, Watermark)]
    assert len({floor(each.watermark / 60.0) for each in marks}) == len(marks) <= 16


def test_where_it_stands_can_be_told_apart_from_where_its_events_come_from(events: EventBatch) -> None:
    positions = [5000 + n for n in range(len(events))]
    places = Places(positions, [3] * len(events))
    messages = Triage(Bundle.default(), "t", 0, 2).process(events, places).messages
    salient = [each for each in messages if isinstance(each, SalientEvent)]
    assert salient
    assert all((each.lane, each.partition) == (0, 3) for each in salient)
    assert all(each.position == 5000 + each.offset for each in salient)
    assert messages[-1].position == positions[-1]


def test_an_idle_partition_says_how_far_it_is_and_nothing_before_the_first_event(events: EventBatch) -> None:
    triage = Triage(Bundle.default(), "t", 3, 4)
    nothing = triage.idle(-1)
    assert (nothing.idle, nothing.watermark, nothing.position, nothing.lane) == (True, 0.0, -1, 3)
    triage.process(events)
    assert triage.idle(17).watermark == max(events.time)
