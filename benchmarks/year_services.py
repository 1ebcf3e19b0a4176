"""The services of the simulated year: what they write, the ways of requests through them, and their jobs.

Only data, and how a line of it becomes text; benchmarks/year_simulation.py decides when each is written. The
fields of a text are `{n}`, a number, `{name}`, one of a few hundred names, and `{ms}`, what the step took.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.context.templates import mask

INFO, WARN, ERROR = 9, 13, 17  # OpenTelemetry severity numbers
SLOWER: Final = 10.0  # times as long as usual a step takes under a latency fault
VARIANTS: Final = 256  # messages of each line that are made once and drawn from
# Words that a deployment puts before a text, one after the other; the first is of how it began.
VERSIONS: Final = ("", "ok: ", "done, ", "event - ", "audit: ", "note, ", "trace - ", "info: ", "main: ")
MACHINES: Final = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")


@dataclass(frozen=True, slots=True)
class Line:
    """What a service writes: its text, OpenTelemetry severity, and the median of what it took, ms."""

    source: str
    text: str
    severity: int = INFO
    took: float = 20.0


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a request, and the share of requests that have it."""

    line: Line
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of request: its steps, and its share of all requests."""

    share: float
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """Lines that are written over some minutes at set times: how many of each a run of it writes."""

    name: str
    minutes: float
    lines: tuple[tuple[Line, int], ...]

    @property
    def sources(self) -> frozenset[str]:
        """Who writes them."""
        return frozenset(line.source for line, _ in self.lines)


def _line(source: str, text: str, took: float = 20.0) -> Line:
    return Line(source, text, took=took)


_OPEN = _line("gateway", "accepted request for {name} from client {n}", 2.0)
_DONE = _line("gateway", "answered 200 in {ms}ms, {n} bytes", 60.0)
_TOKEN = _line("auth", "token of user {n} verified in {ms}ms", 5.0)
_CACHE = _line("catalogue", "cache hit for product {n}", 2.0)
_LOOKUP = _line("catalogue", "loaded product {n} from the database in {ms}ms", 15.0)
_ROWS = _line("database", "select on {name} took {ms}ms, {n} rows", 8.0)
_ADD = _line("cart", "item {n} added to cart of {name}", 10.0)
_TOTAL = _line("cart", "cart of {n} items priced in {ms}ms", 12.0)
_CHARGE = _line("payment", "card charged for order {n} in {ms}ms", 180.0)
_RISK = _line("payment", "risk check of order {n} passed", 30.0)
_STORED = _line("database", "insert into orders took {ms}ms", 12.0)
_PACK = _line("shipping", "parcel {n} announced to carrier in {ms}ms", 90.0)
_MAIL = _line("mail", "confirmation of order {n} queued after {ms}ms", 25.0)
_FOUND = _line("search", "query for {name} matched {n} products in {ms}ms", 35.0)
_AGAIN = Line("payment", "card network slow, charging order {n} again", WARN, 400.0)

WAYS: Final = (
    Way(
        0.40,
        (Step(_OPEN), Step(_TOKEN), Step(_CACHE, 0.7), Step(_LOOKUP, 0.4), Step(_ROWS, 0.4), Step(_DONE)),
    ),
    Way(0.25, (Step(_OPEN), Step(_TOKEN), Step(_FOUND), Step(_ROWS, 0.6), Step(_DONE))),
    Way(0.20, (Step(_OPEN), Step(_TOKEN), Step(_ADD), Step(_TOTAL, 0.8), Step(_DONE))),
    Way(
        0.15,
        (
            Step(_OPEN), Step(_TOKEN), Step(_TOTAL), Step(_RISK), Step(_AGAIN, 0.004), Step(_CHARGE),
            Step(_STORED), Step(_PACK, 0.9), Step(_MAIL), Step(_DONE),
        ),
    ),
)  # fmt: skip
# What a gateway says last of a request that failed; some fail on any day.
FAILED: Final = Line("gateway", "answered 502 in {ms}ms, {n} bytes", ERROR, 300.0)
FAILING: Final = 0.001

SERVICES: Final = (
    "gateway",
    "auth",
    "catalogue",
    "cart",
    "payment",
    "shipping",
    "mail",
    "search",
    "database",
)

PERIOD: Final = 600.0  # s between the lines that a clock drives
CLOCKED: Final = tuple(_line(name, f"{name} is healthy, {{n}} connections open") for name in SERVICES)

# Lines that come by themselves, and how often an hour, whatever the traffic.
BACKGROUND: Final = tuple(
    (Line(name, text.format(name=name, n="{n}", ms="{ms}"), severity), an_hour)
    for name in SERVICES
    for text, severity, an_hour in (
        ("{name} garbage collection freed {n} MB in {ms}ms", INFO, 3.0),
        ("{name} pool resized to {n} workers", INFO, 1.0),
        ("{name} metrics of {n} series flushed", INFO, 4.0),
        ("{name} connection to database lost, retrying", WARN, 0.02),
        ("{name} request {n} took longer than its limit", ERROR, 0.01),
    )
)
# A source that speaks on working days alone, so often an hour.
WORKING: Final = _line("warehouse", "scanner {n} read a parcel for {name}")
WORKING_AN_HOUR: Final = 60.0
# Lines that are normal and rare: once a month or so.
RARE: Final = tuple(
    (Line(name, text.format(name=name, n="{n}"), severity), 1.0 / 730.0)
    for name in SERVICES
    for text, severity in (
        ("{name} renewed its certificate, valid for {n} days", INFO),
        ("{name} reloaded its configuration after a change of {n} keys", INFO),
        ("{name} clock adjusted by {n} microseconds", WARN),
    )
)

NIGHTLY: Final = Job(
    "nightly",
    10.0,
    (
        (_line("backup", "backup of table {name} began"), 40),
        (_line("backup", "copied chunk {n} in {ms}ms", 80.0), 600),
        (_line("backup", "backup of table {name} verified"), 40),
        (_line("database", "sequential scan of {name}, {n} rows in {ms}ms", 90.0), 120),
    ),
)
WEEKLY: Final = Job(
    "weekly",
    30.0,
    (
        (_line("search", "index segment {n} merged in {ms}ms", 200.0), 500),
        (_line("search", "index rebuilt for {name}"), 30),
    ),
)
MONTH_END: Final = Job(
    "month end",
    60.0,
    (
        (_line("payment", "invoice {n} closed in {ms}ms", 40.0), 1500),
        (_line("mail", "invoice {n} sent to {name}"), 700),
    ),
)


def verbose_line(service: str) -> Line:
    """What a deployment that doubles a service's rate writes after each of its lines."""
    return Line(service, f"{service} step finished, {{n}} bytes allocated in {{ms}}ms", took=3.0)


def messages(line: Line, version: int, slow: bool, seed: int) -> tuple[list[str], list[float]]:
    """VARIANTS messages of a line as a version writes it, and what each says that it took, seconds."""
    rng = np.random.default_rng([seed, version, slow, *line.text.encode()[:24]])
    took = line.took * (SLOWER if slow else 1.0) * rng.lognormal(0.0, 0.35, VARIANTS)
    numbers = rng.integers(1, 10_000, VARIANTS).tolist()
    names = rng.integers(0, 200, VARIANTS).tolist()
    text = VERSIONS[version % len(VERSIONS)] + line.text
    made = [
        text.format(n=n, ms=round(ms, 1), name=f"{MACHINES[name % len(MACHINES)]}-{name}")
        for n, ms, name in zip(numbers, took.tolist(), names, strict=True)
    ]
    return made, (took / 1000.0).tolist()


def template_of(line: Line, version: int = 0) -> str:
    """The constant part of a line as a version writes it."""
    return mask(messages(line, version, False, 0)[0][0])
