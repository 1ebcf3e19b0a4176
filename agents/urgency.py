"""How urgent an incident is, so that people can route on it."""

from __future__ import annotations

from typing import Final

from schemas.alert import Alert, Urgency

__all__ = ["ORDER", "urgency"]

ORDER: Final[tuple[Urgency, ...]] = ("info", "warning", "critical")
STRONG: Final = 1e-3  # of the largest p-value that alerts: evidence beyond doubt
SPREAD: Final = 3  # sources that make an incident more than one service's
LASTING: Final = 1800.0  # s


def urgency(alert: Alert, sources: int, seconds: float) -> Urgency:
    """From what an alert of the incident says, its number of sources and how long it has lasted (s).

    info: odd, and no more. warning: an error, evidence beyond doubt, several sources, or half an hour.
    critical: a FATAL line, or an error or evidence beyond doubt in several sources or for half an hour.
    """
    certain = alert.severity in ("ERROR", "FATAL") or alert.p_value <= STRONG * alert.p_limit
    wide = sources >= SPREAD or seconds >= LASTING
    if alert.severity == "FATAL" or (certain and wide):
        return "critical"
    return "warning" if certain or wide else "info"
