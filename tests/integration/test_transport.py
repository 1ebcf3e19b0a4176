"""The batch transport: everything arrives once and in order, and only what is published is committed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from agents.kafka.faust_app import create_app
from agents.records import RecordBatch
from agents.settings import load_settings
from tests.integration.conftest import Broker, wait_until

Step = Callable[[RecordBatch], Awaitable[None]]


class Reader:
    """A Faust app with qualm's transport in a thread of its own, which hands batches to a function."""

    def __init__(self, broker: Broker, topic: str, step: Step, **options: object) -> None:
        self.settings = load_settings(broker=broker.address, topics=topic, group=f"group-{topic}", **options)
        self._topic = topic
        self._step = step
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Event | None = None
        self.failed = False

    async def _run(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        app = create_app(self.settings)

        async def agent(stream):  # type: ignore[no-untyped-def]
            async for batch in stream:
                await self._step(batch)
                batch.published()

        app.agent(app.topic(self._topic, value_serializer="raw"), name="reader")(agent)
        await app.start()
        await self._done.wait()
        await asyncio.wait_for(app.stop(), 20)

    def __enter__(self) -> Reader:
        self._thread.start()
        wait_until(lambda: self._done is not None, 20, "reader starts")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._done is not None
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(30)
        assert not self._thread.is_alive(), "the app did not stop"


class Collected:
    """A step that keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.offsets: list[int] = []

    async def __call__(self, batch: RecordBatch) -> None:
        self.values += batch.values
        self.offsets += batch.offsets


def produce(producer: Producer, topic: str, values: list[bytes], partition: int = 0) -> None:
    for value in values:
        while True:
            try:
                producer.produce(topic, value, partition=partition)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def test_every_record_arrives_in_order_and_is_committed(broker: Broker, unique: str) -> None:
    broker.create(unique)
    values = [b"%d" % number for number in range(20_000)]
    got = Collected()
    with Reader(broker, unique, got) as reader:
        produce(broker.producer(), unique, values)
        wait_until(lambda: len(got.values) >= len(values), 30, "all records")
        wait_until(lambda: broker.committed(reader.settings.group, unique) == len(values), 10, "commit")
    assert got.values == values
    assert got.offsets == list(range(len(values)))


@pytest.mark.kafka
@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_compressed_topics_are_read(kafka: Broker, unique: str, codec: str) -> None:
    kafka.create(unique)
    values = [b"line %d of some length" % number for number in range(3000)]
    got = Collected()
    with Reader(kafka, unique, got):
        produce(kafka.producer(**{"compression.type": codec}), unique, values)
        wait_until(lambda: len(got.values) >= len(values), 30, "all records")
    assert got.values == values


@pytest.mark.kafka
def test_a_record_larger_than_the_fetch_size_comes_through(kafka: Broker, unique: str) -> None:
    kafka.create(unique)
    large = bytes(5 * 1024 * 1024)
    got = Collected()
    with Reader(kafka, unique, got, fetch_bytes=64 * 1024):
        produce(kafka.producer(), unique, [b"before", large, b"after"])
        wait_until(lambda: len(got.values) >= 3, 30, "all records")
    assert got.values == [b"before", large, b"after"]


@pytest.mark.kafka
def test_aborted_transactions_are_not_read_and_do_not_hold_up_commits(kafka: Broker, unique: str) -> None:
    kafka.create(unique)
    producer = kafka.producer(**{"transactional.id": unique})
    producer.init_transactions(30)
    for round_number in range(3):
        for commit in (False, True):
            producer.begin_transaction()
            producer.produce(unique, b"%s %d" % (b"kept" if commit else b"lost", round_number), partition=0)
            producer.flush(10)
            (producer.commit_transaction if commit else producer.abort_transaction)(30)
    got = Collected()
    with Reader(kafka, unique, got) as reader:
        wait_until(lambda: len(got.values) >= 3, 30, "committed records")
        last = got.offsets[-1]
        wait_until(
            lambda: kafka.committed(reader.settings.group, unique) == last + 1, 10, "commit past the gaps"
        )
        produce(kafka.producer(), unique, [b"plain"])
        wait_until(lambda: len(got.values) >= 4, 10, "a record behind the last marker")
        wait_until(
            lambda: kafka.committed(reader.settings.group, unique) == kafka.ends(unique)[0],
            10,
            "commit of the end",
        )
    assert got.values == [b"kept 0", b"kept 1", b"kept 2", b"plain"]


@pytest.mark.kafka
def test_gaps_of_a_compacted_topic_do_not_hold_up_commits(kafka: Broker, unique: str) -> None:
    config = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    kafka.create(unique, config=config | {"max.compaction.lag.ms": "100"})
    producer = kafka.producer()
    for number in range(50):
        producer.produce(unique, b"%d" % number, key=b"same", partition=0)
    producer.flush(10)

    def compacted() -> bool:
        # A further record closes the segment before it, once that is old enough for the cleaner to take it.
        producer.produce(unique, b"newer", key=b"other", partition=0)
        producer.flush(10)
        offsets = offsets_left(kafka, unique)
        return offsets[-1] - offsets[0] >= len(offsets)

    wait_until(compacted, 60, "the cleaner has run")
    got = Collected()
    with Reader(kafka, unique, got) as reader:
        producer.produce(unique, b"end", key=b"end", partition=0)
        producer.flush(10)
        wait_until(lambda: b"end" in got.values, 20, "the last record")
        wait_until(
            lambda: kafka.committed(reader.settings.group, unique) == kafka.ends(unique)[0],
            10,
            "commit of the end",
        )
    assert got.offsets[-1] - got.offsets[0] >= len(got.offsets), "there was no gap to read over"


def offsets_left(broker: Broker, topic: str) -> list[int]:
    """Offsets of the records that partition 0 still holds."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": f"left-{topic}"})
    end = broker.ends(topic)[0]
    consumer.assign([TopicPartition(topic, 0, 0)])
    offsets: list[int] = []
    while not offsets or offsets[-1] < end - 1:
        offsets += [message.offset() for message in consumer.consume(500, timeout=5)]
    consumer.close()
    return offsets


@pytest.mark.kafka
def test_what_was_not_published_is_read_again(kafka: Broker, unique: str) -> None:
    # Not on the mock cluster: there a second consumer of a group waits for the session of the first to
    # expire.
    broker = kafka
    broker.create(unique)
    batches: list[list[int]] = []

    async def fails_after_the_first_batch(batch: RecordBatch) -> None:
        batches.append(batch.offsets)
        if len(batches) > 1:
            raise RuntimeError("on purpose")

    with Reader(broker, unique, fails_after_the_first_batch, fetch_records=10) as reader:
        produce(broker.producer(), unique, [b"%d" % number for number in range(30)])
        wait_until(lambda: sum(map(len, batches)) >= 30, 20, "the batches behind the failed one")
    # Faust acknowledged the failed batch and those behind it, but only the first was published.
    first_unpublished = batches[1][0]
    assert broker.committed(reader.settings.group, unique) == first_unpublished
    got = Collected()
    with Reader(broker, unique, got):
        wait_until(lambda: got.offsets[-1:] == [29], 20, "the rest")
    assert got.offsets == list(range(first_unpublished, 30))
