"""Lines of containers from Fluent Bit, Fluentd and Docker: the line is in ``log``.

Source: https://docs.fluentbit.io/manual/pipeline/outputs/kafka and .../pipeline/filters/kubernetes.
"""

from __future__ import annotations

from typing import Any

from schemas.formats.family import Event, Family, Tools, of_row
from schemas.formats.fields import first_text
from schemas.formats.kubernetes import workload

__all__ = ["FLUENT_BIT"]

_SOURCES = ("service.name", "service", "app", "container_name", "tag", "_tag", "host", "hostname")
_OWNERS = ("kubernetes.docker_id", "kubernetes.pod_name", "container_id", "tag", "_tag")
_STREAMS = ("stdout", "stderr")


def _why(record: dict[str, Any]) -> str:
    if type(record.get("log")) is not str:
        return ""
    if isinstance(record.get("kubernetes"), dict):
        return "it has log and kubernetes"
    if record.get("stream") in _STREAMS:
        return "it has log and stream"
    if isinstance(record.get("date"), int | float) or isinstance(record.get("@timestamp"), float):
        return "it has log and a number as date"
    return ""


def _event(record: dict[str, Any], tools: Tools) -> Event | None:
    line = record["log"].rstrip("\r\n")
    row = tools.object(record)
    source = workload(record.get("kubernetes")) or first_text(record, _SOURCES)
    owner = first_text(record, _OWNERS) or source or "?"
    part = record.get("_p") or record.get("logtag")
    whole = tools.join(f"{owner}/{record.get('stream')}", part == "P", line) if part in ("P", "F") else line
    inner = tools.line(whole, owner) if whole else None
    if whole is None or (whole and inner is None):
        return None
    line, event = whole, of_row(row, source, inner)
    if event.time != event.time:
        event = event._replace(time=tools.time(record.get("date")))
    return event._replace(message=line)


FLUENT_BIT = Family(_why, _event)
