"""``qualm demo``: embedded broker, simulated services, a real worker, live alerts, and the score at the end.

Nothing here is a short cut: records go through the Kafka protocol to a worker process that knows nothing of
the incidents, and what it publishes on ``qualm.alerts`` is compared with the truth after the last record.
Event time runs about sixty times faster than the clock; the producer waits whenever the worker falls behind.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from agents.demo.embedded_broker import PARTITIONS, BrokerError, EmbeddedBroker
from agents.demo.producer import ProduceError, produce
from agents.demo.scoring import DemoResult, score
from agents.demo.simulation import DEMO_START, SimulatedEvent, Truth, demo_incidents, simulate, truths
from agents.demo.view import result_json, tables
from agents.demo.worker_process import Metrics, WorkerError, WorkerProcess
from agents.incident_lines import incident_lines
from schemas.alert import Alert

__all__ = ["run_demo"]

LOGS, GROUP = "demo-logs", "qualm-demo"
KEYED, SALIENT, SUSPICIOUS, ALERTS = "qualm.keyed", "qualm.salient", "qualm.suspicious", "qualm.alerts"
EVENT_SECONDS = 2400.0  # of event time
WALL_SECONDS = 35.0  # in which they are written, when the worker keeps up
READY_SECONDS = 90.0
DRAIN_SECONDS = 60.0
# Records the worker may be behind. The broker keeps about 5 MB per partition; an event is 0.4 KB, a salient
# event 2 KB. Even if all of them lay in one partition, none would be dropped.
LOG_BACKLOG = 5000
SALIENT_BACKLOG = 1000
CHECK_EVERY = 250  # events between two looks at the backlog


class _StoppedError(Exception):
    """The demo ends while the producer still has events."""


def run_demo(
    seed: int = 7,
    rate: float = 50.0,
    duration: float = EVENT_SECONDS,
    bundle: str | None = None,
    as_json: bool = False,
) -> int:
    """Run the demo and return the exit code: 0 only if every event is accounted for and all incidents found.

    Args:
        seed: of the simulated services; the default bundle was trained on others.
        rate: events per second of event time.
        duration: seconds of event time.
        bundle: folder of a bundle; None is the default one.
        as_json: print one JSON object instead of the live view.
    """
    console = Console(quiet=as_json, highlight=False, soft_wrap=True)
    complain = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = _run(console, seed, rate, duration, bundle)
    except (BrokerError, ProduceError, WorkerError, KafkaException) as error:
        complain.print(f"demo: {error}")
        complain.print("Run `qualm doctor` to see whether the installation is complete, then try again.")
        return 1
    except KeyboardInterrupt:
        complain.print("demo: interrupted; worker and broker are stopped.")
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
    if as_json:
        sys.stdout.write(orjson.dumps(result_json(result), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        tables(console, result)
    return 0 if result.ok else 1


def _run(console: Console, seed: int, rate: float, duration: float, bundle: str | None) -> DemoResult:
    begin = time.monotonic()
    planned = truths(demo_incidents(duration), DEMO_START)
    with tempfile.TemporaryDirectory(prefix="qualm-demo-") as folder, EmbeddedBroker() as broker:
        for topic in (LOGS, KEYED, SALIENT, SUSPICIOUS, ALERTS):
            broker.create_topic(topic)
        console.print(f"Broker on {broker.address}; starting a worker ...")
        with WorkerProcess(Path(folder), _settings(broker.address, bundle)) as worker:
            worker.wait_ready(READY_SECONDS)
            console.print(
                f"Worker {worker.pid} is ready. {duration / 60:.0f} minutes of logs from 12 services follow, "
                f"{duration / WALL_SECONDS:.0f} times faster than they happened. Incidents:\n"
            )
            events = _observed(simulate(seed, duration, rate, incidents="demo"), planned)
            feed = _Feed(events, broker.address, worker, duration / WALL_SECONDS)
            alerts = _watch(console, broker.address, worker, feed, duration)
            metrics = worker.metrics()
            assert metrics is not None, "the worker answered a moment ago"
    return _result(feed.sent, metrics, time.monotonic() - begin, alerts, planned)


def _settings(address: str, bundle: str | None) -> dict[str, str]:
    settings = {"BROKER": address, "TOPICS": LOGS, "GROUP": GROUP, "ROLE": "all", "START": "earliest"}
    settings["STATE"] = "none"  # the embedded broker drops old records
    settings |= {"SALIENT_TOPIC": SALIENT, "SUSPICIOUS_TOPIC": SUSPICIOUS, "ALERTS_TOPIC": ALERTS}
    # Each of the four partitions has a part of every service: keyed anew, they are judged as one.
    settings |= {"KEY_BY": "entity", "KEYED_TOPIC": KEYED}
    if bundle is not None:
        settings["BUNDLE"] = str(Path(bundle).resolve())
    return {f"QUALM_{name}": value for name, value in settings.items()}


def _result(
    sent: int, metrics: Metrics, seconds: float, alerts: list[Alert], planned: list[Truth]
) -> DemoResult:
    return DemoResult(
        produced=sent,
        processed=int(metrics.total("qualm_events_total")),
        dead_letters=int(metrics.by_label("qualm_dead_letters_total", "topic").get(LOGS, 0.0)),
        salient=int(metrics.total("qualm_salient_total")),
        circuits={k: int(v) for k, v in metrics.by_label("qualm_circuits_total", "device").items()},
        seconds=seconds,
        score=score(alerts, planned),
        alerts=alerts,
    )


def _observed(events: Iterable[SimulatedEvent], planned: list[Truth]) -> Iterator[SimulatedEvent]:
    """Pass events on and take note of what each incident touches."""
    for event in events:
        if event.incident >= 0:
            planned[event.incident].observe(event)
        yield event


class _Feed(threading.Thread):
    """The producer: writes events at the given speed, and no faster than the worker reads them."""

    def __init__(
        self, events: Iterable[SimulatedEvent], address: str, worker: WorkerProcess, speed: float
    ) -> None:
        super().__init__(name="demo-producer", daemon=True)
        self._events, self._address, self._worker, self._speed = events, address, worker, speed
        self.stop = threading.Event()
        self.sent = 0
        self.event_time = DEMO_START
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.sent = produce(self._events, self._address, LOGS, self._speed, before_send=self._pace)
        except _StoppedError:
            pass
        except Exception as error:  # shown by the main thread, which also stops the worker
            self.error = error

    def _pace(self, sent: int, event: SimulatedEvent) -> None:
        self.event_time = event.time
        if sent % CHECK_EVERY:
            return
        while self._behind(sent):
            if self.stop.wait(0.05):
                break
        if self.stop.is_set():
            raise _StoppedError

    def _behind(self, sent: int) -> bool:
        metrics = self._worker.metrics()
        if metrics is None:
            return True  # busy or gone; the main thread looks after the latter
        done = _done(metrics)
        waiting = metrics.total("qualm_salient_total") - metrics.total("qualm_circuits_total")
        return sent - done > LOG_BACKLOG or waiting > SALIENT_BACKLOG


def _done(metrics: Metrics | None) -> float:
    """How many events the worker has taken in."""
    if metrics is None:
        return -1.0
    return metrics.total("qualm_events_total") + metrics.total("qualm_dead_letters_total")


def _watch(
    console: Console, address: str, worker: WorkerProcess, feed: _Feed, duration: float
) -> list[Alert]:
    """Show alerts until the worker has processed everything that was written."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}% of the simulated time, "),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    reader = _AlertReader(address)
    alerts: list[Alert] = []
    feed.start()
    try:
        with bar:
            task = bar.add_task("reading", total=duration)
            while feed.is_alive():
                _show(console, alerts, reader.read(0.2))
                worker.check()
                _advance(bar, task, feed)
            if feed.error is not None:
                raise feed.error
            _show(console, alerts, reader.drain(worker, feed.sent))
    finally:
        feed.stop.set()
        feed.join()
        reader.close()
    return alerts


