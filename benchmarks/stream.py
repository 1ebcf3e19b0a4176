"""Events per second from a topic to alerts, through a real worker process; and how long an alert takes."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.demo.simulation import DEMO_START, demo_incidents, simulate
from agents.demo.worker_process import WorkerProcess
from benchmarks.kafka_server import KafkaServer, home

PARTITIONS: Final = 4
WARM: Final = 2_000  # events before the clock starts, so that joining the group is not measured
FALSE_ALARMS: Final = "0.02/unit"  # far more than anybody wants, so that there are some to time
PACED: Final = 20_000  # events at PACE per second, for the latency of alerts
PACE: Final = 2_000
LIMIT_SECONDS: Final = 300.0


def run(events: int, broker: str | None) -> list[dict[str, Any]]:
    """Rows {method, format, broker, workers, events, events_per_second, p50_ms, p99_ms, alerts, rss_mb}.

    events_per_second: a backlog of JSON events, until the last is triaged and the last circuit has run.
    p50_ms, p99_ms: from a record's timestamp to that of the suspicious event made of it, which an alert of
    the incident follows if there is news, while events come at PACE per second; alerts: how many of them were
    published.
    Raises KafkaError where there is no broker to be had.
    """
    with _broker(broker) as address, tempfile.TemporaryDirectory() as folder:
        return [_measure(address, Path(folder), events)]


@contextmanager
def _broker(address: str | None) -> Iterator[str]:
    if found := address or os.environ.get("QUALM_TEST_BROKER"):
        yield found
        return
    with tempfile.TemporaryDirectory() as folder, KafkaServer(home(), Path(folder)) as server:
        yield server.address


def _measure(address: str, folder: Path, events: int) -> dict[str, Any]:
    name = f"bench-{os.getpid()}"
    topics = {"TOPICS": name, "ALERTS_TOPIC": f"{name}.alerts"}
    topics |= {"SALIENT_TOPIC": f"{name}.salient", "SUSPICIOUS_TOPIC": f"{name}.suspicious"}
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
    total = WARM + events + PACED
    duration = total / 55.0
    stream = simulate(23, duration * 1.2, 50.0, DEMO_START, demo_incidents(duration))
    payloads = ((event.trace_id.encode() or event.service.encode(), event.encode()) for event in stream)
    producer = Producer(
        {"bootstrap.servers": address, "linger.ms": 5, "queue.buffering.max.messages": 2_000_000}
    )
    _produce(producer, name, islice(payloads, WARM))
    settings = {f"QUALM_{key}": value for key, value in topics.items()}
    settings |= {"QUALM_BROKER": address, "QUALM_GROUP": name, "QUALM_FALSE_ALARMS": FALSE_ALARMS}
    with WorkerProcess(folder, settings) as worker:
        worker.wait_ready(120.0)
        _wait_for(worker, WARM)
        _produce(producer, name, islice(payloads, events))
        backlog = events - (_triaged(worker) - WARM)
        start = time.perf_counter()
        _wait_for(worker, WARM + events)
        seconds = time.perf_counter() - start
        _produce(producer, name, islice(payloads, PACED), PACE)
        _wait_for(worker, total)
        rss = _resident_mb(worker.pid)
    latencies = _latencies(address, name, topics["SUSPICIOUS_TOPIC"], WARM + events)
    alerts = len(_read(address, topics["ALERTS_TOPIC"]))
    p50, p99 = np.percentile(latencies, [50, 99]).tolist() if latencies else (None, None)
    return {
        "method": "qualm worker", "format": "json", "broker": "kafka", "workers": 1, "events": backlog,
        "events_per_second": backlog / seconds, "p50_ms": p50, "p99_ms": p99, "alerts": alerts, "rss_mb": rss,
    }  # fmt: skip


def _produce(
    producer: Producer, topic: str, payloads: Iterator[tuple[bytes, bytes]], pace: float = 0.0
) -> None:
    start = time.monotonic()
    for number, (key, value) in enumerate(payloads):
        producer.produce(topic, value, key)
        if number % 100 == 0:
            producer.poll(0)
            if pace and (ahead := start + number / pace - time.monotonic()) > 0:
                time.sleep(ahead)
    producer.flush(60)


def _triaged(worker: WorkerProcess) -> int:
    metrics = worker.metrics()
    return int(metrics.total("qualm_events_total")) if metrics else 0


def _wait_for(worker: WorkerProcess, events: int) -> None:
    """Until so many events are triaged and every salient one of them has been through its circuit."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not _through(worker, events):
        worker.check()
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"the worker triaged {_triaged(worker)} of {events} events in {LIMIT_SECONDS:.0f} s"
            )
        time.sleep(0.02)


def _through(worker: WorkerProcess, events: int) -> bool:
    metrics = worker.metrics()
    if metrics is None or metrics.total("qualm_events_total") < events:
        return False
    return metrics.total("qualm_circuits_total") >= metrics.total("qualm_salient_total")


def _resident_mb(pid: int) -> float:
    """Peak resident memory of a process, from /proc."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024.0


def _latencies(address: str, logs: str, suspicious: str, paced_from: int) -> list[float]:
    """Milliseconds from log record to suspicious event, for those of paced events."""
    sent = {(m.partition(), m.offset()): m.timestamp()[1] for m in _read(address, logs)}
    newest = sorted(sent.values())[paced_from:]
    if not newest:
        return []
    latencies: list[float] = []
    for message in _read(address, suspicious):
        alert = json.loads(message.value()).get("alert")
        if alert and (stamp := sent.get((alert["partition"], alert["offset"]), 0)) >= newest[0]:
            latencies.append(message.timestamp()[1] - stamp)
    return latencies


def _read(address: str, topic: str) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": f"read-{os.getpid()}"})
    try:
        known = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10)[1] for n in known}
        consumer.assign([TopicPartition(topic, n, 0) for n, end in ends.items() if end > 0])
        messages: list[Any] = []
        while len(messages) < sum(ends.values()):
            messages += [
                message for message in consumer.consume(10_000, timeout=5.0) if message.error() is None
            ]
        return messages
    finally:
        consumer.close()
