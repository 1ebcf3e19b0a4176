"""Templates that OpenTelemetry's processors wrote beside a message, wherever they may stand."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs

from schemas.events import EventBatch
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

NAME = "log.record.template"
GIVEN = "user {name} paid <*> EUR"
SAID = {"timestamp": "2024-05-01T12:34:56Z", "message": "user bob paid 3 EUR"}


def read(*values: bytes) -> EventBatch:
    decoded = TopicDecoder(ReadOptions()).decode(values, range(len(values)), [None] * len(values))
    assert decoded.failures == []
    return decoded.events


def in_json(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def otlp(template: Any) -> bytes:
    record = {
        "timeUnixNano": "1714566896500000000",
        "body": {"stringValue": SAID["message"]},
        "attributes": [{"key": NAME, "value": template}],
    }
    return in_json({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})


def otlp_proto(template: str) -> bytes:
    attribute = KeyValue(key=NAME, value=AnyValue(string_value=template))
    record = LogRecord(time_unix_nano=1, body=AnyValue(string_value=SAID["message"]), attributes=[attribute])
    packed: bytes = LogsData(
        resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])])]
    ).SerializeToString()
    return packed


PLACES = {
    "json": in_json({**SAID, NAME: GIVEN}),
    "json, attributes": in_json({**SAID, "attributes": {NAME: GIVEN, "n": 1}}),
    "an array": in_json([{**SAID, NAME: GIVEN}]),  # type: ignore[arg-type]  # JSON all the same
    "ecs": in_json({"@timestamp": SAID["timestamp"], "ecs.version": "8", **SAID, NAME: GIVEN}),
    "fluentbit": in_json({"log": SAID["message"], "stream": "stdout", "date": 1714566896.0, NAME: GIVEN}),
    "fluentbit, inside": in_json({"log": json.dumps({**SAID, NAME: GIVEN}), "stream": "stdout"}),
    "msgpack": msgpack.packb({**SAID, NAME: GIVEN}),
    "otlp": otlp({"stringValue": GIVEN}),
    "otlp_proto": otlp_proto(GIVEN),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_template_comes_with_its_event(place: str) -> None:
    events = read(PLACES[place])
    assert (events.message, events.template) == ([SAID["message"]], [GIVEN])


def test_events_without_one_have_none_and_neither_has_their_neighbour() -> None:
    events = read(in_json(SAID), PLACES["json"], in_json({**SAID, "attributes": {"n": 1}}))
    assert events.template == ["", GIVEN, ""]


def test_it_is_no_part_of_a_message_made_of_the_other_fields() -> None:
    (message,) = read(in_json({"timestamp": SAID["timestamp"], "code": 7, NAME: GIVEN})).message
    assert message == '{"code":7}'


@pytest.mark.parametrize("hostile", [None, 7, ["a"], {"b": "c"}, True, ""])
def test_what_is_no_text_is_no_template(hostile: object) -> None:
    assert read(in_json({**SAID, NAME: hostile})).template == [""]
    assert read(in_json({**SAID, NAME: hostile, "attributes": {NAME: GIVEN}})).template == [GIVEN]
    assert read(otlp({"intValue": 7})).template == [""]


def test_no_template_is_longer_than_its_limit() -> None:
    assert read(in_json({**SAID, NAME: "x" * 100_000})).template == ["x" * 4096]
    assert read(otlp_proto("y" * 100_000)).template == ["y" * 4096]
