"""JSON log events in the usual spellings."""

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventBatch, severity_number, severity_text
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

NOW = 1_714_566_896.0


def read(*records: Any, record_time: float | None = None, **options: Any) -> EventBatch:
    """The events of records of a JSON topic; fails where a record did."""
    values = [orjson.dumps(record) for record in records]
    decoder = TopicDecoder(ReadOptions(format="json", **options))
    decoded = decoder.decode(values, range(len(values)), [record_time] * len(values))
    assert decoded.failures == []
    return decoded.events


@pytest.mark.parametrize("name", ["timestamp", "@timestamp", "time", "ts", "eventTime", "datetime"])
def test_spellings_of_time(name: str) -> None:
    assert read({name: "2024-05-01T12:34:56Z", "msg": "x"}).time == [NOW]
    assert read({name: NOW * 1000, "msg": "x"}).time == [NOW]


def test_time_in_nanoseconds() -> None:
    assert read({"timeUnixNano": "1714566896000000000", "msg": "x"}).time == [NOW]


@pytest.mark.parametrize(
    "name", ["level", "severity", "severity_text", "log.level", "lvl", "levelname", "severityText"]
)
def test_spellings_of_severity(name: str) -> None:
    assert read({name: "error", "msg": "x"}).severity == [17]


def test_a_crash_is_fatal_where_no_level_is_said() -> None:
    assert read({"msg": "panic: runtime error: index out of range"}).severity == [21]
    assert read({"msg": "Traceback (most recent call last):"}).severity == [17]
    assert read({"msg": "panic: runtime error", "level": "info"}).severity == [9]
    assert read({"msg": "no panic: all is well"}).severity == [0]


@pytest.mark.parametrize("name", ["service", "service.name", "logger", "source", "app", "host"])
def test_spellings_of_source(name: str) -> None:
    assert read({name: "checkout", "msg": "x"}).source == ["checkout"]


@pytest.mark.parametrize("name", ["message", "msg", "body", "log", "event"])
def test_spellings_of_message(name: str) -> None:
    assert read({name: "disk full", "level": "info"}).message == ["disk full"]


@pytest.mark.parametrize("name", ["trace_id", "traceId", "request_id", "x-request-id"])
def test_entity_without_options_is_a_trace_or_request(name: str) -> None:
    assert read({name: "4bf92f", "msg": "x"}).entity == ["4bf92f"]


def test_nested_objects_and_literal_dots_are_the_same() -> None:
    nested = {"log": {"level": "warn"}, "service": {"name": "pay"}, "trace": {"id": "t1"}, "message": "m"}
    literal = {"log.level": "warn", "service.name": "pay", "trace.id": "t1", "message": "m"}
    for record in (nested, literal):
        events = read(record)
        assert (events.severity, events.source, events.entity, events.message) == (
            [13],
            ["pay"],
            ["t1"],
            ["m"],
        )


def test_a_layout_is_no_promise_about_types() -> None:
    events = read(
        {"time": "2024-05-01T12:34:56Z", "level": "INFO", "service": "a", "message": "m", "trace_id": "t"},
        {"time": None, "level": {}, "service": ["b"], "message": {"k": 1}, "trace_id": 7},
        {"time": 1714566896, "level": 30, "service": 5, "message": 12, "trace_id": None},
    )
    assert events.time[0] == events.time[2] == NOW
    assert math.isnan(events.time[1])
    assert events.severity == [9, 0, 9]
    assert events.source == ["a", "unknown", "5"]
    assert events.message == ["m", '{"k":1}', "12"]
    assert events.entity == ["t", "7", ""]


def test_an_empty_key_stands_for_no_field() -> None:
    events = read({"service": "pay", "msg": "a"}, {"": "pay", "msg": "b"})
    assert events.source == ["pay", "unknown"]


def test_the_next_spelling_is_used_where_the_first_is_useless() -> None:
    events = read(
        {
            "timestamp": "n/a",
            "@timestamp": "2024-05-01T12:34:56Z",
            "level": "?",
            "severity": "fatal",
            "msg": "",
        }
    )
    assert (events.time, events.severity) == ([NOW], [21])


def test_without_a_message_the_other_fields_are_it() -> None:
    record = {"level": "info", "service": "pay", "step": "charge", "amount": 5, "event": {"kind": "x"}}
    assert read(record).message == ['{"step":"charge","amount":5,"event":{"kind":"x"}}']
    assert read({}).message == ["{}"]


