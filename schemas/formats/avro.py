"""Avro records under the schema that wrote them: https://avro.apache.org/docs/1.12.0/specification/.

A schema comes from outside, as the records do. What could make a small record large, or endless, is refused.
Needs the extra ``registry``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from schemas.formats.errors import DecodeError

__all__ = ["avro_to_json"]

_MOST_HEIGHT = 64
_MOST_BYTES = 1 << 20
_MOST_VALUES = 1 << 21
_MOST_JSON = 1 << 26
_MOST_WITH_DECIMALS = 1 << 14
"""Bytes of a record with decimals, which take time that grows with the square of their length."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to read the records of one schema: the schema as fastavro wants it, and most bytes of a record."""

    parsed: Any = None
    most: int = 0
    problem: str = ""


def avro_to_json(content: bytes, schema: str) -> bytes:
    """The record, an object in JSON; times become RFC 3339, bytes text, decimals numbers.

    Args:
        content: the record in Avro's binary encoding, without its schema.
        schema: JSON of the schema that it was written with.

    Raises:
        DecodeError: not Avro of that schema; a schema that is wrong, recursive, nested deeper than 64, of
            something else than a record, or of values that take no bytes; or more bytes than its records may
            have (1 MiB at most; less where the schema is deep, has long names or decimals).

    """
    plan = _plan(schema)
    if plan.problem:
        raise DecodeError(plan.problem)
    if len(content) > plan.most:
        raise DecodeError(
            f"too large: {len(content)} bytes of Avro, more than the {plan.most} for this schema"
        )
    import fastavro

    source = io.BytesIO(content)
    try:
        record = fastavro.schemaless_reader(source, plan.parsed, None, handle_unicode_errors="replace")
        result = orjson.dumps(record, default=_plain)
    except Exception as error:  # whatever Python raises for wrong bytes comes through fastavro
        raise DecodeError(f"not Avro: not of the schema that it names ({type(error).__name__})") from None
    if left := len(content) - source.tell():
        raise DecodeError(f"not Avro: not of the schema that it names ({left} bytes are left over)")
    return result


def _plain(value: Any) -> Any:
    """What JSON can hold as well, where orjson does not know how."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


@lru_cache(256)
def _plan(schema: str) -> _Plan:
    try:
        import fastavro
    except ImportError:
        return _Plan(problem="binary: Avro, which needs the extra: pip install 'qualm[registry]'")
    named: dict[str, Any] = {}
    try:
        parsed = fastavro.parse_schema(orjson.loads(schema), named)
        if not isinstance(parsed, dict) or parsed.get("type") != "record":
            return _Plan(problem="not an object: the schema of this Avro is no record")
        survey = _Survey(named)
        height = survey.height(parsed)
    except DecodeError as error:
        return _Plan(problem=f"not Avro: its schema {error}, which is not read")
    except Exception as error:  # as above, and RecursionError
        return _Plan(problem=f"not Avro: its schema is wrong ({type(error).__name__})")
    most = min(_MOST_BYTES, _MOST_VALUES // height, _MOST_JSON // (height * survey.longest))
    return _Plan(parsed, min(most, _MOST_WITH_DECIMALS) if survey.decimals else most)


class _Survey:
    """What the types of a schema can come to: every value has to take a byte, so that bytes bound values."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._heights: dict[str, int] = {}
        self._open: set[str] = set()
        self.longest = 1
        """Characters of the longest name of a field or symbol, which one byte can stand for."""
        self.decimals = False

    def height(self, kind: Any) -> int:
        """Records, arrays and maps inside each other, at most."""
        if isinstance(kind, list):  # a union: one byte says which of them
            return max((self.height(each) for each in kind if each != "null"), default=0)
        if isinstance(kind, str):
            return self._of_name(kind) if kind in self._named else self.height({"type": kind})
        form = kind["type"]
        if form == "record":
            return self._of_name(kind["name"])
        if form in ("array", "map"):
            return self._inside(kind["items" if form == "array" else "values"])
        if not isinstance(form, str):
            return self.height(form)
        if form == "enum":
            self.longest = max(self.longest, *map(len, kind["symbols"]))
        if form == "null" or (form == "fixed" and kind["size"] < 1):
            raise DecodeError("has values that take no bytes")
        self.decimals |= kind.get("logicalType") == "decimal"
        return 0

    def _inside(self, kind: Any) -> int:
        if (height := self.height(kind) + 1) > _MOST_HEIGHT:
            raise DecodeError(f"is nested deeper than {_MOST_HEIGHT}")
        return height

    def _of_name(self, name: str) -> int:
        if name in self._open:
            raise DecodeError("is recursive")
        if name not in self._heights:
            self._open.add(name)
            kind = self._named[name]
            self._heights[name] = self._of_record(kind) if kind["type"] == "record" else self.height(kind)
            self._open.remove(name)
        return self._heights[name]

    def _of_record(self, record: dict[str, Any]) -> int:
        if not record["fields"]:
            raise DecodeError("has values that take no bytes")
        self.longest = max(self.longest, *(len(each["name"]) for each in record["fields"]))
        return max(self._inside(each["type"]) for each in record["fields"])
