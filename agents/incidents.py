"""Incidents: one trouble, told when it begins, grows into something else, goes on, and is over.

Suspicious events belong to one incident when they share an entity, or the template that argues most for them,
when they are of one source as a whole, or of one source within BURST seconds; what begins within BURST
seconds of an incident's beginning is part of it, too. An incident is over when none of its units was
suspicious for ``resolve_after`` seconds of event time; it goes on if it begins again within FLAPPING seconds.

Partitions of a topic are taken in the order of event time (``agents.turns``), but for those left behind. Time
passes for an incident with the slowest of those that it has members from. What another one says later of a
time before its end opens it again, until an end that counts that in, and is no flapping.
"""

from __future__ import annotations

import hashlib
import heapq
from bisect import insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from agents.incident_keys import burst_key, keys_of, unit_key
from agents.partition_clocks import PartitionClocks
from agents.urgency import ORDER, urgency
from schemas.alert import ENTITIES_TOLD, SOURCES_TOLD, Alert, Update, Urgency

__all__ = ["Incidents", "update_id"]

MAX_INCIDENTS: Final = 1000
"""Of one input topic, those that are over but may begin again among them. Beyond it one of these is
forgotten, or the one that was quiet longest resolved early: a source that makes up new templates for ever
must not fill the memory."""
MAX_KEYS: Final = 4096  # names that one incident is known by; what is beyond finds it by others, and of
MAX_KNOWN: Final = 100_000  # all incidents of a topic
BURST: Final = 60.0  # s, within which new evidence is one trouble
FLAPPING: Final = 900.0  # s after its end in which an incident that begins again is the same one
LONGEST_QUIET: Final = 3600.0  # s; each time that an incident begins again it takes twice as long to be over
LATE: Final = 3600.0  # s that an incident which is over is remembered for partitions that are behind
HEARTBEAT: Final = 600.0  # s after which an open incident is told again
GROWN_AFTER: Final = 300.0  # s after a page in which growth raises no other
GROWN_COUNT, GROWN_SOURCES = 10, 2  # times as many suspicious events in such a while, or sources, as before
HOUR: Final = 3600.0  # s


@dataclass(slots=True)
class _Incident:
    """One incident; times in seconds of event time.

    first: its first alert, which gives id and fingerprint; latest: its last one; keys: the names it is known
    by; partitions: those that it has members from; sources, entities: the first ones; paged: when it has
    last paged, -inf for never, at how many sources, at which urgency, and how many suspicious events a while
    of GROWN_AFTER had at most around then; this_while: which one it is, and its events; told: when anything
    was last said; over: whether it is resolved; quiet: how long it takes to be.
    """

    first: Alert
    latest: Alert
    first_seen: float
    last_seen: float
    quiet: float
    count: int = 0
    units: int = 0
    source_count: int = 0
    sources: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)
    partitions: list[int] = field(default_factory=list)
    urgency: Urgency = "info"
    paged: float = float("-inf")
    paged_most: int = 0
    this_while: int = 0
    while_count: int = 0
    paged_sources: int = 0
    paged_urgency: Urgency = "info"
    told: float = float("-inf")
    updates: int = 0
    over: bool = False

    @property
    def due(self) -> float:
        """When something is to be said of it at the latest, if nothing happens."""
        if self.over:
            return self.end + FLAPPING + LATE
        worse = self.paged + BURST
        untold = self.is_worse and self.told < worse  # else the hour had no room for the page
        return min(self.end, self.told + HEARTBEAT, worse if untold else float("inf"))

    @property
    def end(self) -> float:
        """When it is over, if nothing happens."""
        return self.last_seen + self.quiet

    @property
    def is_worse(self) -> bool:
        """Whether it has become critical since its last page."""
        return self.paged > float("-inf") and self.urgency == "critical" != self.paged_urgency


