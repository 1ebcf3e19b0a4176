"""Protobuf in Confluent's wire format: the event that was written, no harm from hostile bytes and schemas."""

import contextlib
import json
import time
import tracemalloc
from base64 import b64decode
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.confluent import Schema
from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.errors import DecodeError
from schemas.formats.options import ReadOptions
from schemas.formats.protobuf import protobuf_to_json
from tests.schemas.formats.protobuf_files import classes, compiled, file, log_file, mapped, message
from tests.troubleshooting import says

HEAD = b"\0\0\0\0\x07"
FIRST = b"\0"
"""Indexes of the first message of a schema."""
LOG_FILE = log_file()
LOG = compiled(LOG_FILE)
CLASSES = classes(LOG_FILE)
LEVELS = {"LEVEL_UNSPECIFIED": "UNSPECIFIED", "LEVEL_INFO": "INFO", "LEVEL_ERROR": "ERROR"}


def event(**said: Any) -> Any:
    return CLASSES["shop.LogEvent"](**said)


def read(made: Any, schema: str = LOG, indexes: bytes = b"\x02\x02") -> Any:
    """What comes of a message, by default the second of its file."""
    return json.loads(protobuf_to_json(indexes + made.SerializeToString(), schema))


def decode(value: bytes, schema: str = LOG, *references: tuple[str, str]) -> tuple[Decoded, TopicDecoder]:
    """By a registry that has one schema, under the id 7."""
    decoder = TopicDecoder(ReadOptions(schema_of={7: Schema("PROTOBUF", schema, references)}.__getitem__))
    return decoder.decode([value], [0], [None]), decoder


def why(content: bytes, schema: str = LOG, *references: tuple[str, str]) -> str:
    found, _ = decode(HEAD + content, schema, *references)
    assert len(found.events) == 0
    return found.failures[0][1]


def test_a_record_is_the_event_that_was_written() -> None:
    made = event(message="payment refused", level=2, trace_id="4bf92f", took_ms=12.5, big=1 << 53)
    made.time.FromJsonString("2024-05-01T12:34:56.500Z")
    made.service.name = "pay"
    found, _ = decode(HEAD + b"\x02\x02" + made.SerializeToString())
    assert found.failures == []
    events = found.events
    assert (events.time, events.severity, events.source) == ([1714566896.5], [17], ["pay"])
    assert (events.message, events.entity) == (["payment refused"], ["4bf92f"])
    assert events.numbers == [{"took_ms": 12.5, "big": float(1 << 53)}]


def test_bytes_of_the_specification_by_hand() -> None:
    """Field 1 is 150, which takes 08 96 01; field 2 is "testing": 12 07 and its letters."""
    made = file()
    message(made, "Test", "int32 a", "string b")
    content = FIRST + b"\x08\x96\x01\x12\x07testing"
    assert protobuf_to_json(content, compiled(made)) == b'{"a":150,"b":"testing"}'


def test_what_a_field_holds() -> None:
    made = event(
        raw=b"a\xff", labels={"zone": "b"}, levels=[1, 2, 9], peers=[{"name": "x", "ports": [1, 2]}, {}]
    )
    made.age.FromMilliseconds(1500)
    made.zone.value = ""
    made.extra.update({"a": [1, None, "x", {"b": True}]})
    made.flags[True].name = "y"
    assert read(made) == {
        "raw": "a\ufffd", "labels": {"zone": "b"}, "levels": ["INFO", "ERROR", 9], "age": 1.5, "zone": "",
        "peers": [{"name": "x", "ports": [1, 2]}, {}], "extra": {"a": [1.0, None, "x", {"b": True}]},
        "flags": {"true": {"name": "y"}}, "took_ms": 0.0, "big": 0, "retried": False,
    }  # fmt: skip


def test_a_level_that_is_the_default_is_there_unless_it_is_unspecified() -> None:
    made = file()
    level = made.enum_type.add(name="LogLevel")
    level.value.add(name="INFO", number=0)
    level.value.add(name="LOG_LEVEL_ERROR", number=1)
    message(made, "E", "enum .shop.LogLevel level", "string message")
    assert protobuf_to_json(FIRST, compiled(made)) == b'{"level":"INFO"}'
    assert protobuf_to_json(FIRST + b"\x08\1", compiled(made)) == b'{"level":"LOG_LEVEL_ERROR"}'
    level.value[0].name = "LOG_LEVEL_INFO"
    assert protobuf_to_json(FIRST, compiled(made)) == b'{"level":"INFO"}'
    assert "level" not in read(event(message="x"))


