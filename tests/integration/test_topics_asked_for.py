"""Topics that are asked for: none is made by it, and doctor says what they hold."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient

from agents import doctor
from agents.check import Check
from agents.inputs.topics import KafkaSource, SourceError
from agents.settings import load_settings
from models.bundle import Bundle
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until
from tests.integration.test_kafka_source import produce
from tests.troubleshooting import says

pytestmark = pytest.mark.kafka


def topics(broker: Broker) -> set[str]:
    """All of the broker; none is named, so none is made."""
    return set(AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics)


def checks(broker: Broker, **settings: str) -> dict[str, Check]:
    return {check.name: check for check in doctor.examine(load_settings(broker=broker.address, **settings))}


def line(check: Check) -> str:
    """As doctor shows it."""
    return f"{check.name}: {check.text}"


def test_a_worker_makes_no_input_topic_and_reads_it_when_it_appears(
    kafka: Broker, unique: str, start_worker: Callable[..., WorkerUnderTest]
) -> None:
    """The broker makes topics that are asked for by name: its default."""
    near = kafka.create(f"{unique}-logs")
    own = {"salient_topic": f"{unique}-s", "suspicious_topic": f"{unique}-p", "alerts_topic": f"{unique}-a"}
    own |= {"group": unique}
    worker = start_worker(broker=kafka.address, topics=f"{unique}-log", **own)
    wait_until(lambda: f"{unique}-s[" in worker.log(), 60, "the worker has its own topic")
    assert f"Topic {unique}-log does not exist; similar: {near}" in worker.log()
    says(worker.log(), "Topic … does not exist… It is read when it appears.")
    assert f"{unique}-log" not in topics(kafka)
    kafka.create(f"{unique}-log", 2)
    produce(kafka, f"{unique}-log", [b'{"message": "hello"}'] * 4, 2)
    wait_until(lambda: worker.metric("qualm_events_total") == 4, 40, "the records are read")
    assert worker.stop() == 0


def test_doctor_and_replay_make_no_topic_and_name_similar_ones(kafka: Broker, unique: str) -> None:
    near = kafka.create(f"{unique}-checkout")
    typo = f"{unique}-chekout"
    found = checks(kafka, topics=typo)[f"topic {typo}"]
    assert found.status == "warn"
    assert near in found.text
    says(line(found), "topic …: does not exist, and is not created by asking…")
    with pytest.raises(SourceError, match=f"No topic '{typo}'.*similar: .*{near}") as refused:
        KafkaSource(f"kafka://{kafka.address}/{typo}", load_settings())
    says(str(refused.value), "No topic '…' at …")
    assert typo not in topics(kafka)


def test_doctor_reads_the_latest_records(kafka: Broker, unique: str) -> None:
    now = time.time()
    records = [
        json.dumps({"timestamp": now, "service": "api", "trace_id": f"t{i}", "message": f"{i}"}).encode()
        for i in range(40)
    ]
    good, text, mixed, torn, old = (f"{unique}-{name}" for name in ("good", "text", "mixed", "torn", "old"))
    for topic, partitions in ((good, 1), (text, 1), (mixed, 1), (torn, 2), (old, 1)):
        kafka.create(topic, partitions)
    produce(kafka, good, records)
    produce(kafka, text, [b"something happened"] * 40)
    produce(kafka, mixed, [*records, b'{"broken', b""])
    produce(kafka, torn, [record for record in records for _ in range(2)], 2)
    produce(kafka, old, [json.dumps({"timestamp": now - 7200, "message": "m"}).encode()] * 5)
    kafka.create(f"{unique}-apart", 2)
    produce(kafka, f"{unique}-apart", [b'{"service":"s","message":"m"}'] * 4, 2)
    apart, empty = f"{unique}-apart", kafka.create(f"{unique}-empty")
    found = checks(kafka, topics=",".join((good, text, mixed, torn, old, empty, apart)))
    told = {name: (check.status, check.text) for name, check in found.items()}
    assert told[f"records of {good}"] == ("ok", "40 latest: format json")
    assert (
        not {f"source in {good}", f"entity in {good}", f"event time in {good}", f"entities of {good}"}
        & told.keys()
    )
    assert told[f"records of {text}"] == ("ok", "40 latest: format text")
    assert told[f"source in {text}"][0] == told[f"entity in {text}"][0] == "warn"
    assert told[f"records of {mixed}"][0] == "warn"
    assert "42 latest: format json; 2 become dead letters" in told[f"records of {mixed}"][1]
    assert told[f"entities of {torn}"] == (
        "warn", "40 of 40 sampled are seen in several partitions: their history is torn"
    )  # fmt: skip
    assert re.search(r"7,2\d\d s or more before their records", told[f"event time in {old}"][1])
    assert told[f"records of {unique}-empty"] == ("warn", "there are none")
    shown = "\n".join(map(line, found.values()))
    says(shown, "records of …: there are none")
    says(shown, "records of …: … latest: format …; … become dead letters, most often: …")
    says(shown, "source in …: none of … events has one: …")
    says(shown, "entity in …: none of … events has one: …")
    says(shown, "entities of …: … of … sampled are seen in several partitions: …")
    says(shown, "sources of …: … of … sampled are seen in several partitions: …")
    says(shown, "event time in …: half of the events are … s or more … their records")


def test_doctor_sees_that_triage_runs_another_bundle(kafka: Broker, unique: str) -> None:
    kafka.create(unique)
    mark = {"type": "watermark", "topic": "logs", "partition": 0, "bundle": "ab" * 16, "watermark": 1.0}
    produce(kafka, unique, [json.dumps(mark).encode()])
    found = checks(kafka, salient_topic=unique)[f"bundle of {unique}"]
    assert found.status == "warn"
    assert f"of bundle {'ab' * 8}, this one is {Bundle.default().digest[:16]}" in found.text
    says(line(found), "bundle of …: the latest are of bundle …, this one is …")


def test_doctor_asks_whether_a_worker_may_create_its_topics(kafka: Broker, unique: str) -> None:
    name = f"{unique}-alerts"
    may = checks(kafka, alerts_topic=name)[f"topic {name}"]
    assert (may.status, may.text) == ("ok", "does not exist yet; a worker creates it")
    refused = checks(kafka, alerts_topic=name, topic_replication="7")[f"topic {name}"]
    assert refused.status == "warn"
    says(line(refused), "topic …: does not exist, and the broker would not create it: …")
    assert "replication" in refused.text.lower()
    assert name not in topics(kafka)
