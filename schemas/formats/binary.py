"""Telling binary records from text, and what they are most likely: they must never be read as text."""

from __future__ import annotations

import struct

from schemas.formats.errors import DecodeError

__all__ = ["binary_kind", "refuse_binary"]

_LOOKED_AT = 4_096
_MOST_UNREADABLE = 0.3
_LEAST_UNREADABLE = 4
# Control characters that text does not hold; white space, backspace and escape (colours) are not among them.
_CONTROL = bytes(set(range(32)) - set(b"\b\t\n\v\f\r\x1b")) + b"\x7f"

_TEXT = "text in another encoding than UTF-8; write UTF-8"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip, but not whole"),
    (b"\x28\xb5\x2f\xfd", "Zstandard, but not whole"),
    (b"\x04\x22\x4d\x18", "LZ4; use the producer's compression.type, which Kafka undoes itself"),
    (b"\x82SNAPPY\0", "Snappy; use the producer's compression.type, which Kafka undoes itself"),
    (b"BZh", "bzip2; use the producer's compression.type, or gzip or Zstandard"),
    (b"\xfd7zXZ\0", "xz; use the producer's compression.type, or gzip or Zstandard"),
    (b"Obj\x01", "an Avro file; have the producer write JSON"),
    (b"PAR1", "Parquet; have the producer write JSON"),
    (b"\xac\xed\0\x05", "a serialised Java object; have the producer write JSON"),
    (b"\xd9\xd9\xf7", "CBOR; have the producer write JSON"),
    (b"\xff\xfe", "text in UTF-16; write UTF-8"),
    (b"\xfe\xff", "text in UTF-16; write UTF-8"),
)


def refuse_binary(value: bytes) -> None:
    """Let text pass, in UTF-8 or with a few bytes that are not.

    Raises:
        DecodeError: a NUL byte; at least four bytes and three of ten that are no UTF-8 or are control
            characters; or Protobuf, whose first byte is one. The text names the likely format.

    """
    if b"\0" not in value:
        if value[0] >= 32 and (value.isascii() or not _unreadable(value[:_LOOKED_AT])):
            return
        if value[0] < 32 and not _unreadable(value[:_LOOKED_AT]) and not _is_protobuf(value):
            return
    raise DecodeError(f"binary: most likely {binary_kind(value)}")


def _unreadable(head: bytes) -> bool:
    bad = head.decode("utf-8", "replace").count("\ufffd") - head.count(b"\xef\xbf\xbd")
    bad += len(head) - len(head.translate(None, _CONTROL))
    return bad >= _LEAST_UNREADABLE and bad > _MOST_UNREADABLE * len(head)


def binary_kind(value: bytes) -> str:
    """The likely format of a binary record, and what to do about it; for people."""
    for magic, kind in _MAGIC:
        if value.startswith(magic):
            return kind
    if not value[:6].strip(b"\0"):
        return "text after a hole of NUL bytes, as of a file that was cut while it was written to"
    if value[0] == 0 and len(value) > 5:
        return (
            "Avro or Protobuf in Confluent's wire format (magic byte 0, schema id "
            f"{int.from_bytes(value[1:5], 'big')}), which needs a schema registry; give --schema-registry, "
            "or have the producer or a connector write JSON"
        )
    if value[:1] == b"x" and len(value) > 2 and (value[0] * 256 + value[1]) % 31 == 0:
        return "zlib; use the producer's compression.type, or gzip or Zstandard"
    if len(value) >= 5 and struct.unpack_from("<i", value)[0] == len(value) and value[-1] == 0:
        return "BSON; have the producer write JSON"
    if _is_message_pack(value):
        return "MessagePack; give --format msgpack, which needs the extra qualm[msgpack]"
    if _is_wide(value):
        return "text in UTF-16 without a byte order mark; write UTF-8"
    if _is_protobuf(value):
        return "Protobuf; of this only OpenTelemetry's logs can be read (--format otlp_proto)"
    return "Avro without its schema, or " + _TEXT if b"\0" not in value else "Avro without its schema"


def _is_wide(value: bytes) -> bool:
    """Nearly every second byte is 0, as in English UTF-16."""
    head = value[:200]
    return len(head) >= 4 and max(head[::2].count(0), head[1::2].count(0)) > 0.45 * len(head)


def _is_message_pack(value: bytes) -> bool:
    """A map whose first key is a text, or an array of a time and a map, as Fluent Bit forwards them."""
    first = value[0]
    at = 1 if 0x80 < first <= 0x8F else 3 if first == 0xDE else 5 if first == 0xDF else 0
    if at:
        return len(value) > at and (0xA1 <= value[at] <= 0xBF or value[at] in (0xD9, 0xDA))
    return first == 0x92 and len(value) > 1 and value[1] in (0xCE, 0xCF, 0xCB, 0xD7, 0x92)


def _is_protobuf(value: bytes) -> bool:
    """The fields at the top fill the record exactly; at most a hundred are looked at."""
    at, fields = 0, 0
    while at < len(value) and fields < 100:
        tag, at = _varint(value, at)
        number, kind = tag >> 3, tag & 7
        if at < 0 or not 0 < number < 1_000 or kind not in (0, 1, 2, 5):
            return False
        if kind == 0:
            _, at = _varint(value, at)
        elif kind == 2:
            length, at = _varint(value, at)
            at = at + length if at >= 0 else at
        else:
            at += 8 if kind == 1 else 4
        if not 0 <= at <= len(value):
            return False
        fields += 1
    return fields > 0


def _varint(value: bytes, at: int) -> tuple[int, int]:
    """A base-128 number and where it ends; -1 where it is none."""
    number = 0
    for shift in range(0, 64, 7):
        if at >= len(value):
            break
        byte = value[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    return 0, -1
