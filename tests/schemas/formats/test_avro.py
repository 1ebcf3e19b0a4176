"""Avro in Confluent's wire format: the event that was written, and no harm from hostile bytes and schemas."""

import contextlib
import io
import json
import re
import time
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.avro import avro_to_json
from schemas.formats.confluent import Schema
from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.errors import DecodeError
from schemas.formats.options import ReadOptions
from tests.troubleshooting import says

fastavro = pytest.importorskip("fastavro", reason="needs the extra: pip install 'qualm[registry]'")

NOON = 1_714_566_896.0
EVENT_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "LogEvent",
    "namespace": "shop.logs",
    "fields": [
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "level", "type": {"type": "enum", "name": "Level", "symbols": ["INFO", "ERROR"]}},
        {"name": "message", "type": "string"},
        {"name": "service", "type": {"type": "record", "name": "Service", "fields": [
            {"name": "name", "type": "string"}, {"name": "version", "type": ["null", "string"]}]}},
        {"name": "trace_id", "type": ["null", "string"], "default": None},
        {"name": "took_ms", "type": "double"},
        {"name": "labels", "type": {"type": "map", "values": "string"}},
        {"name": "tries", "type": {"type": "array", "items": "Service"}},
    ],
}  # fmt: skip
EVENT: dict[str, Any] = {
    "time": datetime.fromtimestamp(NOON, UTC),
    "level": "ERROR",
    "message": "payment refused",
    "service": {"name": "pay", "version": None},
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "took_ms": 12.5,
    "labels": {"zone": "b"},
    "tries": [{"name": "pay", "version": "2"}],
}
HEAD = b"\0\0\0\0\x07"


def written(schema: Any, record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def decode(value: bytes, schema: Any, kind: str = "AVRO", **options: Any) -> Decoded:
    """By a registry that has one schema, under the id 7."""
    only = {7: Schema(kind, schema if isinstance(schema, str) else json.dumps(schema))}
    decoder = TopicDecoder(ReadOptions(schema_of=only.__getitem__, **options))
    return decoder.decode([value], [0], [None])


def why(value: bytes, schema: Any, kind: str = "AVRO", **options: Any) -> str:
    found = decode(value, schema, kind, **options)
    assert len(found.events) == 0
    return found.failures[0][1]


@pytest.mark.parametrize("options", [{}, {"format": "json"}])
def test_a_record_is_the_event_that_was_written(options: dict[str, Any]) -> None:
    events = decode(HEAD + written(EVENT_SCHEMA, EVENT), EVENT_SCHEMA, **options).events
    assert (events.time, events.severity, events.source) == ([NOON], [17], ["pay"])
    assert (events.message, events.entity) == (["payment refused"], ["4bf92f3577b34da6a3ce929d0e0e4736"])
    assert events.numbers == [{"took_ms": 12.5}]


def test_bytes_of_the_specification_by_hand() -> None:
    schema = {"type": "record", "name": "R", "fields": [
        {"name": "message", "type": "string"}, {"name": "n", "type": "long"}]}  # fmt: skip
    assert avro_to_json(b"\x04hi\x01", json.dumps(schema)) == b'{"message":"hi","n":-1}'


def test_bytes_are_text_and_decimals_numbers() -> None:
    schema = {"type": "record", "name": "R", "fields": [
        {"name": "raw", "type": "bytes"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "bad", "type": "float"}]}  # fmt: skip
    content = written(schema, {"raw": b"a\xff", "price": Decimal("12.50"), "bad": float("inf")})
    assert json.loads(avro_to_json(content, json.dumps(schema))) == {
        "raw": "a\ufffd", "price": 12.5, "bad": None,
    }  # fmt: skip


def test_text_that_is_not_utf8_is_repaired_as_in_json() -> None:
    schema = json.dumps(record_of("string"))
    assert json.loads(avro_to_json(b"\x04a\xff", schema)) == {"x": "a\ufffd"}


def test_what_is_larger_as_json_than_a_record_may_be_is_too_large() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "n" * 100, "type": "boolean"}]}
    assert why(HEAD + b"\1", schema, max_record_bytes=100) == "too large: 109 bytes as JSON, more than 100"


