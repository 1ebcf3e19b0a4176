"""The way of a log record to a salient event, in one input partition: decode, then the detector's first half.

No Kafka here: the worker and the replay of files call the same code.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load, save

from agents.records import RecordBatch
from models.bundle import Bundle
from models.context.learning import Learning, learning_of
from models.detector import Triage, TriageResult
from models.false_alarms import FalseAlarms
from schemas.dead_letter import DeadLetter
from schemas.formats.detection import TopicDecoder
from schemas.lane import Places
from schemas.salient import SalientEvent
from schemas.watermark import SalientMessage, Watermark

__all__ = ["PartitionTriage", "RecordBatch", "TriageOutput"]

log = logging.getLogger("qualm.triage")

_HEADER = "header"  # what is no array, as JSON


@dataclass(slots=True)
class TriageOutput:
    """What came of one record batch."""

    # Salient and audited events, and watermarks for evaluate, in the order of the input.
    messages: list[SalientMessage] = field(default_factory=list)
    # Records that cannot be used, with their bytes.
    dead: list[DeadLetter] = field(default_factory=list)
    # Log events decoded; rows of features computed for them (and for ends of entities and silences); rows
    # that the prefilter let through; open wires over the salient ones; entities that lost something, before
    # they ended, for want of room.
    events: int = 0
    rows: int = 0
    prefiltered: int = 0
    open_wires: int = 0
    forgotten: int = 0
    # Prefilter threshold for what comes next, nats; NaN before the first batch.
    threshold: float = float("nan")
    # Event time that the partition has reached, Unix seconds; NaN before the first event that has a time.
    watermark: float = float("nan")
    # What the detector saw, for whoever holds it against labels.
    results: list[TriageResult] = field(default_factory=list)

    @property
    def salient(self) -> list[SalientEvent]:
        """The salient events alone, without those that are audited."""
        return [
            message for message in self.messages if isinstance(message, SalientEvent) and not message.audit
        ]

    def add(self, result: TriageResult) -> None:
        """Count a result of the detector in."""
        self.results.append(result)
        self.messages += result.messages
        self.events += result.event_count
        self.rows += len(result.rows)
        self.prefiltered += result.prefiltered
        self.open_wires += result.open_wires
        self.forgotten += result.forgotten
        self.threshold = result.threshold
        self.watermark = result.watermark


class PartitionTriage:
    """Triage of one input partition, of so many: its decoder, its detector state and its position."""

    def __init__(
        self,
        bundle: Bundle,
        decoder: TopicDecoder,
        topic: str,
        partition: int,
        partitions: int = 1,
        false_alarms: FalseAlarms | None = None,
    ) -> None:
        """false_alarms: how many are accepted, None for the bundle's."""
        self._decoder = decoder
        self._triage = Triage(bundle, topic, partition, partitions, false_alarms)
        # Offset behind the last record that was taken in. Records before it are not taken in twice: after a
        # rebalance that leaves the partition here, the broker repeats what was not committed yet.
        self._position = 0

    def process(self, batch: RecordBatch) -> TriageOutput:
        """Take in the next records of the partition.

        Never raises for what is in a record: those that cannot be decoded, and those that the detector fails
        on, come back as dead letters.
        """
        output = TriageOutput()
        batch = batch.after(self._position)
        if not len(batch):
            return output
        try:
            self._take(batch, output)
        except Exception:
            log.exception(
                "Triage failed on %s[%d] offsets %d to %d; trying its records one by one.",
                batch.topic,
                batch.partition,
                batch.offsets[0],
                batch.offsets[-1],
            )
            output = self._one_by_one(batch)
        self._position = batch.offsets[-1] + 1
        return output

    def reached(self, time: float, position: int) -> list[Watermark]:
        """The notice, where one is due, that the partition is complete up to an event time (s) though nothing
        came of it; position: offset of the record that says so.
        """
        return self._triage.reached(time, position)

    def idle(self, position: int | None = None) -> Watermark:
        """That the partition was read to its end.

        position: the offset that its next record has at least; None: behind what was taken in.
        """
        return self._triage.idle((self._position if position is None else position) - 1)

    @property
    def learning(self) -> Learning:
        """How much of the partition is still being learnt."""
        return learning_of(self._triage.context.state)

    def snapshot(self) -> bytes:
        """All that later results depend on."""
        arrays, rest = self._triage.snapshot()
        header = {
            "bundle": self._triage.bundle.digest,
            "position": self._position,
            "decoder": self._decoder.snapshot().decode(),
            "detector": rest,
        }
        return save({**arrays, _HEADER: np.frombuffer(orjson.dumps(header), np.uint8)})

    def resume(self, data: bytes) -> None:
        """Go on from a snapshot, where nothing was taken in yet.

        Raises:
            ValueError: not a snapshot of such a state, or one made with another bundle.
        """
        try:
            arrays = load(data)
            header = orjson.loads(arrays.pop(_HEADER).tobytes())
            if header["bundle"] != self._triage.bundle.digest:
                raise ValueError("it was made with another bundle")
            self._decoder.resume(header["decoder"].encode())
            self._triage.resume(arrays, header["detector"])
            self._position = int(header["position"])
        except (SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a snapshot that this partition can go on from: {error}") from None

    def _take(self, batch: RecordBatch, output: TriageOutput) -> None:
        decoded = batch.decode(self._decoder)
        output.add(self._triage.process(decoded.events, _places(batch, len(decoded.events))))
        output.dead += [dead_letter(batch, index, reason) for index, reason in decoded.failures]

    def _one_by_one(self, batch: RecordBatch) -> TriageOutput:
        """Find the records that the detector fails on; the others are used."""
        output = TriageOutput()
        for index in range(len(batch)):
            try:
                self._take(batch[index : index + 1], output)
            except Exception as error:
                reason = f"triage failed: {type(error).__name__}"
                output.dead.append(dead_letter(batch, index, reason))
        return output


def _places(batch: RecordBatch, events: int) -> Places | None:
    """Where events stand that were decoded before: their own offsets are of their files, or origins."""
    if batch.decoded is None:
        return None
    return Places(batch.offsets[:events], batch.origins or [batch.partition] * events)


def dead_letter(batch: RecordBatch, index: int, reason: str) -> DeadLetter:
    """A record of a batch as it came, with why it could not be used; of one that came decoded its place."""
    partition, offset = batch.partition, batch.offsets[index]
    if batch.origins is not None and batch.decoded is not None:
        partition, offset = batch.origins[index], batch.decoded.events.offset[index]
        reason += "; its value is at the topic, partition and offset given"
    return DeadLetter(
        topic=batch.topic,
        partition=partition,
        offset=offset,
        key=batch.keys[index],
        value=batch.values[index],
        headers=batch.headers[index],
        reason=reason,
    )
