"""The worker: a Faust app with three agents.

    input topics ─▶ triage ─▶ qualm.salient ─▶ evaluate ─▶ qualm.suspicious ─▶ incidents ─▶ qualm.alerts
                      └─▶ <topic>.dlq    └─▶ qualm.salient.dlq      └─▶ qualm.suspicious.dlq

With ``key_by``, one more in front (see ``agents.keyed_steps``): input topics ─▶ key ─▶ qualm.keyed ─▶ triage.

Each agent takes a record batch, computes, publishes, waits until the broker has everything, and only then
calls the batch published, which lets the transport commit it (see ``agents.kafka.transport``). State belongs
to a partition: it is saved now and then, and taken up by the worker that has the partition next
(``agents.state.keeper``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from faust.types import TP

from agents import metrics
from agents.breaker import Breaker
from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.idle import QUIET, IdlePartitions
from agents.kafka.dead_letters import outgoing, reason_label
from agents.kafka.faust_app import create_app
from agents.kafka.lag import LAG_SECONDS, tell_lag
from agents.kafka.publisher import Outgoing, Publisher, PublishingStoppedError
from agents.keyed_steps import KeyedSteps
from agents.learning import tell_learning
from agents.partitions import PartitionStates
from agents.records import RecordBatch
from agents.settings import Settings
from agents.torn import ENOUGH, Torn, finding
from agents.triage import PartitionTriage, TriageOutput, dead_letter
from agents.worker_state import keeper_of
from models.bundle import Bundle
from models.false_alarms import FalseAlarms
from schemas.alert import Alert, cloudevents_headers
from schemas.dead_letter import DeadLetter
from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.salient import SalientEvent
from schemas.suspicious import SuspiciousMessage, decode_suspicious
from schemas.watermark import SalientMessage, decode_salient

__all__ = ["Worker"]

log = logging.getLogger("qualm.worker")

# Seconds that saving the states may hold up a rebalance; the broker waits for a worker for 15.
REVOKED_SECONDS = 5.0
# Seconds after which an attempt to send that began within the grace has ended, or is given up.
LAST_ATTEMPT_SECONDS = 0.5

Message = TypeVar("Message")


class Worker:
    """The agents and the state they keep for the partitions of this process."""

    def __init__(self, settings: Settings, bundle: Bundle) -> None:
        self._settings = settings
        self._bundle = bundle
        self._partitions = PartitionStates(self._triage)
        self._keyed = KeyedSteps(settings, self._known, self._decoder, self._triage)
        self._grouping = Grouping(settings.evaluate_options())
        self._idle: IdlePartitions[TP] = IdlePartitions()
        self._torn: dict[str, Torn] = {}
        self._warned: set[str] = set()  # topics that were said to be torn
        self._breaker = Breaker(lambda topic, is_open: metrics.BREAKER.labels(topic).set(is_open))
        self._evaluation: SalientEvaluation | None = None
        if settings.role != "triage":
            self._evaluation = SalientEvaluation(
                bundle,
                settings.evaluate_options(),
                lambda device: metrics.DEVICE_FAILURES.labels(device).inc(),
            )
            self._evaluation.on_audit = _count_audit
            log.info("Circuits run on %s: %s", self._evaluation.device, self._evaluation.reason)
        self.keeper = keeper_of(settings, bundle, self._partitions, self._keyed, self._grouping)
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._at_work = 0
        self._finishing = False
        self.app = create_app(settings)
        self.app.reads_on = self.keeper
        self.publisher = Publisher(self.app.producer)
        self.app.on_partitions_revoked.connect(self._revoked, weak=False)  # type: ignore[arg-type]
        self.app.on_partitions_assigned.connect(self._assigned, weak=False)  # type: ignore[arg-type]
        self.app.timer(LAG_SECONDS)(self._tell)
        if settings.role != "evaluate":
            if settings.is_keyed:
                self._add_agent("key", self._key_batch, *settings.topics)
                self._add_agent("triage", self._triage_keyed_batch, settings.keyed_topic)
            else:
                self._add_agent("triage", self._triage_batch, *settings.topics)
            self.app.timer(QUIET)(self._tell_idle)
        if settings.role != "triage":
            self._add_agent("evaluate", self._evaluate_batch, settings.salient_topic)
            self._add_agent("incidents", self._group_batch, settings.suspicious_topic)

    def _add_agent(self, name: str, step: Callable[[RecordBatch], Awaitable[None]], *topics: str) -> None:
        channel = self.app.topic(*topics, key_serializer="raw", value_serializer="raw")

        async def agent(stream: AsyncIterable[RecordBatch]) -> None:
            async for batch in stream:
                await self._guarded(step, batch)

        self.app.agent(channel, name=f"qualm.{name}")(agent)

    async def finish(self, grace: float, seconds: float) -> None:
        """Take in nothing more, wait for what is under way, and save the states.

        Args:
            grace: seconds that the broker is given to take what came of the last batches.
            seconds: for saving the states.
        """
        self._finishing = True
        asyncio.get_running_loop().call_later(grace, self.publisher.stop)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._at_rest.wait(), grace + LAST_ATTEMPT_SECONDS)
        await self.keeper.save_all(seconds)

    async def _guarded(self, step: Callable[[RecordBatch], Awaitable[None]], batch: RecordBatch) -> None:
        """Run one step; whatever it raises, its records stay uncommitted and are read again."""
        if self._finishing or batch.is_outdated:
            return
        self._at_work += 1
        self._at_rest.clear()
        try:
            self.keeper.taking(batch.topic, batch.partition)
            await self._taken(step, batch)
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._at_rest.set()

    async def _taken(self, step: Callable[[RecordBatch], Awaitable[None]], batch: RecordBatch) -> None:
        try:
            await step(batch)
        except PublishingStoppedError as error:
            log.warning("Stopped before %s[%d] was published: %s", batch.topic, batch.partition, error)
        except Exception as error:
            log.exception("Cannot go on after %s[%d]", batch.topic, batch.partition)
            await self.app.crash(error)
        else:
            batch.published()
            if not batch.is_outdated:
                self.keeper.published(batch.topic, batch.partition, batch.offsets[-1] + 1)

    async def _triage_batch(self, batch: RecordBatch) -> None:
        tp = TP(batch.topic, batch.partition)
        self._idle.begin(tp, monotonic())
        with metrics.BATCH_SECONDS.labels("triage").time():
            output = self._partitions.of(batch.topic, batch.partition).process(batch)
            records = [self._dead(letter) for letter in output.dead]
            records += [self._salient(batch.topic, batch.partition, each) for each in output.messages]
        await self._publish(records)
        self._count_dead(batch, output.dead)
        _count_triage(batch.topic, output)
        self._idle.end(tp, batch.offsets[-1] + 1, monotonic())

    async def _key_batch(self, batch: RecordBatch) -> None:
        tp = TP(batch.topic, batch.partition)
        self._idle.begin(tp, monotonic())
        with metrics.BATCH_SECONDS.labels("key").time():
            records, dead = self._keyed.key(batch)
        await self._publish([*(self._dead(letter) for letter in dead), *records])
        self._count_dead(batch, dead)
        self._idle.end(tp, batch.offsets[-1] + 1, monotonic())

    async def _triage_keyed_batch(self, batch: RecordBatch) -> None:
        tp = TP(batch.topic, batch.partition)
        self._idle.begin(tp, monotonic())
        with metrics.BATCH_SECONDS.labels("triage").time():
            output = self._keyed.take(batch)
            records = [self._dead(letter) for letter in output.dead]
            for topic, each in output.by_topic.items():
                records += [self._dead(letter) for letter in each.dead]
                records += [self._salient(topic, batch.partition, message) for message in each.messages]
        await self._publish(records)
        for topic, each in output.by_topic.items():
            _count_triage(topic, each)
        self._idle.end(tp, batch.offsets[-1] + 1, monotonic())

    def _salient(self, topic: str, partition: int, message: SalientMessage) -> Outgoing:
        # One key per input partition: its events stay in order in one partition of the salient topic.
        return Outgoing(self._settings.salient_topic, message.encode(), f"{topic}:{partition}".encode())

    async def _tell_idle(self) -> None:
        """Say which partitions were read to their end, of topics that have several: none waits for them."""
        if self.keeper.takes_up:
            return
        consumer = self.app.consumer
        for tp, known in self._idle.quiet(monotonic()):
            try:
                keyed = tp.topic == self._settings.keyed_topic
                if (self._keyed.lanes if keyed else self._count(tp.topic)) == 1:
                    continue
                position = await consumer.position(tp) if known is None else known
                end = consumer.highwater(tp)
                if position is None or end is None or position < end or not self._idle.tell(tp, monotonic()):
                    continue
                await self._publish(self._idle_notices(tp, position))
            except Exception as error:  # it moves away, or the worker stops: whoever reads it then says so
                log.debug("Cannot say that %s[%d] is idle: %r", *tp, error)

    def _idle_notices(self, tp: TP, position: int) -> list[Outgoing]:
        if tp.topic == self._settings.keyed_topic:
            notices = self._keyed.triage.of(*tp).idle(position)
            return [self._salient(each.topic, tp.partition, each) for each in notices]
        if self._settings.is_keyed:
            return self._keyed.idle(*tp)
        return [self._salient(*tp, self._partitions.of(*tp).idle(position))]

    async def _evaluate_batch(self, batch: RecordBatch) -> None:
        messages = [message for message, _ in await self._decoded(batch, self._salient_message)]
        size = self._settings.evaluate_batch
        for first in range(0, len(messages), size):
            found = self._evaluate(messages[first : first + size])
            # One key per input topic: all that is suspicious in its partitions meets in one partition.
            await self._publish(
                [
                    Outgoing(self._settings.suspicious_topic, each.encode(), each.topic.encode())
                    for each in found
                ]
            )

    async def _group_batch(self, batch: RecordBatch) -> None:
        batch = batch.after(self.keeper.position(batch.topic, batch.partition))
        decoded = await self._decoded(batch, decode_suspicious)
        messages, stamps = [message for message, _ in decoded], [stamp for _, stamp in decoded]
        with metrics.BATCH_SECONDS.labels("incidents").time():
            alerts = self._grouping.process(messages, batch.topic, batch.partition, stamps)
        await self._publish([self._alert(alert) for alert in alerts])
        for alert in alerts:
            metrics.ALERTS.labels(alert.kind, alert.status).inc()

    async def _decoded(
        self, batch: RecordBatch, decode: Callable[[bytes], Message]
    ) -> list[tuple[Message, float]]:
        """The messages of a batch that can be used, with the times (s) of their records; the others are
        published as dead letters.
        """
        messages: list[tuple[Message, float]] = []
        dead: list[DeadLetter] = []
        for index, value in enumerate(batch.values):
            try:
                messages.append((decode(value or b""), batch.timestamps[index]))
            except ValueError as error:
                dead.append(dead_letter(batch, index, str(error)))
        await self._publish([self._dead(letter) for letter in dead])
        self._count_dead(batch, dead)
        return messages

    def _salient_message(self, value: bytes) -> SalientMessage:
        """A record of the salient topic. Raises ValueError for what this worker cannot evaluate."""
        assert self._evaluation is not None
        message = decode_salient(value)
        if message.bundle != self._bundle.digest:
            raise ValueError(f"other bundle: {message.bundle[:12]}, not {self._bundle.digest[:12]}")
        if isinstance(message, SalientEvent):
            self._evaluation.check(message)
        return message

    def _evaluate(self, messages: list[SalientMessage]) -> list[SuspiciousMessage]:
        assert self._evaluation is not None
        with metrics.BATCH_SECONDS.labels("evaluate").time():
            found = self._evaluation.process(messages)
        circuits = sum(
            isinstance(each, SalientEvent) and not each.audit and any(each.open_wires) for each in messages
        )
        metrics.CIRCUITS.labels(self._evaluation.device).inc(circuits)
        return found

    def _triage(self, topic: str, partition: int, partitions: int | None = None) -> PartitionTriage:
        asked = self._settings.evaluate_options().false_alarms
        false_alarms = FalseAlarms.parse(asked) if asked else None
        decoder = self._decoder(topic, partition)
        count = partitions or self._count(topic)
        return PartitionTriage(self._bundle, decoder, topic, partition, count, false_alarms)

    def _decoder(self, topic: str, partition: int) -> TopicDecoder:
        options = self._settings.read_options(topic, self._bundle.manifest.read_options())
        if self._settings.key_by == "none" or self._count(topic) == 1:
            return TopicDecoder(options)
        return TopicDecoder(
            options, lambda decoded, *_: self._look_for_torn(topic, partition, decoded.events)
        )

    def _look_for_torn(self, topic: str, partition: int, events: EventBatch) -> None:
        """Count names that are seen in several partitions, and say once that there are many."""
        torn = self._torn.setdefault(topic, Torn())
        torn.see(partition, events)
        for kind, names in (("entity", torn.entities), ("source", torn.sources)):
            metrics.NAMES.labels(topic, kind).set(len(names))
            metrics.NAMES_TORN.labels(topic, kind).set(names.torn)
        if self._settings.keyed or topic in self._warned or len(torn.entities or torn.sources) < ENOUGH:
            return
        if found := finding(torn):
            self._warned.add(topic)
            log.warning(
                "Topic %s: %s are seen in several partitions (%d of %d): set key_by = %s, or key producers.",
                topic, found.kinds, found.torn, found.seen, found.kind,
            )  # fmt: skip

    def _count(self, topic: str) -> int:
        """How many partitions a topic has, as the broker told; 1 until it did."""
        return self._known(topic) or 1

    def _known(self, topic: str) -> int | None:
        return self.app.consumer.topic_partitions(topic)

    def _alert(self, alert: Alert) -> Outgoing:
        return Outgoing(
            self._settings.alerts_topic,
            alert.encode(),
            alert.fingerprint.encode(),
            tuple(cloudevents_headers(alert)),
        )

    def _dead(self, letter: DeadLetter) -> Outgoing:
        metrics.DEAD_LETTERS.labels(letter.topic, reason_label(letter.reason)).inc()
        return outgoing(letter, self._settings.dead_letter_topic(letter.topic))

    def _count_dead(self, batch: RecordBatch, dead: list[DeadLetter]) -> None:
        reason = dead[-1].reason if dead else ""
        goes_to = self._settings.dead_letter_topic(batch.topic)
        self._breaker.count(batch.topic, len(batch), len(dead), reason, goes_to)

    async def _publish(self, records: list[Outgoing]) -> None:
        with metrics.BATCH_SECONDS.labels("publish").time():
            for refused in await self.publisher.publish(records):
                log.error(
                    "The broker refused a record of %d bytes for %s.",
                    len(refused.value or b""),
                    refused.topic,
                )
                metrics.REFUSED.labels(refused.topic).inc()

    async def _tell(self) -> None:
        """Set the gauges that are asked for on a timer."""
        await tell_lag(self.app.consumer)
        tell_learning(self._partitions, self._keyed.triage)

    async def _revoked(self, app: Any, revoked: set[TP], **_: Any) -> None:
        """Save the states of partitions that another worker may have next."""
        await self.keeper.save(revoked, REVOKED_SECONDS)

    async def _assigned(self, app: Any, assigned: set[TP], **_: Any) -> None:
        """Drop the state of partitions that another worker has now."""
        self.keeper.keep(assigned)
        read = {*self._settings.topics, self._settings.keyed_topic}
        self._idle.keep({tp for tp in assigned if tp.topic in read}, monotonic())
        metrics.LAG.clear()
        for gauge in (metrics.BREAKER, metrics.LEARNING, metrics.KNOWN):
            gauge.clear()
        self._breaker.forget()
        log.info(
            "Assigned: %s", ", ".join(sorted(f"{tp.topic}[{tp.partition}]" for tp in assigned)) or "nothing"
        )


def _count_audit(audited: int, missed: int) -> None:
    metrics.AUDITED.inc(audited)
    metrics.AUDIT_MISSED.inc(missed)


def _count_triage(topic: str, output: TriageOutput) -> None:
    metrics.EVENTS.labels(topic).inc(output.events)
    metrics.ROWS.inc(output.rows)
    metrics.PREFILTERED.inc(output.prefiltered)
    metrics.SALIENT.inc(len(output.salient))
    metrics.OPEN_WIRES.inc(output.open_wires)
    metrics.FORGOTTEN.inc(output.forgotten)
