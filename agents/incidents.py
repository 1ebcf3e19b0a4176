"""Alerts that belong together: one incident per fingerprint, firing while it lasts and resolved once.

A person on call wants one notice per trouble, not one per log line. So the first suspicious event of a
fingerprint (source, kind, template) fires an alert, further ones only each time their count has doubled, and
silence of ``resolve_after`` seconds resolves it. Time is the watermark of the input partition: event time,
never the clock, so that a replay of the same records tells the same story.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, fields
from typing import Any

from schemas.alert import Alert

__all__ = ["Incidents", "resolved_id"]

# Open incidents of one input partition. Beyond it the one that was quiet longest is resolved early: a source
# that makes up new templates for ever must not fill the memory.
MAX_OPEN = 2000


@dataclass(slots=True)
class _Incident:
    first_id: str
    first_seen: float
    last_seen: float
    count: int
    report_at: int
    latest: Alert


class Incidents:
    """The open incidents of one input partition."""

    def __init__(self, resolve_after: float, max_open: int = MAX_OPEN) -> None:
        self._resolve_after = resolve_after
        self._max_open = max_open
        self._open: dict[str, _Incident] = {}
        # (seconds when it may be over, fingerprint), with at least one entry per open incident. Entries are
        # not moved when an incident goes on, only looked at again when their time has come.
        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._open)

    def observe(self, alert: Alert) -> list[Alert]:
        """Take one suspicious event, given as an alert that knows nothing of its incident yet.

        Returns:
            the alerts to publish: usually none or the one, completed with first and last seen and count; also
            a resolved one when the incident had to make room.
        """
        published: list[Alert] = []
        incident = self._open.get(alert.fingerprint)
        if incident is None:
            if len(self._open) >= self._max_open:
                published.append(self._evict())
            incident = _Incident(alert.id, alert.time, alert.time, 0, 1, alert)
            self._open[alert.fingerprint] = incident
            heapq.heappush(self._due, (alert.time + self._resolve_after, alert.fingerprint))
        incident.count += 1
        incident.first_seen = min(incident.first_seen, alert.time)
        incident.last_seen = max(incident.last_seen, alert.time)
        incident.latest = alert
        if incident.count >= incident.report_at:
            incident.report_at = 2 * incident.count
            published.append(_completed(incident))
        return published

    def advance(self, watermark: float) -> list[Alert]:
        """Resolve what has been quiet for ``resolve_after`` seconds at this event time."""
        resolved: list[Alert] = []
        while self._due and self._due[0][0] <= watermark:
            _, fingerprint = heapq.heappop(self._due)
            incident = self._open.get(fingerprint)
            if incident is None:
                continue
            over = incident.last_seen + self._resolve_after
            if over <= watermark:
                del self._open[fingerprint]
                resolved.append(_resolved(incident, over))
            else:
                heapq.heappush(self._due, (over, fingerprint))
        return resolved

    def snapshot(self) -> dict[str, Any]:
        """The open incidents as JSON types; when to look at them again too, as it decides their order."""
        incidents = [{**_numbers(each), "latest": each.latest.to_json()} for each in self._open.values()]
        return {"open": incidents, "due": sorted(self._due)}

    def resume(self, content: dict[str, Any]) -> None:
        """Go on from a snapshot. Raises KeyError, TypeError or ValueError for anything else."""
        for each in content["open"]:
            latest = Alert.model_validate(each["latest"])
            self._open[latest.fingerprint] = _Incident(**(each | {"latest": latest}))
        self._due = [(float(time), str(fingerprint)) for time, fingerprint in content["due"]]

    def _evict(self) -> Alert:
        oldest = min(self._open.values(), key=lambda each: (each.last_seen, each.latest.fingerprint))
        del self._open[oldest.latest.fingerprint]
        if len(self._due) > 2 * self._max_open:  # entries of incidents that were evicted
            self._due = [(i.last_seen + self._resolve_after, name) for name, i in self._open.items()]
            heapq.heapify(self._due)
        return _resolved(oldest, oldest.last_seen)


def _numbers(incident: _Incident) -> dict[str, Any]:
    names = [each.name for each in fields(incident) if each.name != "latest"]
    return {name: getattr(incident, name) for name in names}


def _completed(incident: _Incident) -> Alert:
    return incident.latest.model_copy(
        update={
            "first_seen": incident.first_seen,
            "last_seen": incident.last_seen,
            "count": incident.count,
        }
    )


def resolved_id(first_id: str) -> str:
    """Id of the last word on an incident, from its first alert's: the same in every replay."""
    return hashlib.blake2b(f"{first_id}:resolved".encode(), digest_size=16).hexdigest()


def _resolved(incident: _Incident, time: float) -> Alert:
    update = {"id": resolved_id(incident.first_id), "status": "resolved", "time": time}
    return _completed(incident).model_copy(update=update)
