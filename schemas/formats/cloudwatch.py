"""CloudWatch Logs: what a subscription delivers, once gzip and base64 around it are undone.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.formats.errors import DecodeError
from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import first_text, text

__all__ = ["CLOUDWATCH"]

_SOURCES = ("logGroup",)


def _why(record: dict[str, Any]) -> str:
    if type(record.get("logGroup")) is str and type(record.get("logEvents")) is list:
        return "it has logGroup and logEvents"
    return ""


def _events(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each with the log group and stream that it is of."""
    if record.get("messageType") == "CONTROL_MESSAGE":
        raise DecodeError(
            "no events: a control message of CloudWatch, which only tries whether the way is free"
        )
    about = {name: record.get(name) for name in ("logGroup", "logStream", "owner")}
    for event in record["logEvents"]:
        if type(event) is dict:
            yield about | event


def _event(record: dict[str, Any], tools: Tools) -> Event:
    message = text(record.get("message")).rstrip("\r\n")
    inner = tools.line(message) if message else None
    return Event(message, tools.time(record.get("timestamp")), 0, first_text(record, _SOURCES), inner=inner)


CLOUDWATCH = Family(_why, _event, _events)
