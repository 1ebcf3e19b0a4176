"""Binary records: never read as text, named for people, unpacked where that can be done."""

import gzip
import json
import lzma
import struct
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any

import msgpack
import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats.detection import Decoded, TopicDecoder
from schemas.formats.options import ReadOptions

NOON = 1_714_566_896.0
EVENT = {"time": NOON, "level": "error", "service": "pay", "message": "payment refused", "request_id": "r7"}
JSON = orjson.dumps(EVENT)
LINES = [
    "2024-05-01T12:34:56Z ERROR no route to host",
    "préparation exécutée à 100 %",
    "Ошибка соединения: данные утеряны",
    "データベースに接続できません",
    "\x1b[31mred\x1b[0m and \t tabs",
    "\nan empty line before",
]


def decode(*values: bytes, **options: Any) -> Decoded:
    decoder = TopicDecoder(ReadOptions(**options))
    return decoder.decode(values, range(len(values)), [None] * len(values))


def avro(text: str) -> bytes:
    """A record of one string in Avro: a zigzag length and the text."""
    return bytes([2 * len(text)]) + text.encode()


KINDS = {
    "Avro or Protobuf in Confluent's wire format (magic byte 0, schema id 258)": b"\0\0\0\1\2"
    + avro("hello"),
    "text after a hole of NUL bytes": bytes(40) + b"INFO a line",
    "gzip": b"\x1f\x8b\x09\x00 of another method" + bytes(3),
    "xz": lzma.compress(JSON),
    "zlib": zlib.compress(JSON),
    "LZ4": b"\x04\x22\x4d\x18\x64\x40\xa7" + bytes(range(20)),
    "an Avro file": b"Obj\x01\x04\x14avro.codec\x08null" + bytes(9),
    "Avro without its schema": avro("hello") + struct.pack("<d", 0.5),
    "Parquet": b"PAR1\x15\x04\x15\x10" + bytes(9),
    "a serialised Java object": b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap",
    "BSON": b"\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00",
    "text in UTF-16;": "INFO a line".encode("utf-16"),
    "text in UTF-16 without": "INFO a line".encode("utf-16-le"),
    "Protobuf": b"\x0a\x05hello\x12\x05world\x18\x01",
    "Avro without its schema, or text in another": "Ошибка соединения".encode("koi8-r"),
}


@pytest.mark.parametrize(
    "options", [{}, {"format": "text"}, {"format": "json"}, {"line": "<level> <message>"}]
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_binary_is_named_and_is_no_text(kind: str, options: dict[str, Any]) -> None:
    found = decode(KINDS[kind], **options)
    assert len(found.events) == 0
    assert found.failures[0][1].startswith(f"binary: most likely {kind}")


@pytest.mark.parametrize("line", LINES)
def test_text_is_text_whatever_its_language(line: str) -> None:
    found = decode(line.encode(), format="text")
    assert found.failures == []
    assert found.events.message[0].endswith(line[-5:])


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("options", [{}, {"format": "json"}])
def test_compressed_records_are_unpacked(pack: Any, options: dict[str, Any]) -> None:
    found = decode(pack(JSON), pack(JSON[:40]) + pack(JSON[40:]), pack(b""), **options)
    assert found.events.message == ["payment refused"] * 2
    assert found.failures == [(2, "empty")]
    assert decode(pack(b"ERROR disk full"), format="text").events.message == ["disk full"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_what_unpacks_to_more_than_allowed_is_too_large(pack: Any) -> None:
    fits, over = b"x" * 1_000, b"x" * 1_001
    found = decode(pack(fits), pack(over), format="text", max_record_bytes=1_000)
    assert (found.events.offset, [reason[:9] for _, reason in found.failures]) == ([0], ["too large"])


def test_binary_that_is_packed_is_no_text_either() -> None:
    found = decode(gzip.compress(KINDS["BSON"]), format="text")
    assert found.failures[0][1].startswith("binary: most likely BSON")


def test_json_behind_the_id_of_a_schema_is_read() -> None:
    assert decode(b"\0\0\0\0\x2a" + JSON).events.message == ["payment refused"]


# ---- MessagePack, as its library and Fluent Bit write it ----

ROW = (NOON, 17, "pay", "r7", "payment refused")


@pytest.mark.parametrize(
    "content",
    [
        EVENT,
        [NOON, {k: v for k, v in EVENT.items() if k != "time"}],
        [[NOON, {}], {k: v for k, v in EVENT.items() if k != "time"}],
        [
            msgpack.ExtType(0, struct.pack(">II", int(NOON), 0)),
            {k: v for k, v in EVENT.items() if k != "time"},
        ],
        EVENT | {"time": datetime.fromtimestamp(NOON, UTC)},
        {k.encode(): v.encode() if isinstance(v, str) else v for k, v in EVENT.items()},
        EVENT | {"f": float("nan"), "inf": float("inf"), "raw": b"\xff", "deep": {"a": [b"\xff"]}},
    ],
)
def test_message_pack(content: Any) -> None:
    decoder = TopicDecoder(ReadOptions())
    found = decoder.decode([msgpack.packb(content, datetime=True)], [0], [None])
    assert (decoder.format, found.failures) == ("msgpack", [])
    events = found.events
    assert (events.time[0], events.severity[0], events.source[0], events.entity[0], events.message[0]) == ROW
    assert events.numbers == [None]


def test_the_line_of_a_container_in_message_pack_is_unwrapped() -> None:
    record = {"log": json.dumps(EVENT), "stream": "stdout", "kubernetes": {"container_name": "web"}}
    events = decode(msgpack.packb([NOON + 1, record])).events
    assert (events.time, events.source, events.severity, events.entity) == ([NOON], ["web"], [17], ["r7"])


def test_message_pack_that_claims_more_than_it_holds_is_refused() -> None:
    nested = b"\xdc\xff\xff" * 200 + bytes(70_000)  # arrays in arrays that announce 65,535 elements each
    tracemalloc.start()
    found = decode(nested, b"\x81\xa1a", b"\xc1", b"\x07", b"plain text", format="msgpack")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
    assert [reason.split(":")[0] for _, reason in found.failures] == [
        *["not MessagePack"] * 3, "not an object", "not MessagePack",
    ]  # fmt: skip


# ---- properties ----

FIXED = settings(derandomize=True, deadline=None, max_examples=300, database=None)


@FIXED
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
def test_no_utf8_is_binary(text: str) -> None:
    found = decode(text.encode(), format="text")
    assert [reason for _, reason in found.failures if reason != "empty"] == []


@FIXED
@given(
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.sampled_from([{}, {"format": "text"}, {"format": "json"}]),
)
def test_nothing_with_a_nul_byte_is_text(before: bytes, after: bytes, options: dict[str, Any]) -> None:
    decoder = TopicDecoder(ReadOptions(**options))
    found = decoder.decode([before + b"\0" + after], [0], [None])
    if decoder.format in ("auto", "text", "json"):
        assert len(found.events) == 0 or (before + b"\0" + after)[5:6] == b"{"


@FIXED
@given(
    st.sampled_from([gzip.compress(JSON), zstandard.compress(JSON), msgpack.packb(EVENT), JSON]),
    st.integers(0, 150),
    st.binary(max_size=6),
    st.sampled_from(["auto", "json", "msgpack", "text"]),
)
def test_damaged_data_is_an_event_or_a_failure(value: bytes, at: int, noise: bytes, form: Any) -> None:
    found = decode(value[:at] + noise + value[at + len(noise) :], format=form)
    assert (len(found.events) > 0) != (found.failures != [])
