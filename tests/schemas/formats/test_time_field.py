"""The operator's field of the time: before all others in every format with fields, where it is a time."""

from __future__ import annotations

import json

import msgpack
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs

from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

MS, OTHER = 1_714_566_896_500, "2024-05-01T00:00:00Z"
TIME, OTHER_TIME = 1_714_566_896.5, 1_714_521_600.0


def read(value: bytes, field: str | None = "at.ms", record_time: float | None = None) -> EventBatch:
    decoded = TopicDecoder(ReadOptions(time_field=field)).decode([value], [0], [record_time])
    assert decoded.failures == []
    return decoded.events


def otlp(value: int | str) -> bytes:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    record = {
        "timeUnixNano": str(int(OTHER_TIME) * 10**9),
        "body": {"stringValue": "m"},
        "attributes": [{"key": "at.ms", "value": {kind: str(value)}}],
    }
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()


def otlp_proto() -> bytes:
    attribute = KeyValue(key="at.ms", value=AnyValue(int_value=MS))
    nanos = int(OTHER_TIME) * 10**9
    record = LogRecord(time_unix_nano=nanos, body=AnyValue(string_value="m"), attributes=[attribute])
    packed: bytes = LogsData(
        resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])])]
    ).SerializeToString()
    return packed


def in_json(**more: object) -> bytes:
    return json.dumps({"timestamp": OTHER, "message": "m", "at": {"ms": MS}, **more}).encode()


WRITTEN = {
    "json": in_json(),
    "json, its name": json.dumps({"timestamp": OTHER, "message": "m", "at.ms": MS}).encode(),
    "ecs": in_json(**{"@timestamp": OTHER, "ecs.version": "8"}),
    "gelf": in_json(version="1.1", host="h", short_message="m", timestamp=OTHER_TIME),
    "vector": in_json(source_type="file"),
    "fluentbit": in_json(log="m", stream="stdout"),
    "fluentbit, inside": json.dumps({"log": in_json().decode(), "stream": "stdout", "time": OTHER}).encode(),
    "text, JSON inside": f"{OTHER} stdout F ".encode() + in_json(),
    "logfmt": f'ts={OTHER} level=info at.ms="2024-05-01T12:34:56.5Z" msg=m'.encode(),
    "msgpack": msgpack.packb({"timestamp": OTHER, "message": "m", "at": {"ms": MS}}),
    "otlp": otlp(MS),
    "otlp_proto": otlp_proto(),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_it_comes_before_the_usual_ones_and_is_no_number_of_the_event(name: str) -> None:
    events = read(WRITTEN[name])
    assert (events.time, events.numbers) == ([TIME], [None])
    assert read(WRITTEN[name], None).time == [OTHER_TIME]


@pytest.mark.parametrize("odd", ["", "yesterday", None, True, [], {}, -5, 0, 1e300, "0001-01-01T00:00:00Z"])
def test_what_is_no_time_there_leaves_the_usual_ones(odd: object) -> None:
    assert read(in_json(at={"ms": odd})).time == [OTHER_TIME]
    assert read(in_json(version="1.1", host="h", short_message="m", at={"ms": odd})).time == [OTHER_TIME]
    assert read(otlp("nothing")).time == [OTHER_TIME]


def test_one_far_after_its_record_is_not_believed() -> None:
    for value in (in_json(), otlp(MS), in_json(version="1.1", host="h", short_message="m")):
        assert read(value, record_time=OTHER_TIME - 100_000.0).time == [OTHER_TIME - 100_000.0]
        assert read(value, record_time=OTHER_TIME + 1.0).time == [TIME]
