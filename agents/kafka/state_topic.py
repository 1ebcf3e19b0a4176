"""Snapshots in a compacted topic: all records of a state are in one partition, told by the state's name.

Nothing here belongs to a consumer group: whoever takes a state up reads its partition from the first record
to the last one there is.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Collection, Iterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from agents.kafka import admin as broker
from agents.settings import Settings
from agents.state.store import Items, StoreError

__all__ = ["TopicShelf"]

log = logging.getLogger("qualm.state")

MAX_RECORD: Final = 1_000_000  # bytes of a value; larger ones are not ours
MAX_RECORDS: Final = 200_000  # under one name
AT_ONCE: Final = 1024 * 1024  # bytes that wait for their acknowledgement
POLL_MS: Final = 500
SILENCE_SECONDS: Final = 10.0  # without a record, though there are more
REQUEST_SECONDS: Final = 20.0


class TopicShelf:
    """Keeps bytes in the records of a topic, whose keys are name and key with a bar between."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.state_topic
        self._partitions = 0  # of the topic, once it is known
        self._producer: AIOKafkaProducer | None = None

    async def put(self, name: str, items: Items) -> None:
        """Write records and wait until the broker has acknowledged them. Raises StoreError."""
        if not items:
            return
        try:
            partition = await self._partition(name)
            producer = await self._started()
            for part in _parts(items):
                futures = [
                    await producer.send(self._topic, value, f"{name}|{key}".encode(), partition=partition)
                    for key, value in part
                ]
                await asyncio.gather(*futures)
        except (KafkaError, OSError, TimeoutError) as error:
            raise StoreError(f"topic {self._topic} cannot be written: {_why(error)}") from error

    async def get(self, names: Collection[str]) -> dict[str, dict[str, bytes]]:
        """What the records of some names hold now. Raises StoreError."""
        wanted = frozenset(names)
        if not wanted or not await self._count():
            return {}
        numbers = {await self._partition(name) for name in wanted}
        consumer = broker.creating_nothing(
            AIOKafkaConsumer(
                **self._settings.client_options(),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_partition_fetch_bytes=4 * 1024 * 1024,
                fetch_max_bytes=32 * 1024 * 1024,
                fetch_max_wait_ms=POLL_MS,
                request_timeout_ms=int(REQUEST_SECONDS * 1000),
            )
        )
        try:
            await asyncio.wait_for(consumer.start(), REQUEST_SECONDS)
            return await self._read(consumer, [TopicPartition(self._topic, each) for each in numbers], wanted)
        except (KafkaError, OSError, TimeoutError) as error:
            raise StoreError(f"topic {self._topic} cannot be read: {_why(error)}") from error
        finally:
            await consumer.stop()

    async def close(self) -> None:
        """Let go of the producer's connections."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def _read(
        self, consumer: AIOKafkaConsumer, left: list[TopicPartition], names: frozenset[str]
    ) -> dict[str, dict[str, bytes]]:
        """All records of the names in some partitions, up to the ends that they have now."""
        consumer.assign(left)
        ends = await consumer.end_offsets(left)
        for partition, first in (await consumer.beginning_offsets(left)).items():
            consumer.seek(partition, first)
        found: dict[str, dict[str, bytes]] = {}
        waited = 0.0
        while left := [each for each in left if await consumer.position(each) < ends[each]]:
            fetched = await consumer.getmany(*left, timeout_ms=POLL_MS)
            waited = 0.0 if fetched else waited + POLL_MS / 1000
            if waited > SILENCE_SECONDS:
                raise TimeoutError(f"no record within {SILENCE_SECONDS:.0f} s")
            for records in fetched.values():
                for record in records:
                    _take(record, names, found)
        return found

    async def _partition(self, name: str) -> int:
        """The partition that holds the records of a name. Raises StoreError where there is no such topic."""
        count = await self._count()
        if not count:
            raise StoreError(
                f"topic {self._topic} does not exist: create it with cleanup.policy=compact, or set `state`"
            )
        return zlib.crc32(name.encode()) % count

    async def _count(self) -> int:
        """How many partitions the topic has, 0 where it does not exist. Raises StoreError."""
        if not self._partitions:
            try:
                self._partitions = (await broker.partitions(self._settings)).get(self._topic, 0)
            except broker.BrokerError as error:
                raise StoreError(str(error)) from error
        return self._partitions

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._settings.client_options(),
                acks="all",
                linger_ms=5,
                max_batch_size=256 * 1024,
                max_request_size=2 * MAX_RECORD,
                request_timeout_ms=int(REQUEST_SECONDS * 1000),
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer


def _parts(items: Items) -> Iterator[Items]:
    """The items in order, in parts of so many bytes that other records are not held up."""
    part: list[tuple[str, bytes | None]] = []
    size = 0
    for key, value in items:
        part.append((key, value))
        size += len(key) + len(value or b"")
        if size >= AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _take(record: Any, names: frozenset[str], found: dict[str, dict[str, bytes]]) -> None:
    """Note what a record of the topic says, if it is of one of the names."""
    name, bar, key = (record.key or b"").decode(errors="replace").rpartition("|")
    if not bar or name not in names:
        return
    kept = found.setdefault(name, {})
    if record.value is None:
        kept.pop(key, None)
    elif len(record.value) <= MAX_RECORD and (key in kept or len(kept) < MAX_RECORDS):
        kept[key] = record.value


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__
