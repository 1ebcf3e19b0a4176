"""Every alert that the story must lead to, worked out from the definitions and from nothing that qualm says.

Features: severity_rank is 3 nats a step from INFO to WARN, ERROR, FATAL. unit_ending is -log of
(ends after this template + 1/2) / (occurrences of it + 1). source_silence is the log of the number of gaps,
one a second at most, and four times, which is the most, the log of the gap by the longest gap there was and a
second. severe is -log of the share of FATAL lines in a source, of which one in e^20 is taken for granted, as
if of a thousand lines.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from math import cos, exp, log, pi, tanh
from typing import Any

import pytest

from tests.story.bundle import CALIBRATION, KNOWN, NORMAL, THRESHOLD
from tests.story.events import START

WARN, ERROR, FATAL = 3.0, 6.0, 9.0
SILENT = log(49) + 4 * log((60 - 49) / (1 + 1))
STILL_SILENT = log(49) + 4 * log((71 - 49) / (1 + 1))  # a quarter more, but not as long as it has spoken
SEVERE = -log(1000 * exp(-20) / (6 + 1000))  # after six lines of billing, none of them FATAL
FIRST_DONE = -log(0.5 / (8 + 1))  # r0, when eight requests were done and none had ended
NEVER_DONE = -log(0.5 / (9 + 1))  # r8, when nine were accepted and none had ended after that


@dataclass(frozen=True)
class Cause:
    """What an alert is about: the feature that drives it, and what the detector makes of it."""

    kind: str
    source: str
    severity: str
    template: str
    feature: str
    value: float
    usual: float
    wire: int
    angle: float  # before tanh
    trigger: str = "event"
    lasted: float | None = None  # of a request that has ended, s
    severe: float = 0.0

    @property
    def evidence(self) -> list[dict[str, Any]]:
        """Of an end: that none before it was there."""
        if self.lasted is None:
            return []
        nats = pytest.approx(self.value, abs=1e-3)
        return [{"kind": "ending", "template": self.template, "nats": nats, "share": 0.0, "age": self.lasted}]

    @property
    def told(self) -> str:
        """The same, for people."""
        if self.lasted is None:
            return ""
        such = "0.0% of such entities"
        return f"\n- has ended after “{self.template}”, as {such} do, and lasted {self.lasted:.3g} s"

    @property
    def above(self) -> float:
        """The prefilter's logit less the threshold."""
        return self.logit - THRESHOLD

    @property
    def logit(self) -> float:
        """The feature, which counts less and less beyond 5 nats if it is no evidence; and severe."""
        if self.kind in ("silence", "sequence") or self.value <= 5.0:
            return self.value + self.severe
        return 5.0 + 2.0 * log(1.0 + (self.value - 5.0) / 2.0) + self.severe

    @property
    def drivers(self) -> list[tuple[str, float, float]]:
        """Features, their values and what is usual, what argues most first."""
        severe = [("severe", self.severe, 0.0)] if self.severe else []
        return [*severe, (self.feature, self.value, self.usual)]

    @property
    def hybrid(self) -> float:
        """3 - 2 <Z_0> - <Z_1> is added, of which the closed wire reads 1."""
        z = [1.0, 1.0]
        z[self.wire] = cos(pi * tanh(self.angle))
        return self.above + 3.0 - 2.0 * z[0] - z[1]

    @property
    def p_values(self) -> dict[str, float]:
        scores = {"prefilter": self.logit, "twin": self.above - 1.0, "hybrid": self.hybrid}
        names = {"prefilter": "prefilter", "twin": "twin", "hybrid": "hybrid_int8"}
        return {
            name: (sum(normal >= score for normal in CALIBRATION[names[name]]) + 1) / (NORMAL + 1)  # type: ignore[index]
            for name, score in scores.items()
        }


def level(source: str, severity: str, template: str, nats: float) -> Cause:
    return Cause("level", source, severity, template, "severity_rank", nats, 1.0, 0, nats / 10)


def ended(template: str, nats: float, lasted: float) -> Cause:
    return Cause(
        "sequence", "api", "INFO", template, "unit_ending", nats, 0.5, 1, nats / 5, "entity_end", lasted
    )


SILENCE = Cause(
    "silence",
    "storage",
    "UNKNOWN",
    "disk <*> is well",
    "source_silence",
    SILENT,
    0.0,
    1,
    SILENT / 5,
    "silence",
)
STILL = replace(SILENCE, value=STILL_SILENT, angle=STILL_SILENT / 5)
LONG_SILENT = log(49) + 4 * log((112 - 49) / (1 + 1))  # as long as it has spoken: told for the last time
GONE = replace(SILENCE, value=LONG_SILENT, angle=LONG_SILENT / 5)
REFUSED = level("api", "ERROR", "payment of <*> EUR refused", ERROR)
SLOW = level("billing", "WARN", "answer took <*> ms", WARN)
MEMORY = replace(level("billing", "FATAL", "out of memory", FATAL), severe=SEVERE)
DONE = ended("request <*> done", FIRST_DONE, 1.0)
ACCEPTED = ended("request <*> accepted", NEVER_DONE, 0.0)


@dataclass(frozen=True)
class Told:
    """One alert. Times are seconds of the story."""

    cause: Cause
    time: float
    offset: int
    example: str
    p_value: float
    entity: str = ""
    update: str = "opened"
    page: bool = True
    urgency: str = "warning"
    first: float = -1.0  # of the incident; -1: the time of this
    last: float = -1.0
    count: int = 1
    units: int = 1
    sources: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    # Before this event: rows of features (of events, and what time brings), those of them that were salient.
    rows: int = 0
    salient: int = 0

    @property
    def threshold(self) -> float:
        """It begins as the bundle's. One more than it rises by 5% for a salient row, and falls by 2% of that
        for each row. What may alert has none above its own score, and here that is all beyond the bundle's.
        """
        level = (1.0 + THRESHOLD) * exp(0.05 * (self.salient - 0.02 * self.rows))
        return min(level - 1.0, self.cause.logit)


