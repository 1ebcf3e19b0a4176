"""A deployment to be hit: an input topic that fills as time goes by, worker processes, what they told."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.demo.worker_process import Metrics, free_port
from schemas.alert import Alert

ROOT: Final = Path(__file__).resolve().parents[1]
MARK_EVERY: Final = 50  # records, one of which cannot be read: its dead letter shows that it was not lost
WAIT_SECONDS: Final = 180.0
PAUSE_SECONDS: Final = 0.1  # between two looks


class ChaosError(RuntimeError):
    """Something did not happen in time; the text says what."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> float:
    """Seconds until a condition held. Raises ChaosError where it does not in time."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + seconds:
            raise ChaosError(f"not within {seconds:.0f} s: {what}")
        time.sleep(PAUSE_SECONDS)
    return time.monotonic() - began


class WorkerUnderFire:
    """A worker process, which may be killed, stopped and started again."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("QUALM_")}
        self._environment = inherited | settings | {"PYTHONPATH": str(ROOT)}
        self._environment["QUALM_METRICS_PORT"] = str(self._port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it is not yet ready."""
        with (self._folder / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "agents.cli", "worker"]
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: int) -> float:
        """Send a signal that ends it; returns the seconds it took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(number)
        self._process.wait(30)
        return time.monotonic() - began

    def stop(self) -> None:
        """End it if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def metrics(self) -> Metrics:
        """Its metrics; none while it does not answer. Raises ChaosError where it has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ChaosError(f"a worker ended with exit code {code}; its log is {self._folder}/worker.log")
        connection = HTTPConnection("127.0.0.1", self._port, timeout=5.0)
        try:
            connection.request("GET", "/metrics")
            return Metrics(connection.getresponse().read().decode())
        except (OSError, HTTPException):
            return Metrics("")
        finally:
            connection.close()

    def reads(self, topic: str) -> bool:
        """Whether it has read from a topic since partitions were shared out last."""
        return topic in self.metrics().by_label("qualm_lag_records", "topic")


class Feed:
    """Fills an input topic at a pace, from a thread, until it is told to hurry."""

    def __init__(self, address: str, topic: str, values: list[bytes], rate: float) -> None:
        """rate: records a second."""
        self._topic, self._values, self._rate = topic, values, rate
        # A broker that is away must lose nothing of the input either.
        options = {"enable.idempotence": True, "message.timeout.ms": 300_000, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": address, **options})
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Write the rest at once."""
        self._hurry.set()
        self._thread.join(WAIT_SECONDS)
        if self._thread.is_alive():
            raise ChaosError("the input cannot be written")

    def _run(self) -> None:
        for number, value in enumerate(self._values):
            if number % 20 == 0 and not self._hurry.is_set():
                self._hurry.wait(20 / self._rate)
            self._producer.produce(self._topic, value, partition=0)
            self._producer.poll(0)
        self._producer.flush(WAIT_SECONDS)


class Deployment:
    """The topics and the group of some workers on one input topic of one partition."""

    def __init__(self, address: str, folder: Path, topic: str, name: str, **settings: str) -> None:
        """settings: what differs from the usual ones, in lower case."""
        self.address, self.topic, self.name = address, topic, name
        self._folder = folder
        usual = {
            "broker": address, "topics": topic, "group": name, "salient_topic": f"{name}.salient",
            "suspicious_topic": f"{name}.suspicious", "alerts_topic": f"{name}.alerts",
            "state_topic": f"{name}.state", "dead_letter_suffix": f".{name}.dlq",
            # Many alerts, small batches and frequent snapshots, so that each fault comes amid all of them.
            "false_alarms": "0.3/unit", "resolve_after_seconds": "20", "device": "compiled",
            "fetch_records": "100", "snapshot_seconds": "2", "topic_partitions": "1",
        }  # fmt: skip
        self._settings = {f"QUALM_{key.upper()}": value for key, value in (usual | settings).items()}
        self.workers: list[WorkerUnderFire] = []

    def worker(self) -> WorkerUnderFire:
        """One more worker, started."""
        worker = WorkerUnderFire(self._folder / f"{self.name}.{len(self.workers)}", self._settings)
        self.workers.append(worker)
        worker.start()
        return worker

    def create(self) -> None:
        """Create the input topic."""
        new = NewTopic(self.topic, 1, 1, config={"retention.ms": "-1"})
        admin = AdminClient({"bootstrap.servers": self.address})
        admin.create_topics([new])[self.topic].result()

    def ends(self) -> dict[str, int]:
        """The end of each topic that workers read; empty while the broker does not answer."""
        topics = (self.topic, f"{self.name}.salient", f"{self.name}.suspicious")
        with self._consumer() as consumer:
            try:
                marks = [
                    consumer.get_watermark_offsets(TopicPartition(each, 0), timeout=5) for each in topics
                ]
            except KafkaException:
                return {}
        return {topic: end for topic, (_, end) in zip(topics, marks, strict=True) if end}

    def has_reached(self, ends: dict[str, int]) -> bool:
        """Whether all that came before these ends is processed and committed."""
        with self._consumer() as consumer:
            try:
                done = consumer.committed([TopicPartition(topic, 0) for topic in ends], timeout=5)
            except KafkaException:
                return False
        return bool(ends) and all(each.offset >= ends[each.topic] for each in done)

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        """A new one each time: one that has heard that a topic is absent goes on believing it."""
        options = {"group.id": self.name, "enable.auto.commit": False, "log_level": 0}
        consumer = Consumer({"bootstrap.servers": self.address, **options})
        try:
            yield consumer
        finally:
            consumer.close()

    def is_done(self) -> bool:
        """Whether all there is is processed."""
        return self.has_reached(self.ends())

    def records(self, topic: str) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
        """Key, value and headers of all records of the one partition of a topic."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": f"{self.name}.read"})
        found: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = []
        try:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
            consumer.assign([TopicPartition(topic, 0, first)])
            while end > first:
                for record in consumer.consume(1000, timeout=1):
                    found.append((record.key(), record.value(), _headers(record)))
                position = consumer.position([TopicPartition(topic, 0)])[0].offset
                if position >= end:
                    break
        finally:
            consumer.close()
        return found

    def alerts(self) -> dict[str, Counter[bytes]]:
        """What was told, by the id of the alert: each content, and how often."""
        told: dict[str, Counter[bytes]] = {}
        for _, value, _ in self.records(f"{self.name}.alerts"):
            assert value is not None
            told.setdefault(Alert.decode(value).id, Counter())[value] += 1
        return told

    def dead(self) -> set[int]:
        """Offsets of the records that came out as dead letters."""
        records = self.records(f"{self.topic}.{self.name}.dlq")
        return {int(headers["qualm.error.offset"]) for _, _, headers in records}

    def stop(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.stop()


def _headers(record: Any) -> dict[str, bytes]:
    return dict(record.headers() or [])


def marked(values: Iterable[bytes]) -> list[bytes]:
    """Records of which each so-manieth cannot be read."""
    return [b"{]%d" % number if number % MARK_EVERY == 7 else value for number, value in enumerate(values)]


def compared(hit: Deployment, calm: Deployment) -> dict[str, Any]:
    """What differs from an undisturbed run: {alerts, lost, missing, changed, extra, twice}.

    alerts: of the undisturbed run; lost: events, told from those that become dead letters; twice: alerts of
    the same id and content beyond the first.
    """
    told, right = hit.alerts(), calm.alerts()
    expected = calm.dead()
    changed = sum(set(told[each]) != set(right[each]) for each in told.keys() & right.keys())
    return {
        "alerts": len(right),
        "lost": len(expected - hit.dead()) * MARK_EVERY,
        "missing": len(right.keys() - told.keys()),
        "changed": changed,
        "extra": len(told.keys() - right.keys()),
        "twice": sum(count.total() - len(count) for count in told.values()),
    }
