"""Foreign and broken records on qualm's own topics, on a real Kafka: dead letters, and the worker lives."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from functools import partial

import pytest

from models.bundle import Bundle
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until
from tests.integration.test_worker import send, settings_for, simulated

pytestmark = pytest.mark.kafka
Start = Callable[..., WorkerUnderTest]


def poison(bundle: str) -> dict[str, list[bytes | None]]:
    """By stage; each of them a dead letter there."""
    event = {
        "id": "0" * 32, "topic": "logs", "partition": 0, "offset": 0, "record": 0, "bundle": bundle,
        "trigger": "event", "time": 1.7e9, "watermark": 1.7e9, "features": [1.0],
    }  # fmt: skip
    shapes = [
        event,
        event | {"features": [0.0] * 64, "wires": [0.5], "open_wires": [1]},
        event | {"wires": [[[0.5]]], "open_wires": [[[1]]]},
        event | {"time": 1e300},
        event | {"watermark": 1e300},
        event | {"message": "x" * 900_000},
        {"type": "watermark", "topic": {"a": {"b": ["c"]}}, "partition": 0, "bundle": bundle, "watermark": 1},
    ]
    common: list[bytes | None] = [
        b"", None, b"{]", b"3", b"[[[{}]]]", b"\xff\x00", b"[" * 5_000,
        b'{"features": [NaN]}', b'{"type": [1]}',
    ]  # fmt: skip
    alert = {name: event[name] for name in ("id", "topic", "partition", "offset", "bundle")}
    told = [
        {"type": "suspicious", "watermark": 1.7e9, "time": 1.7e9, "alert": alert},
        {"type": "suspicious", "watermark": 1e300, "time": 1e300, "alert": {}},
        {"type": "unusual", "topic": "logs", "partition": 0, "watermark": 1.0, "time": 1e300, "source": "a"},
        {"type": "unusual", "topic": ["logs"] * 9, "partition": "0", "watermark": "1"},
    ]
    return {
        "salient": common + [json.dumps(each).encode() for each in shapes],
        "suspicious": common + [json.dumps(each).encode() for each in told],
    }


def committed_up_to(kafka: Broker, group: str, topic: str, end: int) -> bool:
    return kafka.committed(group, topic) == end


def test_poison_on_the_topics_between_the_agents(kafka: Broker, unique: str, start_worker: Start) -> None:
    settings = settings_for(kafka, unique)
    kafka.create(settings["topics"])
    bad = poison(Bundle.default().digest)
    for stage, values in bad.items():
        topic = kafka.create(settings[f"{stage}_topic"])
        send(kafka, topic, values)
    worker = start_worker(**settings)
    for stage, values in bad.items():
        topic = settings[f"{stage}_topic"]
        all_read = partial(committed_up_to, kafka, unique, topic, len(values))
        wait_until(all_read, 90, f"{topic} is committed")
        assert [record.value() for record in kafka.read(f"{topic}.dlq")] == values
    assert worker.stop(signal.SIGKILL) == -signal.SIGKILL
    worker.start()
    values = simulated()
    send(kafka, settings["topics"], list(values))
    wait_until(lambda: worker.metric("qualm_alerts_total") > 0, 90, "alerts come all the same")
    for stage, expected in bad.items():  # what is read again since the last snapshot is one again
        told = {record.value() for record in kafka.read(f"{settings[f'{stage}_topic']}.dlq")}
        assert told == set(expected)
    assert worker.stop() == 0