def test_a_time_that_is_none_is_left_to_the_record() -> None:
    made = event(message="x")
    made.time.seconds = 1 << 60
    assert read(made)["time"] is None


def test_names_in_json_make_it_a_record_of_ecs() -> None:
    made = file()
    message(made, "Version", "string version")
    message(made, "Log", "string level")
    fields = (
        "string at @timestamp",
        ".shop.Version ecs",
        ".shop.Log log",
        "string message",
        "string id trace.id",
    )
    message(made, "E", *fields)
    content = classes(made)["shop.E"](
        at="2024-05-01T12:34:57Z", ecs={"version": "8.0.0"}, log={"level": "warn"}
    )
    content.message, content.id = "slow", "t1"
    found, decoder = decode(HEAD + b"\x02\x04" + content.SerializeToString(), compiled(made))
    assert decoder.format == "ecs"
    assert (found.events.severity, found.events.message, found.events.entity) == ([13], ["slow"], ["t1"])


def test_a_record_of_gelf_is_told() -> None:
    made = file()
    fields = (
        "string version",
        "string host",
        "string short_message",
        "double timestamp",
        "int32 level",
        "string _service",
    )
    message(made, "Gelf", *fields)
    content = classes(made)["shop.Gelf"](version="1.1", host="h", short_message="refused", level=3)
    content._service = "pay"
    found, decoder = decode(HEAD + FIRST + content.SerializeToString(), compiled(made))
    assert decoder.format == "gelf"
    assert (found.events.severity, found.events.source, found.events.message) == ([17], ["pay"], ["refused"])


@pytest.mark.parametrize(
    ("indexes", "name"),
    [
        (b"\0", "shop.Service"),
        (b"\x02\0", "shop.Service"),
        (b"\x02\x02", "shop.LogEvent"),
        (b"\x04\x02\x04", "shop.LogEvent.Inner"),  # the third inside: entries of maps are types, too
    ],
)
def test_the_indexes_say_which_message_it_is(indexes: bytes, name: str) -> None:
    said = {"shop.Service": {"name": "x"}}.get(name, {"message": "x"})
    kind = CLASSES["shop.LogEvent"].Inner if name.endswith("Inner") else CLASSES[name]
    found = read(kind(**said), indexes=indexes)
    assert {key: found[key] for key in said} == said


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x02\x04\x0a\x01x", "not Protobuf: its schema has no message 2; schema id 7; have the producer"),
        (b"\x02\x01\x0a\x01x", "not Protobuf: its schema has no message -1;"),
        (b"\x04\0\0\x0a\x01x", "not Protobuf: its schema has no message 0.0;"),
        (b"\x03\0\x0a\x01x", "not Protobuf: no indexes of a message in front;"),
        (b"\x82\x01" + b"\0" * 70, "not Protobuf: no indexes of a message in front;"),
        (b"\xff\xff\xff\xff\xff\xff\x01", "not Protobuf: no indexes of a message in front;"),
        (b"\x06\0\0", "not Protobuf: no indexes of a message in front;"),
        (b"\0\x0a\x05x", "not Protobuf: not of the schema that it names (DecodeError);"),
        (b"\0\x0a\x01\xff", "not Protobuf: not of the schema that it names (DecodeError);"),
        (b"\0\x7a\x01x", "not Protobuf: not of the schema that it names (none of its fields);"),
    ],
)
def test_what_is_not_of_the_schema_is_said(content: bytes, reason: str) -> None:
    found = why(content)
    assert found.startswith(reason)
    says(
        found,
        "not Protobuf: …; schema id …; have the producer write with the registry's serializer, or JSON",
    )


def test_files_that_a_schema_imports_are_read_from_its_references() -> None:
    common, made = file("common/service.proto"), file("log.proto", "common/service.proto")
    message(common, "Service", "string name")
    message(made, "E", "string message", ".shop.Service service")
    content = classes(common, made)["shop.E"](message="hi", service={"name": "pay"})
    value = FIRST + content.SerializeToString()
    found, _ = decode(HEAD + value, compiled(made), ("common/service.proto", compiled(common)))
    assert (found.events.message, found.events.source) == (["hi"], ["pay"])
    reason = (
        "not Protobuf: its schema imports 'common/service.proto', which the registry has no reference for;"
    )
    assert why(value, compiled(made)).startswith(reason)


