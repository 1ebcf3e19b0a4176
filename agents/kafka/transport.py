"""The Faust transport of qualm: one message is everything that one fetch brought from one partition.

A stock Faust agent costs about 50 µs a record in queues, coroutines and acknowledgements. Here a record batch
is one message with one acknowledgement, so that cost is paid once per some thousand records. Faust finds this
class by the entry point ``qualm+kafka`` in the group ``faust.transports`` and by the scheme of the broker
URL.

What the subclass changes in Faust 0.15, and which failure each change prevents:

- ``getmany`` yields batches (speed).
- What may be committed is what an agent confirmed as published, in the order of fetching, and nothing else.
  Faust commits what its streams acknowledged, and they acknowledge in a ``finally``: also when the agent
  raised, was cancelled, or the message was skipped as stale after a rebalance. Each of these would commit
  unprocessed records. (The compiled stream does so without calling ``Consumer.ack``: overriding that does
  not help.) ``agents.kafka.ledger`` decides what that is; the consumer only asks.
- ``_new_offset`` and ``_add_gap``: Faust counts single offsets and fills the gaps between them; a gap filled
  beyond the acknowledged batch would commit records that are still queued. Here the position is the last
  offset of the last confirmed batch plus one, whatever gaps compaction and transactions left.
- ``on_buffer_full``: Faust stops fetching a partition whose queue is full and sleeps a second when that are
  all of them. The bounded queue already holds the fetcher back.
- After a rebalance reading returns to where the worker's states are (``Positions``), which may be before or
  behind the committed offset; where there is no state, to the committed offset. What was read before a return
  is outdated, and not taken in behind it.
- ``_read_offset``: Faust drops messages before the last one that it handed out, and may note that one after a
  return.
- the consumer creates no topic by asking for it (see ``agents.kafka.admin``).
- the consumer reads committed records only, and waits 50 ms instead of 1500 ms for new ones: aiokafka sends
  one fetch per broker at a time, so an idle partition's wait delays the busy ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from math import nan
from typing import Any, cast

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from agents.kafka.admin import creating_nothing
from agents.kafka.faust_app import App
from agents.kafka.ledger import Ledger
from agents.partitions import Positions, TopicPartition
from agents.records import RecordBatch

__all__ = ["BatchTransport"]

# Longest wait of the broker for new records. Lower costs idle requests, higher delays busy partitions (see
# above).
FETCH_WAIT_MS = 50
# Most bytes of one answer of one broker, whatever the number of partitions: bounds the memory of a worker.
FETCH_BYTES = 16 * 1024 * 1024


def to_batch(tp: TP, records: list[Any]) -> RecordBatch:
    """Columns of the records of one partition; ``records`` are aiokafka's and must not be empty."""
    return RecordBatch(
        topic=tp.topic,
        partition=tp.partition,
        offsets=[record.offset for record in records],
        values=[record.value for record in records],
        timestamps=[_seconds(record.timestamp) for record in records],
        keys=[record.key for record in records],
        headers=[list(record.headers) for record in records],
    )


def _seconds(milliseconds: int | None) -> float:
    """Seconds since the epoch; NaN for a record that carries no timestamp (None, or -1 on the wire)."""
    return milliseconds / 1000.0 if milliseconds is not None and milliseconds >= 0 else nan


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs aiokafka's consumer in its own thread, so that computing never delays a heartbeat."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = RoundRobinPartitionAssignor
        consumer = aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_bytes=max(FETCH_BYTES, conf.consumer_max_fetch_size),
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )
        return creating_nothing(consumer)

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has, None where it is not known.

        Faust asks what the coordinator noted of it, and that only the leader of the group has.
        """
        consumer = self._consumer
        known = None if consumer is None else consumer._client.cluster.partitions_for_topic(topic)
        return len(known) if known else None

    async def reaches(self) -> dict[TP, tuple[int, int]]:
        """Of each partition that is read: the offset that is read next, and the end that may be read to."""
        return cast("dict[TP, tuple[int, int]]", await self.call_thread(self._reaches))

    async def _reaches(self) -> dict[TP, tuple[int, int]]:
        consumer = self._ensure_consumer()
        assigned = [tp for tp in consumer.assignment() if tp.topic in consumer.subscription()]
        ends = await consumer.end_offsets(assigned)
        # Positions behind the ends: what was read since lies beyond them, which is no lag.
        states = consumer._subscription.subscription.assignment
        known = {tp: states.state_value(tp) for tp in assigned if tp in consumer.assignment()}
        return {
            ensure_TP(tp): (state.position, ends[tp])
            for tp, state in known.items()
            if tp in ends and state is not None and state.has_valid_position
        }


class _NothingRead(dict[TP, Any]):
    """Stands for Faust's notes of what it has handed out."""

    def __getitem__(self, tp: TP) -> None:
        """Nothing yet."""

    def __setitem__(self, tp: TP, offset: Any) -> None:
        """It does not matter."""


