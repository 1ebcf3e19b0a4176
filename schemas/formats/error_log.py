"""Error logs of web servers: Apache httpd's (2.2 and 2.4) and nginx's.

Sources: https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat and
https://nginx.org/en/docs/ngx_core_module.html#error_log.
"""

from __future__ import annotations

import re

from schemas.events import MAX_SOURCE_CHARS, severity_number
from schemas.formats.headers import Header
from schemas.timestamps import TimestampReader

__all__ = ["read_apache", "read_nginx"]

_APACHE = re.compile(
    r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? (\d{4})\] {1,2}"
    r"\[(?:([\w.-]{0,64}):)?([a-z]{3,8})(\d)?\] ?(?:\[pid [^\]\s]{1,32}(?: [^\]\s]{1,64})?\] ?)?"
    r"(?:\[(?:client|remote) [^\]\s]{1,128}\] ?)?",
    re.ASCII,
)
_NGINX = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[([a-z]{4,6})\] \d{1,10}#\d{1,10}: (?:\*\d{1,20} )?", re.ASCII
)
# What nginx adds about the connection; it stands behind the message and names every client.
_CONNECTION = re.compile(r", (?:client|server): ")
_SERVER = re.compile(r", server: ([^\s,]{1,256})")


def read_apache(line: str, times: TimestampReader) -> Header | None:
    """Time, level, module as source (httpd where none is named) and message; None for any other line."""
    match = _APACHE.match(line)
    if match is None:
        return None
    month, day, clock, fraction, year, module, level, _ = match.groups()
    time = times.stamp(f"{int(day):02}/{month}/{year}:{clock}")
    severity = severity_number(level)
    if time != time or not severity:
        return None
    if fraction:
        time += float(f"0.{fraction}")
    return time, severity, module or "httpd", "", line[match.end() :] or line, None


def read_nginx(line: str, times: TimestampReader) -> Header | None:
    """Time, level, server as source (nginx where none is named) and message; None for any other line."""
    match = _NGINX.match(line)
    if match is None:
        return None
    time, severity = times.stamp(match[1]), severity_number(match[2])
    if time != time or not severity:
        return None
    message, source = line[match.end() :], "nginx"
    if tail := _CONNECTION.search(message):
        if (server := _SERVER.match(message, tail.start()) or _SERVER.search(message, tail.start())) and (
            server[1] != "_"
        ):
            source = server[1][:MAX_SOURCE_CHARS]
        message = message[: tail.start()]
    return time, severity, source, "", message or line, None
