"""Log records of OpenTelemetry to rows, alike for both encodings of an export request.

Source: https://opentelemetry.io/docs/specs/otel/logs/data-model/ and, for names of attributes,
https://opentelemetry.io/docs/specs/semconv/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from schemas.events import MAX_MESSAGE_CHARS, MAX_SOURCE_CHARS, UNKNOWN_SOURCE, Row, severity_number
from schemas.formats.errors import DecodeError
from schemas.formats.fields import TEMPLATE, compact, entity_text, numeric, template_text
from schemas.formats.json import ENTITY_FIELDS
from schemas.timestamps import TimestampReader, believable

__all__ = ["MAX_EVENTS", "LogRecord", "OtlpRows", "integer"]

MAX_EVENTS = 100_000
"""Most log records that one export request may hold."""

_SOURCE_ATTRIBUTES = ("service.name", "k8s.container.name", "container.name", "k8s.pod.name", "host.name")
_SEVERITY_PREFIX = "SEVERITY_NUMBER_"


LogRecord = tuple[dict[str, Any], Any, dict[str, Any], dict[str, Any], object]
"""A log record of either encoding: its fields by their names in OTLP/JSON, its body, attributes and those of
its resource as plain values, and the name of its scope."""


class OtlpRows:
    """Makes rows of log records, by the operator's options."""

    def __init__(
        self,
        *,
        entity_field: str | None = None,
        find_entity: Callable[[str], str] | None = None,
        source_field: str | None = None,
        time_field: str | None = None,
    ) -> None:
        self._entity_field = entity_field
        self._find_entity = find_entity
        self._source_field = source_field
        self._time_field = time_field
        self._no_numbers = (entity_field, time_field)
        self._times = TimestampReader()

    def read(
        self,
        records: Iterable[LogRecord | None],
        raw: bytes,
        offset: int,
        record_time: float | None,
        rows: list[Row],
    ) -> None:
        """Append rows of the log records of one request; None among them is malformed, and skipped.

        Raises:
            DecodeError: more than 100,000 log records, or none that is usable.

        """
        found: list[Row] = []
        about: tuple[object, object] = (None, None)
        common = ""
        for index, record in enumerate(records):
            if index >= MAX_EVENTS:
                raise DecodeError(f"too many events: more than {MAX_EVENTS} log records in one request")
            if record is None:
                continue
            fields, body, attributes, resource, scope = record
            if message := _message(fields, body, attributes, raw):
                if resource is not about[0] or scope is not about[1]:
                    about = resource, scope
                    common = self._common_source(resource, scope)
                source = self._own_source(attributes) or common
                time, severity = self._own_time(attributes, record_time), _severity(fields)
                if time != time:
                    time = _time(fields, record_time)
                entity = self._entity(fields, attributes, resource, message)
                numbers = numeric(attributes, self._no_numbers)
                template = template_text(attributes[TEMPLATE]) if TEMPLATE in attributes else ""
                found.append((time, severity, source, entity, message, numbers, offset, index, template))
        if not found:
            raise DecodeError("no events: no usable log record in the request")
        rows += found

    def _own_source(self, attributes: dict[str, Any]) -> str:
        name = self._source_field
        return entity_text(attributes.get(name))[:MAX_SOURCE_CHARS] if name else ""

    def _own_time(self, attributes: dict[str, Any], record_time: float | None) -> float:
        """The time in the operator's attribute; NaN where there is none, or none that is plausible."""
        time = self._times.read(integer(attributes.get(self._time_field))) if self._time_field else math.nan
        return time if believable(time, record_time) == time else math.nan

    def _common_source(self, resource: dict[str, Any], scope: object) -> str:
        """The source of all log records of a resource and scope."""
        names = (self._source_field, *_SOURCE_ATTRIBUTES) if self._source_field else _SOURCE_ATTRIBUTES
        for name in names:
            if source := entity_text(resource.get(name))[:MAX_SOURCE_CHARS]:
                return source
        return entity_text(scope)[:MAX_SOURCE_CHARS] or UNKNOWN_SOURCE

    def _entity(
        self, fields: dict[str, Any], attributes: dict[str, Any], resource: dict[str, Any], message: str
    ) -> str:
        if name := self._entity_field:
            for place in (attributes, resource, fields):
                if entity := entity_text(place.get(name)):
                    return entity
        if self._find_entity:
            return self._find_entity(message)
        if self._entity_field:
            return ""
        trace = fields.get("traceId")
        if isinstance(trace, str) and trace.strip("0"):  # all zeros mean no trace
            return entity_text(trace)
        for name in ENTITY_FIELDS:
            if name in attributes and (entity := entity_text(attributes[name])):
                return entity
        return ""


def integer(content: object) -> int | str | None:
    """A 64-bit integer, which OTLP/JSON writes as a decimal string; other text stays text."""
    if isinstance(content, str):
        digits = content[1:] if content.startswith("-") else content
        return int(content) if len(digits) <= 20 and digits.isascii() and digits.isdigit() else content
    if isinstance(content, float):
        return int(content) if content.is_integer() and abs(content) < 1e19 else str(content)
    return content if isinstance(content, int) else None


def _message(fields: dict[str, Any], body: Any, attributes: dict[str, Any], raw: bytes) -> str:
    """The body; the attributes or the name of the event where there is none; ``""`` where nothing is said."""
    if body is None or body == "":
        body = attributes or fields.get("eventName") or ""
    return body[:MAX_MESSAGE_CHARS] if isinstance(body, str) else compact(body, raw)


def _time(fields: dict[str, Any], record_time: float | None) -> float:
    for name in ("timeUnixNano", "observedTimeUnixNano"):
        nanoseconds = integer(fields.get(name))
        if isinstance(nanoseconds, int):
            time = nanoseconds / 1_000_000_000
            if believable(time, record_time) == time:
                return time
    return math.nan if record_time is None else record_time


def _severity(fields: dict[str, Any]) -> int:
    value = fields.get("severityNumber")
    if isinstance(value, str):  # protobuf's JSON mapping may also write the name of the enum value
        value = value.removeprefix(_SEVERITY_PREFIX)
    return severity_number(value, otel=True) or severity_number(fields.get("severityText"))
