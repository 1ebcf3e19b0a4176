"""Confluent's wire format: magic byte 0, the id of a schema in four bytes, and JSON or Avro behind them.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import orjson

from schemas.formats.avro import avro_to_json
from schemas.formats.errors import DecodeError

__all__ = ["Schema", "SchemaOf", "content_of"]

_HEAD = 5


class Schema(NamedTuple):
    """A schema as a registry has it."""

    kind: str
    """``AVRO``, ``JSON``, ``PROTOBUF`` or what else a registry knows."""
    text: str


SchemaOf = Callable[[int], Schema]
"""Gives the schema of an id, or raises DecodeError that says why there is none and what to do."""


def content_of(value: bytes, schema_of: SchemaOf | None) -> bytes:
    """JSON of a record in the wire format; any other record as it is, and Avro too without a registry.

    Raises:
        DecodeError: no schema, one of a kind that is not read, or content that is not of it.

    """
    if value[0] != 0 or len(value) <= _HEAD:
        return value
    content = value[_HEAD:]
    if content[:1] == b"{" and (schema_of is None or _is_json(content)):
        return content  # JSON Schema: no schema is needed to read it
    number = int.from_bytes(value[1:_HEAD], "big")
    if schema_of is None or not 0 < number < 1 << 31:
        return value
    schema = schema_of(number)
    if schema.kind == "AVRO":
        return avro_to_json(content, schema.text)
    if schema.kind == "JSON":
        return content
    raise DecodeError(
        f"binary: {schema.kind[:20].capitalize()} of schema id {number}; of a schema registry, Avro and JSON "
        "are read: have the producer or a connector write one of them"
    )


def _is_json(content: bytes) -> bool:
    """Whether it is JSON; Avro begins with a brace once in 256 times."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True
