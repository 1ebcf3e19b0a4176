"""What every format promises alike: the same record is the same event, and nothing breaks the reader."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from schemas.events import MAX_ENTITY_CHARS, MAX_MESSAGE_CHARS, MAX_NAME_CHARS, MAX_NUMBERS, MAX_SOURCE_CHARS
from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.names import Format
from schemas.formats.options import ReadOptions

TIME = 1_714_566_896.0  # 2024-05-01T12:34:56Z
SYSLOG = {"ERROR": 3, "WARN": 4, "INFO": 6}
HEADER = "<date>T<time> <level> <source> <entity> <message>"


@dataclass(frozen=True)
class Writer:
    """A format, how its records are read, and how one is written."""

    name: str
    options: ReadOptions
    write: Callable[[str, str, str, str, int], bytes]  # of level, source, entity, message, seconds after TIME

    def __str__(self) -> str:
        return self.name


def clock(second: int) -> str:
    return f"2024-05-01T12:34:{56 + second}Z"


def as_json(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    event = {"timestamp": TIME + second, "level": level, "service": source, "message": message}
    return json.dumps(event | {"trace_id": entity}).encode()


def as_otlp(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    record: dict[str, Any] = {
        "timeUnixNano": str(int(TIME + second) * 10**9),
        "severityText": level,
        "traceId": entity,
        "body": {"stringValue": message},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": source}}]}
    logs = {"resource": resource, "scopeLogs": [{"logRecords": [record]}]}
    return json.dumps({"resourceLogs": [logs]}).encode()


def as_otlp_proto(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    record = LogRecord(
        time_unix_nano=int(TIME + second) * 10**9,
        severity_text=level,
        body={"string_value": message},
        attributes=[{"key": "trace_id", "value": {"string_value": entity}}],
    )
    resource = {"attributes": [{"key": "service.name", "value": {"string_value": source}}]}
    logs = ResourceLogs(resource=resource, scope_logs=[{"log_records": [record]}])
    return ExportLogsServiceRequest(resource_logs=[logs]).SerializeToString()


def as_ecs(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    event = {"@timestamp": clock(second), "ecs": {"version": "8.11.0"}, "log": {"level": level.lower()}}
    event |= {"message": message, "service": {"name": source}, "trace": {"id": entity}}
    return json.dumps(event).encode()


def as_fluent_bit(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    line = json.dumps({"level": level, "msg": message, "request_id": entity})
    event = {"@timestamp": TIME + second, "stream": "stdout", "log": line + "\n"}
    return json.dumps(event | {"kubernetes": {"container_name": source}}).encode()


def as_vector(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    line = json.dumps({"level": level, "msg": message, "request_id": entity})
    event = {"timestamp": clock(second), "source_type": "docker_logs", "message": line, "host": "node-1"}
    return json.dumps(event | {"container_name": source}).encode()


def as_gelf(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    event = {"version": "1.1", "host": source, "short_message": message, "timestamp": TIME + second}
    return json.dumps(event | {"level": SYSLOG[level], "_trace_id": entity}).encode()


def as_journald(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    event = {"__REALTIME_TIMESTAMP": str(int((TIME + second) * 1e6)), "PRIORITY": str(SYSLOG[level])}
    event |= {"SYSLOG_IDENTIFIER": source, "REQUEST_ID": entity, "MESSAGE": message, "_PID": "7"}
    return json.dumps(event).encode()


def as_syslog_json(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    event = {"PROGRAM": source, "PRIORITY": level.lower(), "HOST": "web-1", "ISODATE": clock(second)}
    return json.dumps(event | {"MESSAGE": message, "_SDATA": {"meta@1": {"request_id": entity}}}).encode()


def as_gcp(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    event = {"logName": "projects/p/logs/stdout", "severity": level, "timestamp": clock(second)}
    event |= {"resource": {"type": "k8s_container", "labels": {"container_name": source}}}
    return json.dumps(
        event | {"jsonPayload": {"message": message}, "trace": f"projects/p/traces/{entity}"}
    ).encode()


def as_azure(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    event = {"time": clock(second), "category": "FunctionAppLogs", "level": level, "correlationId": entity}
    event |= {"resourceId": f"/SITES/{source}", "operationName": "x", "properties": {"message": message}}
    return json.dumps({"records": [event]}).encode()


def as_message_pack(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    packed = msgpack.packb([TIME + second, json.loads(as_json(level, source, entity, message, second))])
    assert isinstance(packed, bytes)
    return packed


def as_text(level: str, source: str, entity: str, message: str, second: int) -> bytes:
    return f"2024-05-01T12:34:{56 + second} {level} {source} {entity} {message}".encode()


JSON = Writer("json", ReadOptions("json"), as_json)
OTLP = Writer("otlp", ReadOptions("otlp"), as_otlp)
TEXT = Writer("text", ReadOptions(line=HEADER), as_text)
OTHERS: dict[Format, Any] = {
    "otlp_proto": as_otlp_proto, "ecs": as_ecs, "fluentbit": as_fluent_bit, "vector": as_vector,
    "gelf": as_gelf, "journald": as_journald, "syslog_json": as_syslog_json, "gcp": as_gcp, "azure": as_azure,
    "msgpack": as_message_pack,
}  # fmt: skip
GIVEN = [Writer(name, ReadOptions(name), write) for name, write in OTHERS.items()]
DETECTED = [
    Writer("json, detected", ReadOptions(), as_json),
    Writer("otlp, detected", ReadOptions(), as_otlp),
    *(Writer(f"{name}, detected", ReadOptions(), write) for name, write in OTHERS.items()),
]
WRITERS = [JSON, OTLP, TEXT, *GIVEN, *DETECTED]
EVERY_OPTION = [*(writer.options for writer in WRITERS), ReadOptions("text")]


def decoded(decoder: TopicDecoder, values: list[bytes | None], first: int = 0, time: float = TIME) -> Decoded:
    return decoder.decode(values, range(first, first + len(values)), [time] * len(values))


def rows(found: Decoded) -> list[tuple[object, ...]]:
    """Events as rows, in the order of EventBatch's columns."""
    events = found.events
    columns = (events.time, events.severity, events.source, events.entity, events.message, events.numbers)
    return list(zip(*columns, events.offset, events.record, events.template, strict=True))


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_the_same_record_is_the_same_event(writer: Writer) -> None:
    said = [("ERROR", "api", "r1", "payment of 3 EUR refused"), ("INFO", "db", "r2", "index é rebuilt")]
    values: list[bytes | None] = [writer.write(*each, second) for second, each in enumerate(said)]
    found = decoded(TopicDecoder(writer.options), values, first=7)
    assert found.failures == []
    assert rows(found) == [
        (TIME, 17, "api", "r1", "payment of 3 EUR refused", None, 7, 0, ""),
        (TIME + 1, 9, "db", "r2", "index é rebuilt", None, 8, 0, ""),
    ]


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_the_pattern_finds_the_entity_in_the_message_of_any_format(writer: Writer) -> None:
    without = {"line": HEADER.replace(" <entity>", "")} if writer.options.line else {}
    options = writer.options.override({"entity_pattern": r"blk_[0-9]+", **without})
    value = writer.write("INFO", "dn", "", "received blk_42 of size 7", 0)
    assert decoded(TopicDecoder(options), [value]).events.entity == ["blk_42"]


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_no_record_is_larger_than_allowed(writer: Writer) -> None:
    value = writer.write("INFO", "api", "r1", "x" * 1000, 0)
    few = writer.options.override({"max_record_bytes": len(value) - 1})
    found = decoded(TopicDecoder(few), [value])
    assert [(index, reason.split(":")[0]) for index, reason in found.failures] == [(0, "too large")]
    assert len(found.events) == 0


