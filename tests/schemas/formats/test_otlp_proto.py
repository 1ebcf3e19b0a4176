"""OTLP in Protobuf: what OpenTelemetry's own encoder writes, and the same events as from OTLP/JSON."""

import base64
import gzip
import json
import resource
from typing import Any

import pytest
import zstandard
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord as ApiRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from schemas.events import EventBatch
from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.options import ReadOptions

NOON = 1_714_566_896.5
NANOS = 1_714_566_896_500_000_000
TRACE = bytes.fromhex("5b8efff798038103d269b633813fc60c")


def request(*records: LogRecord, service: str = "checkout") -> bytes:
    attributes = [{"key": "service.name", "value": {"string_value": service}}]
    scoped = {"scope": {"name": "my.scope"}, "log_records": list(records)}
    logs = {"resource": {"attributes": attributes}, "scope_logs": [scoped]}
    return ExportLogsServiceRequest(resource_logs=[logs]).SerializeToString()


def decode(*values: bytes, **options: Any) -> Decoded:
    decoder = TopicDecoder(ReadOptions(**options))
    return decoder.decode(values, range(len(values)), [None] * len(values))


def reasons(found: Decoded) -> list[str]:
    return [reason.split(":")[0] for _, reason in found.failures]


def row(events: EventBatch, i: int = 0) -> tuple[Any, ...]:
    return events.time[i], events.severity[i], events.source[i], events.entity[i], events.message[i]


FULL = LogRecord(
    time_unix_nano=NANOS,
    severity_number=10,  # type: ignore[arg-type]  # an enum is a number on the wire
    severity_text="Information",
    trace_id=TRACE,
    body={"string_value": "order placed"},
    attributes=[
        {"key": "latency.ms", "value": {"double_value": 3.5}},
        {"key": "items", "value": {"int_value": 7}},
        {"key": "vip", "value": {"bool_value": True}},
    ],
)


