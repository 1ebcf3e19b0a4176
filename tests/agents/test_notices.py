"""A wrong clock is told once, in an alert that calls nobody, and changes no other alert."""

import random

import orjson
import pytest

from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.records import RecordBatch
from agents.triage import PartitionTriage
from models.bundle import Bundle
from models.options import EvaluateOptions
from schemas.alert import Alert
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

START = 1_700_000_000.0
SERVICES = [f"service{i}" for i in range(6)]
Said = list[tuple[float, str, str]]  # time, level, service


def quiet_and_then_errors() -> Said:
    """30 minutes of six services, and errors of one in the last five seconds."""
    draw = random.Random(3)
    said = [(START + i / 5, "INFO", draw.choice(SERVICES)) for i in range(9_000)]
    return said + [(START + 1_800.0 + i / 5, "FATAL", "service1") for i in range(25)]


def alerts_of(said: Said, batch: int = 500, restart: bool = False) -> list[Alert]:
    bundle = Bundle.default()
    evaluation, grouping = SalientEvaluation(bundle, EvaluateOptions()), Grouping()
    found: list[Alert] = []
    triage = PartitionTriage(bundle, TopicDecoder(ReadOptions()), "logs", 0)
    for first in range(0, len(said), batch):
        if restart and first:
            old, triage = triage, PartitionTriage(bundle, TopicDecoder(ReadOptions()), "logs", 0)
            triage.resume(old.snapshot())
            kept = grouping.states.snapshot()["", 0]
            grouping = Grouping()
            grouping.states.resume("", 0, kept)
        part = said[first : first + batch]
        values = [
            orjson.dumps({"time": time, "level": level, "service": who, "message": "request done"})
            for time, level, who in part
        ]
        offsets, n = list(range(first, first + len(part))), len(part)
        records = RecordBatch("logs", 0, offsets, list(values), [float("nan")] * n, [None] * n, [[]] * n)
        found += grouping.process(evaluation.process(triage.process(records).messages))
    return found


@pytest.fixture(scope="module")
def undisturbed() -> list[Alert]:
    found = alerts_of(quiet_and_then_errors())
    assert [alert.page for alert in found if alert.severity == "FATAL"][:1] == [True]
    return found


def clocks(alerts: list[Alert]) -> list[tuple[str, str, str, bool]]:
    return [(a.source, a.status, a.update, a.page) for a in alerts if a.kind == "clock"]


def others(alerts: list[Alert]) -> list[tuple[str, str, int]]:
    return [(a.id, a.update, a.count) for a in alerts if a.kind != "clock"]


def test_one_event_hours_ahead(undisturbed: list[Alert]) -> None:
    said = quiet_and_then_errors()
    time, level, who = said[5_000]
    said[5_000] = time + 23 * 3600.0, level, who
    found = alerts_of(said)
    assert clocks(found) == [(who, "resolved", "resolved", False)]
    assert others(found) == others(undisturbed)


def test_a_service_two_minutes_ahead_and_right_again(undisturbed: list[Alert]) -> None:
    said = [
        (time + 120.0 if who == "service4" and 5_000 <= i < 7_000 else time, level, who)
        for i, (time, level, who) in enumerate(quiet_and_then_errors())
    ]
    found = alerts_of(said)
    assert clocks(found) == [
        ("service4", "firing", "opened", False),
        ("service4", "resolved", "resolved", False),
    ]
    told = [alert for alert in found if alert.kind == "clock"]
    assert told[0].incident == told[1].incident == told[0].id
    assert "120 s ahead" in told[0].example
    assert others(found) == others(undisturbed)


def test_batches_and_restarts_change_nothing() -> None:
    said = [
        (time + 120.0 if who == "service4" and i >= 5_000 else time, level, who)
        for i, (time, level, who) in enumerate(quiet_and_then_errors())
    ]
    whole = alerts_of(said)
    assert [alert.encode() for alert in alerts_of(said, batch=700, restart=True)] == [
        alert.encode() for alert in whole
    ]
