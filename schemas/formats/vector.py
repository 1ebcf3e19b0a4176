"""Log events as Vector writes them with its codec json.

Source: https://vector.dev/docs/about/under-the-hood/architecture/data-model/log/ and
https://vector.dev/docs/reference/configuration/sources/.
"""

from __future__ import annotations

from typing import Any

from schemas.formats.family import Event, Family, Tools, of_row
from schemas.formats.fields import first_text
from schemas.formats.kubernetes import workload

__all__ = ["VECTOR"]

_SOURCES = ("service", "appname", "container_name", "file", "host", "hostname")


def _why(record: dict[str, Any]) -> str:
    if (
        type(record.get("source_type")) is str
        and type(record.get("message")) is str
        and "timestamp" in record
    ):
        return "it has source_type, timestamp and message"
    return ""


def _event(record: dict[str, Any], tools: Tools) -> Event:
    line = record["message"]
    source = workload(record.get("kubernetes")) or first_text(record, _SOURCES)
    return of_row(tools.object(record), source, tools.line(line) if line else None)


VECTOR = Family(_why, _event)