def test_confluents_own_files_are_known() -> None:
    pytest.importorskip("authlib", reason="needs the extra: pip install 'qualm[registry]'")
    made = file("log.proto", "confluent/meta.proto", "google/protobuf/any.proto")
    message(made, "E", "string message", ".confluent.Meta meta")
    assert protobuf_to_json(FIRST + b"\x0a\2hi", compiled(made)) == b'{"message":"hi"}'


def test_a_file_of_googles_types_is_read_from_a_reference_too() -> None:
    date, made = (
        file("google/type/date.proto", package="google.type"),
        file("log.proto", "google/type/date.proto"),
    )
    message(date, "Date", "int32 year", "int32 month", "int32 day")
    message(made, "E", "string message", ".google.type.Date date")
    content = FIRST + b"\x0a\2hi\x12\3\x08\xe8\x0f"
    found = protobuf_to_json(content, compiled(made), ((date.name, compiled(date)),))
    assert json.loads(found) == {"message": "hi", "date": {"year": 2024, "month": 0, "day": 0}}


def test_types_and_names_may_be_left_to_be_resolved() -> None:
    """A registry need not say of a field whether its type is a message, nor where the type is."""
    made = log_file()
    waiting = [*made.message_type]
    while waiting:
        kind = waiting.pop()
        waiting += kind.nested_type
        for each in kind.field:
            each.ClearField("json_name")
            if each.type_name:
                each.ClearField("type")
                each.type_name = each.type_name.removeprefix(".shop.")
            if kind.options.map_entry:
                each.ClearField("label")
    written = event(message="x", level=2, labels={"a": "b"}, peers=[{"name": "y"}])
    assert read(written, compiled(made)) == read(written)


def test_a_file_of_a_name_that_is_known_is_the_known_one() -> None:
    """Whatever a registry gives under the name: what is read of a timestamp goes by the library's own."""
    false = file("google/protobuf/timestamp.proto", package="google.protobuf")
    message(false, "Timestamp", "string seconds")
    made = file("log.proto", false.name)
    message(made, "E", ".google.protobuf.Timestamp time")
    content = FIRST + b"\x0a\x02\x08\x01"
    assert (
        protobuf_to_json(content, compiled(made), ((false.name, compiled(false)),))
        == b'{"time":"1970-01-01T00:00:01+00:00"}'
    )


def nested(depth: int) -> bytes:
    """A message in a message, in field 1."""
    content = b"\x12\x04text"
    for _ in range(depth):
        length, size = len(content), b""
        while length > 127:
            size, length = size + bytes((length & 127 | 128,)), length >> 7
        content = b"\x0a" + size + bytes((length,)) + content
    return content


RECURSIVE_FILE = file()
message(RECURSIVE_FILE, "E", ".shop.E cause", "string message")


def test_a_message_inside_itself_is_read_as_deep_as_the_parser_goes() -> None:
    found = json.loads(protobuf_to_json(FIRST + nested(90), compiled(RECURSIVE_FILE)))
    for _ in range(90):
        found = found["cause"]
    assert found == {"message": "text"}
    for depth in (110, 20_000):
        assert why(FIRST + nested(depth), compiled(RECURSIVE_FILE)).startswith(
            "not Protobuf: not of the schema"
        )


def wide(fields: int, name: str = "number_{}", kind: str = "int32") -> str:
    made = file()
    message(made, "E", "repeated .shop.I items")
    message(made, "I", *(f"{kind} {name.format(number)}" for number in range(fields)))
    return compiled(made)


@pytest.mark.parametrize(
    "schema",
    [wide(2_000), wide(1, "n" * 10_000 + "{}"), wide(2_000, kind="string"), wide(300, kind="double")],
)
def test_a_small_record_does_not_become_large(schema: str) -> None:
    content = FIRST + b"\x0a\0" * (1 << 19)
    tracemalloc.start()
    start = time.process_time()
    reason = why(content, schema)
    assert time.process_time() - start < 2.0
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    says(reason, "too large: … bytes of …, more than the … for this schema; schema id …; …")
    most = int(reason.split("more than the ")[1].split()[0])
    start = time.process_time()
    result = protobuf_to_json(FIRST + b"\x0a\0" * (most // 2), schema)
    assert time.process_time() - start < 4.0
    assert len(result) < 70_000_000


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (
            'syntax = "proto3"; message E {}',
            "came as text, not compiled: the registry does not know format=serialized",
        ),
        ("", "has no message 0"),
        ("CgA", "came as text"),
        ("/////w==", "is wrong (DecodeError)"),
        (
            compiled(file("log.proto", "../../etc/passwd")),
            "imports '../../etc/passwd', which the registry has no",
        ),
        (
            compiled(file("log.proto", "google/protobuf/unknown.proto")),
            "imports 'google/protobuf/unknown.proto', w",
        ),
    ],
)
def test_a_schema_that_is_none_is_said(schema: str, reason: str) -> None:
    assert why(FIRST + b"\x0a\x01x", schema).startswith(f"not Protobuf: its schema {reason}")


