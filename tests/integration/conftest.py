"""Brokers for the tests: a real Apache Kafka where one is given, and librdkafka's mock cluster everywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from prometheus_client.parser import text_string_to_metric_families

from agents.demo.embedded_broker import EmbeddedBroker
from agents.demo.worker_process import free_port
from benchmarks.kafka_server import KafkaError, KafkaServer, home

ROOT = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll a condition; fail the test with ``what`` when it does not hold in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


@dataclass
class Broker:
    """A broker to test against, with the few things tests do to one."""

    address: str

    def create(self, topic: str, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        """A new topic; where the broker cannot create topics it appears on first use."""
        admin = AdminClient({"bootstrap.servers": self.address})
        new = NewTopic(topic, partitions, 1, config=config or {})
        for future in admin.create_topics([new], request_timeout=10).values():
            future.result()
        wait_until(lambda: topic in admin.list_topics(timeout=10).topics, 10, f"topic {topic}")
        return topic

    def configure(self, topic: str, config: dict[str, str]) -> None:
        """Set what a topic is configured with."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in config.items()
        ]
        change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        admin = AdminClient({"bootstrap.servers": self.address})
        for future in admin.incremental_alter_configs([change]).values():
            future.result()

    def producer(self, **options: object) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self.address,
                "linger.ms": 5,
                # Without it a retry, usual on a new topic, changes the order of records.
                "enable.idempotence": True,
                "message.max.bytes": 24 * 1024 * 1024,
                "queue.buffering.max.kbytes": 1 << 20,
                **options,
            }
        )

    def read(self, topic: str) -> list[Message]:
        """Every record of a topic, partition by partition."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": f"read-{uuid.uuid4()}"})
        ends = {number: end for number, end in self.ends(topic).items() if end > 0}
        consumer.assign([TopicPartition(topic, number, 0) for number in ends])
        records: list[Message] = []
        deadline = time.monotonic() + 20
        while ends and time.monotonic() < deadline:
            for record in consumer.consume(1000, timeout=0.2):
                assert record.error() is None, record.error()
                records.append(record)
                if record.offset() >= ends.get(record.partition(), 0) - 1:
                    ends.pop(record.partition(), None)
        consumer.close()
        return sorted(records, key=lambda record: (record.partition(), record.offset()))

    def ends(self, topic: str) -> dict[int, int]:
        """End offset of every partition; empty while the topic does not exist."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": f"ends-{uuid.uuid4()}"})
        try:
            known = consumer.list_topics(timeout=10).topics
            if topic not in known:
                return {}
            numbers = known[topic].partitions
            return {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
                for number in numbers
            }
        finally:
            consumer.close()

    def remove(self, topic: str, before: int) -> None:
        """Remove the records of partition 0 before an offset, as retention does."""
        admin = AdminClient({"bootstrap.servers": self.address})
        for future in admin.delete_records([TopicPartition(topic, 0, before)]).values():
            future.result()

    def committed(self, group: str, topic: str, partition: int = 0) -> int:
        """Committed offset of a group, below 0 when there is none."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": group})
        try:
            return int(consumer.committed([TopicPartition(topic, partition)], timeout=10)[0].offset)
        except KafkaException:
            return -1  # the coordinator is not ready yet
        finally:
            consumer.close()


class RealKafka(KafkaServer, Broker):
    """One Apache Kafka node on loopback, with what tests do to a broker."""


class Embedded(Broker):
    """librdkafka's mock cluster: topics appear on first use."""

    def create(self, topic: str, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        AdminClient({"bootstrap.servers": self.address}).list_topics(topic, timeout=10)
        return topic


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka, or the test is skipped saying how to give it one."""
    if address := os.environ.get("QUALM_TEST_BROKER"):
        yield Broker(address)
        return
    try:
        found = home()
    except KafkaError as error:
        pytest.skip(str(error))
    with RealKafka(found, tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def embedded() -> Iterator[Broker]:
    with EmbeddedBroker() as broker:
        yield Embedded(broker.address)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both kinds, one after the other."""
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def unique() -> str:
    """A name that no other test uses, for topics and groups on a shared broker."""
    return f"t{uuid.uuid4().hex[:10]}"


class WorkerUnderTest:
    """A worker process, as ``qualm worker`` runs it, with its settings in the environment."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.metrics_port = free_port()
        self.log_path = directory / "worker.log"
        # No state: the embedded broker drops records. Tests of state, and of a real Kafka, say otherwise.
        defaults = {"log_level": "INFO", "metrics_port": self.metrics_port, "state": "none"}
        named = {f"QUALM_{name.upper()}": str(value) for name, value in (defaults | settings).items()}
        self._environment = {**os.environ, **named, "PYTHONPATH": str(ROOT)}
        self._directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        code = (
            "import sys; from agents.process import run_worker; from agents.settings import load_settings; "
            "sys.exit(run_worker(load_settings()))"
        )
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                env=self._environment,
                cwd=self._directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal and return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric over the label values that are not given; 0 while there is none."""
        return sum(self._samples(name, labels))

    def samples(self, name: str, **labels: str) -> int:
        """How many values there are of a metric."""
        return len(self._samples(name, labels))

    def _samples(self, name: str, labels: dict[str, str]) -> list[float]:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"the worker ended by itself:\n{self.log()[-3000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return []
        families = text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return [s.value for s in samples if all(s.labels.get(k) == v for k, v in labels.items())]


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., WorkerUnderTest]]:
    """Starts workers; whatever still runs at the end of the test is killed."""
    started: list[WorkerUnderTest] = []

    def start(**settings: object) -> WorkerUnderTest:
        worker = WorkerUnderTest(tmp_path, **settings)
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.process is not None and worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