class Incidents:
    """The incidents of one input topic.

    A partition is one that triage reads. Of each, messages come in its order; those of several partitions in
    any, though only in the order of event time does what is told not depend on it (``agents.turns``).
    """

    def __init__(self, resolve_after: float, pages_per_hour: int, most: int = MAX_INCIDENTS) -> None:
        self._resolve_after = resolve_after
        self._pages_per_hour = pages_per_hour
        self._most = most
        self._incidents: dict[str, _Incident] = {}  # by id; those that are over too, while they are known
        self._known: dict[str, str] = {}  # id of the latest incident by key
        # By partition that is waited for: (seconds when there may be something to say, id), at least one of
        # each incident. They are not moved when it goes on, only looked at again when their time has come.
        self._due: dict[int, list[tuple[float, str]]] = {}
        self._clocks = PartitionClocks()
        self._pages: list[float] = []  # of the last hour, in order
        self._opened = ""  # id of the incident that began last

    def __len__(self) -> int:
        """How many are open."""
        return sum(not each.over for each in self._incidents.values())

    def observe(self, alert: Alert, partition: int | None = None) -> tuple[str, list[Alert]]:
        """Take one suspicious event, given as an alert that knows nothing of its incident yet.

        Args:
            alert: the event.
            partition: that triage read it in, where this is not the one that the alert came from.

        Returns:
            the id of its incident; and the alerts to publish: usually none or the one, completed with what is
            known of the incident, also one of an incident that had to make room.
        """
        published: list[Alert] = []
        incident = self._find(alert)
        update: Update | None = None
        if incident is None:
            published += self._make_room()
            incident = self._open(alert)
            update = "opened"
        elif incident.over:
            incident.over, update = False, "reopened"
            if alert.time > incident.end:  # else a partition is late
                incident.quiet = min(LONGEST_QUIET, 2.0 * incident.quiet)
        self._add(incident, alert, alert.partition if partition is None else partition)
        if update is not None or incident.is_worse:
            self._await(incident)
        if self._may_page(incident, alert):
            published.append(self._tell(incident, update or "grown", alert.time, alert.id, page=True))
        elif update is not None:
            published.append(self._tell(incident, update, alert.time, alert.id, page=False))
        return incident.first.id, published

    def keep(self, partition: int, source: str, entity: str, time: float) -> None:
        """Note that a unit is still out of the ordinary, though not alarming: its incident is not over."""
        incident = self._by_keys([unit_key(source, entity)], time)
        if incident is not None and not incident.over:
            incident.last_seen = max(incident.last_seen, time)
            _join(incident, partition)

    def advance(self, partition: int, watermark: float) -> list[Alert]:
        """What there is to say when a partition has reached an event time: incidents that are over, and those
        that go on.
        """
        self._clocks.advance(partition, watermark)
        return self._look()

    def pass_time(self, time: float, behind: Collection[int] = ()) -> list[Alert]:
        """The same when all partitions have come so far, but those that were left behind."""
        self._clocks.pass_time(time, behind)
        return self._look()

    def _look(self) -> list[Alert]:
        """What there is to say of incidents whose time has come."""
        published: list[Alert] = []
        while (waited := self._next_due()) is not None:
            at, name = heapq.heappop(self._due[waited])
            incident = self._incidents.get(name)
            if incident is None:
                continue
            if incident.due > at or incident.due > self._reached(incident):
                self._await(incident)
            elif incident.over:
                self._forget(incident)
            else:
                published.append(self._resolve_or_continue(incident, at))
                self._await(incident)
        return published

    def snapshot(self) -> dict[str, Any]:
        """The incidents as JSON types; when to look at them again too, as it decides their order."""
        return {
            "incidents": [
                {name: getattr(each, name) for name in _PLAIN}
                | {"first": each.first.to_json(), "latest": each.latest.to_json(), "keys": list(each.keys)}
                for each in self._incidents.values()
            ],
            "known": self._known,
            "due": [[each, sorted(heap)] for each, heap in self._due.items()],
            "clocks": self._clocks.snapshot(),
            "pages": self._pages,
            "opened": self._opened,
        }

    def resume(self, content: dict[str, Any]) -> None:
        """Go on from a snapshot. Raises KeyError, TypeError or ValueError for anything else."""
        for each in content["incidents"]:
            first, latest = Alert.model_validate(each["first"]), Alert.model_validate(each["latest"])
            keys = dict.fromkeys(map(str, each["keys"]))
            # JSON has no infinity: what never was is null.
            told: dict[str, Any] = {
                name: float("-inf") if each[name] is None else each[name] for name in _PLAIN
            }
            self._incidents[first.id] = _Incident(first=first, latest=latest, keys=keys, **told)
        self._known = {str(key): str(name) for key, name in content["known"].items()}
        self._due = {
            int(each): [(float(time), str(name)) for time, name in heap] for each, heap in content["due"]
        }
        self._clocks.resume(content["clocks"])
        self._pages = list(map(float, content["pages"]))
        self._opened = str(content["opened"])

    def _find(self, alert: Alert) -> _Incident | None:
        """The incident that an alert belongs to."""
        incident = self._by_keys(keys_of(alert), alert.time)
        if incident is not None:
            return incident
        near = self._by_keys([burst_key(alert.source)], alert.time)
        if (
            near is not None
            and not near.over
            and near.first_seen - BURST <= alert.time <= near.last_seen + BURST
        ):
            return near
        latest = self._incidents.get(self._opened)
        if latest is not None and not latest.over and abs(alert.time - latest.first.time) <= BURST:
            return latest
        return None

    def _by_keys(self, keys: Iterable[str], time: float) -> _Incident | None:
        """The oldest incident that has one of the keys, one that is open before one that is over; none that
        has been over for too long at this event time.
        """
        known = [self._incidents[self._known[key]] for key in keys if key in self._known]
        found = [each for each in known if not each.over or time <= each.end + FLAPPING]
        return min(found, key=lambda each: (each.over, each.first_seen, each.first.id), default=None)

    def _open(self, alert: Alert) -> _Incident:
        incident = _Incident(alert, alert, alert.time, alert.time, self._resolve_after)
        self._incidents[alert.id] = incident
        self._opened = alert.id
        return incident

    def _add(self, incident: _Incident, alert: Alert, partition: int) -> None:
        """Make an alert part of an incident."""
        incident.count += 1
        incident.first_seen = min(incident.first_seen, alert.time)
        incident.last_seen = max(incident.last_seen, alert.time)
        incident.latest = alert
        _join(incident, partition)
        this_while = int(alert.time // GROWN_AFTER)
        incident.while_count = 1 if this_while > incident.this_while else incident.while_count + 1
        incident.this_while = max(incident.this_while, this_while)
        if self._name(incident, burst_key(alert.source)):
            incident.source_count += 1
            if len(incident.sources) < SOURCES_TOLD:
                incident.sources.append(alert.source)
        unit, *others = keys_of(alert)
        if self._name(incident, unit):
            incident.units += 1
            if alert.entity and len(incident.entities) < ENTITIES_TOLD:
                incident.entities.append(alert.entity)
        for key in others:
            self._name(incident, key)
        lasted = incident.last_seen - incident.first_seen
        found = urgency(alert, incident.source_count, lasted)
        incident.urgency = max(incident.urgency, found, key=ORDER.index)

    def _name(self, incident: _Incident, key: str) -> bool:
        """Make an incident known by a key; whether it was not, and there was room for it."""
        if key in incident.keys:
            self._known[key] = incident.first.id
            return False
        if len(incident.keys) >= MAX_KEYS or len(self._known) >= MAX_KNOWN:
            return False
        incident.keys[key] = None
        self._known[key] = incident.first.id
        return True

    def _may_page(self, incident: _Incident, alert: Alert) -> bool:
        """Whether an alert is worth calling somebody, and the hour has room for it."""
        if incident.paged > float("-inf"):
            worse = incident.is_worse and alert.time >= incident.paged + BURST
            spread = incident.source_count >= GROWN_SOURCES * incident.paged_sources
            many = incident.while_count >= GROWN_COUNT * incident.paged_most
            early = alert.time < incident.paged + GROWN_AFTER
            if early:
                incident.paged_most = max(incident.paged_most, incident.while_count)
            if not (worse or (not early and (spread or many))):
                return False
        return self._has_room(alert.time)

    def _has_room(self, time: float) -> bool:
        """Whether the last hour has had fewer pages than it may."""
        while self._pages and self._pages[0] <= time - HOUR:
            del self._pages[0]
        return len(self._pages) < self._pages_per_hour

    def _tell(self, incident: _Incident, update: Update, time: float, name: str, page: bool) -> Alert:
        """What is known of an incident, as an alert of this id."""
        if page:
            insort(self._pages, time)
            incident.paged, incident.paged_urgency = time, incident.urgency
            incident.paged_most, incident.paged_sources = incident.while_count, incident.source_count
        incident.told = max(incident.told, time)
        incident.updates += 1
        latest = incident.latest
        return latest.model_copy(
            update={
                "id": name,
                "fingerprint": incident.first.fingerprint,
                "incident": incident.first.id,
                "status": "resolved" if update == "resolved" else "firing",
                "update": update,
                "page": page,
                "urgency": incident.urgency,
                "time": time,
                "first_seen": incident.first_seen,
                "last_seen": incident.last_seen,
                "count": incident.count,
                "units": max(1, incident.units),
                "sources": list(incident.sources),
                "source_count": max(1, incident.source_count),
                "entities": list(incident.entities),
                "labels": incident.first.labels | {"severity": incident.urgency},
            }
        )

    def _resolve_or_continue(self, incident: _Incident, time: float) -> Alert:
        """The end of an incident where it was quiet for long enough, else that it goes on."""
        name = update_id(incident.first.id, incident.updates)
        if incident.end <= time:
            incident.over = True
            return self._tell(incident, "resolved", incident.end, name, page=False)
        if incident.is_worse and self._has_room(time):
            return self._tell(incident, "grown", time, name, page=True)
        return self._tell(incident, "continues", time, name, page=False)

    def _await(self, incident: _Incident) -> None:
        heap = self._due.setdefault(self._clocks.slowest(incident.partitions), [])
        heapq.heappush(heap, (incident.due, incident.first.id))

    def _reached(self, incident: _Incident) -> float:
        """Event time up to which all is known of an incident."""
        return self._clocks.reached(self._clocks.slowest(incident.partitions))

    def _next_due(self) -> int | None:
        """The partition whose time has brought the next incident, if there is one."""
        reached = self._clocks.reached
        ready = [(heap[0], each) for each, heap in self._due.items() if heap and heap[0][0] <= reached(each)]
        return min(ready)[1] if ready else None

    def _make_room(self) -> list[Alert]:
        """Forget the incident that was quiet longest where there are too many, one that is over first."""
        if len(self._incidents) < self._most:
            return []
        oldest = min(
            self._incidents.values(), key=lambda each: (not each.over, each.last_seen, each.first.id)
        )
        self._forget(oldest)
        if sum(map(len, self._due.values())) > 8 * self._most:  # entries of incidents that are gone
            self._due = {}
            for each in self._incidents.values():
                self._await(each)
        if oldest.over:
            return []
        name = update_id(oldest.first.id, oldest.updates)
        return [self._tell(oldest, "resolved", oldest.last_seen, name, page=False)]

    def _forget(self, incident: _Incident) -> None:
        del self._incidents[incident.first.id]
        for key in incident.keys:
            if self._known.get(key) == incident.first.id:
                del self._known[key]


_PLAIN: Final = tuple(
    name for name in _Incident.__slots__ if name not in ("first", "latest", "keys")
)  # fields that are JSON types


def update_id(incident: str, number: int) -> str:
    """Id of what is said of an incident when no event argues for it: the same in every replay."""
    return hashlib.blake2b(f"{incident}:{number}".encode(), digest_size=16).hexdigest()


def _join(incident: _Incident, partition: int) -> None:
    """Note that an incident has members from a partition."""
    if partition not in incident.partitions:
        incident.partitions.append(partition)
