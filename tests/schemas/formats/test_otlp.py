"""OTLP/JSON export requests, after the examples of the OpenTelemetry protocol."""

import json
import math
from typing import Any

import orjson
import pytest

from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.options import ReadOptions

NANOS = "1714566896500000000"
TRACE = "5b8efff798038103d269b633813fc60c"


def attributes(**values: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes in OTLP's form; underscores in names stand for dots."""
    return [{"key": name.replace("_", "."), "value": value} for name, value in values.items()]


def request(*records: object, resource: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    resource = attributes(service_name={"stringValue": "checkout"}) if resource is None else resource
    scope = {"scope": {"name": "my.scope"}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [scope]}]}


def read(*values: object, record_time: float | None = None, **options: Any) -> Decoded:
    records = [orjson.dumps(value) for value in values]
    decoder = TopicDecoder(ReadOptions(format="otlp", **options))
    return decoder.decode(records, range(len(records)), [record_time] * len(records))


FULL = {
    "timeUnixNano": NANOS,
    "severityNumber": 10,
    "severityText": "Information",
    "traceId": TRACE,
    "body": {"stringValue": "order placed"},
    "attributes": attributes(
        latency_ms={"doubleValue": 3.5},
        items={"intValue": "7"},
        vip={"boolValue": True},
        user={"stringValue": "u1"},
    ),
}


def test_a_full_record() -> None:
    events = read(request(FULL)).events
    assert events.time == [1_714_566_896.5]
    assert (events.severity, events.source, events.entity) == ([10], ["checkout"], [TRACE])
    assert (events.message, events.numbers) == (["order placed"], [{"latency.ms": 3.5, "items": 7.0}])


def test_many_records_in_one_message_keep_their_index() -> None:
    bad = ["text", {}, {"body": None}, 5]
    decoded = read(
        request({"body": {"stringValue": "a"}}, *bad, {"body": {"stringValue": "b"}}), request(FULL)
    )
    assert decoded.failures == []
    assert decoded.events.message == ["a", "b", "order placed"]
    assert (decoded.events.offset, decoded.events.record) == ([0, 0, 1], [0, 5, 0])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"stringValue": "s"}, "s"),
        ({"intValue": "5"}, "5"),
        ({"boolValue": False}, "false"),
        ({"doubleValue": 1.5}, "1.5"),
        ({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}]}}, '[1,"x"]'),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}, '{"k":"v"}'),
        ("a body that is plain text", "a body that is plain text"),
    ],
)
def test_bodies(body: object, message: str) -> None:
    assert read(request({"body": body})).events.message == [message]


def test_without_a_body_the_attributes_or_the_event_name_are_the_message() -> None:
    events = read(
        request({"attributes": attributes(k={"stringValue": "v"})}, {"eventName": "user.login"})
    ).events
    assert events.message == ['{"k":"v"}', "user.login"]


def test_time_severity_and_source_fall_back() -> None:
    record = {"body": {"stringValue": "x"}, "timeUnixNano": "0", "observedTimeUnixNano": int(NANOS)}
    events = read(request(record | {"severityText": "warn"}, resource=[])).events
    assert (events.time, events.severity, events.source) == ([1_714_566_896.5], [13], ["my.scope"])
    lost = {"body": {"stringValue": "x"}, "timeUnixNano": "soon"}
    assert read(request(lost), record_time=1.7e9).events.time == [1.7e9]
    assert math.isnan(read(request(lost)).events.time[0])
    named = {"body": {"stringValue": "x"}, "severityNumber": "SEVERITY_NUMBER_ERROR", "traceId": "0" * 32}
    assert (read(request(named)).events.severity, read(request(named)).events.entity) == ([17], [""])


def test_entity_and_source_options() -> None:
    assert read(request(FULL), entity_field="user").events.entity == ["u1"]
    assert read(request(FULL), entity_field="service.name").events.entity == ["checkout"]
    assert read(request(FULL), entity_field="absent").events.entity == [""]
    assert read(request(FULL), entity_pattern="order|x").events.entity == ["order"]
    assert read(request(FULL), source_field="user").events.source == ["u1"]


def test_failures_are_told() -> None:
    decoded = read({"a": 1}, [], request(), request(5, {}), {"resourceLogs": "x"}, request(FULL))
    assert [(i, reason.split(":")[0]) for i, reason in decoded.failures] == [
        (0, "not OTLP"),
        (1, "not OTLP"),
        (2, "no events"),
        (3, "no events"),
        (4, "not OTLP"),
    ]
    assert decoded.events.offset == [5]


def test_a_body_nested_deeply_is_used() -> None:
    body: dict[str, Any] = {"stringValue": "core"}
    for _ in range(100):
        body = {"arrayValue": {"values": [body]}}
    value = json.dumps(request({"body": body})).encode()
    decoded = TopicDecoder(ReadOptions(format="otlp")).decode([value], [0], [None])
    assert "core" in decoded.events.message[0]


def test_too_many_records() -> None:
    value = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b",".join([b"1"] * 100_002) + b"]}]}]}"
    decoded = TopicDecoder(ReadOptions(format="otlp")).decode([value], [0], [None])
    assert decoded.failures[0][1].startswith("too many events")
    assert len(decoded.events) == 0