def _advance(bar: Progress, task: TaskID, feed: _Feed) -> None:
    bar.update(task, completed=feed.event_time - DEMO_START)


def _show(console: Console, alerts: list[Alert], new: Iterable[Alert]) -> None:
    for alert in new:
        alerts.append(alert)
        for line in incident_lines(alert):
            console.print(line, soft_wrap=False, no_wrap=True, overflow="ellipsis", crop=True)


class _AlertReader:
    """Reads every alert, and knows from the worker's committed offsets when there are no more to come."""

    def __init__(self, address: str) -> None:
        # The group is that of the worker, so that its commits can be read; this consumer never joins it.
        options = {"bootstrap.servers": address, "group.id": GROUP, "log_level": 3}
        self._consumer = Consumer({**options, "enable.auto.commit": False, "enable.partition.eof": False})
        self._consumer.assign([TopicPartition(ALERTS, partition, 0) for partition in range(PARTITIONS)])

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def read(self, seconds: float) -> list[Alert]:
        """The alerts that arrive within some seconds, at most 100."""
        messages = self._consumer.consume(100, seconds)
        values = [message.value() for message in messages if message.error() is None]
        return [Alert.decode(value) for value in values if value is not None]

    def drain(self, worker: WorkerProcess, sent: int) -> Iterator[Alert]:
        """Yield alerts until all logs sent, salient and suspicious events and alerts are processed.

        Raises:
            WorkerError: the worker ended, or is not done after a minute.
        """
        deadline = time.monotonic() + DRAIN_SECONDS
        while _done(worker.metrics()) < sent and time.monotonic() < deadline:  # the last wait for each other
            yield from self.read(0.2)
            worker.check()
        # In this order: a commit on one topic means that what follows from it is already on the next.
        for topic in (LOGS, KEYED, SALIENT, SUSPICIOUS):
            while self._uncommitted(topic):
                yield from self.read(0.2)
                worker.check()
                if time.monotonic() > deadline:
                    raise WorkerError(f"the worker did not finish {topic} within {DRAIN_SECONDS:.0f} s.")
        while self._unread():
            yield from self.read(0.2)

    def _ends(self, topic: str) -> list[int]:
        partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        return [self._consumer.get_watermark_offsets(tp, timeout=10.0)[1] for tp in partitions]

    def _uncommitted(self, topic: str) -> bool:
        partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        committed = self._consumer.committed(partitions, timeout=10.0)
        return any(max(tp.offset, 0) < end for tp, end in zip(committed, self._ends(topic), strict=True))

    def _unread(self) -> bool:
        partitions = [TopicPartition(ALERTS, partition) for partition in range(PARTITIONS)]
        position = self._consumer.position(partitions)
        return any(max(tp.offset, 0) < end for tp, end in zip(position, self._ends(ALERTS), strict=True))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
