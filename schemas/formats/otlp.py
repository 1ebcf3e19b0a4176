"""OTLP/JSON: an export request of the OpenTelemetry protocol, with many log records in one Kafka message.

Source of the format: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and
https://opentelemetry.io/docs/specs/otel/logs/data-model/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from schemas.events import (
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_NUMBERS,
    MAX_SOURCE_CHARS,
    UNKNOWN_SOURCE,
    Row,
    severity_number,
)
from schemas.formats.errors import DecodeError
from schemas.formats.json import ENTITY_FIELDS, compact, entity_text, load
from schemas.timestamps import believable

__all__ = ["MAX_EVENTS", "OtlpFormat", "is_request"]

MAX_EVENTS = 100_000
"""Most log records that one export request may hold."""

_SOURCE_ATTRIBUTES = ("service.name", "k8s.container.name", "container.name", "k8s.pod.name", "host.name")
_MAX_DEPTH = 8
_SEVERITY_PREFIX = "SEVERITY_NUMBER_"


class OtlpFormat:
    """Reads OTLP/JSON export requests."""

    def __init__(
        self,
        *,
        entity_field: str | None = None,
        find_entity: Callable[[str], str] | None = None,
        source_field: str | None = None,
    ) -> None:
        self._entity_field = entity_field
        self._find_entity = find_entity
        self._source_field = source_field

    def read(self, value: bytes, offset: int, record_time: float | None, rows: list[Row]) -> None:
        """Append the log records of one export request to ``rows``; nothing is appended when it raises.

        A malformed log record among usable ones is skipped.

        Args:
            value: the record.
            offset: its offset.
            record_time: its plausible time in Unix seconds, or None.
            rows: where events go.

        Raises:
            DecodeError: not JSON, no ``resourceLogs``, more than 100,000 log records, or none that is usable.

        """
        request = load(value)
        if not is_request(request):
            raise DecodeError("not OTLP: a record of this topic is an object with resourceLogs")
        found: list[Row] = []
        for index, (record, source, resource) in enumerate(self._records(request)):
            if index >= MAX_EVENTS:
                raise DecodeError(f"too many events: more than {MAX_EVENTS} log records in one request")
            message, attributes = _content(record, value)
            if message:
                entity = self._entity(record, attributes, resource, message)
                numbers = _numbers(attributes, self._entity_field)
                source = self._own_source(attributes) or source
                time, severity = _time(record, record_time), _severity(record)
                found.append((time, severity, source, entity, message, numbers, offset, index))
        if not found:
            raise DecodeError("no events: no usable log record in the request")
        rows += found

    def _records(self, request: dict[str, Any]) -> Iterator[tuple[Any, str, dict[str, Any]]]:
        """Every log record, in order, with the source of its resource and the attributes of its resource."""
        for group in _dicts(request.get("resourceLogs")):
            resource = group.get("resource")
            attributes = _attributes(resource) if isinstance(resource, dict) else {}
            for scoped in _dicts(group.get("scopeLogs")):
                source = self._source(attributes, scoped.get("scope"))
                records = scoped.get("logRecords")
                for record in records if isinstance(records, list) else ():
                    yield record, source, attributes

    def _source(self, resource: dict[str, Any], scope: object) -> str:
        names = (self._source_field, *_SOURCE_ATTRIBUTES) if self._source_field else _SOURCE_ATTRIBUTES
        for name in names:
            if source := entity_text(resource.get(name))[:MAX_SOURCE_CHARS]:
                return source
        scope_name = scope.get("name") if isinstance(scope, dict) else None
        return entity_text(scope_name)[:MAX_SOURCE_CHARS] or UNKNOWN_SOURCE

    def _own_source(self, attributes: dict[str, Any]) -> str:
        name = self._source_field
        return entity_text(attributes.get(name))[:MAX_SOURCE_CHARS] if name else ""

    def _entity(
        self, record: dict[str, Any], attributes: dict[str, Any], resource: dict[str, Any], message: str
    ) -> str:
        if name := self._entity_field:
            for place in (attributes, resource, record):
                if entity := entity_text(place.get(name)):
                    return entity
        if self._find_entity:
            return self._find_entity(message)
        if self._entity_field:
            return ""
        trace = record.get("traceId")
        if isinstance(trace, str) and trace.strip("0"):  # all zeros mean no trace
            return entity_text(trace)
        for name in ENTITY_FIELDS:
            if name in attributes and (entity := entity_text(attributes[name])):
                return entity
        return ""


def is_request(parsed: object) -> bool:
    """Whether parsed JSON is an OTLP logs export request."""
    return isinstance(parsed, dict) and isinstance(parsed.get("resourceLogs"), list)


def _content(record: object, raw: bytes) -> tuple[str, dict[str, Any]]:
    """Message (``""`` where the record says nothing) and attributes of a log record."""
    if not isinstance(record, dict):
        return "", {}
    attributes = _attributes(record)
    body = record.get("body")
    if isinstance(body, dict):
        body = _plain(body)
    if body is None or body == "":
        body = attributes or record.get("eventName") or ""
    return body[:MAX_MESSAGE_CHARS] if isinstance(body, str) else compact(body, raw), attributes


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a log record or resource, as plain values by name."""
    found: dict[str, Any] = {}
    for pair in _dicts(holder.get("attributes")):
        name, value = pair.get("key"), pair.get("value")
        if isinstance(name, str) and isinstance(value, dict):
            found[name] = _plain(value)
    return found