def test_a_map_whose_fields_have_other_names_is_read() -> None:
    made = file()
    kind = message(made, "E")
    mapped(kind, ".shop.E", 1, "labels", "string", "string")
    kind.nested_type[0].field[1].name = "other"
    content = FIRST + b"\x0a\6\x0a\1a\x12\1b"
    assert protobuf_to_json(content, compiled(made)) == b'{"labels":{"a":"b"}}'


@pytest.mark.parametrize("damage", [{"number": 3}, {"label": 3}])
def test_a_map_that_is_none_is_refused(damage: dict[str, int]) -> None:
    """Protobuf's library takes such schemas; an entry with the number 3, as a message, ended the process."""
    made = file()
    kind = message(made, "E")
    mapped(kind, ".shop.E", 1, "labels", "string", "string")
    entry = kind.nested_type[0]
    for name, value in damage.items():
        setattr(entry.field[1], name, value)
    reason = "not Protobuf: its schema has a map that is none; schema id 7;"
    assert why(b"\0\x0a\0", compiled(made)).startswith(reason)
    del entry.field[1]
    assert why(b"\0\x0a\0", compiled(made)).startswith(reason)


def test_an_entry_of_a_map_is_no_record() -> None:
    assert why(b"\x04\x02\0\x0a\1a").startswith("not Protobuf: its schema has an entry of a map there")


FIXED = settings(derandomize=True, deadline=None, max_examples=300, database=None)
TEXT = st.text(max_size=5)
SERVICES = st.fixed_dictionaries({"name": TEXT, "ports": st.lists(st.integers(-5, 5), max_size=3)})


@FIXED
@given(
    st.fixed_dictionaries({}, optional={
        "message": TEXT, "level": st.integers(0, 2), "service": SERVICES, "took_ms": st.floats(-9, 9),
        "retried": st.booleans(), "peers": st.lists(SERVICES, max_size=3),
        "labels": st.dictionaries(TEXT, TEXT), "levels": st.lists(st.integers(0, 2), max_size=3),
        "flags": st.dictionaries(st.booleans(), SERVICES, max_size=2),
    })
)  # fmt: skip
def test_it_is_what_protobufs_own_json_is(said: dict[str, Any]) -> None:
    """But for what is not there: its own has empty texts, lists and objects, too."""
    made = event(**said)
    own = MessageToDict(made, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    own["big"] = int(own["big"])
    own["level"], own["levels"] = LEVELS[own["level"]], [LEVELS[each] for each in own["levels"]]
    if own["level"] == "UNSPECIFIED":
        del own["level"]
    assert filled(read(made)) == filled(own)


def filled(value: Any) -> Any:
    """Without what is empty, but in lists and maps, where it counts."""
    if isinstance(value, list):
        return [filled(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = ("labels", "flags")
    inner = {
        key: {name: filled(each) for name, each in inside.items()} if key in kept else filled(inside)
        for key, inside in value.items()
    }
    return {key: inside for key, inside in inner.items() if inside not in ("", [], {}) or key == "service"}


@FIXED
@given(st.sampled_from([LOG, compiled(RECURSIVE_FILE), wide(3)]), st.binary(max_size=80))
def test_any_bytes_are_json_or_a_decode_error(schema: str, content: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert isinstance(json.loads(protobuf_to_json(content, schema)), dict)


@FIXED
@given(st.integers(0, 400), st.binary(min_size=1, max_size=6), st.binary(max_size=30))
def test_any_schema_is_json_or_a_decode_error(at: int, noise: bytes, content: bytes) -> None:
    raw = b64decode(LOG)
    made = raw[:at] + noise + raw[at + len(noise) :]
    known = descriptor_pb2.FileDescriptorProto()
    with contextlib.suppress(Exception):
        known.ParseFromString(made)  # broken ones are a schema that is wrong
    with contextlib.suppress(DecodeError):
        protobuf_to_json(b"\x02\x02" + content, compiled(known))
