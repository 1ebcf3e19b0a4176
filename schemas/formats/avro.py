"""Avro records under the schema that wrote them: https://avro.apache.org/docs/1.12.0/specification/.

What a schema may be is in `schemas.formats.avro_schema`. Needs the extra ``registry``.
"""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import orjson

from schemas.formats.avro_schema import plan
from schemas.formats.errors import DecodeError

__all__ = ["avro_to_json"]


def avro_to_json(content: bytes, schema: str, references: tuple[tuple[str, str], ...] = ()) -> bytes:
    """The record, an object in JSON; times become RFC 3339, bytes text, decimals numbers.

    Args:
        content: the record in Avro's binary encoding, without its schema.
        schema: JSON of the schema that it was written with.
        references: name and JSON of the schemas whose types it names, each behind those that it names.

    Raises:
        DecodeError: not Avro of that schema; a schema that is wrong, nested deeper than 64, of something else
            than records, or of values that take no bytes; a record inside itself more than 16 times (less
            where that is deeper than 64); or more bytes than its records may have (1 MiB at most; less where
            the schema is deep, has long names or decimals).

    """
    how = plan(schema, references)
    if how.problem:
        raise DecodeError(how.problem)
    if len(content) > how.most:
        raise DecodeError(
            f"too large: {len(content)} bytes of Avro, more than the {how.most} for this schema"
        )
    import fastavro

    source = io.BytesIO(content)
    deep = f", or more than {how.levels} times inside itself" if how.levels else ""
    try:
        record = fastavro.schemaless_reader(source, how.parsed, None, handle_unicode_errors="replace")
        result = orjson.dumps(record, default=_plain)
    except Exception as error:  # whatever Python raises for wrong bytes comes through fastavro
        raise DecodeError(
            f"not Avro: not of the schema that it names{deep} ({type(error).__name__})"
        ) from None
    if left := len(content) - source.tell():
        raise DecodeError(f"not Avro: not of the schema that it names{deep} ({left} bytes are left over)")
    return result


def _plain(value: Any) -> Any:
    """What JSON can hold as well, where orjson does not know how."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