def _plain(value: dict[str, Any], depth: int = 0) -> Any:
    """The plain value of an AnyValue; what is nested deeper than eight levels stays as it is."""
    for kind, content in value.items():
        if kind in ("stringValue", "boolValue", "bytesValue"):
            return content
        if kind == "intValue":
            return _integer(content)
        if kind == "doubleValue":
            return content if isinstance(content, int | float) else str(content)
        if depth >= _MAX_DEPTH or not isinstance(content, dict):
            continue
        if kind == "arrayValue":
            return [_plain(item, depth + 1) for item in _dicts(content.get("values"))]
        if kind == "kvlistValue":
            pairs = ((pair.get("key"), pair.get("value")) for pair in _dicts(content.get("values")))
            return {str(k): _plain(v, depth + 1) for k, v in pairs if isinstance(v, dict)}
    return value or None


def _integer(content: object) -> int | str | None:
    """A 64-bit integer, which OTLP/JSON writes as a decimal string; other text stays text."""
    if isinstance(content, str):
        digits = content[1:] if content.startswith("-") else content
        return int(content) if len(digits) <= 20 and digits.isascii() and digits.isdigit() else content
    if isinstance(content, float):
        return int(content) if content.is_integer() and abs(content) < 1e19 else str(content)
    return content if isinstance(content, int) else None


def _time(record: dict[str, Any], record_time: float | None) -> float:
    for name in ("timeUnixNano", "observedTimeUnixNano"):
        nanoseconds = _integer(record.get(name))
        if isinstance(nanoseconds, int):
            time = nanoseconds / 1_000_000_000
            if believable(time, record_time) == time:
                return time
    return math.nan if record_time is None else record_time


def _severity(record: dict[str, Any]) -> int:
    value = record.get("severityNumber")
    if isinstance(value, str):  # protobuf's JSON mapping may also write the name of the enum value
        value = value.removeprefix(_SEVERITY_PREFIX)
    return severity_number(value, otel=True) or severity_number(record.get("severityText"))


def _numbers(attributes: dict[str, Any], entity_field: str | None) -> dict[str, float] | None:
    numbers: dict[str, float] = {}
    for name, value in attributes.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or name == entity_field:
            continue
        number = float(value)
        if math.isfinite(number) and len(name) <= MAX_NAME_CHARS:
            numbers[name] = number
            if len(numbers) == MAX_NUMBERS:
                break
    return numbers or None