def test_a_record_whose_first_byte_is_a_brace_is_avro() -> None:
    schema = {"type": "record", "name": "R", "fields": [
        {"name": "n", "type": "long"}, {"name": "message", "type": "string"}]}  # fmt: skip
    content = written(schema, {"n": -62, "message": "ERROR disk full"})
    assert content[:1] == b"{"
    assert decode(HEAD + content, schema).events.message == ["ERROR disk full"]


def test_json_is_read_without_asking_for_its_schema() -> None:
    def asked(number: int) -> Schema:
        raise AssertionError(number)

    decoder = TopicDecoder(ReadOptions(schema_of=asked))
    value = HEAD + b'{"message": "disk full", "level": "error"}'
    assert decoder.decode([value, bytes(40)], [0, 1], [None] * 2).events.message == ["disk full"]


def test_what_a_registry_may_have_but_qualm_not_is_named() -> None:
    reason = decode(HEAD + b"\0\x0a\x02hi", "struct A {}", "THRIFT").failures[0][1]
    assert reason.startswith("binary: Thrift; of a registry, Avro, Protobuf and JSON are read; schema id 7; ")


def test_without_a_registry_the_id_is_named() -> None:
    reason = TopicDecoder(ReadOptions()).decode([HEAD + b"\0\x0a\x02hi"], [0], [None]).failures[0][1]
    says(
        reason,
        "binary: most likely Avro or Protobuf in Confluent's wire format (magic byte 0, schema id …), which "
        "needs a schema registry; …",
    )
    assert "schema id 7)" in reason


@pytest.mark.parametrize("content", [b"hi", b"{", b'{"message": "hi"', b"[1", b"\x02\x0a"])
def test_what_is_no_json_of_json_schema_is_said(content: bytes) -> None:
    assert re.match("not JSON: .*; schema id 7; have the producer", why(HEAD + content, "{}", "JSON"))


@pytest.mark.parametrize("registered", [True, False])
def test_json_of_json_schema_is_read(registered: bool) -> None:
    found = []
    for content in (b'{"message": "disk full"}', b'[{"message": "disk full"}, {"message": "ok"}]'):
        decoder = TopicDecoder(
            ReadOptions(schema_of={7: Schema("JSON", "{}")}.__getitem__ if registered else None)
        )
        found += decoder.decode([HEAD + content], [0], [None]).events.message
    assert found == ["disk full", "disk full", "ok"]


def test_avro_of_another_schema_is_no_event() -> None:
    content = HEAD + written(EVENT_SCHEMA, EVENT)
    says(
        why(content[:-3], EVENT_SCHEMA),
        "not Avro: …; schema id …; have the producer write with the registry's serializer, or JSON",
    )
    assert why(content[:-3], EVENT_SCHEMA).startswith(
        "not Avro: not of the schema that it names (EOFError); sch"
    )
    assert "(1 bytes are left over); schema id 7;" in why(content + b"\0", EVENT_SCHEMA)


SERVICE = {"type": "record", "name": "shop.Service", "fields": [{"name": "name", "type": "string"}]}
"""A schema that others refer to, and what is written with them."""
REFERRING = {"type": "record", "name": "shop.logs.E", "fields": [
    {"name": "message", "type": "string"}, {"name": "service", "type": "shop.Service"}]}  # fmt: skip


def test_a_schema_that_refers_to_others_is_read() -> None:
    schema = Schema("AVRO", json.dumps(REFERRING), (("shop.Service", json.dumps(SERVICE)),))
    decoder = TopicDecoder(ReadOptions(schema_of={7: schema}.__getitem__))
    events = decoder.decode([HEAD + b"\x04hi\x06pay"], [0], [None]).events  # by hand: two strings
    assert (events.message, events.source) == (["hi"], ["pay"])


def test_several_types_in_one_topic_are_a_union_of_references() -> None:
    known = tuple((each["name"], json.dumps(each)) for each in (SERVICE, REFERRING))
    union = json.dumps(["shop.Service", "shop.logs.E"])
    assert avro_to_json(b"\0\x06pay", union, known) == b'{"name":"pay"}'
    assert avro_to_json(b"\x02\x04hi\x06pay", union, known) == b'{"message":"hi","service":{"name":"pay"}}'
    with pytest.raises(DecodeError, match="not an object: the schema of this Avro is no record"):
        avro_to_json(b"\x02\x04hi", json.dumps(["shop.Service", "string"]), known)


