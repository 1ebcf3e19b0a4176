"""Values of fields as what an event holds: texts, identifiers, numbers, severities, and JSON else."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from schemas.events import (
    MAX_ENTITY_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_NUMBERS,
    MAX_TEMPLATE_CHARS,
)
from schemas.formats.headers import SYSLOG_SEVERITY

__all__ = [
    "TEMPLATE",
    "at",
    "compact",
    "entity_text",
    "field_value",
    "first_text",
    "numeric",
    "syslog_severity",
    "template_text",
    "text",
    "whole",
]

TEMPLATE = "log.record.template"
"""Attribute in which OpenTelemetry's processors write the template that they found."""

_MOST_DIGITS = 18


def text(value: object) -> str:
    """A text or number as text; ``""`` for what is neither."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def entity_text(value: object) -> str:
    """An identifier as text of at most 256 characters; ``""`` for what is none (null, object, array)."""
    if isinstance(value, str):
        return value[:MAX_ENTITY_CHARS]
    if isinstance(value, int | float):
        return str(value)
    return ""


def template_text(value: object) -> str:
    """A template that came with an event, at most 4,096 characters; ``""`` for what is no text."""
    return value[:MAX_TEMPLATE_CHARS] if isinstance(value, str) else ""


def at(record: Any, *path: str) -> Any:
    """What is at a path of names in an object; None where there is nothing."""
    for name in path:
        record = record.get(name) if type(record) is dict else None
    return record


def first_text(record: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of some fields that is a text or number and not empty, as text; ``""`` for none.

    A dotted name is a literal key, ``log.level``, or a path, ``{"log": {"level": ...}}``.
    """
    for name in names:
        value = field_value(record, name)
        if value is not None and (found := value if type(value) is str else text(value)):
            return found
    return ""


@lru_cache(maxsize=1_024)
def _path(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def field_value(record: Mapping[str, Any], name: str) -> Any:
    """What a field holds, a dotted name as `first_text` has it; None where there is nothing."""
    value = record.get(name)
    return at(record, *_path(name)) if value is None and "." in name else value


def compact(value: object, raw: bytes) -> str:
    """``value`` as compact JSON, at most 65,536 characters; ``raw`` itself where it is nested too deep."""
    try:
        found = orjson.dumps(value).decode()
    except (TypeError, ValueError):
        found = raw[: 4 * MAX_MESSAGE_CHARS].decode("utf-8", "replace")
    return found[:MAX_MESSAGE_CHARS]


def numeric(values: Mapping[str, object], without: Container[str | None] = ()) -> dict[str, float] | None:
    """The finite numbers among values by name, at most 16, without those of some names; None for none."""
    numbers: dict[str, float] = {}
    for name, value in values.items():
        kind = type(value)
        if (kind is not int and kind is not float) or name in without:
            continue
        try:
            number = float(value)  # type: ignore[arg-type]  # it is one of the two
        except OverflowError:
            continue
        if math.isfinite(number) and len(name) <= MAX_NAME_CHARS:
            numbers[name] = number
            if len(numbers) == MAX_NUMBERS:
                break
    return numbers or None


def syslog_severity(value: object) -> int:
    """OpenTelemetry severity number of syslog's 0 to 7, as number or text; 0 for what is none of them."""
    if isinstance(value, str) and len(value) == 1 and value in "01234567":
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 7:
        return 0
    return SYSLOG_SEVERITY[value]


def whole(value: object) -> object:
    """A number that is written as decimal text of at most 18 digits; anything else as it is."""
    if isinstance(value, str) and len(value) <= _MOST_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    return value
