"""Syslog as JSON by its daemons' own names: ``$(format-json)`` of syslog-ng and ``%jsonmesg%`` of rsyslog.

Sources: https://syslog-ng.github.io/admin-guide/110_Template_and_rewrite/ (macros and format-json, which
writes a dot in front of a name as an underscore) and https://www.rsyslog.com/doc/configuration/properties.html.
"""

from __future__ import annotations

import math
from typing import Any

from schemas.events import severity_number
from schemas.formats.family import Event, Family, Tools
from schemas.formats.fields import first_text, syslog_severity, text
from schemas.formats.headers import ENTITY_NAMES
from schemas.formats.syslog import structured_entity

__all__ = ["SYSLOG_JSON"]

_TIMES = ("ISODATE", "S_ISODATE", "UNIXTIME", "S_UNIXTIME", "timereported", "R_ISODATE", "R_UNIXTIME")
_SOURCES = ("PROGRAM", "programname", "app-name", "HOST", "hostname")
_DATA = ("_SDATA", ".SDATA", "SDATA", "structured-data")


def _why(record: dict[str, Any]) -> str:
    if "MESSAGE" in record and "HOST" in record and ("PROGRAM" in record or "PRIORITY" in record):
        return "it has syslog-ng's MESSAGE and HOST"
    if "syslogtag" in record and "syslogseverity" in record and "msg" in record:
        return "it has rsyslog's syslogtag and syslogseverity"
    return ""


def _event(record: dict[str, Any], tools: Tools) -> Event:
    message = first_text(record, ("MESSAGE", "msg"))
    level = first_text(record, ("PRIORITY", "LEVEL"))
    return Event(
        message,
        _time(record, tools),
        severity_number(level) if level else syslog_severity(text(record.get("syslogseverity"))),
        first_text(record, _SOURCES),
        next((found for name in _DATA if (found := structured_entity(record.get(name)))), "")
        or first_text(record, ENTITY_NAMES),
        None,
        tools.line(message) if message else None,
    )


def _time(record: dict[str, Any], tools: Tools) -> float:
    """A whole time; only where there is none, DATE, which has neither year nor zone."""
    for name in _TIMES:
        if (time := tools.time(record.get(name))) == time:
            return time
    time = tools.yearless(record.get("DATE"))
    return time if time == time else math.nan


SYSLOG_JSON = Family(_why, _event)
