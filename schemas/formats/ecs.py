"""Elastic Common Schema, as Filebeat, Elastic Agent and the ECS loggers write it.

Source: https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html and Filebeat's exported fields.
"""

from __future__ import annotations

from typing import Any

from schemas.events import Row
from schemas.formats.family import Event, Family, Tools, of_row
from schemas.formats.fields import at, first_text
from schemas.formats.kubernetes import workload

__all__ = ["ECS"]

_SERVICES = ("service.name",)
_PLACES = ("container.name", "event.dataset", "host.name", "host.hostname")
_NUMBERS = tuple(
    (name, tuple(name.split(".")))
    for name in ("event.duration", "http.response.status_code", "http.response.body.bytes")
)


def _why(record: dict[str, Any]) -> str:
    if "@timestamp" not in record:
        return ""
    if "ecs.version" in record or at(record, "ecs", "version"):
        return "it has @timestamp and ecs.version"
    if at(record, "agent", "type") or at(record, "@metadata", "beat"):
        return "it has @timestamp and the name of a Beat"
    return ""


def _event(record: dict[str, Any], tools: Tools) -> Event | Row:
    row = tools.object(record)
    if row[1] and "service" in record and "http" not in record and "event" not in record:
        return row  # an application's own logger has said everything by the usual names
    source = first_text(record, _SERVICES) or workload(record.get("kubernetes"))
    source = source or first_text(record, ("log.logger",)) or first_text(record, _PLACES)
    message = record.get("message")
    inner = tools.line(message) if not row[1] and type(message) is str and message else None
    event = of_row(row, source, inner)
    found = {name: value for name, path in _NUMBERS if (value := at(record, *path)) is not None}
    return event._replace(numbers={**found, **(event.numbers or {})}) if found else event


ECS = Family(_why, _event)
