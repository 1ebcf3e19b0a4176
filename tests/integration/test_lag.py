"""The lag that a worker tells: what is not published yet, at any moment, and nothing where all of it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.integration.conftest import Broker, WorkerUnderTest, wait_until
from tests.integration.test_worker import send, settings_for, simulated

pytestmark = pytest.mark.kafka
Start = Callable[..., WorkerUnderTest]
LINE = b'{"message":"one","service":"api","level":"info"}'


def in_transaction(broker: Broker, topic: str, records: int, commit: bool) -> None:
    producer = broker.producer(**{"transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    for _ in range(records):
        producer.produce(topic, LINE, partition=0)
    producer.flush(10)
    (producer.commit_transaction if commit else producer.abort_transaction)(30)


def lag(worker: WorkerUnderTest, topic: str) -> float:
    return worker.metric("qualm_lag_records", topic=topic)


@pytest.mark.parametrize("last_is_committed", [True, False])
def test_markers_and_aborted_records_at_the_end_are_no_lag(
    kafka: Broker, unique: str, start_worker: Start, last_is_committed: bool
) -> None:
    settings = settings_for(kafka, unique)
    topic = kafka.create(settings["topics"])
    in_transaction(kafka, topic, 10, commit=not last_is_committed)
    in_transaction(kafka, topic, 20, commit=last_is_committed)
    worker = start_worker(**settings, role="triage")
    published = 20 if last_is_committed else 10
    wait_until(lambda: worker.metric("qualm_events_total") == published, 60, "what was committed is seen")
    assert kafka.ends(topic)[0] > kafka.committed(unique, topic), "the end is a marker"
    wait_until(lambda: told(worker, topic) and lag(worker, topic) == 0, 20, "the lag is 0")
    assert worker.stop() == 0


def told(worker: WorkerUnderTest, topic: str) -> bool:
    """Whether there is a lag of the topic at all: of none it would read 0, too."""
    return worker.samples("qualm_lag_records", topic=topic) > 0


def test_an_open_transaction_is_no_lag_and_holds_back_what_is_behind_it(
    kafka: Broker, unique: str, start_worker: Start
) -> None:
    settings = settings_for(kafka, unique)
    topic = kafka.create(settings["topics"])
    send(kafka, topic, [LINE] * 5)
    producer = kafka.producer(**{"transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, LINE, partition=0)
    producer.flush(10)
    worker = start_worker(**settings, role="triage")
    wait_until(lambda: worker.metric("qualm_events_total") == 5, 60, "what is before it is seen")
    wait_until(lambda: told(worker, topic) and lag(worker, topic) == 0, 20, "the lag is 0")
    producer.commit_transaction(30)
    wait_until(lambda: worker.metric("qualm_events_total") == 6, 20, "it is read")
    assert worker.stop() == 0


def test_it_counts_what_was_not_fetched_yet_and_what_cannot_be_published(
    kafka: Broker, unique: str, start_worker: Start
) -> None:
    """Nothing can be published: the first is a dead letter, and its topic takes no record as old as it is."""
    settings = settings_for(kafka, unique)
    topic = kafka.create(settings["topics"])
    dead = kafka.create(topic + ".dlq", config={"message.timestamp.before.max.ms": "0"})
    values = simulated(200)
    send(kafka, topic, [b"{]", *values])
    end = kafka.ends(topic)[0]
    worker = start_worker(**settings, role="triage", fetch_records=100, fetch_bytes=4096)
    wait_until(lambda: lag(worker, topic) == end, 60, "all of it is lag")
    assert end > 5000
    send(kafka, topic, list(values[:50]))
    wait_until(lambda: lag(worker, topic) == end + 50, 20, "what was written since counts, too")
    kafka.configure(dead, {"message.timestamp.before.max.ms": str(2**63 - 1)})
    wait_until(lambda: worker.metric("qualm_events_total") == len(values) + 50, 90, "it goes on")
    wait_until(lambda: lag(worker, topic) == 0, 20, "the lag is 0")
    assert worker.stop() == 0


def test_a_compacted_end_is_no_lag(kafka: Broker, unique: str, start_worker: Start) -> None:
    settings = settings_for(kafka, unique)
    compact = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    topic = kafka.create(settings["topics"], config=compact | {"max.compaction.lag.ms": "100"})
    producer = kafka.producer()
    for key in (b"a", b"b"):
        producer.produce(topic, LINE, key=key, partition=0)
        producer.flush(10)

    def has_gap() -> bool:
        producer.produce(topic, LINE, key=b"a", partition=0)
        producer.flush(10)
        return records(kafka, topic) < kafka.ends(topic)[0]

    wait_until(has_gap, 60, "the cleaner has run")
    worker = start_worker(**settings, role="triage")
    wait_until(lambda: worker.metric("qualm_events_total") > 1, 60, "events are seen")
    wait_until(lambda: told(worker, topic) and lag(worker, topic) == 0, 20, "the lag is 0")
    assert worker.stop() == 0


def records(broker: Broker, topic: str) -> int:
    """How many records there are, without those that were compacted away."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": f"count-{topic}"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = len(consumer.consume(10_000, timeout=2))
    consumer.close()
    return found
