"""OTLP/JSON: an export request of the OpenTelemetry protocol, with many log records in one Kafka message.

Source of the format: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.events import Row
from schemas.formats.errors import DecodeError
from schemas.formats.json import load
from schemas.formats.otlp_records import LogRecord, OtlpRows, integer

__all__ = ["OtlpFormat", "is_request", "why_otlp"]

_MAX_DEPTH = 8
_OTHERS = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceProfiles": "profiles"}


class OtlpFormat:
    """Reads OTLP/JSON export requests."""

    def __init__(self, rows: OtlpRows) -> None:
        self._rows = rows

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
            raise DecodeError(f"not OTLP: {_instead(request)}")
        self._rows.read(_records(request), value, offset, record_time, rows)


def is_request(parsed: object) -> bool:
    """Whether parsed JSON is an OTLP logs export request."""
    return isinstance(parsed, dict) and isinstance(parsed.get("resourceLogs"), list)


def why_otlp(record: dict[str, Any]) -> str:
    """Why an object is an export request, of logs or of another signal; ``""`` where it is none."""
    return next(
        (f"it has {name}" for name in ("resourceLogs", *_OTHERS) if isinstance(record.get(name), list)), ""
    )


def _instead(request: object) -> str:
    for name, signal in _OTHERS.items():
        if isinstance(request, dict) and name in request:
            return f"these are {signal}; name a topic of logs"
    return "a record of this topic is an object with resourceLogs"


def _records(request: dict[str, Any]) -> Iterator[LogRecord | None]:
    """Every log record, in order; None for what is no object."""
    for group in _dicts(request.get("resourceLogs")):
        resource = group.get("resource")
        about = _attributes(resource) if isinstance(resource, dict) else {}
        for scoped in _dicts(group.get("scopeLogs")):
            scope = scoped.get("scope")
            name = scope.get("name") if isinstance(scope, dict) else None
            records = scoped.get("logRecords")
            for record in records if isinstance(records, list) else ():
                yield _record(record, about, name)


def _record(record: object, resource: dict[str, Any], scope: object) -> LogRecord | None:
    if not isinstance(record, dict):
        return None
    body = record.get("body")
    body = _plain(body) if isinstance(body, dict) else body
    return record, body, _attributes(record), resource, scope


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a log record or resource, as plain values by name."""
    found: dict[str, Any] = {}
    for pair in _dicts(holder.get("attributes")):
        name, value = pair.get("key", ""), pair.get("value")
        if isinstance(name, str) and isinstance(value, dict):
            found[name] = _plain(value)
    return found


def _plain(value: dict[str, Any], depth: int = 0) -> Any:
    """The plain value of an AnyValue; what is nested deeper than eight levels stays as it is."""
    for kind, content in value.items():
        if kind in ("stringValue", "boolValue", "bytesValue"):
            return content
        if kind == "intValue":
            return integer(content)
        if kind == "doubleValue":
            return content if isinstance(content, int | float) else str(content)
        if depth >= _MAX_DEPTH or not isinstance(content, dict):
            continue
        if kind == "arrayValue":
            return [_plain(item, depth + 1) for item in _dicts(content.get("values"))]
        if kind == "kvlistValue":
            pairs = ((pair.get("key", ""), pair.get("value")) for pair in _dicts(content.get("values")))
            return {str(k): _plain(v, depth + 1) for k, v in pairs if isinstance(v, dict)}
    return value or None
