"""Log entries of Google Cloud, as a sink exports them.

Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry.
"""

from __future__ import annotations

from typing import Any

from schemas.events import severity_number
from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import at, first_text, text, whole

__all__ = ["GCP"]

_PAYLOADS = ("textPayload", "jsonPayload", "protoPayload", "httpRequest")
_LABELS = (
    *("container_name", "service_name", "function_name", "module_id", "job_name", "job_id", "database_id"),
    *("cluster_name", "instance_id", "project_id"),
)
_APPS = ("k8s-pod/app", "k8s-pod/app_kubernetes_io/name", "k8s-pod/k8s-app")
_UNSET = "DEFAULT"
_NUMBERS = ("status", "requestSize", "responseSize")


def _why(record: dict[str, Any]) -> str:
    if type(record.get("logName")) is str and at(record, "resource", "type"):
        return "it has logName and resource.type"
    return ""


def _event(record: dict[str, Any], tools: Tools) -> Event:
    payload, line, inner = record.get("jsonPayload"), record.get("textPayload"), None
    message = ""
    if type(payload) is dict and payload:
        inner = tools.object(payload)
        message = inner[4]
    elif type(line) is str and line:
        message = line.rstrip("\r\n")
        inner = tools.line(message)
    time = tools.time(record.get("timestamp"))
    severity = record.get("severity")
    return Event(
        message or _done(record),
        time if time == time else tools.time(record.get("receiveTimestamp")),
        0 if severity == _UNSET else severity_number(severity),
        _source(record),
        _entity(record),
        _request_numbers(record),
        inner,
    )


def _source(record: dict[str, Any]) -> str:
    labels, around = record.get("labels"), at(record, "resource", "labels")
    found = first_text(labels, _APPS) if type(labels) is dict else ""
    found = found or (first_text(around, _LABELS[:-3]) if type(around) is dict else "")
    found = found or first_text(record, ("protoPayload.serviceName",))
    return (
        found
        or (first_text(around, _LABELS) if type(around) is dict else "")
        or text(at(record, "resource", "type"))
    )


def _entity(record: dict[str, Any]) -> str:
    """The trace, without the project in front of it; else the operation; else who did what is audited."""
    trace = text(record.get("trace")).rpartition("/")[2]
    return trace or first_text(record, ("operation.id", "protoPayload.authenticationInfo.principalEmail"))


def _done(record: dict[str, Any]) -> str:
    """``storage.objects.get code=7 from=192.0.2.7``, or ``GET 503 /path``, where there is no line."""
    proto, request = record.get("protoPayload"), record.get("httpRequest")
    if type(proto) is dict:
        found = (
            ("code", text(at(proto, "status", "code"))),
            ("status", text(at(proto, "status", "message"))),
            ("from", text(at(proto, "requestMetadata", "callerIp"))),
        )
        words = [text(proto.get("methodName")), *(f"{name}={value}" for name, value in found if value)]
    elif type(request) is dict:
        url = text(request.get("requestUrl")).partition("?")[0]
        words = [text(request.get("requestMethod")), text(request.get("status")), url]
    else:
        words = []
    return " ".join(word for word in words if word)


def _request_numbers(record: dict[str, Any]) -> dict[str, object] | None:
    """Numbers of an HTTP request; sizes are 64-bit numbers, which JSON of Protobuf writes as text."""
    request = record.get("httpRequest")
    if type(request) is not dict:
        return None
    found: dict[str, object] = {}
    for name in _NUMBERS:
        value = request.get(name)
        found[name] = whole(value)
    latency = text(request.get("latency"))[:24].removesuffix("s")
    if latency.replace(".", "", 1).isdigit() and latency.isascii():
        found["latency"] = float(latency)
    return found


GCP = Family(_why, _event)
