"""The latest records of a topic, read without a group and without a trace: what `qualm doctor` looks at."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.kafka.admin import REQUEST_SECONDS, BrokerError, creating_nothing
from agents.kafka.transport import to_batch
from agents.records import RecordBatch
from agents.settings import Settings

POLL_MS = 500


async def latest(settings: Settings, topic: str, partitions: int, each: int) -> list[RecordBatch]:
    """The last records of each partition, at most ``each`` of one, a batch for each partition.

    Partitions whose last records were compacted away, or are of an open transaction, give fewer or none.

    Raises:
        BrokerError: the broker does not answer in time, or refuses this user to read the topic.
    """
    consumer = creating_nothing(
        AIOKafkaConsumer(
            **settings.client_options(),
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=settings.fetch_bytes,
            fetch_max_wait_ms=POLL_MS,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
        )
    )
    wanted = [TopicPartition(topic, number) for number in range(partitions)]
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            await consumer.start()
            return await _tails(consumer, wanted, each)
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerError(f"cannot be read: {str(error) or type(error).__name__}") from error
    finally:
        await consumer.stop()


async def _tails(consumer: AIOKafkaConsumer, wanted: list[TopicPartition], each: int) -> list[RecordBatch]:
    consumer.assign(wanted)
    begins = await consumer.beginning_offsets(wanted)
    ends = await consumer.end_offsets(wanted)
    left = {partition for partition in wanted if ends[partition] > begins[partition]}
    for partition in wanted:
        consumer.seek(partition, max(begins[partition], ends[partition] - each))
    found: dict[TopicPartition, list[RecordBatch]] = {}
    while left:
        fetched = await consumer.getmany(*left, timeout_ms=POLL_MS)
        for partition, records in fetched.items():
            if records and partition not in found:
                found[partition] = [to_batch(partition, records[:each])]
        for partition in list(left):
            if partition in found or await consumer.position(partition) >= ends[partition]:
                left.discard(partition)
    return [batch for _, (batch,) in sorted(found.items())]