SUSPICIOUS = [
    Told(SILENCE, 60, 58, "disk <*> is well", 1 / 20, rows=57),  # of the records 0 to 56; 57 is none
    Told(REFUSED, 61, 59, "payment of 0 EUR refused", 2 / 20, entity="r1", rows=59, salient=1),
    Told(REFUSED, 62, 60, "payment of 1 EUR refused", 2 / 20, entity="r1", rows=60, salient=2),
    Told(REFUSED, 63, 61, "payment of 2 EUR refused", 2 / 20, entity="r1", rows=61, salient=3),
    Told(REFUSED, 64, 62, "payment of 3 EUR refused", 2 / 20, entity="r1", rows=62, salient=4),
    Told(SLOW, 65, 63, "answer took 900 ms", 4 / 20, rows=63, salient=5),  # just on the rate
    Told(MEMORY, 66, 64, "out of memory", 1 / 20, rows=64, salient=6),
    Told(STILL, 71, 69, "disk <*> is well", 1 / 20, rows=69, salient=7),
    Told(DONE, 111, 79, "request <*> done", 3 / 20, entity="r0", rows=80, salient=8),
    # The first invoice ends at 112, as unexpected as 2.48 nats: salient, and p is 5 / 20, above the rate.
    Told(GONE, 112, 79, "disk <*> is well", 1 / 20, rows=82, salient=10),
    # Until 133 four more invoices end, and 112 and 120 come by themselves.
    Told(ACCEPTED, 133, 81, "request <*> accepted", 3 / 20, entity="r8", rows=89, salient=11),
]
# All of it begins within a minute of the first, and what ends at 133 is of a source that was part of it less
# than a minute before. A FATAL line makes it critical, which pages a minute after
# the first page. A hundred quiet seconds after its last event it is over.
STORY = [
    replace(SUSPICIOUS[0], urgency="info", sources=("storage",)),
    replace(
        SUSPICIOUS[9], update="grown", urgency="critical", time=120, first=60, last=112, count=10, units=4,
        sources=("storage", "api", "billing"), entities=("r1", "r0"),
    ),
    replace(
        SUSPICIOUS[10], update="resolved", page=False, urgency="critical", time=233, first=60, last=133,
        count=11, units=5, sources=("storage", "api", "billing"), entities=("r1", "r0", "r8"),
    ),
]  # fmt: skip


def digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def event_id(told: Told, offset: int, topic: str, bundle: str) -> str:
    """Of the event at an offset: of its coordinates, and where time brought it, of what it is about."""
    cause = told.cause
    about = "" if cause.trigger == "event" else f"{cause.source} {told.entity}"
    parts = [topic, 0, offset, 0, bundle, cause.trigger, about]
    return digest(json.dumps(parts, separators=(",", ":")), 16)


def alert_of(told: Told, topic: str, bundle: str) -> dict[str, Any]:
    """The alert as JSON has it, with numbers in place of texts of time."""
    cause, began = told.cause, SUSPICIOUS[0]
    of_incident = bool(told.sources)
    first = began if of_incident else told
    template_id = digest(first.cause.template, 8)
    incident = digest(event_id(first, first.offset, topic, bundle) + ":firing", 16)
    own = digest(event_id(told, told.offset, topic, bundle) + ":firing", 16)
    if told.update in ("grown", "resolved"):  # by time alone: so many other things were said of it before
        own = digest(f"{incident}:{1 if told.update == 'grown' else 2}", 16)
    why = "; ".join(f"{name} {value:.3g}, expected {usual:.3g}" for name, value, usual in cause.drivers)
    labels = {
        "alertname": f"Qualm {first.cause.kind}", "source": first.cause.source,
        "level": first.cause.severity.lower(), "kind": first.cause.kind, "template_id": template_id,
    }  # fmt: skip
    return {
        "id": own,
        "fingerprint": digest("\0".join((first.cause.source, first.cause.kind, template_id)), 8),
        "incident": incident,
        "status": "resolved" if told.update == "resolved" else "firing",
        "update": told.update,
        "page": told.page,
        "urgency": told.urgency,
        "time": START + told.time,
        "first_seen": START + (told.time if told.first < 0 else told.first),
        "last_seen": START + (told.time if told.last < 0 else told.last),
        "count": told.count,
        "units": told.units,
        "sources": list(told.sources),
        "source_count": max(1, len(told.sources)),
        "entities": list(told.entities),
        "source": cause.source,
        "entity": told.entity,
        "severity": cause.severity,
        "kind": cause.kind,
        "template": cause.template,
        "template_id": digest(cause.template, 8),
        "example": told.example,
        "p_value": told.p_value,
        "p_limit": 4 / 20,
        "threshold": told.threshold,
        "known": KNOWN if told.entity else 0,  # no minute of a source is over and confirmed
        "learning": not told.entity,
        "features": [
            {"name": name, "value": value, "expected": usual} for name, value, usual in cause.drivers
        ],
        "evidence": cause.evidence,
        "open_wires": [1, 0] if cause.wire == 0 else [0, 1],
        "scores": cause.p_values,
        "bundle": bundle,
        "topic": topic,
        "partition": 0,
        "offset": told.offset,
        "labels": labels | ({"severity": told.urgency} if of_incident else {}),
        "annotations": {
            "summary": f"{cause.source}: {cause.kind}: {cause.template}",
            "description": f"{told.example}\np-value {told.p_value:.3g}; {why}{cause.told}",
        },
    }