def test_a_reference_that_is_missing_or_wrong_is_said() -> None:
    for references in ((), (("shop.Service", "{"),), (("shop.Service", "[]"),)):
        with pytest.raises(DecodeError, match="not Avro: its schema is wrong"):
            avro_to_json(b"\x04hi\x06pay", json.dumps(REFERRING), references)


def causes(depth: int) -> Any:
    return {"message": f"m{depth}", "cause": causes(depth - 1) if depth else None}


RECURSIVE = {"type": "record", "name": "E", "namespace": "n", "fields": [
    {"name": "message", "type": "string"}, {"name": "cause", "type": ["null", "E"]}]}  # fmt: skip


@pytest.mark.parametrize("depth", [0, 1, 16])
def test_a_type_inside_itself_is_read(depth: int) -> None:
    content = written(RECURSIVE, causes(depth))
    assert json.loads(avro_to_json(content, json.dumps(RECURSIVE))) == causes(depth)
    events = decode(HEAD + content, RECURSIVE).events
    assert events.message == [f"m{depth}"]


@pytest.mark.parametrize("depth", [17, 200])
def test_a_type_too_often_inside_itself_is_said(depth: int) -> None:
    reason = why(HEAD + written(RECURSIVE, causes(depth)), RECURSIVE)
    assert reason.startswith(
        "not Avro: not of the schema that it names, or more than 16 times inside itself (E"
    )


def test_types_inside_each_other_are_read() -> None:
    """A tree of two types, an array and a map, with an enumeration that each of them names."""
    schema = {"type": "record", "name": "a.Node", "fields": [
        {"name": "state", "type": {"type": "enum", "name": "a.State", "symbols": ["UP", "DOWN"]}},
        {"name": "leaves", "type": {"type": "array", "items": {"type": "record", "name": "a.Leaf", "fields": [
            {"name": "state", "type": "State"},
            {"name": "nodes", "type": {"type": "map", "values": "Node"}}]}}}]}  # fmt: skip
    tree: Any = {"state": "UP", "leaves": []}
    for _ in range(4):
        tree = {
            "state": "DOWN",
            "leaves": [{"state": "UP", "nodes": {"x": tree}}, {"state": "DOWN", "nodes": {}}],
        }
    assert json.loads(avro_to_json(written(schema, tree), json.dumps(schema))) == tree


def test_a_long_way_back_to_itself_is_read_less_often() -> None:
    """Eight records between a type and itself: four levels of them fit into the 64 that are read."""
    kind: Any = ["null", "R"]
    for number in range(8):
        kind = {"type": "record", "name": f"R{number}", "fields": [{"name": "x", "type": kind}]}
    schema = record_of(kind)

    def value(depth: int) -> Any:
        inner = value(depth - 1) if depth else None
        for _ in range(9):
            inner = {"x": inner}
        return inner

    text = json.dumps(schema)
    assert json.loads(avro_to_json(written(schema, value(4)), text)) == value(4)
    with pytest.raises(DecodeError, match="more than 4 times inside itself"):
        avro_to_json(written(schema, value(5)), text)


def record_of(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}


def nested(depth: int) -> Any:
    kind: Any = "int"
    for _ in range(depth):
        kind = {"type": "array", "items": kind}
    return kind


def test_a_large_schema_that_is_recursive_is_written_out_less_often() -> None:
    fields = [{"name": f"number_{number}", "type": ["null", "int"]} for number in range(4_500)]
    schema = record_of(["null", "R"])
    schema["fields"] += fields
    text = json.dumps(schema)
    assert 200_000 < len(text) < 1 << 18
    start = time.process_time()
    assert b'{"x":{"x":null' in avro_to_json(b"\2\0" + b"\0" * 9_000, text)
    with pytest.raises(DecodeError, match="more than 4 times inside itself"):
        avro_to_json(b"\2" * 5 + b"\0" * 27_001, text)
    assert time.process_time() - start < 5.0


