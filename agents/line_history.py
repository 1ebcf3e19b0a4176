"""The last lines of each entity and each source of a partition, to be shown beside what came of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from models.context.columns import short_name
from schemas.events import EventBatch, severity_text
from schemas.salient import EXAMPLE_CHARS

__all__ = ["KEPT", "Line", "LineHistory"]

KEPT: Final = 5  # lines of each
MOST: Final = 1 << 14  # entities, and sources: as many as the detector itself remembers


class Line(NamedTuple):
    """A log event as people read it: its place in the partition, Unix seconds (NaN for unknown), who, what.

    The message is cut to EXAMPLE_CHARS characters.
    """

    offset: int
    record: int
    time: float
    severity: str
    source: str
    entity: str
    message: str


_Histories = dict[str, deque[Line]]  # those first that were quiet longest


class LineHistory:
    """Lines of one partition; of more than MOST entities or sources the longest quiet is forgotten."""

    def __init__(self) -> None:
        self._entities: _Histories = {}
        self._sources: _Histories = {}
        self._last = (-2, 0)

    def add(self, events: EventBatch, before: tuple[int, int] | None = None) -> Line | None:
        """Take events, those up to a place (offset, record) if one is given; what stands there is given back.

        Events that were taken before are left out.
        """
        for line in _lines(events):
            place = (line.offset, line.record)
            if before is not None and place >= before:
                return line if place == before else None
            if place <= self._last:
                continue
            self._last = place
            _note(self._sources, line.source, line)
            if line.entity:
                _note(self._entities, line.entity, line)
        return None

    def of(self, source: str, entity: str) -> list[Line]:
        """The last KEPT lines of an entity, or of a source where the entity is "", in their order.

        An entity may be named by its short form, as rows are that time brings.
        """
        if not entity:
            return list(self._sources.get(source, ()))
        if entity in self._entities:
            return list(self._entities[entity])
        return next((list(known) for name, known in self._entities.items() if _short(name) == entity), [])


def _lines(events: EventBatch) -> Iterator[Line]:
    columns = (
        events.offset, events.record, events.time, events.severity, events.source, events.entity,
        events.message,
    )  # fmt: skip
    for offset, record, time, severity, source, entity, message in zip(*columns, strict=True):
        yield Line(offset, record, time, severity_text(severity), source, entity, message[:EXAMPLE_CHARS])


def _note(histories: _Histories, name: str, line: Line) -> None:
    known = histories.pop(name, None)
    if known is None:
        known = deque(maxlen=KEPT)
        if len(histories) >= MOST:
            del histories[next(iter(histories))]
    known.append(line)
    histories[name] = known


def _short(entity: str) -> str:
    return short_name(entity).decode("utf-8", "replace")
