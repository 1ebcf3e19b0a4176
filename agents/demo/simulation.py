"""Simulated cloud services with hidden incidents: logs that look like a small shop, and the truth about them.

Everything follows from the seed: the same arguments give the same events, byte for byte. The services, their
lines and their requests are data in ``agents.demo.services``.
"""

from __future__ import annotations

import gzip
import math
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast, get_args

import numpy as np
import orjson

from agents.demo.lines import Line, Request, Values, compile_lines
from agents.demo.services import BACKGROUND, FLOWS, LEVEL_SPELLING, PERIODIC, RESTART, UNSEEN, Flow

__all__ = [
    "DEMO_START",
    "SERVICES",
    "Incident",
    "IncidentKind",
    "SimulatedEvent",
    "Truth",
    "demo_incidents",
    "simulate",
    "truths",
    "write_file",
    "write_labels",
]

IncidentKind = Literal["error_burst", "new_message", "unfinished", "latency", "silence"]
SERVICES = tuple(LEVEL_SPELLING)
DEMO_START = datetime(2026, 1, 14, 9, 0, tzinfo=UTC).timestamp()  # a Wednesday morning
REQUEST_SERVICES = frozenset(step.line.split(".")[0] for flow in FLOWS for step in flow.steps)
WINDOW = 10.0  # seconds of event time generated at once; only speed and memory depend on it
BACKGROUND_SHARE = 0.2  # of the rate, for lines outside any request
DEPLOY_EVERY = 2400.0  # seconds between two deploys of one service, on average
LATENCY_FACTOR = 12.0  # how much slower a step becomes in a latency jump
FAILURE_SHARE = 0.7  # of the steps of a service in an error burst
UNSEEN_SHARE = 0.5  # of the steps of a service that write its new failure message
STANDALONE_RATE = 3.0  # failure lines per second of a service that takes part in no request


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong on purpose.

    ``start`` and ``duration`` are seconds after the start of the simulation. ``unfinished`` leaves
    every request that reaches ``service`` meanwhile without an answer. Raises ValueError for what cannot be
    simulated.
    """

    kind: IncidentKind
    start: float
    duration: float
    service: str

    def __post_init__(self) -> None:
        if self.kind not in get_args(IncidentKind):
            raise ValueError(f"incident kind {self.kind!r}: use one of {', '.join(get_args(IncidentKind))}")
        if self.service not in SERVICES:
            raise ValueError(f"service {self.service!r}: use one of {', '.join(SERVICES)}")
        if self.start < 0 or not self.duration > 0:
            raise ValueError("an incident needs start >= 0 and duration > 0 seconds")
        if self.kind in ("unfinished", "latency") and self.service not in REQUEST_SERVICES:
            raise ValueError(f"{self.service} takes part in no request, so {self.kind} cannot happen to it")


@dataclass(slots=True)
class Truth:
    """What really happened in one incident, in Unix seconds; for scoring only, never for a detector.

    ``entities`` are the trace ids of the requests that it touched; ``observe`` collects them.
    """

    kind: IncidentKind
    service: str
    start: float
    end: float
    entities: set[str] = field(default_factory=set)

    def observe(self, event: SimulatedEvent) -> None:
        """Take note of an event of this incident, in event-time order."""
        if event.trace_id:
            self.entities.add(event.trace_id)


class SimulatedEvent(NamedTuple):
    """One log event: ``body`` is what a producer writes; the rest is for pacing, keys and scoring."""

    time: float  # Unix seconds, whole milliseconds, as in the body
    service: str
    trace_id: str  # "" outside requests
    incident: int  # index of the incident that touched its request, -1 for none
    body: dict[str, object]

    def encode(self) -> bytes:
        """The event as one JSON object, without a line end."""
        return orjson.dumps(self.body)


def demo_incidents(duration: float) -> tuple[Incident, ...]:
    """The five incidents of ``qualm demo``, spread over ``duration`` seconds after a quiet first third."""
    quiet = duration / 3.0
    step = (duration - quiet) / 5.5
    return (
        Incident("error_burst", quiet, 120.0, "payment"),
        Incident("new_message", quiet + step, 90.0, "inventory"),
        Incident("unfinished", quiet + 2 * step, 60.0, "checkout"),
        Incident("latency", quiet + 3 * step, 120.0, "search"),
        Incident("silence", quiet + 4 * step, 180.0, "storage"),
    )


def truths(incidents: Sequence[Incident], start: float) -> list[Truth]:
    """One Truth per incident, by index, for a simulation that starts at Unix time ``start``."""
    return [Truth(i.kind, i.service, start + i.start, start + i.start + i.duration) for i in incidents]


def simulate(
    seed: int,
    duration: float,
    rate: float = 50.0,
    start: float = DEMO_START,
    incidents: Sequence[Incident] | Literal["demo"] = (),
) -> Iterator[SimulatedEvent]:
    """Yield about ``rate`` events per second of ``duration`` seconds of event time, in event-time order.

    The last requests run to their end, a few seconds past the duration. Raises ValueError for a duration or a
    rate that is not positive and finite.
    """
    for name, value in (("duration", duration), ("rate", rate)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive number, not {value}")
    planned = demo_incidents(duration) if incidents == "demo" else incidents
    return _Simulation(seed, rate, start, planned).events(duration)


def write_file(path: str, events: Iterable[SimulatedEvent]) -> int:
    """Write one JSON event per line to ``path`` (``-``: standard output, ``.gz``: gzip); return the count."""
    count = 0
    with _open(path) as file:
        for event in events:
            file.write(event.encode() + b"\n")
            count += 1
    return count


def write_labels(path: str, labels: Iterable[Truth]) -> None:
    """Write the incidents as a label file ``source,start,end`` in Unix seconds."""
    rows = [f"{truth.service},{truth.start:.3f},{truth.end:.3f}\n" for truth in labels]
    Path(path).write_text("source,start,end\n" + "".join(rows))


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(sys.stdout.buffer)
    if path.endswith(".gz"):
        return cast("AbstractContextManager[BinaryIO]", gzip.open(path, "wb"))
    return Path(path).open("wb")


class _Step(NamedTuple):
    service: str
    line: Line
    median: float  # seconds
    variants: tuple[
        tuple[float, tuple[Line, ...], bool], ...
    ]  # cumulative probability, lines, ends the request
    answered: bool  # the gateway has answered before this step


_Raw = tuple[float, int, Line, Request, float]  # time, sequence number, line, request, latency in ms


class _Simulation:
    """One run: the events of a window are drawn, sorted, rendered; what lies behind its end waits."""

    def __init__(self, seed: int, rate: float, start: float, incidents: Sequence[Incident]) -> None:
        self.values = Values(seed)
        self.numpy = np.random.default_rng([seed, 1])
        self.start = start
        self.incidents = incidents
        self.silences = [(i, n) for i, n in enumerate(incidents) if n.kind == "silence"]
        self.lines = compile_lines()
        self.unseen = {service: Line(service, *line) for service, line in UNSEEN.items()}
        self.flows = [tuple(self._step(flow, i) for i in range(len(flow.steps))) for flow in FLOWS]
        self.flow_cumulative = list(accumulate(flow.weight for flow in FLOWS))
        self.background = list(BACKGROUND)
        weights = np.array(list(BACKGROUND.values()))
        self.background_cumulative = np.cumsum(weights / weights.sum())
        self.stretch = max(1.0, 10.0 / rate)  # so that clockwork lines never outnumber the rest
        clockwork = sum(1.0 / period for period in PERIODIC.values()) / self.stretch
        per_request = sum(flow.weight * len(flow.steps) for flow in FLOWS) * 1.03
        self.background_rate = BACKGROUND_SHARE * rate
        self.request_rate = max((1.0 - BACKGROUND_SHARE) * rate - clockwork, 0.1 * rate) / per_request
        self.sequence = 0
        self.raw: list[_Raw] = []

    def events(self, duration: float) -> Iterator[SimulatedEvent]:
        end = 0.0
        while end < duration:
            begin, end = end, min(end + WINDOW, duration)
            self._window(begin, end)
            self.raw.sort(key=_order)
            cut = bisect_left(self.raw, (end, -1), key=_order)
            ready, self.raw = self.raw[:cut], self.raw[cut:]
            yield from map(self._render, ready)
        yield from map(self._render, sorted(self.raw, key=_order))

    def _step(self, flow: Flow, index: int) -> _Step:
        step = flow.steps[index]
        variants = []
        cumulative = 0.0
        for probability, names in step.variants:
            cumulative += probability
            lines = tuple(self.lines[name.rstrip("!")] for name in names)
            variants.append((cumulative, lines, names[-1].endswith("!")))
        line = self.lines[step.line]
        answered = any(s.line == "gateway.done" for s in flow.steps[:index])
        return _Step(line.service, line, step.median_ms / 1000.0, tuple(variants), answered)

    def _traffic(self, time: float) -> float:
        """Traffic at Unix time ``time``, 1 on average: busy afternoons, quiet nights, slow waves."""
        day = 0.3 * math.sin(2 * math.pi * (time / 86_400.0 - 0.3))
        return 1.0 + day + 0.1 * math.sin(2 * math.pi * time / 1380.0)

    def _window(self, begin: float, end: float) -> None:
        # Requests that start in this window may run on for a while after it.
        planned = enumerate(self.incidents)
        active = [(i, n) for i, n in planned if n.start < end + 60 and n.start + n.duration > begin]
        scale = self._traffic(self.start + begin) * (end - begin)
        times = self.numpy.uniform(begin, end, self.numpy.poisson(self.request_rate * scale))
        for time in times.tolist():
            self._request(time, active)
        self._background(begin, end, self.numpy.poisson(self.background_rate * scale))
        self._clockwork(begin, end)
        for index, incident in active:
            if incident.service not in REQUEST_SERVICES:
                self._standalone(index, incident, begin, end)

    def _request(self, time: float, active: Sequence[tuple[int, Incident]]) -> None:
        """Walk one request through its services, unless something in ``active`` gets in its way."""
        number = self.values.rng.random
        which = min(bisect_left(self.flow_cumulative, number()), len(FLOWS) - 1)
        flow = FLOWS[which]
        request = Request(self.values, time)
        request.method = flow.method
        path = flow.paths[int(number() * len(flow.paths))]
        request.path = path.format(sku=request.sku, word=request.word, digit=1 + int(number() * 8))
        for step in self.flows[which]:
            lines: tuple[Line, ...] = (step.line,)
            ends = False
            if step.variants:
                chance = number()
                for below, other, stops in step.variants:
                    if chance < below:
                        lines, ends = other, stops
                        break
            slower = 1.0
            if active:
                lines, ends, slower = self._disturb(time, step, lines, ends, request, active)
            for line in lines:
                took = (line.slow or step.median * slower) * self.values.jitter()
                time += took
                self._add(time, line, request, (time - request.start if line.total else took) * 1000.0)
            if ends:
                return

    def _disturb(
        self,
        time: float,
        step: _Step,
        lines: tuple[Line, ...],
        ends: bool,
        request: Request,
        active: Sequence[tuple[int, Incident]],
    ) -> tuple[tuple[Line, ...], bool, float]:
        """What incidents make of a step: its lines, whether it ends the request, how much slower it is."""
        slower = 1.0
        for index, incident in active:
            if incident.service != step.service or not 0 <= time - incident.start < incident.duration:
                continue
            chance = self.values.rng.random()
            if incident.kind == "error_burst" and chance < FAILURE_SHARE:
                error = self.lines[f"{step.service}.error"]
                answer = () if step.answered else (self.lines["gateway.failed"],)
                lines, ends = (error, error, *answer), True
            elif incident.kind == "new_message" and chance < UNSEEN_SHARE:
                lines = (self.unseen[step.service], *lines)
            elif incident.kind == "latency":
                slower = LATENCY_FACTOR
            elif incident.kind == "unfinished" and not (ends or step.answered):
                ends = True
            else:
                continue
            request.incident = index
        return lines, ends, slower

    def _background(self, begin: float, end: float, count: int) -> None:
        nobody = Request(self.values, begin)
        nobody.trace = ""
        times = self.numpy.uniform(begin, end, count).tolist()
        chosen = np.searchsorted(self.background_cumulative, self.numpy.uniform(0.0, 1.0, count)).tolist()
        for time, which in zip(times, chosen, strict=True):
            name = self.background[min(which, len(self.background) - 1)]
            if name[0] == "*":
                name = SERVICES[self.values.below(len(SERVICES))] + name[1:]
            self._add(time, self.lines[name], nobody, 6.0 * self.values.jitter())
        for _ in range(self.numpy.poisson((end - begin) * len(SERVICES) / DEPLOY_EVERY)):
            service = SERVICES[self.values.below(len(SERVICES))]
            time = begin + (end - begin) * self.values.rng.random()
            for name, after in RESTART:
                self._add(time + after, self.lines[service + name[1:]], nobody, 0.0)

    def _clockwork(self, begin: float, end: float) -> None:
        nobody = Request(self.values, begin)
        nobody.trace = ""
        for position, (name, period) in enumerate(PERIODIC.items()):
            every = period * self.stretch
            tick = math.ceil((begin - position * 0.37) / every)
            while (time := tick * every + position * 0.37) < end:
                self._add(max(time + 0.02 * self.values.jitter(), begin), self.lines[name], nobody, 0.0)
                tick += 1

    def _standalone(self, index: int, incident: Incident, begin: float, end: float) -> None:
        """Failure lines of a service that has no requests to fail."""
        begin, end = max(begin, incident.start), min(end, incident.start + incident.duration)
        if begin >= end or incident.kind not in ("error_burst", "new_message"):
            return
        nobody = Request(self.values, begin)
        nobody.trace = ""
        nobody.incident = index
        burst = incident.kind == "error_burst"
        line = self.lines[f"{incident.service}.error"] if burst else self.unseen[incident.service]
        count = self.numpy.poisson(STANDALONE_RATE * (end - begin))
        for time in self.numpy.uniform(begin, end, count).tolist():
            self._add(time, line, nobody, 0.0)

    def _add(self, time: float, line: Line, request: Request, took: float) -> None:
        for index, incident in self.silences:
            if incident.service == line.service and 0 <= time - incident.start < incident.duration:
                if request.trace:
                    request.incident = index
                return
        self.sequence += 1
        self.raw.append((time, self.sequence, line, request, took))

    def _render(self, raw: _Raw) -> SimulatedEvent:
        time, _, line, request, took = raw
        values = self.values
        milliseconds = int((self.start + time) * 1000.0 + 0.5)
        second, fraction = divmod(milliseconds, 1000)
        body: dict[str, object] = {
            "timestamp": f"{_iso_second(second)}.{fraction:03d}Z",
            "level": line.level,
            "service": line.service,
            "message": line.format % tuple([draw(values, request, took) for draw in line.draws]),
        }
        if request.trace:
            body["trace_id"] = request.trace
        if line.timed:
            body["latency_ms"] = round(took, 2)
        elif line.amount:
            body["amount"] = round(request.amount, 2)
        return SimulatedEvent(milliseconds / 1000.0, line.service, request.trace, request.incident, body)


def _order(raw: _Raw) -> tuple[float, int]:
    return raw[0], raw[1]


_seconds: dict[int, str] = {}


def _iso_second(second: int) -> str:
    """ISO 8601 of a Unix second in UTC; a few are kept, since most events share theirs with the last one."""
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) > 64:
            _seconds.clear()
        text = _seconds[second] = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text