LONG = b"\x80\x80\x80\x80\x80\x80\x80\x80\x40"
"""2 ** 61 elements, announced."""


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ({"type": "array", "items": "null"}, LONG, "not Avro: its schema has values that take no bytes"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, LONG, "not Avro: its schema"),
        ({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}, LONG, "not Avro: its"),
        ({"type": "array", "items": {"type": "error", "name": "E", "fields": []}}, LONG, "not Avro: its"),
        (["null", "R"], b"\2" * 1_000_000 + b"\0", "too large: 1000001 bytes of Avro"),
        (["null", "R"], b"\2" * 100_000 + b"\0", "not Avro: not of the schema"),
        ({"type": "array", "items": "R"}, b"\2" * 30_000, "not Avro: not of the schema"),
        ("R", b"\2" * 30_000, "not Avro: not of the schema"),
        (nested(70), b"\2" * 71, "not Avro: its schema is nested deeper than 64"),
        (nested(900), b"\2" * 71, "not Avro: its schema is"),
        ({"type": "array", "items": "int"}, LONG, "not Avro: not of the schema"),
        ("string", LONG + b"abc", "not Avro: not of the schema"),
        ("bytes", b"\x01abc", "not Avro: not of the schema"),
        ("string", bytes(1 << 21), "too large: 2097152 bytes of Avro"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9}, bytes(1 << 18), "too large"),
        ({"type": "long", "logicalType": "timestamp-millis"}, LONG, "not Avro: not of the schema"),
    ],
)  # fmt: skip
def test_what_would_be_large_or_endless_is_refused(kind: Any, content: bytes, reason: str) -> None:
    start = time.process_time()
    assert why(HEAD + content, record_of(kind)).startswith(reason)
    assert time.process_time() - start < 2.0


def test_long_names_do_not_make_a_small_record_large() -> None:
    inner = {"type": "record", "name": "I", "fields": [{"name": "n" * 10_000, "type": "boolean"}]}
    schema = record_of({"type": "array", "items": inner})
    content = written(schema, {"x": [{"n" * 10_000: True}] * 60_000})
    tracemalloc.start()
    reason = why(HEAD + content, schema)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason.startswith("too large: 60")
    says(reason, "too large: … bytes of …, more than the … for this schema; schema id …; …")
    assert peak < 20_000_000


@pytest.mark.parametrize("schema", ["{", "[]", '"string"', '{"type": "record"}', '{"type": "enum"}'])
def test_a_schema_that_is_none_is_said(schema: str) -> None:
    assert why(HEAD + b"\2", schema).startswith(("not Avro: its schema", "not an object"))


FIXED = settings(derandomize=True, deadline=None, max_examples=300, database=None)
SCHEMAS = st.sampled_from([
    EVENT_SCHEMA,
    record_of({"type": "map", "values": ["null", "bytes", {"type": "array", "items": "float"}]}),
    record_of([{"type": "string", "logicalType": "uuid"}, {"type": "int", "logicalType": "date"}]),
    record_of({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}),
])  # fmt: skip


@FIXED
@given(SCHEMAS, st.binary(min_size=1, max_size=80))
def test_any_bytes_are_json_or_a_decode_error(schema: Any, content: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert isinstance(json.loads(avro_to_json(content, json.dumps(schema))), dict)


@FIXED
@given(st.integers(0, 120), st.binary(min_size=1, max_size=6))
def test_damaged_records_are_an_event_or_a_failure(at: int, noise: bytes) -> None:
    value = HEAD + written(EVENT_SCHEMA, EVENT)
    found = decode(value[:5] + value[5:][:at] + noise + value[5 + at + len(noise) :], EVENT_SCHEMA)
    assert (len(found.events) > 0) != (found.failures != [])


TYPES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        ["null", "int", "string", "R", "nope", {"type": "fixed", "size": 2, "name": "F"}, 7, None]
    ),
    lambda inner: st.one_of(
        inner.map(lambda kind: {"type": "array", "items": kind}),
        inner.map(lambda kind: {"type": kind}),
        st.lists(inner, max_size=3),
    ),
    max_leaves=6,
)


@FIXED
@given(TYPES, st.binary(min_size=1, max_size=20))
def test_any_schema_is_json_or_a_decode_error(kind: Any, content: bytes) -> None:
    with contextlib.suppress(DecodeError):
        avro_to_json(content, json.dumps(record_of(kind)))
