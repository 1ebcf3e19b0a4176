"""The story of tests/story on a broker: by a worker process, and by a replay of the topic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.bundle import Bundle
from schemas.alert import Alert
from tests.integration.conftest import Broker, WorkerUnderTest, wait_until
from tests.story import tell
from tests.story.bundle import make_bundle
from tests.story.events import RECORDS
from tests.story.expected import STORY
from tests.story.test_story import check


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    return make_bundle(folder)


@pytest.fixture
def topic(broker: Broker, unique: str) -> str:
    """A topic that holds the records in its first partition."""
    name = broker.create(f"{unique}.logs")
    producer = broker.producer()
    for value in RECORDS:
        producer.produce(name, value, partition=0)
    assert producer.flush(60) == 0
    return name


def test_by_a_worker(
    broker: Broker,
    unique: str,
    topic: str,
    folder: Path,
    bundle: Bundle,
    start_worker: Callable[..., WorkerUnderTest],
) -> None:
    alerts = f"{unique}.alerts"
    worker = start_worker(
        broker=broker.address, topics=topic, group=unique, bundle=folder, device="compiled",
        salient_topic=f"{unique}.salient", suspicious_topic=f"{unique}.suspicious", alerts_topic=alerts,
        resolve_after_seconds=tell.RESOLVE_AFTER,
    )  # fmt: skip
    wait_until(lambda: worker.metric("qualm_alerts_total") >= len(STORY), 90, "every alert is published")
    wait_until(lambda: broker.committed(unique, topic) == len(RECORDS), 20, "every record is committed")
    assert worker.stop() == 0
    check([Alert.decode(record.value()) for record in broker.read(alerts)], topic, bundle)
    (dead,) = broker.read(f"{topic}.dlq")
    assert dead.value() == RECORDS[57]


def test_by_a_replay_of_the_topic(broker: Broker, topic: str, bundle: Bundle) -> None:
    check(tell.by_replay(bundle, [f"kafka://{broker.address}/{topic}"]), topic, bundle)
