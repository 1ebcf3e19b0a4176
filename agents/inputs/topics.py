"""Reading a topic from its beginning to its present end, for train, replay and bench:
``kafka://host:port/topic``.

No consumer group and no commits: nothing on the broker changes, and two readers see the same records.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from math import inf
from types import TracebackType
from urllib.parse import unquote, urlsplit

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.kafka import admin as broker
from agents.kafka.transport import FETCH_BYTES, to_batch
from agents.records import RecordBatch
from agents.settings import TOPIC_NAME, Settings

__all__ = ["KafkaSource", "SourceError"]

# A broker that sends nothing for this long, though records are there, is given up on.
SILENCE_SECONDS = 60.0
POLL_MS = 500


class SourceError(Exception):
    """A topic cannot be read; the text says why and what to do."""


class KafkaSource:
    """The records of a topic between its beginning and the end it had when the source was opened.

    >>> with KafkaSource("kafka://127.0.0.1:9092/logs", settings) as source:  # doctest: +SKIP
    ...     for batch in source:
    ...         print(batch.partition, len(batch), source.total)

    Args:
        url: ``kafka://host:port[,host:port]/topic``.
        settings: security and fetch limits; the addresses come from the URL.
        most: records to read of all partitions together, the first of each; None for all.
        back: offsets before the end of each partition from which on it is read; None: from the beginning.

    Raises:
        SourceError: the URL is not of that form, the broker does not answer, or it has no such topic.
    """

    def __init__(
        self, url: str, settings: Settings, most: int | None = None, back: int | None = None
    ) -> None:
        addresses, self.topic = parse_url(url)
        try:
            self._settings = Settings(**{**settings.model_dump(), "broker": addresses})
        except ValueError as error:
            raise SourceError(f"{url}: the part before the topic must be host:port[,host:port]") from error
        self._runner = asyncio.Runner()
        self.partitions = 1  # of the topic
        # Event time that has been reached, by partition, where the reader tells: none runs far ahead then.
        self.reached: dict[int, float] = {}
        self._given: Counter[int] = Counter()  # batches
        self._waiting: dict[TopicPartition, RecordBatch] = {}  # the next batch
        # Records to expect, over all partitions. Compaction and transactions leave fewer.
        self.total = 0
        self._ends: dict[TopicPartition, int] = {}
        self._opened_at: dict[TopicPartition, int] = {}
        self._left: dict[TopicPartition, int] = {}  # records that may still be read
        try:
            self._consumer: AIOKafkaConsumer | None = self._runner.run(self._open(most, back))
        except BaseException:
            self._runner.close()
            raise

    def __enter__(self) -> KafkaSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[RecordBatch]:
        """The records in batches; those of one partition in order, next that of the partition furthest back.

        Raises:
            SourceError: the broker stopped sending before the end.
        """
        silence = 0.0
        while (self._ends or self._waiting) and self._consumer is not None:
            if lacking := [each for each in self._ends if each not in self._waiting]:
                found = self._runner.run(self._fetch(self._consumer, lacking))
                self._waiting |= found
                silence = 0.0 if found else silence + POLL_MS / 1000
                if silence >= SILENCE_SECONDS:
                    raise SourceError(f"topic {self.topic}: the broker sent nothing for {silence:.0f} s")
                continue
            partition = min(self._waiting, key=self._how_far)
            self._given[partition.partition] += 1
            yield self._waiting.pop(partition)

    def _how_far(self, partition: TopicPartition) -> tuple[float, int, int]:
        number = partition.partition
        return self.reached.get(number, -inf), self._given[number], number

    def ended(self) -> set[int]:
        """The partitions of which everything was given."""
        left = {each.partition for each in (*self._ends, *self._waiting)}
        return set(range(self.partitions)) - left

    def follow(self) -> Iterator[RecordBatch]:
        """What is written behind the end that the topic had, as it comes; never ends by itself.

        Raises:
            SourceError: the broker refuses to be read.
        """
        while self._consumer is not None:
            yield from self._runner.run(self._fetch_new(self._consumer))

    @property
    def settings(self) -> Settings:
        """Those of the broker that the topic is on."""
        return self._settings

    def partitions_of(self, topic: str) -> int:
        """How many partitions another topic of the broker has; 0 where it has no such topic.

        Raises:
            SourceError: the broker does not answer.
        """
        try:
            return self._runner.run(broker.partitions(self._settings)).get(topic, 0)
        except broker.BrokerError as error:
            raise SourceError(str(error)) from error

    async def _fetch_new(self, consumer: AIOKafkaConsumer) -> list[RecordBatch]:
        try:
            for partition, end in self._opened_at.items():
                consumer.seek(partition, end)
                consumer.resume(partition)
            self._opened_at = {}
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=self._settings.fetch_records)
        except KafkaError as error:
            raise SourceError(f"topic {self.topic}: {error}") from error
        return [to_batch(partition, records) for partition, records in fetched.items() if records]

    def close(self) -> None:
        """Disconnect; closing twice does nothing."""
        if self._consumer is not None:
            self._runner.run(self._consumer.stop())
            self._consumer = None
            self._runner.close()

    async def _open(self, most: int | None, back: int | None) -> AIOKafkaConsumer:
        try:
            known = await broker.partitions(self._settings)
        except broker.BrokerError as error:
            raise SourceError(str(error)) from error
        if self.topic not in known:
            raise SourceError(
                f"No topic {self.topic!r} at {', '.join(self._settings.broker)}"
                f"{broker.similar(self.topic, known)}. "
                f"It has: {', '.join(sorted(known)[:20]) or 'none'}."
            )
        consumer = broker.creating_nothing(
            AIOKafkaConsumer(
                **self._settings.client_options(),
                enable_auto_commit=False,
                isolation_level="read_committed",
                max_partition_fetch_bytes=self._settings.fetch_bytes,
                fetch_max_bytes=max(FETCH_BYTES, self._settings.fetch_bytes),
                fetch_max_wait_ms=POLL_MS,
            )
        )
        try:
            await consumer.start()
            self.partitions = known[self.topic]
            partitions = [TopicPartition(self.topic, number) for number in range(self.partitions)]
            consumer.assign(partitions)
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
        except KafkaError as error:
            await consumer.stop()
            raise SourceError(f"topic {self.topic}: {error}") from error
        if back is not None:
            begins = {each: max(begins[each], ends[each] - back) for each in partitions}
        for partition in partitions:
            consumer.seek(partition, begins[partition])
        self._opened_at = ends
        self._ends = {each: ends[each] for each in partitions if ends[each] > begins[each]}
        each_most = sys.maxsize if most is None else -(-most // max(1, len(self._ends)))
        self._left = dict.fromkeys(self._ends, each_most)
        self.total = sum(min(ends[each] - begins[each], each_most) for each in self._ends)
        return consumer

    async def _fetch(
        self, consumer: AIOKafkaConsumer, lacking: list[TopicPartition]
    ) -> dict[TopicPartition, RecordBatch]:
        """What the broker sends next of some partitions, without records behind the end; takes note of
        finished partitions.
        """
        try:
            fetched = await consumer.getmany(
                *lacking, timeout_ms=POLL_MS, max_records=self._settings.fetch_records
            )
            batches: dict[TopicPartition, RecordBatch] = {}
            for partition, records in fetched.items():
                end = self._ends[partition]
                if records and records[-1].offset >= end:
                    records = [record for record in records if record.offset < end]
                records = records[: self._left[partition]]
                self._left[partition] -= len(records)
                if records:
                    batches[partition] = to_batch(partition, records)
            # The position, not the last record, tells the end: it also passes markers and compacted records.
            for partition in list(self._ends):
                if not self._left[partition] or await consumer.position(partition) >= self._ends[partition]:
                    del self._ends[partition]
                    consumer.pause(partition)
        except KafkaError as error:
            raise SourceError(f"topic {self.topic}: {error}") from error
        return batches


def parse_url(url: str) -> tuple[str, str]:
    """Addresses and topic of a ``kafka://`` URL.

    Raises:
        SourceError: it is not of the form ``kafka://host:port[,host:port]/topic``.
    """
    parts = urlsplit(url)
    topic = unquote(parts.path.strip("/"))
    if parts.scheme != "kafka" or not parts.netloc or not TOPIC_NAME.fullmatch(topic):
        raise SourceError(f"{url!r} is not kafka://host:port/topic, for example kafka://127.0.0.1:9092/logs")
    return parts.netloc, topic
