"""Rotated files: which of some files are one log that was cut, and in which order its parts are read."""

import re
from collections.abc import Sequence
from typing import Final

# app.log.3, app.log.2.gz; and with a date, as logrotate's dateext and the kubelet write it.
_NUMBERED: Final = re.compile(r"(?P<base>.+)\.(?P<number>\d{1,4})(?:\.(?:gz|zst))?", re.ASCII)
_DATED: Final = re.compile(
    r"(?P<base>.+)[.-](?P<date>\d{4}-?\d\d-?\d\d(?:[-T_.]?\d\d[-.]?\d\d(?:[-.]?\d\d)?)?)(?:\.(?:gz|zst))?",
    re.ASCII,
)
_PACKED: Final = re.compile(r"\.(?:gz|zst)\Z")
_LOG: Final = re.compile(r"\.(?:log|jsonl?|ndjson|txt|out|err)\Z", re.IGNORECASE)


def streams(names: Sequence[str]) -> list[list[int]]:
    """Indices of the files that each stream consists of, oldest part first; streams by their first mention.

    ``app.log.2.gz``, ``app.log.1`` and ``app.log`` are one stream. A name with a number or date behind it is
    a part only where its base is among the files or ends as a log does (``.log``, ``.json``, ...): ``node.1``
    and ``node.2`` alone are two.
    """
    present = {_PACKED.sub("", name) for name in names}
    found: dict[str, list[tuple[tuple[int, float, str], int]]] = {}
    for index, name in enumerate(names):
        base, order = _part(name, present)
        found.setdefault(base, []).append((order, index))
    return [[index for _, index in sorted(parts)] for parts in found.values()]


def _part(name: str, present: set[str]) -> tuple[str, tuple[int, float, str]]:
    """The log that a file is a part of, and what sorts its parts: dated, numbered, the one in use."""
    for pattern in (_DATED, _NUMBERED):
        match = pattern.fullmatch(name)
        if match and (match["base"] in present or _LOG.search(match["base"])):
            if pattern is _DATED:
                return match["base"], (0, 0.0, re.sub(r"\D", "", match["date"]))
            return match["base"], (1, -float(match["number"]), "")
    base = _PACKED.sub("", name)
    return base, (2 if base == name else 1, 0.0, "")
