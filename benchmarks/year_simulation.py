"""A year of logs of some services, a day at a time, from a seed; what happens when is in the calendar."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.year_calendar import (
    DAY,
    HOUR,
    MINUTE,
    NEW_SHARE,
    START,
    Calendar,
    Fault,
    Run,
    make_calendar,
    traffic,
)
from benchmarks.year_faults import alone, failure_line, struck
from benchmarks.year_lines import NO_ENTITY, Phrases, Versions, entity_name
from benchmarks.year_services import (
    BACKGROUND,
    CLOCKED,
    FAILED,
    FAILING,
    PERIOD,
    RARE,
    VARIANTS,
    WAYS,
    WORKING,
    WORKING_AN_HOUR,
    Line,
    Way,
    verbose_line,
)
from schemas.events import EventBatch

REQUESTS: Final = 2500.0  # a day, in the mean of the first week
Columns = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Rows in columns: time, code, variant and number of the entity."""


class Year:
    """Days of logs, and the truth about them: `calendar`, whose faults learn which entities they touched."""

    def __init__(self, seed: int = 0, days: int = 365, load: float = 1.0) -> None:
        """load: requests in relation to REQUESTS. Raises ValueError for days that make_calendar refuses."""
        self.calendar: Calendar = make_calendar(seed, days)
        self.versions = Versions(self.calendar.deployments, NEW_SHARE, np.random.default_rng([seed, 1]))
        self._seed, self._load = seed, load
        self._phrases = Phrases(seed)
        self._requests = 0
        self._offset = 0

    def batches(self) -> Iterator[EventBatch]:
        """The events of each day, in order of time. To be called once."""
        late = _joined([])  # of requests that go on after midnight
        for day in range(self.calendar.days):
            made = _Day(self, day)
            rows = _joined([late, *made.rows()])
            self._requests = made.next_request
            order = np.argsort(rows[0], kind="stable")
            today = int(np.searchsorted(rows[0][order], START + (day + 1) * DAY))
            late = _taken(rows, order[today:])
            yield self._events(_taken(rows, order[:today]))
        if len(late[0]):
            yield self._events(late)

    def _events(self, rows: Columns) -> EventBatch:
        events = self._phrases.events(*rows, self._offset)
        self._offset += len(events)
        return events


