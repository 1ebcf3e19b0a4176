"""GELF, the Graylog Extended Log Format 1.1.

Source: https://go2docs.graylog.org/current/getting_in_log_data/gelf.html. Its levels are syslog's.
syslog-ng's ``$(format-gelf)`` also carries the structured data of RFC 5424.
"""

from __future__ import annotations

from typing import Any

from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import first_text, syslog_severity, text
from schemas.formats.syslog import structured_entity

__all__ = ["GELF"]

_SOURCES = (
    "_service.name",
    "_service",
    "_app",
    "_application_name",
    "_container_name",
    "_tag",
    "_program",
    "facility",
    "host",
)
_ENTITIES = ("_trace_id", "_traceId", "_trace.id", "_request_id", "_requestId", "_correlation_id")


def _why(record: dict[str, Any]) -> str:
    if "short_message" in record and text(record.get("version")) in ("1.0", "1.1"):
        return "it has version 1.1 and short_message"
    return ""


def _event(record: dict[str, Any], tools: Tools) -> Event:
    message = text(record.get("short_message")) or text(record.get("full_message"))
    return Event(
        message,
        tools.time(record.get("timestamp")),
        syslog_severity(record.get("level")),
        first_text(record, _SOURCES),
        first_text(record, _ENTITIES) or structured_entity(record.get("_SDATA")),
        {name[1:]: value for name, value in record.items() if name[:1] == "_"},
        tools.line(message) if message else None,
    )


GELF = Family(_why, _event)
