"""The calendar of the simulated year: seasons and drift, jobs, deployments and faults, all from a seed.

Times are Unix seconds. The year begins on Monday, 1 January 2024, 00:00 UTC; seasons are those of UTC.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np

from benchmarks.year_services import MONTH_END, NIGHTLY, RARE, SERVICES, WEEKLY, Job, template_of

START: Final = 1_704_067_200.0
DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
DRIFT: Final = 1.0  # growth of traffic over a year of 365 days
QUIET_DAYS: Final = 14  # in the beginning, without a fault
DEPLOY_EVERY: Final = 14  # days
NEW_SHARE: Final = 0.2  # of a service's lines that a deployment words anew
REPEAT_EVERY: Final = 30  # days between faults of the kind that repeats
MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Traffic by hour of day and by day of week, Monday first, in relation to its mean over a week.
BY_HOUR: Final = np.array([
    3, 2, 2, 2, 2, 4, 9, 18, 30, 38, 42, 44, 46, 44, 42, 42, 41, 40, 40, 38, 32, 22, 12, 6,
]) / 25.2  # fmt: skip
BY_DAY: Final = np.array([1.15, 1.2, 1.2, 1.2, 1.15, 0.7, 0.4])

FaultKind = Literal[
    "error burst", "new message", "never ending", "latency", "silence", "dependency", "repeated", "week"
]
KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
_ONCE: Final = KINDS[:6]  # of which there are several; the last two are of a kind of their own
_MINUTES: Final[dict[FaultKind, tuple[float, float]]] = {  # that one lasts, at least and at most
    "error burst": (10.0, 30.0),
    "new message": (15.0, 45.0),
    "never ending": (15.0, 45.0),
    "latency": (20.0, 60.0),
    "silence": (20.0, 60.0),
    "dependency": (10.0, 30.0),
    "repeated": (20.0, 30.0),
    "week": (7 * 1440.0, 7 * 1440.0),
}
_REQUESTED: Final = ("auth", "catalogue", "cart", "payment", "search")  # services where requests can fail


@dataclass(slots=True)
class Fault:
    """What went wrong: its kind, from when to when, in which services, and the entities it has touched."""

    kind: FaultKind
    start: float
    end: float
    services: frozenset[str]
    number: int
    touched: set[str] = field(default_factory=set)

    @property
    def fails(self) -> bool:
        """Whether it ends requests with a failure."""
        return self.kind in ("new message", "dependency", "repeated", "week")

    @property
    def shows_in(self) -> frozenset[str]:
        """The services that write otherwise: a gateway, too, where requests that it answers fail."""
        return self.services | {"gateway"} if self.fails or self.kind == "never ending" else self.services


@dataclass(frozen=True, slots=True)
class Deployment:
    """A new version of a service: its number, and whether it writes about twice as much from then on."""

    service: str
    time: float
    version: int
    verbose: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job."""

    job: Job
    start: float

    @property
    def end(self) -> float:
        """When it is over."""
        return self.start + self.job.minutes * MINUTE


@dataclass(frozen=True, slots=True)
class Calendar:
    """All that happens in a number of days."""

    days: int
    runs: list[Run]
    deployments: list[Deployment]
    faults: list[Fault]
    rare_templates: frozenset[str] = frozenset(template_of(line) for line, _ in RARE)

    @property
    def end(self) -> float:
        """The end of the last day."""
        return START + self.days * DAY


def traffic(time: float) -> float:
    """Requests at a time in relation to the mean of the first week."""
    day = (time - START) / DAY
    hour = day % 1.0 * 24.0
    before, share = int(hour), hour % 1.0
    of_hour = (1.0 - share) * BY_HOUR[before] + share * BY_HOUR[(before + 1) % 24]
    return float(of_hour * BY_DAY[int(day) % 7] * (1.0 + DRIFT * day / 365.0))


def make_calendar(seed: int, days: int) -> Calendar:
    """The calendar of a seed for so many days, at most 366. Raises ValueError for other numbers."""
    if not 1 <= days <= 366:
        raise ValueError(f"a year of {days} days; 1 to 366 can be simulated")
    rng = np.random.default_rng(seed)
    deployments = _deployments(rng, days)
    return Calendar(days, _runs(days), deployments, _faults(rng, days, deployments))


def _runs(days: int) -> list[Run]:
    last_days = set(np.cumsum(MONTHS) - 1)
    runs: list[Run] = []
    for day in range(days):
        start = START + day * DAY
        runs.append(Run(NIGHTLY, start + 2 * HOUR))
        if day % 7 == 6:
            runs.append(Run(WEEKLY, start + 4 * HOUR))
        if day in last_days:
            runs.append(Run(MONTH_END, start + 22 * HOUR))
    return runs


def _deployments(rng: np.random.Generator, days: int) -> list[Deployment]:
    """One every DEPLOY_EVERY days, on a Tuesday in working hours; the service writes twice as much after
    each second one of them, until its next.
    """
    order = rng.permutation(len(SERVICES)).tolist()
    found: list[Deployment] = []
    for i, day in enumerate(range(DEPLOY_EVERY + 1, days, DEPLOY_EVERY)):
        service = SERVICES[order[i % len(order)]]
        version = 1 + i // len(order)
        verbose = (i + version) % 2 == 0
        found.append(Deployment(service, START + day * DAY + rng.uniform(9, 16) * HOUR, version, verbose))
    return found


def _faults(rng: np.random.Generator, days: int, deployments: list[Deployment]) -> list[Fault]:
    """One that repeats each month, one that lasts a week, and four or five of each other kind a year."""
    week = int(0.55 * days)
    taken = {int((each.time - START) // DAY) for each in deployments}
    planned: list[tuple[FaultKind, int]] = []
    if week >= QUIET_DAYS and week + 8 < days:
        planned.append(("week", week))
        taken |= set(range(week, week + 9))
    for day in range(QUIET_DAYS + 6, days, REPEAT_EVERY):
        free = next((later for later in range(day, days) if later not in taken), None)
        if free is not None:
            planned.append(("repeated", free))
            taken.add(free)
    open_days = [day for day in range(QUIET_DAYS, days) if day not in taken]
    count = min(len(open_days), max(len(_ONCE) if days > 2 * QUIET_DAYS else 0, round(27 * days / 365)))
    chosen = rng.choice(open_days, count, replace=False).tolist() if count else []
    planned += [(_ONCE[i % len(_ONCE)], day) for i, day in enumerate(chosen)]
    planned.sort(key=lambda each: each[1])
    return [_fault(rng, kind, day, number) for number, (kind, day) in enumerate(planned)]


def _fault(rng: np.random.Generator, kind: FaultKind, day: int, number: int) -> Fault:
    """A fault on a day, at a busy hour: what no request meets cannot be seen."""
    hour = int(rng.choice(np.flatnonzero(BY_HOUR >= 1.0)))
    start = START + day * DAY + hour * HOUR + rng.uniform(0.0, HOUR)
    if kind == "week":
        start = START + day * DAY + 9 * HOUR
    low, high = _MINUTES[kind]
    if kind == "dependency":
        services = frozenset(rng.choice(_REQUESTED, 3, replace=False).tolist())
    elif kind in ("repeated", "week"):
        services = frozenset({"cart" if kind == "repeated" else "search"})
    elif kind == "silence":
        services = frozenset({SERVICES[int(rng.integers(len(SERVICES)))]})
    else:
        services = frozenset({_REQUESTED[int(rng.integers(len(_REQUESTED)))]})
    return Fault(kind, start, start + rng.uniform(low, high) * MINUTE, services, number)
