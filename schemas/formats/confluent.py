"""Confluent's wire format: magic byte 0, the id of a schema in four bytes, then JSON, Avro or Protobuf.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import orjson

from schemas.formats.avro import avro_to_json
from schemas.formats.errors import DecodeError
from schemas.formats.json import load
from schemas.formats.protobuf import protobuf_to_json

__all__ = ["Schema", "SchemaOf", "content_of", "seen"]

_HEAD = 5


class Schema(NamedTuple):
    """A schema as a registry has it."""

    kind: str
    """``AVRO``, ``JSON``, ``PROTOBUF`` or what else a registry knows."""
    text: str
    """JSON of it; of Protobuf, base64 of its ``FileDescriptorProto``."""
    references: tuple[tuple[str, str], ...] = ()
    """Name and text of the schemas that it refers to, each behind those that it refers to itself."""


SchemaOf = Callable[[int], Schema]
"""Gives the schema of an id, or raises DecodeError that says why there is none and what to do."""


def content_of(value: bytes, schema_of: SchemaOf | None) -> bytes:
    """JSON of a record in the wire format; any other record as it is, and without a registry all but JSON.

    Raises:
        DecodeError: no schema, one of a kind that is not read, or content that is not of it; names the id.

    """
    if value[0] != 0 or len(value) <= _HEAD:
        return value
    content = value[_HEAD:]
    if (content[:1] == b"{" and schema_of is None) or (content[:1] in (b"{", b"[") and _is_json(content)):
        return content  # JSON Schema: no schema is needed to read it
    number = int.from_bytes(value[1:_HEAD], "big")
    if schema_of is None or not 0 < number < 1 << 31:
        return value
    schema = schema_of(number)
    try:
        return _json_of(content, schema)
    except DecodeError as error:
        raise DecodeError(
            f"{error}; schema id {number}; have the producer write with the registry's serializer, or JSON"
        ) from None


def seen(value: bytes | None, schema_of: SchemaOf | None) -> bytes | None:
    """The same for who only looks at records: as it is where it cannot be read."""
    try:
        return content_of(value, schema_of) if value and value[0] == 0 else value
    except DecodeError:
        return value


def _json_of(content: bytes, schema: Schema) -> bytes:
    if schema.kind == "AVRO":
        return avro_to_json(content, schema.text, schema.references)
    if schema.kind == "PROTOBUF":
        return protobuf_to_json(content, schema.text, schema.references)
    if schema.kind != "JSON":
        raise DecodeError(
            f"binary: {schema.kind[:20].capitalize()}; of a registry, Avro, Protobuf and JSON are read"
        )
    load(content)  # what is no JSON is told here, where its schema is known
    return content


def _is_json(content: bytes) -> bool:
    """Whether it is JSON; Avro begins with a brace once in 256 times."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True