def test_numbers_are_finite_scalars_at_top_level() -> None:
    record = {"msg": "x", "latency_ms": 12.5, "status": 200, "ok": True, "n": {"m": 1}, "s": "5", "level": 30}
    assert read(record).numbers == [{"latency_ms": 12.5, "status": 200.0}]
    assert read({"msg": "x"}).numbers == [None]
    many = read({"msg": "x", "k" * 1000: 1} | {f"n{i}": i for i in range(40)}).numbers[0]
    assert many == {f"n{i}": float(i) for i in range(16)}


def test_entity_and_source_options() -> None:
    record = {"msg": "for blk_-12 and blk_3", "run": {"id": 9}, "team": "a", "service": "s", "trace_id": "t"}
    assert read(record, entity_pattern=r"blk_-?\d+").entity == ["blk_-12"]
    assert read(record, entity_pattern=r"(?:for|to) (blk_-?\d+)").entity == ["blk_-12"]
    assert read(record, entity_field="run.id").entity == ["9"]
    assert read(record, entity_field="nope").entity == [""]
    assert read(record, entity_field="nope", entity_pattern=r"blk_-?\d+").entity == ["blk_-12"]
    assert read(record, source_field="team").source == ["a"]
    assert read({"msg": "m", "service": "s"}, source_field="team").source == ["s"]


def test_an_array_is_many_events() -> None:
    events = read([{"msg": "a"}, {"msg": "b"}], {"msg": "c"})
    assert (events.message, events.offset, events.record) == (["a", "b", "c"], [0, 0, 1], [0, 1, 0])


def test_limits() -> None:
    record = {"msg": "m" * 70_000, "service": "s" * 1_000, "trace_id": "t" * 1_000}
    events = read(record)
    assert (len(events.message[0]), len(events.source[0]), len(events.entity[0])) == (65_536, 256, 256)


def test_implausible_times_fall_back_to_the_record() -> None:
    for time in (
        "1970-01-01T00:00:00Z",
        "2089-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        -5,
        0,
        None,
        "soon",
        True,
    ):
        assert read({"time": time, "msg": "x"}, record_time=NOW).time == [NOW]
    assert math.isnan(read({"time": 5, "msg": "x"}).time[0])
    for none in (None, math.nan, -1.0, math.inf):
        assert math.isnan(read({"msg": "x"}, record_time=none).time[0])


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("INFO", 9),
        ("info", 9),
        ("Information", 9),
        ("I", 9),
        ("wArN", 13),
        ("warning", 13),
        ("err", 17),
        ("crit", 18),
        ("FATAL", 21),
        ("emerg", 21),
        ("notice", 10),
        ("trace", 1),
        ("debug2", 6),
        ("ERROR4", 20),
        ("[info]", 9),
        (10, 1),
        (20, 5),
        (30, 9),
        (40, 13),
        (50, 17),
        (60, 21),
        ("30", 9),
        (9, 9),
        (9.0, 9),
        (24, 24),
        ("", 0),
        ("purple", 0),
        (0, 0),
        (25, 0),
        (-3, 0),
        (True, 0),
        (None, 0),
        (9.5, 0),
        ([], 0),
        ("9" * 9999, 0),
    ],
)
def test_severities(value: object, number: int) -> None:
    assert severity_number(value) == number


def test_severity_names() -> None:
    assert [severity_text(n) for n in (-1, 0, 1, 8, 9, 13, 18, 24, 25)] == (
        "UNKNOWN UNKNOWN TRACE DEBUG INFO WARN ERROR FATAL UNKNOWN".split()  # noqa: SIM905
    )
    assert read({"severityNumber": 10, "msg": "x"}, {"level": 10, "msg": "x"}).severity == [10, 1]


FIELDS = st.sampled_from(
    ["time", "level", "log", "service", "message", "msg", "trace_id", "n", "event", "", "log.level"]
)
SCALARS = st.sampled_from(
    [None, True, 0, -1, 30, 2**63, 1.5, 1e300, "", "x", "info", "2024-05-01", "1714566896"]
)
NESTED = st.sampled_from(
    [[], {}, [1], {"level": "warn"}, {"name": "n", "message": "m"}, {"log": {"level": [5]}}]
)


@given(st.lists(st.dictionaries(FIELDS, SCALARS | NESTED, max_size=8), min_size=1, max_size=5))
def test_any_object_is_an_event_and_memory_changes_no_result(records: list[dict[str, Any]]) -> None:
    values = [json.dumps(record).encode() for record in records]
    used = TopicDecoder(ReadOptions(format="json")).decode(values, range(len(values)), [NOW] * len(values))
    assert used.failures == []
    for i, value in enumerate(values):
        fresh = TopicDecoder(ReadOptions(format="json")).decode([value], [i], [NOW]).events
        for column in EventBatch.__slots__:
            assert getattr(fresh, column)[0] == getattr(used.events, column)[i]
