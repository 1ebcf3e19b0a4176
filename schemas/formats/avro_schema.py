"""What a schema of Avro may come to: https://avro.apache.org/docs/1.12.0/specification/#schema-declaration.

A schema comes from outside, as the records do. What could make a small record large, or endless, is refused.
Recursive types are written out some levels deep, because fastavro's reader recurses in C, which only the
schema can bound. Needs the extra ``registry``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from schemas.formats.errors import DecodeError

__all__ = ["Plan", "plan"]

_MOST_HEIGHT = 64
_MOST_BYTES = 1 << 20
_MOST_VALUES = 1 << 21
_MOST_JSON = 1 << 26
_MOST_WITH_DECIMALS = 1 << 14
"""Bytes of a record with decimals, which take time that grows with the square of their length."""
_LEVELS = (16, 8, 4)
"""How often a type may be inside itself: the first of them with which the schema is not too deep."""
_MOST_WRITTEN_OUT = 1 << 20
"""Characters of a schema times its levels."""
_PLAIN = {"boolean", "int", "long", "float", "double", "bytes", "string"}
_NAMED = {"record", "error", "enum", "fixed"}
_NEVER: dict[str, Any] = {"type": "fixed", "name": "qualm_too_deep", "size": (1 << 31) - 1}
"""Stands for what is nested too deep: no record has so many bytes, so reading it fails."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read the records of one schema."""

    parsed: Any = None
    """The schema as fastavro wants it."""
    most: int = 0
    """Bytes of a record."""
    levels: int = 0
    """How often a type may be inside itself; 0 where the schema is not recursive."""
    problem: str = ""
    """Why its records are not read; ``""`` where they are."""


@lru_cache(256)
def plan(schema: str, references: tuple[tuple[str, str], ...]) -> Plan:
    """How to read the records of a schema, given as JSON with those that it refers to (name and JSON)."""
    try:
        import fastavro
    except ImportError:
        return Plan(problem="binary: Avro, which needs the extra: pip install 'qualm[registry]'")
    named: dict[str, Any] = {}
    try:
        for _, text in references:
            fastavro.parse_schema(orjson.loads(text), named)
        parsed = fastavro.parse_schema(orjson.loads(schema), named)
        if not _is_record(parsed, named):
            return Plan(problem="not an object: the schema of this Avro is no record")
        size = sum(map(len, (schema, *(text for _, text in references))))
        return _planned(parsed, named, size)
    except DecodeError as error:
        return Plan(problem=f"not Avro: its schema {error}, which is not read")
    except (
        Exception
    ) as error:  # whatever Python raises for a wrong schema comes through fastavro, and RecursionError
        return Plan(problem=f"not Avro: its schema is wrong ({type(error).__name__})")


def _is_record(kind: Any, named: dict[str, Any]) -> bool:
    """Whether every value is an object: of a record, or of a union of records."""
    if isinstance(kind, list):
        return bool(kind) and all(_is_record(each, named) for each in kind)
    found = named.get(kind) if isinstance(kind, str) else kind
    return isinstance(found, dict) and found.get("type") == "record"


def _planned(parsed: Any, named: dict[str, Any], size: int) -> Plan:
    import fastavro

    fitting = [each for each in _LEVELS if each * size <= _MOST_WRITTEN_OUT] or _LEVELS[-1:]
    for levels in fitting:
        written_out = _WrittenOut(named, levels)
        try:
            types: dict[str, Any] = {}
            flat = fastavro.parse_schema(written_out.of(parsed, 0), types)
            survey = _Survey(types)
            height = survey.height(flat)
            break
        except (DecodeError, RecursionError):
            if not written_out.is_recursive or levels == fitting[-1]:
                raise
    most = min(_MOST_BYTES, _MOST_VALUES // height, _MOST_JSON // (height * survey.longest))
    most = min(most, _MOST_WITH_DECIMALS) if survey.decimals else most
    return Plan(flat, most, levels if written_out.is_recursive else 0)


class _WrittenOut:
    """A schema in which no type is inside itself: what it holds of its own kind is a copy, level by level."""

    def __init__(self, named: dict[str, Any], levels: int) -> None:
        self._named = named
        self._levels = levels
        self._open: set[tuple[str, int]] = set()
        self._known: set[str] = set()
        self.is_recursive = False

    def of(self, kind: Any, level: int) -> Any:
        """A type at a level: all of it where it comes first, then its name, as Avro has it."""
        if isinstance(kind, list):
            return [self.of(each, level) for each in kind]
        if isinstance(kind, str):
            return self._of_name(kind, level) if kind in self._named else kind
        form = kind["type"]
        if form in ("array", "map"):
            inner = "items" if form == "array" else "values"
            return {"type": form, inner: self.of(kind[inner], level)}
        return self._of_name(kind["name"], level) if form in _NAMED else kind

    def _of_name(self, name: str, level: int) -> Any:
        if (name, level) in self._open:
            self.is_recursive = True
            level += 1
        if level > self._levels:
            return self._once(_NEVER["name"], _NEVER)
        kind = self._named[name]
        if "fields" not in kind:
            return self._once(name, kind)
        copy = f"{name}_qualm_{level}" if level else name
        if copy in self._known:
            return copy
        self._known.add(copy)
        self._open.add((name, level))
        fields = [{"name": each["name"], "type": self.of(each["type"], level)} for each in kind["fields"]]
        self._open.remove((name, level))
        return {"type": "record", "name": copy, "fields": fields}

    def _once(self, name: str, kind: dict[str, Any]) -> Any:
        if name in self._known:
            return name
        self._known.add(name)
        return {
            key: kind[key] for key in kind if not key.startswith("__") and key not in ("aliases", "default")
        }


class _Survey:
    """What the types of a schema can come to: every value has to take a byte, so that bytes bound values."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._heights: dict[str, int] = {}
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
        if form == "enum":
            self.longest = max(self.longest, *map(len, kind["symbols"]))
        elif form == "null" or (form == "fixed" and kind["size"] < 1):
            raise DecodeError("has values that take no bytes")
        elif form not in _PLAIN and form != "fixed":
            raise DecodeError(f"has the type {str(form)[:20]}")
        self.decimals |= kind.get("logicalType") == "decimal"
        return 0

    def _inside(self, kind: Any) -> int:
        if (height := self.height(kind) + 1) > _MOST_HEIGHT:
            raise DecodeError(f"is nested deeper than {_MOST_HEIGHT}")
        return height

    def _of_name(self, name: str) -> int:
        if name not in self._heights:
            kind = self._named[name]
            self._heights[name] = self._of_record(kind) if kind["type"] == "record" else self.height(kind)
        return self._heights[name]

    def _of_record(self, record: dict[str, Any]) -> int:
        if not record["fields"]:
            raise DecodeError("has values that take no bytes")
        self.longest = max(self.longest, *(len(each["name"]) for each in record["fields"]))
        return max(self._inside(each["type"]) for each in record["fields"])
