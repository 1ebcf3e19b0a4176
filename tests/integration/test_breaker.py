"""A topic of which most cannot be read, on a real Kafka: worker and doctor say so, and the rest is judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents.doctor_topics import broker_and_topics
from agents.settings import load_settings
from models.bundle import Bundle
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until
from tests.integration.test_worker import send, settings_for, simulated
from tests.troubleshooting import says

pytestmark = pytest.mark.kafka
Start = Callable[..., WorkerUnderTest]


def records_check(settings: dict[str, str]) -> tuple[str, str]:
    """What doctor says of the records of the input topic."""
    checks = broker_and_topics(load_settings(**settings), Bundle.default(), lambda text: None)
    return next(
        (each.status, each.text) for each in checks if each.name == f"records of {settings['topics']}"
    )


def test_most_of_a_topic_is_no_log(kafka: Broker, unique: str, start_worker: Start) -> None:
    settings = settings_for(kafka, unique)
    topic = kafka.create(settings["topics"])
    good = simulated(40)[:700]
    values: list[bytes | None] = []
    for line in good:
        values += [line, b"{]", b"{]"]
    worker = start_worker(**settings)
    send(kafka, topic, values)
    wait_until(lambda: worker.metric("qualm_breaker_open", topic=topic) == 1, 60, "the breaker is open")
    wait_until(lambda: worker.metric("qualm_events_total") == len(good), 60, "the good ones are judged")
    says(worker.log(), "Most of topic … cannot be used: … of the latest … records, such as: …. They go to …")
    assert worker.log().count("cannot be used") == 1
    sources = {"topic": topic, "of": "sources"}
    wait_until(lambda: worker.metric("qualm_learning", **sources) > 3, 10, "sources are counted")
    status, text = records_check(settings)
    assert status == "fail"
    assert "become dead letters" in text
    send(kafka, topic, [*simulated(300)])
    wait_until(lambda: worker.metric("qualm_breaker_open", topic=topic) == 0, 60, "the breaker is closed")
    assert records_check(settings)[0] == "ok"
    assert worker.stop() == 0
