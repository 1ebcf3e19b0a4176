"""A worker that is killed, stopped, or joined by others finds the same as one that nothing happens to."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.demo.simulation import simulate
from schemas.alert import Alert
from schemas.suspicious import Suspicious, decode_suspicious
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
            "state": "topic", "state_topic": f"{name}.state", "false_alarms": "0.3/unit",
            # Small batches and many snapshots, so that every end comes between two of both.
            "fetch_records": 100, "snapshot_seconds": 0.3, "resolve_after_seconds": 20, "device": "compiled",
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

    def suspicious(self) -> dict[str, set[bytes]]:
        """What evaluate found, by the id of the event."""
        found: dict[str, set[bytes]] = {}
        for record in self.kafka.read(f"{self.name}.suspicious"):
            message = decode_suspicious(record.value())
            if isinstance(message, Suspicious):
                found.setdefault(message.alert.id, set()).add(record.value())
        return found


def fill(kafka: Broker, topic: str, partitions: int, seconds: float = 1500.0) -> int:
    """Write simulated events with their event times; returns how many."""
    kafka.create(topic, partitions, {"retention.ms": "-1"})
    values = [event.encode() for event in simulate(SEED, seconds, 40.0, incidents="demo")]
    producer = kafka.producer(**{"queue.buffering.max.messages": 2_000_000})
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


@pytest.mark.kafka
def test_workers_that_join_and_leave_find_in_each_partition_what_one_does(
    kafka: Broker, unique: str, tmp_path: Path, start_worker: Start
) -> None:
    topic = f"{unique}.logs"
    fill(kafka, topic, 4, 2500.0)
    run = Run(kafka, f"{unique}.hit", topic)
    first = start_worker(**run.settings)
    wait_until(lambda: first.metric("qualm_events_total") > 3000, 60, "mid-run")
    # Incidents of several partitions depend on the order in which they are read; what is suspicious does not.
    second = start_worker(**run.settings)
    wait_until(lambda: second.metric("qualm_events_total", topic=topic) > 1000, 60, "the second is at work")
    taken_over = second.metric("qualm_restores_total", topic=topic)
    first_ended = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - first_ended < 8
    wait_until(lambda: second.metric("qualm_restores_total", topic=topic) == 4, 60, "the first has left")
    wait_until(run.is_done, 120, "the end")
    assert second.stop() == 0
    assert taken_over == 2
    calm = undisturbed(kafka, unique, topic, start_worker).suspicious()
    assert len(calm) > 20
    assert run.suspicious() == calm


@pytest.mark.kafka
def test_records_that_were_removed_meanwhile_are_told_and_the_state_goes_on(
    kafka: Broker, unique: str, tmp_path: Path, start_worker: Start
) -> None:
    topic = f"{unique}.logs"
    events = fill(kafka, topic, 1, 60.0)
    run = Run(kafka, unique, topic)
    folder = tmp_path / "state"
    settings = run.settings | {"role": "triage", "state": folder}
    worker = start_worker(**settings)
    wait_until(lambda: kafka.committed(unique, topic) == events, 60, "all that is there is read")
    assert worker.stop() == 0
    producer = kafka.producer()
    for _ in range(30):
        producer.produce(topic, b"{]", partition=0)
    assert producer.flush(60) == 0
    kafka.remove(topic, events + 20)
    worker.start()
    wait_until(lambda: kafka.committed(unique, topic) == events + 30, 60, "what is left is read")
    assert worker.metric("qualm_lost_records_total", topic=topic) == 20
    assert worker.metric("qualm_restores_total", topic=topic) == 1
    assert worker.stop() == 0
    said = next(line for line in worker.log().splitlines() if "Lost" in line)
    assert f"offsets {events} to {events + 19} of {topic}[0]" in said
    assert len(kafka.read(f"{topic}.dlq")) == 10
