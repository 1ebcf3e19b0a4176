"""Protobuf behind a schema registry: the message that a compiled schema describes, as an object in JSON.

Sources: https://protobuf.dev/programming-guides/encoding/ and, for the indexes in front of the message,
https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format.
What a schema may be is in `schemas.formats.protobuf_schema`.
"""

from __future__ import annotations

import orjson
from google.protobuf.unknown_fields import UnknownFieldSet

from schemas.formats.errors import DecodeError
from schemas.formats.protobuf_schema import References, plan

__all__ = ["protobuf_to_json"]

_MOST_INDEXES = 64


def protobuf_to_json(content: bytes, schema: str, references: References = ()) -> bytes:
    """The message, an object in JSON; `schemas.formats.protobuf_types` says how its fields are.

    Args:
        content: indexes of the message in its schema, and the message, as Confluent's serializers write them.
        schema: base64 of the ``FileDescriptorProto`` of the file that has the message.
        references: import path and the same of the files that it imports, each behind those that it imports.

    Raises:
        DecodeError: not Protobuf of that schema; a schema that is wrong, or imports what is not given;
            messages more than 100 inside each other; or more bytes than its messages may have (1 MiB at
            most; less where the messages inside have many fields or long names).

    """
    indexes, at = _indexes(content)
    how = plan(schema, references, indexes)
    if how.problem:
        raise DecodeError(how.problem)
    if len(content) - at > how.most:
        raise DecodeError(
            f"too large: {len(content) - at} bytes of Protobuf, more than the {how.most} for this schema"
        )
    try:
        message = how.message.FromString(content[at:])
        is_other = not message.ListFields() and len(UnknownFieldSet(message)) > 0
        result = orjson.dumps(how.types.plain(message))
    except Exception as error:  # the library's own, and whatever Python raises for what it read
        raise DecodeError(f"not Protobuf: not of the schema that it names ({type(error).__name__})") from None
    if is_other:
        raise DecodeError("not Protobuf: not of the schema that it names (none of its fields)")
    return result


def _indexes(content: bytes) -> tuple[tuple[int, ...], int]:
    """Which message of the file it is, from the outermost to the one inside, and where the message begins."""
    count, at = _number(content, 0)
    if not 0 <= count <= _MOST_INDEXES:
        raise DecodeError("not Protobuf: no indexes of a message in front")
    found = []
    for _ in range(count):
        index, at = _number(content, at)
        found.append(index)
    return tuple(found) or (0,), at


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A zigzag number of 32 bits, and where it ends."""
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
    raise DecodeError("not Protobuf: no indexes of a message in front")
