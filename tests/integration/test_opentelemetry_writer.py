"""What OpenTelemetry's SDK batches and encodes by itself, over a broker."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import pytest
import zstandard
from confluent_kafka import Producer
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from tests.integration.conftest import Broker
from tests.integration.test_replay_topic import replayed
from tests.integration.topic_events import Said, read_topic

NOON = 1_714_566_896.0  # 2024-05-01T12:34:56Z
NANOS = 1_714_566_896_000_000_000
EVENTS, BATCH = 250, 100
MESSAGES = ("order placed", "Zahlung abgelehnt: Kärntner Straße ☃", "slow query\n  select 1\n  from orders")
LEVELS = (
    SeverityNumber.DEBUG,
    SeverityNumber.INFO,
    SeverityNumber.WARN4,
    SeverityNumber.ERROR,
    SeverityNumber.FATAL,
)


class ToKafka(LogRecordExporter):
    """Each batch of the SDK as one record, as the Collector's Kafka exporter writes it."""

    def __init__(self, producer: Producer, topic: str, pack: Callable[[bytes], bytes]) -> None:
        self._producer = producer
        self._topic = topic
        self._pack = pack

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self._producer.produce(self._topic, self._pack(encode_logs(batch).SerializeToString()), partition=0)
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._producer.flush(timeout_millis / 1000) == 0

    def shutdown(self) -> None:
        self._producer.flush(30)


def write(broker: Broker, topic: str, pack: Callable[[bytes], bytes], compression: str) -> list[Said]:
    """Log through the SDK; what was said, every third time inside a span and else with a request's id."""
    exporter = ToKafka(broker.producer(**{"compression.type": compression}), topic, pack)
    provider = LoggerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    # longer than the test, so that nothing but full batches and the flush at the end export
    processor = BatchLogRecordProcessor(
        exporter, schedule_delay_millis=600_000, max_export_batch_size=BATCH, max_queue_size=4 * EVENTS
    )
    provider.add_log_record_processor(processor)
    logger = provider.get_logger("shop.cart")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop")
    said: list[Said] = []
    for i in range(EVENTS):
        level, message, request = LEVELS[i % len(LEVELS)], MESSAGES[i % len(MESSAGES)], f"r-{i}"
        with nullcontext() if i % 3 else tracer.start_as_current_span("pay") as span:
            logger.emit(
                LogRecord(
                    timestamp=NANOS + i * 10**9,
                    severity_number=level,
                    body=message,
                    attributes={"request_id": request, "latency_ms": i / 4},
                    context=get_current(),
                )
            )
        entity = f"{span.get_span_context().trace_id:032x}" if span else request
        said.append((NOON + i, level.value, "shop", entity, message))
    provider.shutdown()
    return said


@pytest.mark.parametrize(
    ("pack", "compression"),
    [
        pytest.param(bytes, "none", id="plain"),
        pytest.param(bytes, "gzip", id="topic in gzip"),
        pytest.param(bytes, "zstd", id="topic in zstd"),
        pytest.param(gzip.compress, "none", id="bodies in gzip"),
        pytest.param(zstandard.compress, "zstd", id="bodies and topic in zstd"),
    ],
)
def test_batches_of_the_sdk(
    broker: Broker, unique: str, pack: Callable[[bytes], bytes], compression: str
) -> None:
    broker.create(unique)
    said = write(broker, unique, pack, compression)
    found = read_topic(broker, unique)
    assert (found.format, found.failures) == ("otlp_proto", [])
    assert found.events == said
    assert found.records == 3  # 100, 100 and 50 events


def test_a_replay_of_them(broker: Broker, unique: str) -> None:
    broker.create(unique)
    said = write(broker, unique, bytes, "zstd")
    _, metrics = replayed(f"kafka://{broker.address}/{unique}")
    assert (metrics["events"], metrics["entities"], metrics["dead_letters"]) == (EVENTS, EVENTS, {})
    assert len({entity for *_, entity, _ in said}) == EVENTS
