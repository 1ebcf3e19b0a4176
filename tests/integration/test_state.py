"""A worker that is killed, stopped, or joined by others finds the same as one that nothing happens to."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable

import pytest

from agents.demo.simulation import simulate
from schemas.alert import Alert
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until

Start = Callable[..., WorkerUnderTest]
SEED = 7


class Run:
    """What one deployment makes of an input topic: its own group and topics, on the same records."""

    def __init__(self, kafka: Broker, name: str, topic: str) -> None:
        self.kafka, self.name, self.topic = kafka, name, topic
        self.settings: dict[str, object] = {
            "broker": kafka.address, "topics": topic, "group": name, "salient_topic": f"{name}.salient",
            "suspicious_topic": f"{name}.suspicious", "alerts_topic": f"{name}.alerts",
            "state_topic": f"{name}.state", "false_alarms": "0.3/unit", "device": "compiled",
            # Small batches and many snapshots, so that every end comes between two of both.
            "fetch_records": 100, "snapshot_seconds": 0.3, "resolve_after_seconds": 20,
        }  # fmt: skip

    def is_done(self) -> bool:
        """Whether every record is processed, and what came of it, too."""
        topics = (self.topic, f"{self.name}.salient", f"{self.name}.suspicious")
        return all(
            self.kafka.committed(self.name, topic, number) == end
            for topic in topics
            for number, end in self.kafka.ends(topic).items()
            if end
        )

    def alerts(self) -> dict[str, set[bytes]]:
        """What was told, by the id of the alert: of each one thing, however often."""
        told: dict[str, set[bytes]] = {}
        for record in self.kafka.read(f"{self.name}.alerts"):
            told.setdefault(Alert.decode(record.value()).id, set()).add(record.value())
        return told


def fill(kafka: Broker, topic: str, partitions: int, seconds: float = 1500.0) -> int:
    """Write simulated events with their event times; returns how many."""
    kafka.create(topic, partitions, {"retention.ms": "-1"})
    values = [event.encode() for event in simulate(SEED, seconds, 40.0, incidents="demo")]
    producer = kafka.producer()
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % partitions)
        producer.poll(0)
    assert producer.flush(60) == 0
    return len(values)


def undisturbed(kafka: Broker, unique: str, topic: str, start: Start) -> Run:
    run = Run(kafka, f"{unique}.calm", topic)
    worker = start(**run.settings | {"state": "none"})
    wait_until(run.is_done, 120, "the undisturbed run")
    assert worker.stop() == 0
    return run


@pytest.mark.kafka
def test_a_worker_that_is_killed_and_stopped_tells_what_an_undisturbed_one_does(
    kafka: Broker, unique: str, start_worker: Start
) -> None:
    topic = f"{unique}.logs"
    events = fill(kafka, topic, 1)
    run = Run(kafka, f"{unique}.hit", topic)
    worker = start_worker(**run.settings)
    chance = random.Random(SEED)
    restarts = []
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        some = chance.uniform(0.08, 0.2) * events
        wait_until(lambda some=some: worker.metric("qualm_events_total") > some, 60, "mid-run")  # type: ignore[misc]
        code = worker.stop(number, 8)
        assert code == (0 if number == signal.SIGTERM else -number)
        restarts.append(kafka.committed(run.name, topic))
        worker.start()
    wait_until(run.is_done, 120, "the end")
    restored = worker.metric("qualm_restores_total", topic=topic)
    assert worker.stop() == 0
    assert restored == 1
    assert 0 < restarts[0] < restarts[-1] < events, "every end came in the middle"
    calm = undisturbed(kafka, unique, topic, start_worker).alerts()
    assert len(calm) > 20
    assert run.alerts() == calm
