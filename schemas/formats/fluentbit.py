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
_OWNERS = ("kubernetes.docker_id", "container_id")
# What tells containers apart together, where none of the above is there.
_PLACES = (
    *("kubernetes.namespace_name", "kubernetes.pod_name", "kubernetes.container_name", "container_name"),
    *("tag", "_tag", "file", "filename", "path"),
)
_NAME_CHARS = 256
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
    part = record.get("_p") or record.get("logtag")
    owner = first_text(record, _OWNERS)
    if not owner and (
        part or " std" in line[:64]
    ):  # only lines in parts, or that may be, need to be told apart
        owner = _place(record)
    owner = owner or source or "?"
    whole = tools.join(f"{owner}/{record.get('stream')}", part == "P", line) if part in ("P", "F") else line
    inner = tools.line(whole, owner) if whole else None
    if whole is None or (whole and inner is None):
        return None
    line, event = whole, of_row(row, source, inner)
    if event.time != event.time:
        event = event._replace(time=tools.time(record.get("date")))
    return event._replace(message=line)


def _place(record: dict[str, Any]) -> str:
    """Names of what a line comes from; containers of one pod, and files of one node, have different ones."""
    return "/".join(filter(None, (first_text(record, (name,))[:_NAME_CHARS] for name in _PLACES)))


FLUENT_BIT = Family(_why, _event)