class _Day:
    """The rows that begin on one day."""

    def __init__(self, year: Year, day: int) -> None:
        self.next_request = year._requests
        self._calendar, self._versions, self._phrases = year.calendar, year.versions, year._phrases
        self._start, self._end = START + day * DAY, START + (day + 1) * DAY
        self._rng = np.random.default_rng([year._seed, 2, day])
        self._load = year._load
        near = [
            each for each in year.calendar.faults if each.start < self._end + HOUR and each.end > self._start
        ]
        self._faults: list[Fault] = near
        self._rows: list[Columns] = []

    def rows(self) -> list[Columns]:
        """All of them, in no order."""
        for way in WAYS:
            self._way(way)
        for line in CLOCKED:
            first = self._start + self._phase(line)
            self._write(line, np.arange(first, self._end, PERIOD) + self._rng.uniform(0.0, 1.0))
        for line, an_hour in (*BACKGROUND, *RARE):
            self._write(line, self._rng.uniform(self._start, self._end, self._rng.poisson(24.0 * an_hour)))
        if (self._start - START) // DAY % 7 != 6:
            count = self._rng.poisson(24.0 * WORKING_AN_HOUR)
            self._write(WORKING, self._rng.uniform(self._start, self._end, count))
        for run in self._calendar.runs:
            if self._start <= run.start < self._end:
                self._job(run)
        for fault in self._faults:
            for service in sorted(fault.services):
                self._write(failure_line(fault, service), alone(fault, self._start, self._end, self._rng))
        return self._rows

    @staticmethod
    def _phase(line: Line) -> float:
        return sum(line.source.encode()) * 7.0 % PERIOD

    def _job(self, run: Run) -> None:
        for line, count in run.job.lines:
            n = max(1, round(count * self._rng.normal(1.0, 0.05)))
            self._write(line, self._rng.uniform(run.start, run.end, n))

    def _starts(self, share: float) -> NDArray[np.float64]:
        """When requests begin, by the traffic of each minute."""
        minutes = self._start + MINUTE * np.arange(1440)
        mean = np.array([traffic(time) for time in minutes.tolist()]) * REQUESTS * self._load * share / 1440.0
        counts = self._rng.poisson(mean)
        return np.repeat(minutes, counts) + self._rng.uniform(0.0, MINUTE, int(counts.sum()))

    def _way(self, way: Way) -> None:
        now = self._starts(way.share)
        entity = self.next_request + np.arange(len(now))
        self.next_request += len(now)
        alive = np.ones(len(now), bool)
        for step in way.steps:
            rows = np.flatnonzero(alive & (self._rng.random(len(now)) < step.share))
            now[rows], alive[rows] = self._step(step.line, now[rows], entity[rows], step is way.steps[-1])

    def _step(
        self, line: Line, before: NDArray[np.float64], entity: NDArray[np.int64], last: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Write a line of requests (n,) after a time; when that was, and which requests go on."""
        faults = [each for each in self._faults if line.source in each.services]
        hits = [(fault, struck(fault, before, self._rng)) for fault in faults]
        slow = np.zeros(len(before), bool)
        alive, written = ~slow, ~slow
        for fault, hit in hits:
            fault.touched.update(map(entity_name, entity[hit].tolist()))
            if fault.kind == "latency":
                slow |= hit
            elif fault.kind == "never ending":
                alive &= ~hit
            elif fault.fails:
                written, alive = written & ~hit, alive & ~hit
        if last:
            failed = self._rng.random(len(before)) < FAILING
            self._write(FAILED, before[failed] + 0.3, entity[failed])
            written &= ~failed
        time = before + 0.002
        time[written] = self._write(line, time[written], entity[written], slow[written])
        for fault, hit in hits:
            if fault.fails or fault.kind == "error burst":
                self._write(failure_line(fault, line.source), time[hit], entity[hit])
            if fault.fails:
                self._write(FAILED, time[hit] + 0.1, entity[hit])
        return time, alive

    def _write(
        self,
        line: Line,
        time: NDArray[np.float64],
        entity: NDArray[np.int64] | None = None,
        slow: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Write a line at times (n,) and as long after each as its step took; these times."""
        if not len(time):
            return time
        entity = np.full(len(time), NO_ENTITY) if entity is None else entity
        slow = np.zeros(len(time), bool) if slow is None else slow
        codes = self._versions.codes(self._phrases, line, time, slow)
        variants = self._rng.integers(0, VARIANTS, len(time))
        done: NDArray[np.float64] = time + self._phrases.took(codes, variants)
        self._append(line.source, (done, codes, variants, entity))
        twice = self._versions.verbose(line.source, done)
        if twice.any():
            extra = np.full(int(twice.sum()), self._phrases.code(verbose_line(line.source)))
            self._append(line.source, (done[twice] + 0.001, extra, variants[twice], entity[twice]))
        return done

    def _append(self, source: str, rows: Columns) -> None:
        """Keep rows, but for those that a silent service does not write."""
        kept = np.ones(len(rows[0]), bool)
        for fault in self._faults:
            if fault.kind == "silence" and source in fault.services:
                kept &= (rows[0] < fault.start) | (rows[0] >= fault.end)
        self._rows.append(_taken(rows, kept))


def _taken(rows: Columns, which: NDArray[np.int64] | NDArray[np.bool_]) -> Columns:
    return rows[0][which], rows[1][which], rows[2][which], rows[3][which]


def _joined(parts: list[Columns]) -> Columns:
    none = np.zeros(0, np.int64)
    parts = [(np.zeros(0), none, none, none), *parts]
    code, variant, entity = (np.concatenate([part[column] for part in parts]) for column in (1, 2, 3))
    return np.concatenate([part[0] for part in parts]), code, variant, entity
