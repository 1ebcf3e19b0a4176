"""What log events do not say, so that commands can tell what cannot be judged without it."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events import UNKNOWN_SOURCE, EventBatch

__all__ = ["Missing"]


@dataclass(slots=True)
class Missing:
    """How many of some events have no time, level, source or entity, from them or from their record."""

    events: int = 0
    time: int = 0
    level: int = 0
    source: int = 0
    entity: int = 0

    def add(self, events: EventBatch) -> None:
        """Count more events."""
        self.events += len(events)
        self.time += sum(time != time for time in events.time)  # NaN
        self.level += events.severity.count(0)
        self.source += events.source.count(UNKNOWN_SOURCE)
        self.entity += events.entity.count("")

    def shares(self) -> dict[str, float]:
        """Shares (0 to 1) of the events without ``time``, ``level``, ``source``, ``entity``; 0 for none."""
        names = ("time", "level", "source", "entity")
        return {name: getattr(self, name) / self.events if self.events else 0.0 for name in names}
