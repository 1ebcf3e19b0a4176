"""Entries of systemd's journal, as ``journalctl -o json`` and systemd-journal-upload write them.

Source: https://systemd.io/JOURNAL_EXPORT_FORMATS/ (Journal JSON Format) and systemd.journal-fields(7).
"""

from __future__ import annotations

import math
from typing import Any

from schemas.events import MAX_MESSAGE_CHARS
from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import first_text, syslog_severity, whole

__all__ = ["JOURNALD"]

_TIMES = ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP")
_SOURCES = ("CONTAINER_NAME", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM", "_TRANSPORT", "_HOSTNAME")
_ENTITIES = ("TRACE_ID", "OTEL_TRACE_ID", "REQUEST_ID", "CORRELATION_ID")


def _why(record: dict[str, Any]) -> str:
    return "it has __REALTIME_TIMESTAMP" if "__REALTIME_TIMESTAMP" in record else ""


def _event(record: dict[str, Any], tools: Tools) -> Event:
    time = next((found for name in _TIMES if (found := _microseconds(record.get(name))) == found), math.nan)
    message = _message(record.get("MESSAGE"))
    severity = syslog_severity(_last(record.get("PRIORITY")))
    inner = tools.line(message) if message else None
    return Event(
        message, time, severity, first_text(record, _SOURCES), first_text(record, _ENTITIES), None, inner
    )


def _microseconds(value: object) -> float:
    number = whole(value)
    return number / 1e6 if type(number) is int else math.nan


def _message(value: object) -> str:
    """A text; an array of bytes, where it is not UTF-8; or an array of either, where it was given twice."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        return ""
    head = value[:MAX_MESSAGE_CHARS]
    if all(type(each) is int and 0 <= each <= 255 for each in head):
        return bytes(head).decode("utf-8", "replace")
    parts = (each if isinstance(each, str) else _message(each) if _is_bytes(each) else "" for each in head)
    return " ".join(part for part in parts if part)


def _is_bytes(value: object) -> bool:
    return isinstance(value, list) and bool(value) and type(value[0]) is int


def _last(value: object) -> object:
    return value[-1] if isinstance(value, list) and value else value


JOURNALD = Family(_why, _event)
