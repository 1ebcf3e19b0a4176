"""What a fault of the simulated year does to the requests that meet it, and what it writes besides."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.year_calendar import Fault, FaultKind
from benchmarks.year_services import BACKGROUND, ERROR, Line

_WORDS: Final = (
    "stale", "broken", "missing", "foreign", "orphaned", "duplicate", "corrupt", "locked", "expired",
    "unknown",
)  # fmt: skip
_THINGS: Final = (
    "ledger",
    "voucher",
    "schema",
    "lease",
    "index",
    "shard",
    "cursor",
    "checksum",
    "batch",
    "route",
)
# Share of the requests through a service that a fault strikes.
_STRUCK: Final[dict[FaultKind, float]] = {
    "error burst": 0.5, "new message": 0.5, "never ending": 0.8, "dependency": 0.6, "repeated": 0.5,
    "week": 0.25,
}  # fmt: skip
_ALONE: Final[dict[FaultKind, float]] = {"error burst": 1.0, "dependency": 0.2}  # lines/s without a request


def failure_line(fault: Fault, service: str) -> Line:
    """The error that a service writes under a fault."""
    if fault.kind == "error burst":
        known = (line for line, _ in BACKGROUND if line.source == service and line.severity == ERROR)
        return next(known)
    if fault.kind == "dependency":
        return Line(service, f"{service} cannot reach the database, {{n}} connections refused", ERROR)
    if fault.kind == "repeated":
        return Line(service, "disk of {name} is full, write of {n} bytes refused", ERROR)
    if fault.kind == "week":
        return Line(service, "certificate of replica {name} is not trusted, query {n} dropped", ERROR)
    word, thing = _WORDS[fault.number % 10], _THINGS[fault.number // 10 % 10]
    return Line(service, f"{word} {thing} {{n}}, request given up after {{ms}}ms", ERROR)


def struck(fault: Fault, time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which steps (n,) in a service of the fault, at times (n,), it strikes."""
    during = (time >= fault.start) & (time < fault.end)
    share = _STRUCK.get(fault.kind, 1.0)
    return during if share == 1.0 else during & (rng.random(len(time)) < share)


def alone(fault: Fault, start: float, end: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Times from start to end at which each service of the fault writes an error without a request."""
    first, last = max(start, fault.start), min(end, fault.end)
    rate = _ALONE.get(fault.kind, 0.0)
    if last <= first or rate == 0.0:
        return np.zeros(0)
    return rng.uniform(first, last, rng.poisson(rate * (last - first)))
