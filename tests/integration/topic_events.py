"""What is read of a whole topic, for tests of those who write to one."""

from __future__ import annotations

from typing import NamedTuple

from agents.inputs.topics import KafkaSource
from agents.settings import load_settings
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions
from tests.integration.conftest import Broker

Said = tuple[float, int, str, str, str]
"""Time in Unix seconds, severity, source, entity and message of an event."""


class Found(NamedTuple):
    """A topic of one partition as it was read, nothing being told about it."""

    format: str
    failures: list[str]
    events: list[Said]
    records: int


def read_topic(broker: Broker, topic: str) -> Found:
    """Read it to its end, as train, replay and worker do."""
    decoder = TopicDecoder(ReadOptions())
    found = Found("", [], [], 0)
    with KafkaSource(f"kafka://{broker.address}/{topic}", load_settings()) as source:
        for batch in source:
            decoded = decoder.decode(batch.values, batch.offsets, batch.timestamps, batch.headers)
            events = decoded.events
            columns = (events.time, events.severity, events.source, events.entity, events.message)
            found.failures.extend(reason for _, reason in decoded.failures)
            found.events.extend(zip(*columns, strict=True))
        return found._replace(format=decoder.format, records=source.total)