def written_by_the_sdk() -> bytes:
    """What the SDK's logger gives to its exporter, and the exporter's encoder makes of it."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("shop.cart")
    said: dict[str, Any] = {"timestamp": NANOS, "severity_number": SeverityNumber.ERROR}
    said |= {"trace_id": int.from_bytes(TRACE), "span_id": 7, "body": "payment refused"}
    logger.emit(ApiRecord(**said, attributes={"request_id": "r7", "ms": 12.5}))
    logger.emit(
        ApiRecord(observed_timestamp=NANOS, body={"a": [1, "x"], "b": b"\x00\xff"}, event_name="said")
    )
    return encode_logs(exporter.get_finished_logs()).SerializeToString()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_what_the_sdk_writes_is_read_without_being_told(pack: Any) -> None:
    decoder = TopicDecoder(ReadOptions())
    found = decoder.decode([pack(written_by_the_sdk())], [4], [None])
    assert (decoder.format, found.failures) == ("otlp_proto", [])
    events = found.events
    assert row(events) == (NOON, 17, "shop", TRACE.hex(), "payment refused")
    assert row(events, 1) == (NOON, 0, "shop", "", '{"a":[1,"x"],"b":"AP8="}')
    assert (events.numbers, events.offset, events.record) == ([{"ms": 12.5}, None], [4, 4], [0, 1])


def test_options_and_ids() -> None:
    full = request(FULL)
    assert row(decode(full).events) == (NOON, 10, "checkout", TRACE.hex(), "order placed")
    assert decode(full, entity_field="items").events.entity == ["7"]
    assert decode(full, entity_field="traceId").events.entity == [TRACE.hex()]
    assert decode(full, entity_pattern="ord[a-z]+").events.entity == ["order"]
    assert decode(full, source_field="items").events.source == ["7"]
    assert decode(request(FULL, service="")).events.source == ["my.scope"]
    assert decode(request(LogRecord(body={"string_value": "x"}, trace_id=bytes(16)))).events.entity == [""]


def test_a_hundred_records_are_a_hundred_events() -> None:
    found = decode(*[request(*[FULL] * 100)] * 40)
    assert (len(found.events), found.failures) == (4_000, [])


def test_other_signals_are_told_and_are_no_logs() -> None:
    span = {"trace_id": TRACE, "span_id": bytes(range(8)), "name": "GET /", "start_time_unix_nano": NANOS}
    spans = TracesData(resource_spans=[{"scope_spans": [{"spans": [span]}]}]).SerializeToString()
    bare = {name: span[name] for name in span if name != "name"}  # all of its fields are of other types
    unnamed = TracesData(resource_spans=[{"scope_spans": [{"spans": [bare]}]}]).SerializeToString()
    gauge = {"name": "cpu", "gauge": {"data_points": [{"time_unix_nano": NANOS, "as_double": 0.5}]}}
    metrics = MetricsData(resource_metrics=[{"scope_metrics": [{"metrics": [gauge]}]}]).SerializeToString()
    for value in (spans, unnamed, metrics):
        assert reasons(decode(value, format="otlp_proto")) == ["not OTLP"]
        assert reasons(decode(value)) == ["binary"]
    found = decode(b'{"resourceSpans": []}', format="otlp")
    assert found.failures[0][1].startswith("not OTLP: these are traces")


def test_failures_are_told_and_neighbours_are_untouched() -> None:
    empty = request(LogRecord(time_unix_nano=NANOS))
    found = decode(request(FULL), b"text", empty, request(), gzip.compress(request(FULL))[:-9], request(FULL))
    assert reasons(found) == ["not OTLP", "no events", "no events", "broken"]
    assert found.events.offset == [0, 5]


def test_too_much_is_refused_before_it_is_in_memory() -> None:
    def field(tag: int, content: bytes) -> bytes:
        length, out = len(content), bytes([tag])
        while length > 127:
            out, length = out + bytes([length & 127 | 128]), length >> 7
        return out + bytes([length]) + content

    many = field(0x0A, field(0x12, b"\x12\x00" * 100_001))
    large = field(0x0A, field(0x12, b"\x12\x00" * 7_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = decode(
        many, large, gzip.compress(bytes(1 << 28)), zstandard.compress(bytes(1 << 28)), format="otlp_proto"
    )
    assert reasons(found) == ["too many events", "too large", "too large", "too large"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


# ---- both encodings are one format ----

FIXED = settings(derandomize=True, deadline=None, max_examples=150, database=None)
words = st.text(st.characters(codec="utf-8"), max_size=8)
plain = st.one_of(
    st.builds(dict, string_value=words), st.builds(dict, bool_value=st.booleans()),
    st.builds(dict, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(dict, double_value=st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x or 0.5)),
    st.builds(dict, bytes_value=st.binary(max_size=5)), st.just({}),
)  # fmt: skip
values = st.recursive(
    plain,
    lambda inner: (
        st.builds(lambda each: {"array_value": {"values": each}}, st.lists(inner, max_size=3))
        | st.builds(
            lambda each: {"kvlist_value": {"values": [{"key": k, "value": v} for k, v in each.items()]}},
            st.dictionaries(words, inner, max_size=3),
        )
    ),
    max_leaves=8,
)
records = st.builds(
    lambda time, observed, severity, text, trace, body, attributes, name: LogRecord(
        time_unix_nano=time, observed_time_unix_nano=observed, severity_number=severity, severity_text=text,
        trace_id=trace, body=body, event_name=name,
        attributes=[{"key": key, "value": value} for key, value in attributes.items()],
    ),
    st.sampled_from([0, NANOS, 2**64 - 1]), st.sampled_from([0, NANOS]), st.integers(0, 24),
    st.sampled_from(["", "warn", "x"]), st.sampled_from([b"", TRACE, bytes(16)]), values,
    st.dictionaries(words, values, max_size=3), st.sampled_from(["", "user.login"]),
)  # fmt: skip


def as_json(value: bytes) -> bytes:
    """The same request in OTLP/JSON: protobuf's own mapping, but ids in hexadecimal."""
    content = MessageToDict(LogsData.FromString(value))
    for group in content.get("resourceLogs", []):
        for scoped in group.get("scopeLogs", []):
            for record in scoped.get("logRecords", []):
                if "traceId" in record:
                    record["traceId"] = base64.b64decode(record["traceId"]).hex()
    return json.dumps(content).encode()


@FIXED
@given(st.lists(records, min_size=1, max_size=4), words)
def test_both_encodings_give_the_same_events(said: list[LogRecord], service: str) -> None:
    value = request(*said, service=service)
    found, same = decode(value, format="otlp_proto"), decode(as_json(value), format="otlp")
    assert repr(found.events) == repr(same.events)
    assert reasons(found) == reasons(same)


@FIXED
@given(st.binary(max_size=80), st.integers(0, 300), st.booleans())
def test_no_bytes_raise(noise: bytes, at: int, cut: bool) -> None:
    value = request(FULL, FULL)
    value = value[:at] + noise + (b"" if cut else value[at + len(noise) :])
    for options in ({}, {"format": "otlp_proto"}):
        found = decode(value, **options)
        assert (len(found.events) > 0) != (found.failures != [])
        "".join(found.events.message + found.events.source + found.events.entity).encode()
