"""An alert for the terminal: what happened to its incident, in a few lines that fit 60 columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from agents.printable import printable
from schemas.alert import Alert, Update, Urgency

__all__ = ["clock", "incident_lines", "span"]

WIDTH: Final = 60  # columns
_STATES: Final[dict[Update, str]] = {
    "opened": "NEW", "grown": "GROWN", "continues": "goes on", "reopened": "AGAIN", "resolved": "RESOLVED"
}  # fmt: skip
_COLOURS: Final[dict[Urgency, str]] = {"info": "cyan", "warning": "yellow", "critical": "red"}


def clock(time: float) -> str:
    """Unix seconds as ``HH:MM:SS`` in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """A time that has passed, in the unit that fits."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def incident_lines(alert: Alert, when: str = "") -> list[Text]:
    """Two lines for an incident that goes on or is over; line and reason, too, for one that is told anew.

    when: the time as it is to stand there; "" for that of the day.
    """
    over = alert.update == "resolved"
    colour = "green" if over else _COLOURS[alert.urgency]
    call = " ☎" if alert.page else ""
    head = Text.assemble(
        (f"{when or clock(alert.time)} ", "dim"),
        (f"{_STATES[alert.update]:<8} ", f"bold {colour}"),
        (_where(alert), "bold"),
        (call, f"bold {colour}"),
    )
    so_far = _so_far(alert)
    if alert.update == "continues" or over:
        return [head, Text(f"    {so_far}", "dim")]
    what = f"    {alert.urgency}: {alert.kind}, {alert.severity}, p {alert.p_value:.1g}"
    lines = [head, Text(what, colour)]
    if alert.count > 1:
        lines.append(Text(f"    {so_far}"))
    if alert.entity:
        lines.append(Text(f"    {printable(alert.entity, WIDTH - 4)}", "cyan"))
    lines.append(Text(f"    {printable(alert.example, 300)}", "italic"))
    if alert.evidence:
        lines.append(Text(f"    it {printable(alert.evidence[0].sentence(), 300)}", "dim"))
    return lines


def _where(alert: Alert) -> str:
    first = printable(alert.sources[0] if alert.sources else alert.source, 30) or "(no source)"
    return first + (f" and {alert.source_count - 1:,} more" if alert.source_count > 1 else "")


def _so_far(alert: Alert) -> str:
    events = "once" if alert.count == 1 else f"{alert.count:,} times"
    units = f" in {alert.units:,} units" if alert.units > 1 else ""
    return f"{events}{units} in {span(alert.last_seen - alert.first_seen)}, since {clock(alert.first_seen)}"
