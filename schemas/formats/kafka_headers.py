"""What Kafka headers say about the events of a record: format, source and entity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.events import MAX_ENTITY_CHARS, MAX_SOURCE_CHARS, UNKNOWN_SOURCE, Row
from schemas.formats.options import Format, ReadOptions

__all__ = ["HeaderReader", "Headers"]

Headers = Sequence[tuple[str, bytes | None]]

_CONTENT_TYPE = "content-type"
_SOURCES = ("service.name", "service_name", "service-name", "service", "ce_source")
_TRACE = "traceparent"
_REQUESTS = (
    "x-request-id",
    "request_id",
    "request-id",
    "x-correlation-id",
    "correlation_id",
    "correlation-id",
)
_MOST = 64
_LONGEST = 1_024


class Said(NamedTuple):
    """What the headers of one record say; ``""`` and None where they say nothing."""

    content_type: str
    format: Format | None
    source: str
    entity: str

    def complete(self, row: Row) -> Row:
        """The row with source and entity, where it has none."""
        time, severity, source, entity, *rest = row
        source = self.source if self.source and source == UNKNOWN_SOURCE else source
        return time, severity, source, entity or self.entity, *rest  # type: ignore[return-value]  # rest is the row's own


class HeaderReader:
    """Reads the headers of records, by the operator's options: fields of those names may be headers, too."""

    def __init__(self, options: ReadOptions) -> None:
        own = options.source_field
        self._sources = (own.lower(), *_SOURCES) if own else _SOURCES
        self._entity = (options.entity_field or "").lower()
        self._traced = not options.entity_field and not options.entity_pattern

    def read(self, headers: Headers) -> Said:
        """What they say; names in any case, 64 headers at most, of which values up to 1,024 bytes count."""
        found: dict[str, str] = {}
        for name, value in headers[:_MOST]:
            if value and len(value) <= _LONGEST:
                found.setdefault(name.lower(), value.decode("utf-8", "replace").strip())
        content_type = found.get(_CONTENT_TYPE, "").partition(";")[0].strip().lower()
        source = next((found[name] for name in self._sources if found.get(name)), "")
        entity = found.get(self._entity, "") if self._entity else self._traced_by(found)
        return Said(
            content_type[:64], _format(content_type), source[:MAX_SOURCE_CHARS], entity[:MAX_ENTITY_CHARS]
        )

    def _traced_by(self, found: dict[str, str]) -> str:
        """The trace id of https://www.w3.org/TR/trace-context/, or the id of a request."""
        if not self._traced:
            return ""
        parts = found.get(_TRACE, "").split("-")
        if len(parts) >= 4 and len(parts[1]) == 32 and parts[1].strip("0"):
            return parts[1]
        return next((found[name] for name in _REQUESTS if found.get(name)), "")


def _format(content_type: str) -> Format | None:
    """The format that a content type names alone: JSON may be of any family."""
    if content_type in ("application/x-protobuf", "application/protobuf"):
        return "otlp_proto"
    if content_type in ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack"):
        return "msgpack"
    return "text" if content_type == "text/plain" else None
