"""Lines of Kubernetes' klog and of glog, from which it comes: ``I0602 12:34:56.123456  7 file.go:116] ...``.

Source: https://github.com/kubernetes/klog and https://github.com/google/glog#log-line-prefix; glog also
writes the year in front of month and day.
"""

from __future__ import annotations

import re

from schemas.formats.headers import Header
from schemas.timestamps import TimestampReader

__all__ = ["read_klog"]

_HEAD = re.compile(
    r"([IWEF])(\d{4})?(\d{4}) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? {1,9}\d{1,10} ([^\s:\]]{1,128}):\d{1,9}\] ?",
    re.ASCII,
)
_SEVERITY = {"I": 9, "W": 13, "E": 17, "F": 21}


def read_klog(line: str, times: TimestampReader, reference: float) -> Header | None:
    """Time, level, file as source, and message of a klog line; None for any other."""
    match = _HEAD.match(line)
    if match is None:
        return None
    letter, year, day, clock, fraction, file = match.groups()
    if year:
        time = times.stamp(f"{year}-{day[:2]}-{day[2:]} {clock}")
    else:
        time = times.yearless(f"{day} {clock}", reference)
    if fraction:
        time += float(f"0.{fraction}")
    return time, _SEVERITY[letter], file, "", line[match.end() :] or line, None
