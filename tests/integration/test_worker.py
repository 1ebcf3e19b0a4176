"""A worker process from produced bytes to consumed alerts, and what it does when things go wrong."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable

import pytest

from agents.demo.simulation import simulate
from models.circuits.devices import device_problems
from schemas.alert import Alert
from schemas.salient import SalientEvent
from schemas.watermark import decode_salient
from tests.integration.conftest import Broker, Embedded, KafkaServer, WorkerUnderTest, free_port, wait_until

Start = Callable[..., WorkerUnderTest]
READY = "Assigned: "


def settings_for(broker: Broker, name: str) -> dict[str, str]:
    """Topics and a group that only this test uses."""
    return {
        "broker": broker.address,
        "topics": f"{name}.logs",
        "group": name,
        "salient_topic": f"{name}.salient",
        "suspicious_topic": f"{name}.suspicious",
        "alerts_topic": f"{name}.alerts",
        # Enough alerts for a test, however well the bundle knows these services.
        "false_alarms": "0.9/unit",
        "state": "none" if isinstance(broker, Embedded) else "topic",
        "state_topic": f"{name}.state",
    }


def simulated(seconds: float = 120) -> list[bytes]:
    return [event.encode() for event in simulate(seed=3, duration=seconds, rate=40, incidents="demo")]


def send(
    broker: Broker, topic: str, values: list[bytes | None], headers: list[tuple[str, bytes]] | None = None
) -> None:
    producer = broker.producer()
    for value in values:
        producer.produce(topic, value, key=b"key", partition=0, headers=headers)
        producer.poll(0)
    assert producer.flush(60) == 0


def alerts(broker: Broker, name: str) -> list[Alert]:
    return [Alert.decode(record.value()) for record in broker.read(f"{name}.alerts")]


def test_from_produced_bytes_to_consumed_alerts(broker: Broker, unique: str, start_worker: Start) -> None:
    settings = settings_for(broker, unique)
    broker.create(settings["topics"])
    worker = start_worker(**settings)
    values = simulated()
    send(broker, settings["topics"], list(values))
    wait_until(lambda: worker.metric("qualm_events_total") == len(values), 90, "every event is seen")
    salient = worker.metric("qualm_salient_total")
    assert 0 < salient < len(values) / 4
    wait_until(lambda: worker.metric("qualm_circuits_total") == salient, 60, "every salient event is scored")
    wait_until(
        lambda: broker.committed(unique, settings["topics"]) == len(values), 20, "every record is committed"
    )
    # Where the topic has more partitions, they are empty, and an alert waits until that is known.
    wait_until(lambda: worker.metric("qualm_alerts_total") > 0, 30, "an alert is published")
    assert worker.stop() == 0
    records = broker.read(settings["alerts_topic"])
    assert len(records) > 0
    for record in records:
        alert = Alert.decode(record.value())
        headers = dict(record.headers())
        assert record.key() == alert.fingerprint.encode()
        assert headers["ce_id"] == alert.id.encode()
        assert headers["ce_specversion"] == b"1.0"
        assert (alert.topic, alert.partition) == (settings["topics"], 0)
        original = json.loads(values[alert.offset])
        if alert.status == "firing" and alert.example in original["message"]:
            assert alert.source == original["service"]
    assert len({Alert.decode(record.value()).id for record in records}) == len(records)
    # The events of one input partition stay in order, in one partition of the salient topic.
    told = [(decode_salient(each.value()), each) for each in broker.read(settings["salient_topic"])]
    assert {message.idle for message, _ in told if message.lane} <= {True}  # nothing is in the others
    assert len({record.partition() for message, record in told if message.lane == 0}) == 1
    found = [message for message, _ in told if message.lane == 0]
    offsets = [message.offset for message in found if isinstance(message, SalientEvent)]
    assert offsets == sorted(offsets)
    watermarks = [message.watermark for message in found]
    assert watermarks == sorted(watermarks)
    assert len(found) > len(offsets) > 0


def test_a_device_that_is_missing_is_replaced_counted_and_costs_no_alert(
    broker: Broker, unique: str, start_worker: Start
) -> None:
    if not device_problems()["lightning.gpu"]:
        pytest.skip("lightning.gpu works here, so nothing is missing")
    settings = settings_for(broker, unique)
    broker.create(settings["topics"])
    worker = start_worker(**settings, device="lightning.gpu")
    send(broker, settings["topics"], list(simulated(600)))
    wait_until(lambda: worker.metric("qualm_alerts_total") > 0, 90, "an alert is published")
    assert worker.metric("qualm_device_failures_total") == 1
    assert worker.stop() == 0


BAD: dict[str, bytes | None] = {
    "invalid UTF-8": b'{"message":"\xff\xfe broken \xc3("}',
    "truncated JSON": b'{"message":"cut',
    "not JSON": b"{]",
    "wrong types": b'{"timestamp":[1],"level":{"a":1},"service":7,"message":{"x":[]}}',
    "NaN": b'{"message":"nan","value":NaN}',
    "empty": b"",
    "none": None,
    "five megabytes": b'{"message":"' + b"x y " * (5 * 1024 * 1024 // 4) + b'"}',
    "nesting": b'{"message":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "no timestamp": b'{"message":"no time","service":"api"}',
    "a timestamp decades off": b'{"timestamp":"1931-01-01T00:00:00Z","message":"old","service":"api"}',
    "unknown severity": b'{"level":"purple","message":"colour","service":"api"}',
    "one long token": b'{"message":"' + b"x" * (1024 * 1024) + b'"}',
}


@pytest.mark.kafka
def test_bad_input_is_used_or_dead_and_loses_nothing(kafka: Broker, unique: str, start_worker: Start) -> None:
    settings = settings_for(kafka, unique)
    topic, dead_topic = settings["topics"], settings["topics"] + ".dlq"
    kafka.create(topic)
    worker = start_worker(**settings, role="triage")
    send(kafka, topic, [b'{"message":"first","service":"api","level":"info"}'])
    headers = [("trace", b"\x00\xff"), ("trace", b"again")]
    send(kafka, topic, list(BAD.values()), headers)
    send(kafka, topic, [b'{"message":"last","service":"api","level":"info"}'])
    nothing = kafka.producer()
    nothing.produce(topic, None, partition=0)
    assert nothing.flush(10) == 0
    total = len(BAD) + 3
    wait_until(lambda: kafka.committed(unique, topic) == total, 60, "every record is committed")
    dead = kafka.read(dead_topic)
    assert worker.metric("qualm_events_total") + len(dead) == total
    assert worker.metric("qualm_dead_letters_total", topic=topic) == len(dead)
    assert worker.stop() == 0
    assert {1 + list(BAD).index(name) for name in ("truncated JSON", "not JSON", "empty", "none")} <= {
        int(dict(record.headers())["qualm.error.offset"]) for record in dead
    }
    sent = [None, *BAD.values()]
    for record in dead:
        found = dict(record.headers())
        if int(found["qualm.error.offset"]) == total - 1:
            continue  # neither key nor value: nothing to compare
        assert record.value() == sent[int(found["qualm.error.offset"])], "byte for byte"
        assert record.key() == b"key"
        assert record.headers()[:2] == headers
        assert found["qualm.error.topic"].decode() == topic
        assert found["qualm.error.reason"]


@pytest.mark.kafka
def test_a_dead_letter_that_the_broker_refuses_leaves_a_note(
    kafka: Broker, unique: str, start_worker: Start
) -> None:
    settings = settings_for(kafka, unique)
    kafka.create(settings["topics"])
    kafka.create(settings["topics"] + ".dlq", config={"max.message.bytes": "100000"})
    worker = start_worker(**settings, role="triage")
    send(kafka, settings["topics"], [b"{" + b"x" * 500_000, b"{]"])
    wait_until(lambda: kafka.committed(unique, settings["topics"]) == 2, 60, "both records are committed")
    notes = {dict(r.headers())["qualm.error.offset"]: r for r in kafka.read(settings["topics"] + ".dlq")}
    assert not notes[b"0"].value()
    assert b"left out" in dict(notes[b"0"].headers())["qualm.error.reason"]
    assert notes[b"1"].value() == b"{]"
    assert worker.metric("qualm_refused_total") == 1
    assert worker.stop() == 0


def test_no_broker_is_said_seldom_and_ends_on_sigterm(start_worker: Start) -> None:
    worker = start_worker(broker=f"127.0.0.1:{free_port()}")
    wait_until(lambda: "No Kafka broker answers" in worker.log(), 60, "the message")
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 5
    assert len(worker.log().splitlines()) < 12
    assert "Trying again in" in worker.log()


@pytest.mark.kafka
@pytest.mark.parametrize("killed", ["worker", "broker"])
def test_nothing_is_lost_when_something_dies(
    kafka: Broker, unique: str, start_worker: Start, killed: str
) -> None:
    if killed == "broker" and not isinstance(kafka, KafkaServer):
        pytest.skip("only a broker that the tests started may be restarted")
    settings = settings_for(kafka, unique)
    kafka.create(settings["topics"])
    # Dead letters depend on no state, so exactly these must be in the dead-letter topic in the end.
    values = simulated(300)
    bad = list(range(0, len(values), 50))
    for index in bad:
        values[index] = b"{]%d" % index
    send(kafka, settings["topics"], list(values))
    # Small fetches, so that the end comes in the middle.
    worker = start_worker(**settings, fetch_records=200, role="triage")
    wait_until(lambda: worker.metric("qualm_events_total") > 0, 60, "the first batch")
    if killed == "worker":
        assert worker.stop(signal.SIGKILL) == -signal.SIGKILL
        worker.start()
    else:
        assert isinstance(kafka, KafkaServer)
        kafka.stop()
        kafka.start()
    wait_until(
        lambda: kafka.committed(unique, settings["topics"]) == len(values), 120, "every record is committed"
    )
    assert worker.stop() == 0
    dead = {
        int(dict(r.headers())["qualm.error.offset"]): r.value()
        for r in kafka.read(settings["topics"] + ".dlq")
    }
    assert dead == {index: values[index] for index in bad}
    assert kafka.read(settings["salient_topic"])
