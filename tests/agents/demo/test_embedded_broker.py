import socket
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Message

from agents.demo.embedded_broker import PARTITIONS, BrokerError, EmbeddedBroker
from agents.demo.producer import ProduceError, event_key, produce
from agents.demo.simulation import simulate


def consume(address: str, topic: str, count: int, seconds: float = 30.0) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "t", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    deadline = time.monotonic() + seconds
    records: list[Message] = []
    while len(records) < count and time.monotonic() < deadline:
        records += consumer.consume(1000, 0.2)
    consumer.close()
    return records


def test_events_come_back_byte_for_byte_in_order_per_key() -> None:
    events = list(simulate(3, 20.0))
    with EmbeddedBroker() as broker:
        assert produce(events, broker.address, "logs", speed=None) == len(events)
        records = consume(broker.address, "logs", len(events))
    assert sorted(r.value() or b"" for r in records) == sorted(e.encode() for e in events)
    by_key = {(r.key(), r.partition()) for r in records}
    assert len(by_key) == len({key for key, _ in by_key}), "one key, one partition"
    assert {r.partition() for r in records} == set(range(PARTITIONS))
    first = min(events, key=lambda e: e.time)
    written = next(r for r in records if r.value() == first.encode())
    assert written.timestamp()[1] == round(first.time * 1000)
    wanted = [e.encode() for e in events if event_key(e) == b"storage"]
    assert [r.value() for r in records if r.key() == b"storage"] == wanted


def test_producer_keeps_the_pace_of_event_time() -> None:
    with EmbeddedBroker() as broker:
        begin = time.monotonic()
        produce(simulate(3, 20.0), broker.address, "logs", speed=20.0)
        assert time.monotonic() - begin > 0.9


def test_hook_sees_every_event_before_it_is_sent() -> None:
    seen: list[int] = []
    with EmbeddedBroker() as broker:
        count = produce(
            simulate(3, 5.0), broker.address, "logs", speed=None, before_send=lambda n, _: seen.append(n)
        )
    assert seen == list(range(count))


def test_a_topic_can_be_made_before_its_first_record() -> None:
    with EmbeddedBroker() as broker:
        broker.create_topic("logs")
        consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "t"})
        assert set(consumer.list_topics("logs", timeout=10).topics["logs"].partitions) == set(
            range(PARTITIONS)
        )
        consumer.close()


def test_broker_listens_on_loopback_and_ends_with_its_block() -> None:
    broker = EmbeddedBroker()
    with broker:
        host, port = broker.address.split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=5).close()
    assert broker.address == ""
    with pytest.raises(OSError, match=r"refused|reset"):
        socket.create_connection((host, int(port)), timeout=5)
    with pytest.raises(BrokerError, match="context manager"):
        broker.create_topic("logs")


def test_unreachable_broker_is_reported_with_what_to_check() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can take the port
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ProduceError, match="Check that the broker runs"):
            produce(simulate(3, 1.0), address, "logs", speed=None, config={"message.timeout.ms": 500})


def test_bad_client_option_is_refused() -> None:
    with pytest.raises(KafkaException):
        produce(simulate(3, 1.0), "127.0.0.1:1", "logs", config={"no.such.option": 1})