@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_no_event_holds_more_than_its_limits(writer: Writer) -> None:
    value = writer.write("INFO", "s" * 5000, "e" * 5000, "m" * 200_000, 0)
    (event,) = rows(decoded(TopicDecoder(writer.options), [value]))
    assert event[2:5] == ("s" * MAX_SOURCE_CHARS, "e" * MAX_ENTITY_CHARS, "m" * MAX_MESSAGE_CHARS)


hostile = st.one_of(
    st.binary(max_size=60),
    st.just(None),
    st.sampled_from(
        [b"", b"{", b"[", b'{"a":1}', b"[{}]", b'{"resourceLogs": 1}', b"\x00\xff", b"plain words"]
    ),
    st.builds(
        lambda writer, message, second: writer.write("WARN", "s", "e", message, second),
        st.sampled_from(WRITERS),
        st.text(st.characters(codec="utf-8"), max_size=30),
        st.integers(0, 3),
    ),
)
FIXED = settings(derandomize=True, deadline=None, max_examples=60, database=None)


@FIXED
@given(values=st.lists(hostile, max_size=50), options=st.sampled_from(EVERY_OPTION))
def test_every_record_is_an_event_or_a_failure_and_every_event_within_its_limits(
    values: list[bytes | None], options: ReadOptions
) -> None:
    found = decoded(TopicDecoder(options), values)
    failed = {index for index, _ in found.failures}
    assert failed | set(found.events.offset) == set(range(len(values)))
    assert not failed & set(found.events.offset)
    for time, severity, source, entity, message, numbers in zip(
        found.events.time, found.events.severity, found.events.source, found.events.entity,
        found.events.message, found.events.numbers, strict=True,
    ):  # fmt: skip
        assert time > 0
        assert 0 <= severity <= 24
        assert 0 < len(source) <= MAX_SOURCE_CHARS
        assert len(entity) <= MAX_ENTITY_CHARS
        assert len(message) <= MAX_MESSAGE_CHARS
        assert len(numbers or {}) <= MAX_NUMBERS
        assert all(len(name) <= MAX_NAME_CHARS for name in numbers or {})


@FIXED
@given(
    values=st.lists(hostile, min_size=1, max_size=50),
    options=st.sampled_from(EVERY_OPTION),
    cuts=st.lists(st.integers(0, 50), max_size=4),
)
def test_neither_batches_nor_a_resumed_snapshot_change_a_result(
    values: list[bytes | None], options: ReadOptions, cuts: list[int]
) -> None:
    whole = decoded(TopicDecoder(options), values)
    decoder = TopicDecoder(options)
    found: list[tuple[object, ...]] = []
    failures: list[tuple[int, str]] = []
    for low, high in pairwise([0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]):
        part = decoded(decoder, values[low:high], low)
        found += rows(part)
        failures += [(low + index, reason) for index, reason in part.failures]
        other = TopicDecoder(options)
        other.resume(decoder.snapshot())
        decoder = other
    assert found == rows(whole)
    assert failures == whole.failures
