"""The figures that training ends with, against values counted by hand."""

import numpy as np

from models.context.templates import TemplateMiner
from models.training.learnt import learnt, pace
from schemas.events import EventBatch


def batch(rows: list[tuple[float, int, str, str, str]]) -> EventBatch:
    time, severity, source, entity, message = map(list, zip(*rows, strict=True))
    n = len(rows)
    return EventBatch(time, severity, source, entity, message, [None] * n, [*range(n)], [0] * n, [""] * n)  # type: ignore[arg-type]  # columns of the rows


def test_figures_are_those_of_the_events() -> None:
    events = batch(
        [
            (0.0, 9, "api", "r1", "got 1"),
            (1.0, 9, "api", "r2", "got 2"),
            (2.0, 17, "db", "r1", "refused"),
            (5.0, 9, "api", "r1", "got 3"),
            (7.0, 9, "api", "", "idle"),
            (9.0, 21, "api", "r2", "got 5"),
            (9.5, 0, "api", "r3", "got 6"),
            (9.5, 0, "api", "", "refused"),
        ]
    )
    found = learnt(events, np.array([True, True, True, False]), TemplateMiner())
    assert found == {
        "sources": 2, "busiest": ["api", 7 / 8],
        "entities": 3, "with_entity": 6 / 8,
        "entity_events": 2, "entity_seconds": 5.0,  # r1 3 events in 5 s, r2 2 in 8 s, r3 1 in 0 s
        "templates": 3, "common": [["got <*>", 5 / 8], ["refused", 2 / 8], ["idle", 1 / 8]],
        "errors": 2 / 8, "units": {"entity": 3, "source": 1},
    }  # fmt: skip


def test_events_without_an_entity() -> None:
    found = learnt(
        batch([(0.0, 9, "s", "", "a"), (60.0, 9, "s", "", "a")]), np.array([False] * 2), TemplateMiner()
    )
    assert (found["entities"], found["with_entity"], found["entity_events"]) == (0, 0.0, 0)
    assert found["units"] == {"entity": 0, "source": 2}


def test_the_pace_is_the_units_of_training_a_second_and_an_event() -> None:
    training = {"from": 1000.0, "to": 1500.0, "events": 4000, "units": {"entity": 900, "source": 100}}
    assert pace(training).tolist() == [[2.0, 0.25]]
