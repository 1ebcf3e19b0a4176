"""Which pages of the demo found which incident, how soon, and which were false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agents.demo.simulation import IncidentKind, Truth
from schemas.alert import Alert

__all__ = ["GRACE_SECONDS", "DemoResult", "Finding", "Score", "score"]

# How long after its end an incident may still raise alerts: an entity must stay away for a while before it is
# known that it does not come back.
GRACE_SECONDS = 120.0

# Alert kinds that say something true about an incident. A burst of errors shows in almost everything; a
# latency jump is neither a new pattern nor a silence.
_KINDS: dict[IncidentKind, frozenset[str]] = {
    "error_burst": frozenset({"frequency", "level", "sequence", "new pattern", "parameter"}),
    "new_message": frozenset({"new pattern", "level", "sequence", "frequency"}),
    "unfinished": frozenset({"sequence", "frequency"}),
    "latency": frozenset({"parameter", "sequence", "frequency", "level"}),
    "silence": frozenset({"silence", "frequency"}),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """An incident and the pages that found it, by time."""

    truth: Truth
    alerts: tuple[Alert, ...]

    @property
    def delay(self) -> float | None:
        """Seconds of event time from the start of the incident to its first alert; None: missed."""
        return self.alerts[0].time - self.truth.start if self.alerts else None


@dataclass(frozen=True, slots=True)
class Score:
    """Every page of a run, sorted out."""

    findings: tuple[Finding, ...]
    false_alarms: tuple[Alert, ...]

    @property
    def found(self) -> int:
        """How many incidents have at least one page."""
        return sum(bool(finding.alerts) for finding in self.findings)


@dataclass(slots=True)
class DemoResult:
    """What happened; ``ok`` when every event is accounted for and every incident was found."""

    produced: int
    processed: int
    dead_letters: int
    salient: int
    circuits: dict[str, int]  # how many, by device
    seconds: float  # of wall time, all included
    score: Score
    alerts: list[Alert] = field(default_factory=list)

    @property
    def accounted(self) -> bool:
        """Whether every event that was written was processed or became a dead letter."""
        return self.produced == self.processed + self.dead_letters

    @property
    def ok(self) -> bool:
        """Whether the demo succeeded."""
        return self.accounted and self.score.found == len(self.score.findings)


def score(alerts: Iterable[Alert], truths: Sequence[Truth]) -> Score:
    """Match pages to incidents.

    A page belongs to an incident when it comes from its service or is about a request that it touched, lies
    between its start and ``GRACE_SECONDS`` after its end, and is of a kind that fits. One of none
    is a false alarm, unless something else that was said of the same trouble belongs to one.
    """
    firing = sorted((each for each in alerts if each.status == "firing"), key=lambda a: (a.time, a.id))
    about = {each.incident for each in firing if any(_belongs(each, truth) for truth in truths)}
    pages = [each for each in firing if each.page]
    findings = [Finding(truth, tuple(each for each in pages if _belongs(each, truth))) for truth in truths]
    return Score(tuple(findings), tuple(each for each in pages if each.incident not in about))


def _belongs(alert: Alert, truth: Truth) -> bool:
    # Simulated times are whole milliseconds; half of one is the slack for decimal fractions.
    if not truth.start - 0.0005 <= alert.time <= truth.end + GRACE_SECONDS:
        return False
    if alert.kind not in _KINDS[truth.kind]:
        return False
    spoke = truth.service == alert.source or truth.service in alert.sources
    return spoke or not truth.entities.isdisjoint((alert.entity, *alert.entities))
