"""Writes simulated events to a Kafka topic, at the pace of their event time or as fast as it can."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from agents.demo.simulation import SimulatedEvent

__all__ = ["ProduceError", "event_key", "produce"]

FLUSH_SECONDS = 30.0


class ProduceError(RuntimeError):
    """The broker did not take every event; the text says why and what to do."""


def event_key(event: SimulatedEvent) -> bytes:
    """The record key: the trace id, so that a request stays in one partition, otherwise the service."""
    return (event.trace_id or event.service).encode()


def produce(
    events: Iterable[SimulatedEvent],
    broker: str,
    topic: str,
    speed: float | None = 1.0,
    config: dict[str, Any] | None = None,
    before_send: Callable[[int, SimulatedEvent], None] | None = None,
    partition: int | None = None,
) -> int:
    """Write events to ``topic`` and return how many the broker acknowledged, which is all of them.

    Args:
        events: in event-time order.
        broker: ``host:port``, several separated by commas.
        topic: the topic to write to.
        speed: seconds of event time per second of wall time; None writes without waiting for the clock.
        config: further options of librdkafka, such as those of TLS and SASL.
        before_send: called with the number of events sent so far and the next event; it may wait, for
            example until a consumer has caught up.
        partition: the one to write to; None for that of each event's key.

    Raises:
        ProduceError: an event was not acknowledged.
    """
    failures: list[str] = []
    done = 0

    def report(error: KafkaError | None, _: Message) -> None:
        nonlocal done
        if error is None:
            done += 1
        else:
            failures.append(str(error))

    producer = _producer(broker, config or {})
    sent = 0
    begin: tuple[float, float] | None = None
    for event in events:
        if before_send is not None:
            before_send(sent, event)
        if speed is not None:
            begin = begin or (event.time, time.monotonic())
            _wait_until(begin[1] + (event.time - begin[0]) / speed, producer)
        _send(producer, topic, event, report, -1 if partition is None else partition)
        sent += 1
        if failures:
            break
    producer.flush(FLUSH_SECONDS)
    if failures or done != sent:
        reason = failures[0] if failures else f"no answer within {FLUSH_SECONDS:.0f} s"
        raise ProduceError(
            f"{sent - done} of {sent} events did not reach topic {topic!r} at {broker}: {reason}. "
            "Check that the broker runs and that the topic may be written to."
        )
    return done


def _producer(broker: str, config: dict[str, Any]) -> Producer:
    return Producer(
        {
            "bootstrap.servers": broker,
            "enable.idempotence": True,  # keeps the order within a partition over retries
            "linger.ms": 20,
            "log_level": 3,
            **config,
        }
    )


def _send(
    producer: Producer,
    topic: str,
    event: SimulatedEvent,
    report: Callable[[KafkaError | None, Message], None],
    partition: int,
) -> None:
    value, key, timestamp = event.encode(), event_key(event), round(event.time * 1000)
    while True:
        try:
            producer.produce(topic, value, key, partition, report, timestamp=timestamp)
        except BufferError:
            producer.poll(0.1)  # the local queue is full: let it drain
        except KafkaException as error:
            raise ProduceError(f"cannot write to topic {topic!r}: {error}") from error
        else:
            producer.poll(0)
            return


def _wait_until(moment: float, producer: Producer) -> None:
    """Serve delivery reports until a moment of the monotonic clock."""
    while (left := moment - time.monotonic()) > 0:
        producer.poll(min(left, 0.5))
