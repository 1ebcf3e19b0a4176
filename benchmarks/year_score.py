"""Alerts of the simulated year against its calendar: which pages are true, what makes the others, and delays.

A page is true where it lies between the start of a fault and its end, as long after as units may take to be
judged, and is of one of its services or of an entity that it touched. False pages are counted by what else
was going on. Those of the first two weeks, in which everything is learnt, are left out of rates.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from benchmarks.year_calendar import (
    DAY,
    HOUR,
    KINDS,
    MINUTE,
    QUIET_DAYS,
    START,
    Calendar,
    Deployment,
    Fault,
    traffic,
)
from benchmarks.year_services import WORKING
from schemas.alert import Alert

GRACE: Final = 2 * MINUTE  # after a fault's end and the entity timeout
WEEK: Final = 7 * DAY
DEPLOYED: Final = 2 * DAY  # in which what a service does is put down to its deployment
AFTER_JOB: Final = 15 * MINUTE
SEASON: Final = 1.3  # change of traffic within an hour, or against the day before, that is a season's
CAUSES: Final = ("deployment", "job", "one-off", "aftermath", "season", "drift", "other")
EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Record:
    """What counts of an alert. page: it asks for a person; over: its incident is resolved."""

    time: float
    incident: str
    page: bool
    over: bool
    alert: Alert


def record_of(alert: Alert) -> Record:
    """What an alert says of its incident."""
    return Record(alert.time, alert.incident, alert.page, alert.status == "resolved", alert)


@dataclass(slots=True)
class Incident:
    """An incident from its first record to its resolution; None while it goes on."""

    first: float
    last: float
    end: float | None = None


@dataclass(slots=True)
class Finding:
    """A fault and the pages that are of it, with the incidents that made them."""

    fault: Fault
    pages: list[Record] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    @property
    def delay(self) -> float | None:
        """Seconds from its start to the first page; None where there was none."""
        return self.pages[0].time - self.fault.start if self.pages else None

    @property
    def resolved_after(self) -> float | None:
        """Seconds from its end to when the last of its incidents was resolved; None where one never was."""
        ends = [each.end for each in self.incidents]
        if not ends or None in ends:
            return None
        return max(end for end in ends if end is not None) - self.fault.end

    @property
    def firing_share(self) -> float:
        """Of the time from its first page to its end, the share in which an incident of it is firing."""
        if not self.pages:
            return 0.0
        seen = self.pages[0].time
        covered, reached = 0.0, seen
        for each in sorted(self.incidents, key=lambda incident: incident.first):
            end = self.fault.end if each.end is None else min(each.end, self.fault.end)
            covered += max(0.0, end - max(reached, each.first))
            reached = max(reached, end)
        return covered / max(1.0, self.fault.end - seen)


class Score:
    """Takes the alerts of a run in order, and says how good they were."""

    def __init__(
        self,
        calendar: Calendar,
        renewed: Sequence[tuple[Deployment, frozenset[str]]],
        entity_timeout: float,
    ) -> None:
        """renewed: the texts of messages that each deployment brings, as templates. entity_timeout: s."""
        self._calendar, self._renewed = calendar, list(renewed)
        self._grace = entity_timeout + GRACE
        self._open: dict[str, Incident] = {}
        self.findings = [Finding(fault) for fault in calendar.faults]
        self.false_pages: list[tuple[str, Record]] = []
        self.records = 0
        self._after: dict[float, list[float]] = {each.time: [] for each, _ in renewed}
        self._pages_of: Counter[float] = Counter()

    def add(self, alert: Alert) -> None:
        """Take an alert."""
        record = record_of(alert)
        self.records += 1
        incident = self._incident(record)
        deployment = self._deployment(record)
        finding = self._finding(record)
        if finding is not None:
            if record.page:
                finding.pages.append(record)
            if not any(incident is each for each in finding.incidents) and not record.over:
                finding.incidents.append(incident)
        elif deployment is not None and not record.over:
            self._after[deployment.time].append(record.time)
            self._pages_of[deployment.time] += record.page
        if finding is None and record.page:
            self.false_pages.append((self._cause(record, deployment), record))

    def _incident(self, record: Record) -> Incident:
        incident = self._open.setdefault(record.incident, Incident(record.time, record.time))
        incident.last = max(incident.last, record.time)
        if record.over:
            incident.end = record.time
            del self._open[record.incident]
        return incident

    def _finding(self, record: Record) -> Finding | None:
        """Of the fault that a record is of; the first to have begun, of several."""
        for finding in self.findings:
            fault, alert = finding.fault, record.alert
            if fault.start <= record.time <= fault.end + self._grace and (
                alert.source in fault.shows_in or alert.entity in fault.touched
            ):
                return finding
        return None

    def _deployment(self, record: Record) -> Deployment | None:
        texts = {record.alert.template, *(reason.template for reason in record.alert.evidence)}
        for each, new in self._renewed:
            if each.time <= record.time < each.time + DEPLOYED and (
                record.alert.source == each.service or texts & new
            ):
                return each
        return None

    def _cause(self, record: Record, deployment: Deployment | None) -> str:
        """What else was going on when a page was false."""
        alert, time = record.alert, record.time
        if deployment is not None:
            return "deployment"
        for run in self._calendar.runs:
            if run.start <= time <= run.end + AFTER_JOB and alert.source in run.job.sources:
                return "job"
        if alert.template in self._calendar.rare_templates:
            return "one-off"
        for finding in self.findings:
            if 0.0 <= time - finding.fault.end <= HOUR and alert.source in finding.fault.shows_in:
                return "aftermath"
        if alert.source == WORKING.source:
            return "season"
        if alert.kind in ("frequency", "silence"):
            return "season" if changes(time) else "drift"
        return "other"

    def figures(self) -> dict[str, Any]:
        """All figures, as JSON types; times in seconds."""
        weeks = (self._calendar.end - START) / WEEK
        late = [each for each in self.false_pages if each[1].time >= START + QUIET_DAYS * DAY]
        true = sum(len(each.pages) for each in self.findings)
        causes = Counter(cause for cause, _ in late)
        found = [each for each in self.findings if each.pages]
        return {
            "records": self.records,
            "pages_a_week": (true + len(self.false_pages)) / weeks,
            "true_pages": true,
            "false_pages_of_first_two_weeks": len(self.false_pages) - len(late),
            "false_pages_a_week": len(late) / max(1e-9, weeks - QUIET_DAYS / 7),
            "false_by_cause": {cause: causes[cause] for cause in CAUSES if causes[cause]},
            "examples": {cause: _examples([page for of, page in late if of == cause]) for cause in causes},
            "faults": len(self.findings),
            "found": len(found),
            "by_kind": {kind: self._of_kind(kind) for kind in KINDS},
            "delay_p50": _quantile([each.delay for each in found], 0.5),
            "delay_p90": _quantile([each.delay for each in found], 0.9),
            "pages_per_found_fault": true / len(found) if found else None,
            "resolved_after_p50": _quantile([each.resolved_after for each in found], 0.5),
            "firing_share_p50": _quantile([each.firing_share for each in found], 0.5),
            "week_firing_share": next((each.firing_share for each in self._all("week")), None),
            "repeated_found": [bool(each.pages) for each in self._all("repeated")],
            "deployments": self._deployments(),
        }  # fmt: skip

    def _all(self, kind: str) -> list[Finding]:
        return [each for each in self.findings if each.fault.kind == kind]

    def _of_kind(self, kind: str) -> dict[str, int]:
        of_kind = self._all(kind)
        return {"n": len(of_kind), "found": sum(bool(each.pages) for each in of_kind)}

    def _deployments(self) -> dict[str, Any]:
        pages = [self._pages_of[each.time] for each, _ in self._renewed]
        normal = [
            max(self._after[each.time]) - each.time if self._after[each.time] else 0.0
            for each, _ in self._renewed
        ]
        return {
            "n": len(pages),
            "at_most_one_page": sum(count <= 1 for count in pages),
            "pages_mean": float(np.mean(pages)) if pages else None,
            "normal_after_p50": _quantile(normal, 0.5),
            "normal_after_p90": _quantile(normal, 0.9),
        }


def changes(time: float) -> bool:
    """Whether traffic at a time differs from an hour, or a day, before by more than a season's share."""
    now = traffic(time)
    ratios = [now / traffic(max(START, time - before)) for before in (HOUR, DAY)]
    return any(ratio > SEASON or ratio < 1.0 / SEASON for ratio in ratios)


def _quantile(values: Sequence[float | None], share: float) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.quantile(known, share)) if known else None


def _examples(records: list[Record]) -> list[str]:
    """The most frequent of what false pages were of, with how many there were."""
    said = Counter(f"{each.alert.source}: {each.alert.kind}: {each.alert.template[:60]}" for each in records)
    return [f"{count} x {text}" for text, count in said.most_common(EXAMPLES)]
