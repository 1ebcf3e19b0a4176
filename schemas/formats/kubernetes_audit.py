"""Audit events of the Kubernetes API server: one, or an EventList as its webhook sends them.

Source: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import at, first_text, text

__all__ = ["KUBERNETES_AUDIT"]

_GROUP = "audit.k8s.io/"
_TIMES = ("stageTimestamp", "requestReceivedTimestamp")
_DONE = "ResponseComplete"


def _why(record: dict[str, Any]) -> str:
    version = record.get("apiVersion")
    if (
        isinstance(version, str)
        and version.startswith(_GROUP)
        and record.get("kind") in ("Event", "EventList")
    ):
        return f"apiVersion is {version[:40]}"
    return ""


def _events(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if record.get("kind") != "EventList":
        yield record
        return
    items = record.get("items")
    yield from (item for item in (items if isinstance(items, list) else ()) if type(item) is dict)


def _event(record: dict[str, Any], tools: Tools) -> Event:
    code = at(record, "responseStatus", "code")
    code = code if type(code) is int else 0
    return Event(
        _message(record, code),
        next((time for name in _TIMES if (time := tools.time(record.get(name))) == time), float("nan")),
        17 if code >= 500 else 13 if code >= 400 else 9,
        first_text(record, ("user.username",)),
        _object(record),
    )


def _object(record: dict[str, Any]) -> str:
    """What the request is about: ``pods/shop/web-1``; the path where it is about no object."""
    parts = (text(at(record, "objectRef", name)) for name in ("resource", "namespace", "name"))
    return "/".join(part for part in parts if part) or text(record.get("requestURI")).partition("?")[0]


def _message(record: dict[str, Any], code: int) -> str:
    """``delete secrets 403 Forbidden namespace=shop by=system:anonymous agent=kubectl``."""
    resource = text(at(record, "objectRef", "resource"))
    if inner := text(at(record, "objectRef", "subresource")):
        resource = f"{resource}/{inner}"
    words = [text(record.get("verb")), resource or text(record.get("requestURI")).partition("?")[0]]
    if (stage := text(record.get("stage"))) not in ("", _DONE):
        words.append(stage)
    words += [str(code) if code else "", text(at(record, "responseStatus", "reason"))]
    found = (
        ("namespace", text(at(record, "objectRef", "namespace"))),
        ("by", first_text(record, ("user.username",))),
        ("as", first_text(record, ("impersonatedUser.username",))),
        ("agent", text(record.get("userAgent")).partition("/")[0].partition(" ")[0]),
    )
    words += [f"{name}={value}" for name, value in found if value]
    return " ".join(word for word in words if word)


KUBERNETES_AUDIT = Family(_why, _event, _events)
