"""Reading a topic from its beginning to its end, without leaving a trace."""

from __future__ import annotations

import pytest

from agents import doctor
from agents.inputs.topics import KafkaSource, SourceError, parse_url
from agents.settings import load_settings
from tests.integration.conftest import Broker, free_port


def produce(broker: Broker, topic: str, values: list[bytes], partitions: int = 1) -> None:
    producer = broker.producer()
    for number, value in enumerate(values):
        producer.produce(topic, value, key=b"k", headers=[("h", b"1")], partition=number % partitions)
    assert producer.flush(30) == 0


def test_every_record_up_to_the_end_is_read_once(broker: Broker, unique: str) -> None:
    broker.create(unique, 3)
    values = [b"%d" % number for number in range(9000)]
    produce(broker, unique, values, 3)
    got: dict[int, list[bytes | None]] = {0: [], 1: [], 2: []}
    with KafkaSource(f"kafka://{broker.address}/{unique}", load_settings(fetch_records=1000)) as source:
        assert source.total == 9000
        produce(broker, unique, [b"late"] * 30)  # behind the end that the source saw
        for batch in source:
            assert len(batch) <= 1000
            assert batch.keys[0] == b"k"
            assert batch.headers[0] == [("h", b"1")]
            assert batch.timestamps[0] > 1e9
            got[batch.partition] += batch.values
    assert got == {number: values[number::3] for number in range(3)}


@pytest.mark.kafka
def test_the_end_is_found_behind_aborted_transactions(kafka: Broker, unique: str) -> None:
    kafka.create(unique)
    producer = kafka.producer(**{"transactional.id": unique})
    producer.init_transactions(30)
    for commit in (True, False):
        producer.begin_transaction()
        producer.produce(unique, b"kept" if commit else b"lost", partition=0)
        producer.flush(10)
        (producer.commit_transaction if commit else producer.abort_transaction)(30)
    with KafkaSource(f"kafka://{kafka.address}/{unique}", load_settings()) as source:
        assert [value for batch in source for value in batch.values] == [b"kept"]


def test_an_absent_topic_is_refused_and_not_created(broker: Broker, unique: str) -> None:
    with pytest.raises(SourceError, match=unique):
        KafkaSource(f"kafka://{broker.address}/{unique}", load_settings())
    with pytest.raises(SourceError, match=unique):
        KafkaSource(f"kafka://{broker.address}/{unique}", load_settings())


def test_an_absent_broker_is_named() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(SourceError, match=address):
        KafkaSource(f"kafka://{address}/logs", load_settings())


@pytest.mark.parametrize(
    "url", ["kafka://host:1", "host:1/logs", "kafka:///logs", "kafka://h:1/a/b", "kafka://h:1/a b"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(SourceError, match="kafka://host:port/topic"):
        parse_url(url)


def test_doctor_tells_what_a_broker_has(broker: Broker, unique: str) -> None:
    broker.create(unique)
    settings = load_settings(broker=broker.address, topics=f"{unique},{unique}-absent")
    found = {check.name: check for check in doctor.examine(settings)}
    assert found["broker"].status == "ok"
    assert found[f"topic {unique}"].status == "ok"
    assert found[f"topic {unique}-absent"].status == "warn"
    assert found[f"topic {unique}-absent"].advice
    assert found["configuration"].status == "ok"


def test_doctor_tells_that_there_is_no_broker() -> None:
    settings = load_settings(broker=f"127.0.0.1:{free_port()}")
    found = {check.name: check for check in doctor.examine(settings)}
    assert found["broker"].status == "fail"
    assert found["broker"].advice
