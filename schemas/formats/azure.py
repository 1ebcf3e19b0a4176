"""Resource logs and activity logs of Azure Monitor, as it exports them to an event hub: ``records``.

Source: https://learn.microsoft.com/azure/azure-monitor/platform/resource-logs-schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from schemas.events import severity_number
from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import at, first_text, text, whole

__all__ = ["AZURE"]

_TIMES = ("time", "TimeGenerated", "eventTimestamp")
_MESSAGES = ("message", "Message", "log", "Log", "msg")
_NUMBERS = ("durationMs", "DurationMs", "resultSignature")
_ENTITIES = ("correlationId", "CorrelationId", "operationId", "OperationId")
# Windows events count 1 (critical) to 5 (verbose); services that log numbers use these.
_LEVELS = {"1": 21, "2": 17, "3": 13, "4": 9, "5": 5, "verbose": 5}


def _why(record: dict[str, Any]) -> str:
    records = record.get("records")
    if type(records) is list and records and type(records[0]) is dict and _is_event(records[0]):
        return "it has records with time and category or operationName"
    return "it has resourceId, time and category or operationName" if _is_event(record) else ""


def _is_event(record: dict[str, Any]) -> bool:
    named = "category" in record or "operationName" in record or "Category" in record
    return (
        named
        and any(name in record for name in _TIMES)
        and ("resourceId" in record or "ResourceId" in record)
    )


def _events(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    records = record.get("records")
    if type(records) is not list:
        yield record
        return
    yield from (each for each in records if type(each) is dict)


def _event(record: dict[str, Any], tools: Tools) -> Event:
    properties = _properties(record)
    line = first_text(properties, _MESSAGES) or first_text(record, ("resultDescription", "message"))
    line = line.rstrip("\r\n")
    return Event(
        line or _done(record),
        next((time for name in _TIMES if (time := tools.time(record.get(name))) == time), float("nan")),
        _severity(record, properties),
        _source(record, properties),
        first_text(record, _ENTITIES),
        {name: whole(record.get(name)) for name in _NUMBERS},
        tools.line(line) if line else None,
    )


def _properties(record: dict[str, Any]) -> dict[str, Any]:
    """An object, or one that is written as text."""
    found = record.get("properties")
    if type(found) is str and found[:1] == "{":
        try:
            found = orjson.loads(found)
        except orjson.JSONDecodeError:
            return {}
    return found if type(found) is dict else {}


def _source(record: dict[str, Any], properties: dict[str, Any]) -> str:
    """A container or role where there is one, else the name of the resource, the last part of its id."""
    found = first_text(properties, ("containerName", "ContainerName", "appName", "roleName"))
    resource = first_text(record, ("resourceId", "ResourceId")).rstrip("/").rpartition("/")[2]
    return found or first_text(record, ("roleName",)) or resource.lower()


def _severity(record: dict[str, Any], properties: dict[str, Any]) -> int:
    value = first_text(record, ("level", "Level")) or first_text(properties, ("level", "Level"))
    return _LEVELS.get(value.lower(), 0) or severity_number(value)


def _done(record: dict[str, Any]) -> str:
    """``Microsoft.Compute/virtualMachines/start/action Failure Administrative``."""
    operation = text(record.get("operationName")) or text(at(record, "operationName", "value"))
    words = (
        operation,
        first_text(record, ("resultType", "ResultType")),
        first_text(record, ("category", "Category")),
    )
    return " ".join(word for word in words if word)


AZURE = Family(_why, _event, _events)
