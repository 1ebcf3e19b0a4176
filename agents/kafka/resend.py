"""Sending records back to the topic and partition that they came from."""

from __future__ import annotations

import math
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from agents.kafka.rights import librdkafka_options
from agents.settings import Settings
from schemas.dead_letter import DeadLetter

__all__ = ["Resender"]

FLUSH_SECONDS = 60.0


class Resender:
    """Sends records, in order, and counts what the broker acknowledges.

    Args:
        settings: of the broker and of who is sending.
        topic: where to; records go to the partition that they came from.
        partitions: how many it has; where a record came from one that is gone, its key decides.
    """

    def __init__(self, settings: Settings, topic: str, partitions: int) -> None:
        self._topic = topic
        self._partitions = partitions
        self.acknowledged = 0
        self.problem = ""  # what the broker had against the first record that it did not take
        limit = settings.max_record_bytes + 1024 * 1024
        options: dict[str, Any] = {"enable.idempotence": True, "message.max.bytes": max(1_000_000, limit)}
        self._producer = Producer(librdkafka_options(settings) | options)

    def send(self, record: DeadLetter, time: float) -> None:
        """Send one record, stamped with a time (Unix seconds; NaN for now); waits where the queue is full."""
        options: dict[str, Any] = {} if math.isnan(time) else {"timestamp": int(time * 1000)}
        if 0 <= record.partition < self._partitions:
            options["partition"] = record.partition
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    record.value,
                    record.key,
                    on_delivery=self._done,
                    headers=list(record.headers),
                    **options,
                )
                break
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:  # too large for this client
                self.problem = self.problem or str(error.args[0].str())
                break
        self._producer.poll(0)

    def finish(self) -> int:
        """Wait for the broker; the number of records that it has acknowledged."""
        left = self._producer.flush(FLUSH_SECONDS)
        if left and not self.problem:
            self.problem = f"{left} are not acknowledged after {FLUSH_SECONDS:.0f} s"
        return self.acknowledged

    def _done(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.problem = self.problem or error.str()
