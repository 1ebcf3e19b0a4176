"""Kafka headers: what they say fills what a record leaves open, and nothing else."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import MAX_ENTITY_CHARS, MAX_SOURCE_CHARS
from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.options import ReadOptions

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())  # the example of W3C Trace Context
SERVICE = ("service.name", b"checkout")
BARE = b'{"message":"x"}'
FULL = b'{"message":"x","service":"pay","trace_id":"t1"}'

Headers = list[tuple[str, Any]]


def decode(value: bytes, headers: Headers, **options: Any) -> tuple[str, Decoded]:
    decoder = TopicDecoder(ReadOptions(**options))
    return decoder.format, decoder.decode([value], [0], [None], [headers])


def names(value: bytes, headers: Headers, **options: Any) -> tuple[str, str]:
    events = decode(value, headers, **options)[1].events
    return events.source[0], events.entity[0]


def test_headers_fill_what_is_missing_and_replace_nothing() -> None:
    assert names(BARE, [SERVICE, PARENT]) == ("checkout", TRACE)
    assert names(FULL, [SERVICE, PARENT]) == ("pay", "t1")
    assert names(BARE, []) == ("unknown", "")
    assert names(b"a line of text", [SERVICE, PARENT], format="text") == ("checkout", TRACE)


@pytest.mark.parametrize(
    ("headers", "options", "expected"),
    [
        ([("Service.Name", b"a"), ("TraceParent", PARENT[1])], {}, ("a", TRACE)),
        ([("traceparent", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01")], {}, ("unknown", "")),
        ([("traceparent", b"nonsense"), ("x-request-id", b"r7")], {}, ("unknown", "r7")),
        ([SERVICE, ("team", b"b")], {"source_field": "team"}, ("b", "")),
        ([PARENT, ("order", b"o1")], {"entity_field": "order"}, ("unknown", "o1")),
        ([PARENT], {"entity_field": "order"}, ("unknown", "")),
        ([PARENT], {"entity_pattern": "[a-z]{5}"}, ("unknown", "")),
        ([("service.name", b"\xff")], {}, ("\ufffd", "")),
        ([("service.name", None), ("service", b"a")], {}, ("a", "")),
        ([("service.name", b"s" * 900), ("x-request-id", b"e" * 900)], {}, ("s" * 256, "e" * 256)),
        ([("service.name", b"s" * 2_000)], {}, ("unknown", "")),
    ],
)
def test_names_and_limits(headers: Headers, options: dict[str, str], expected: tuple[str, str]) -> None:
    assert names(BARE, headers, **options) == expected


@pytest.mark.parametrize(
    ("content_type", "value", "form"),
    [
        (b"text/plain; charset=utf-8", b"INFO x", "text"),
        (b"application/x-protobuf", b"\x0a\x00", "otlp_proto"),
        (b"application/msgpack", b"\x80", "msgpack"),
        (b"application/json", b"INFO x", "auto"),
        (b"application/json", FULL, "json"),
        (b"text/plain", b"\x00\x01", "auto"),
    ],
)
def test_a_content_type_chooses_the_format(content_type: bytes, value: bytes, form: str) -> None:
    decoder = TopicDecoder(ReadOptions())
    decoder.decode([value], [0], [None], [[("Content-Type", content_type)]])
    assert decoder.format == form


def test_a_content_type_changes_no_format_that_is_known() -> None:
    decoder = TopicDecoder(ReadOptions(format="json"))
    found = decoder.decode([FULL, FULL], [0, 1], [None] * 2, [[("content-type", b"text/plain")], []])
    assert (decoder.format, found.events.message) == ("json", ["x", "x"])


def test_headers_belong_to_their_record_alone() -> None:
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "a"}}] * 2}]}]}
    values = [orjson.dumps(request)] * 3
    found = TopicDecoder(ReadOptions()).decode(values, range(3), [None] * 3, [[], [SERVICE], []])
    assert found.events.source == ["unknown", "unknown", "checkout", "checkout", "unknown", "unknown"]


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(
    st.lists(
        st.tuples(
            st.text(max_size=9) | st.sampled_from([SERVICE[0], "traceparent"]),
            st.none() | st.binary(max_size=70),
        )
    )
)
def test_no_headers_raise(headers: Headers) -> None:
    source, entity = names(BARE, headers)
    assert 0 < len(source) <= MAX_SOURCE_CHARS
    assert len(entity) <= MAX_ENTITY_CHARS
    (source + entity).encode()
