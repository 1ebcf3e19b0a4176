"""AWS CloudTrail: a file with ``Records``, an event alone, or one that EventBridge carries.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import at, first_text, text

__all__ = ["CLOUDTRAIL"]

_NEEDED = ("eventSource", "eventName", "eventTime")
_WHO = (
    *("userIdentity.arn", "userIdentity.principalId", "userIdentity.userName", "userIdentity.invokedBy"),
    *("userIdentity.accountId", "userIdentity.type"),
)
_FAULTS = ("InternalFailure", "InternalError", "InternalServerError", "ServiceUnavailable")


def _why(record: dict[str, Any]) -> str:
    if _is_event(record):
        return "it has eventSource, eventName and eventTime"
    records = record.get("Records")
    if type(records) is list and records and type(records[0]) is dict and _is_event(records[0]):
        return "it has Records with eventSource, eventName and eventTime"
    detail = record.get("detail")
    return "its detail is an event of CloudTrail" if type(detail) is dict and _is_event(detail) else ""


def _is_event(record: dict[str, Any]) -> bool:
    """Notifications of S3 have these names, too, but a service's name without a dot."""
    source = record.get("eventSource")
    return all(name in record for name in _NEEDED) and type(source) is str and "." in source


def _events(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    records = record.get("Records")
    if type(records) is list:
        yield from (each for each in records if type(each) is dict and "eventName" in each)
    else:
        detail = record.get("detail")
        yield detail if type(detail) is dict and not _is_event(record) else record


def _event(record: dict[str, Any], tools: Tools) -> Event:
    error = text(record.get("errorCode"))
    fault = error.removeprefix("Server.").removeprefix("Client.") in _FAULTS
    return Event(
        _message(record, error),
        tools.time(record.get("eventTime")),
        17 if fault else 13 if error else 9,
        text(record.get("eventSource")),
        first_text(record, _WHO),
    )


def _message(record: dict[str, Any], error: str) -> str:
    """``GetObject error=AccessDenied by=IAMUser region=eu-west-1 from=192.0.2.7 agent=aws-cli``."""
    agent = text(record.get("userAgent")).lstrip("[").partition("/")[0].partition(" ")[0]
    found = (
        ("error", error),
        ("by", text(at(record, "userIdentity", "type"))),
        ("region", text(record.get("awsRegion"))),
        ("from", text(record.get("sourceIPAddress")).replace(" ", "-")),
        ("agent", agent),
    )
    return " ".join((text(record.get("eventName")), *(f"{name}={value}" for name, value in found if value)))


CLOUDTRAIL = Family(_why, _event, _events)
