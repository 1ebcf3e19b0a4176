"""Access logs of web servers: common and combined log format, with a virtual host, and ingress-nginx's.

Sources: https://httpd.apache.org/docs/2.4/logs.html#accesslog and
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from schemas.events import MAX_SOURCE_CHARS, UNKNOWN_SOURCE
from schemas.formats.headers import Header
from schemas.timestamps import TimestampReader

__all__ = ["read_access"]

_SEARCHED = 8_192
_STAMP_CHARS = len("29/Jan/2025:00:00:13 +0000")
_QUOTED = r'"((?:[^"\\]|\\.)*+)"'  # possessive, so that no text makes it go back
_REQUEST = re.compile(rf"\] {_QUOTED} (\d{{3}}) (\d{{1,15}}|-)", re.ASCII)
_AGENT = re.compile(rf" {_QUOTED} {_QUOTED}")
# Behind referrer and agent: length of the request, seconds, [service], then upstreams and the request's id.
_INGRESS = re.compile(r" \d{1,15} (\d{1,9}\.\d{1,9}) \[([^\]\s]{0,256})\] \[[^\]\s]*+\] ", re.ASCII)
_REQUEST_ID = re.compile(r"[0-9a-f]{16,64}\Z", re.ASCII)
_DURATION = re.compile(r'"?(\d{1,15}(?:\.\d{1,9})?)(?:ms|s)?"?\Z', re.ASCII)

# With the words of the status the kind of answer is part of the template, in which numbers are masked.
_PHRASES = {str(int(status)): f"{int(status)} {status.phrase}" for status in HTTPStatus}
_PHRASES["499"] = "499 Client Closed Request"  # nginx's own
_SEVERITY = {"1": 9, "2": 9, "3": 9, "4": 13, "5": 17}


def read_access(line: str, words: list[str], times: TimestampReader) -> Header | None:
    """A line of an access log, given its words, of which the fourth or fifth begins the time.

    Severity is INFO, WARN for 4xx and ERROR for 5xx. The message is method, path without its query, and
    status in words. Numbers are ``bytes`` and, where a number ends the line, ``duration`` in the unit of the
    log. None for any other line.
    """
    head = line[:_SEARCHED]
    start = head.find("[") + 1
    time = times.stamp(head[start : start + _STAMP_CHARS])
    if time != time:
        return None
    match = _REQUEST.match(head, start + _STAMP_CHARS)
    if match is None:
        return None
    request, status, size = match.groups()
    parts = request.split(" ")
    if len(parts) == 3:
        request = f"{parts[0]} {parts[1].partition('?')[0]}"
    numbers = {} if size == "-" else {"bytes": float(size)}
    source = words[0].partition(":")[0][:MAX_SOURCE_CHARS] if words[4][:1] == "[" else ""
    entity = ""
    if match.end() < len(head):
        source, entity = _rest(head, match.end(), source, numbers)
    severity = _SEVERITY.get(status[0], 0)
    message = f"{request} {_PHRASES.get(status, status)}"
    return time, severity, source or UNKNOWN_SOURCE, entity, message, numbers or None


def _rest(head: str, at: int, source: str, numbers: dict[str, float]) -> tuple[str, str]:
    """Source and entity named behind status and size; adds the duration there to the numbers."""
    agent = _AGENT.match(head, at)
    at = agent.end() if agent else at
    if at >= len(head):
        return source, ""
    if ingress := _INGRESS.match(head, at):
        numbers["duration"] = float(ingress[1])
        request_id = _REQUEST_ID.match(head, head.rfind(" ") + 1)
        return ingress[2] or source, request_id[0] if request_id else ""
    if duration := _DURATION.match(head, head.rfind(" ") + 1):
        numbers["duration"] = float(duration[1])
    return source, ""
