"""Every alert that the story must lead to, worked out from the definitions and from nothing that qualm says.

Features: severity_rank is 3 nats a step from INFO to WARN, ERROR, FATAL. unit_ending is -log of
(ends after this template + 1/2) / (occurrences of it + 1). source_silence is the log of the number of events
times the gap, by the longest gap there was and a second. severe is -log of the share of FATAL lines in a
source, of which one in e^20 is taken for granted, as if of a thousand lines.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from math import cos, exp, log, pi, tanh
from typing import Any

import pytest

from tests.story.bundle import CALIBRATION, NORMAL, THRESHOLD
from tests.story.events import START

WARN, ERROR, FATAL = 3.0, 6.0, 9.0
SILENT = log(50) + log((60 - 49) / (1 + 1))
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
REFUSED = level("api", "ERROR", "payment of <*> EUR refused", ERROR)
SLOW = level("billing", "WARN", "answer took <*> ms", WARN)
MEMORY = replace(level("billing", "FATAL", "out of memory", FATAL), severe=SEVERE)
DONE = ended("request <*> done", FIRST_DONE, 1.0)
ACCEPTED = ended("request <*> accepted", NEVER_DONE, 0.0)


@dataclass(frozen=True)
class Told:
    """One alert. Times are seconds of the story."""

    cause: Cause
    status: str
    time: float
    first: float
    last: float
    count: int
    offset: int  # of the last event
    example: str
    p_value: float
    first_offset: int  # of the first event, whose id is that of the incident
    entity: str = ""


#              cause      status    time first last  n  offset example              p    first_offset
STORY = [
    Told(SILENCE, "firing", 60, 60, 60, 1, 58, "disk <*> is well", 2 / 20, 58),
    Told(REFUSED, "firing", 61, 61, 61, 1, 59, "payment of 0 EUR refused", 2 / 20, 59, "r1"),
    Told(REFUSED, "firing", 62, 61, 62, 2, 60, "payment of 1 EUR refused", 2 / 20, 59, "r1"),
    Told(REFUSED, "firing", 64, 61, 64, 4, 62, "payment of 3 EUR refused", 2 / 20, 59, "r1"),
    Told(SLOW, "firing", 65, 65, 65, 1, 63, "answer took 900 ms", 4 / 20, 63),  # just on the rate
    Told(MEMORY, "firing", 66, 66, 66, 1, 64, "out of memory", 1 / 20, 64),
    Told(DONE, "firing", 111, 111, 111, 1, 79, "request <*> done", 3 / 20, 79, "r0"),
    # The first invoice ends at 112, as unexpected as 2.48 nats: p is 5 / 20, just above the rate.
    Told(ACCEPTED, "firing", 133, 133, 133, 1, 81, "request <*> accepted", 3 / 20, 81, "r8"),
    Told(SILENCE, "resolved", 160, 60, 60, 1, 58, "disk <*> is well", 2 / 20, 58),
    Told(REFUSED, "resolved", 164, 61, 64, 4, 62, "payment of 3 EUR refused", 2 / 20, 59, "r1"),
    Told(SLOW, "resolved", 165, 65, 65, 1, 63, "answer took 900 ms", 4 / 20, 63),
    Told(MEMORY, "resolved", 166, 66, 66, 1, 64, "out of memory", 1 / 20, 64),
    Told(DONE, "resolved", 211, 111, 111, 1, 79, "request <*> done", 3 / 20, 79, "r0"),
    Told(ACCEPTED, "resolved", 233, 133, 133, 1, 81, "request <*> accepted", 3 / 20, 81, "r8"),
]


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
    cause = told.cause
    template_id = digest(cause.template, 8)
    of_event = told.offset if told.status == "firing" else told.first_offset
    own = digest(event_id(told, of_event, topic, bundle) + ":firing", 16)
    why = "; ".join(f"{name} {value:.3g}, expected {usual:.3g}" for name, value, usual in cause.drivers)
    return {
        "id": own if told.status == "firing" else digest(own + ":resolved", 16),
        "fingerprint": digest("\0".join((cause.source, cause.kind, template_id)), 8),
        "status": told.status,
        "time": START + told.time,
        "first_seen": START + told.first,
        "last_seen": START + told.last,
        "count": told.count,
        "source": cause.source,
        "entity": told.entity,
        "severity": cause.severity,
        "kind": cause.kind,
        "template": cause.template,
        "template_id": template_id,
        "example": told.example,
        "p_value": told.p_value,
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
        "labels": {
            "alertname": f"Qualm {cause.kind}",
            "source": cause.source,
            "severity": cause.severity.lower(),
            "kind": cause.kind,
            "template_id": template_id,
        },
        "annotations": {
            "summary": f"{cause.source}: {cause.kind}: {cause.template}",
            "description": f"{told.example}\np-value {told.p_value:.3g}; {why}{cause.told}",
        },
    }