class BatchConsumer(driver.Consumer):
    """Faust's consumer with record batches as messages, and a ledger that says what to commit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._ledger: Ledger[TP] = Ledger()
        self._returning = asyncio.Lock()
        super().__init__(*args, **kwargs)
        self._read_offset = _NothingRead()

    @property
    def _reads_on(self) -> Positions:
        return cast(App, self.app).reads_on

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(  # Faust chose the name of the argument
        self,
        timeout: float,  # noqa: ASYNC109
    ) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message per partition that has new records; waits up to ``timeout`` seconds for some."""
        records, active = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            # A rebalance began while the fetch was on its way: forget it and start from before it.
            try:
                async with self._returning:
                    await self._return_to(self._reads_on.known(self.assignment()))
            except Exception as error:
                self.log.warning("Cannot return to what was not processed yet: %r", error)
            return
        generation = self.app.consumer_generation_id
        # All are handed out before the first waits for room: the ledger knows all below the position.
        messages = [
            self._batch_message(ensure_TP(tp), batch)
            for tp, batch in records.items()
            if batch and (active is None or ensure_TP(tp) in active)
        ]
        for message in messages:
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            yield message.tp, message

    def _batch_message(self, tp: TP, records: list[Any]) -> ConsumerMessage:
        last = records[-1]
        batch = to_batch(tp, records)
        batch.confirm = self._ledger.hand_out(tp, last.offset, records[0].offset)
        batch.outdated = self._ledger.outdated()
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            _seconds(last.timestamp),
            last.timestamp_type,
            [],
            None,
            cast(bytes, batch),  # Faust declares bytes and passes on whatever it is
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def lags(self) -> dict[TP, int]:
        """Of each partition that is read: how many offsets below its end are not published yet."""
        reaches = await cast(BatchConsumerThread, self._thread).reaches()
        return {
            tp: max(0, end - self._ledger.reached(tp, position))
            for tp, (position, end) in reaches.items()
            if tp in self.assignment()
        }

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        pending = self._ledger.committable()
        return (tp for tp in pending if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        return self._ledger.take(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps mean nothing to a position."""

    def on_buffer_full(self, tp: TP) -> None:
        """The bounded queue of the agent holds the fetcher back."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is done before Faust forgets it."""
        await self.commit()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """What was handed out before is outdated."""
        self._ledger.start_afresh()
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Return to the positions of the worker's states, made now where it has none.

        Faust calls this behind a rebalance, while the consumer's own thread keeps up the membership.
        """
        async with self._returning:  # the last one to return must not be one that does not know the states
            positions = await self._reads_on.take_up(self.assignment())
            await self._reads_on.begin(await self._return_to(positions))

    async def _return_to(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Read on from the positions; returns from where those are read that have none."""
        self._ledger.start_afresh()
        await super().perform_seek()
        assigned = self.assignment()
        if not assigned:
            return {}
        latest = self.app.conf.consumer_auto_offset_reset == "latest"
        firsts, ends = await self.earliest_offsets(*assigned), await self.highwaters(*assigned)
        where: dict[TP, int] = {}
        unknown: dict[TopicPartition, int] = {}
        for tp in assigned:
            position, committed = positions.get(tp), self._committed_offset.get(tp)
            if position is not None and position > ends[tp]:
                self._reads_on.misplaced(tp, position, ends[tp])
                position = None
            start = committed if position is None else position
            if start is None or start > ends[tp]:
                start = ends[tp] if latest else firsts[tp]
            elif start < firsts[tp]:
                self._reads_on.lost(tp, start, firsts[tp])
                start = firsts[tp]
            where[tp] = start
            if position is None:
                unknown[tp] = start
        await self._thread.seek_wait(where)
        return unknown


class BatchTransport(driver.Transport):
    """Apache Kafka by aiokafka, fetched in record batches: ``qualm+kafka://host:port``."""

    Consumer = BatchConsumer
