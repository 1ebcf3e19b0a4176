"""Synthetic faults written into normal logs, so that training is supervised without labels.

Every fault is a bag of rows of which at least one should be found (multiple-instance learning, Dietterich et
al., Artificial Intelligence 89, 1997): which row gives a missing event away is for training to discover.
"""

import random
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.events import EventBatch

SHARE: Final = 300  # one fault for this many events: more would make the faults themselves usual
LIMIT: Final = 500

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?=\b|[a-z%])")
_WORD = re.compile(r"\b[A-Za-z]{3,}\b")
_SYLLABLES: Final = (
    "con", "re", "fa", "tim", "out", "dis", "cor", "rup", "ted", "lo", "st", "ab", "ort", "un", "ex", "pec",
    "de", "ni", "mal", "form", "qu", "ota", "lea", "se", "sync", "par", "tial", "over", "flow", "stal", "led",
    "hand", "shake",
)  # fmt: skip
_PATTERNS: Final = (
    "{0} {1} while {2} {3}", "{0}: {1} {2}", "cannot {0} {1}, {2} {3}", "{0} {1} after 3 attempts",
    "unexpected {0} in {1}", "{0}Exception: {1} {2} {3}", "{0} {1} {2} refused by 10.1.2.3",
)  # fmt: skip


@dataclass(slots=True)
class Faulty:
    """Events with faults in them.

    bag (n,): the fault an event itself shows, -1 for none; entities: fault and time from which an entity's
    rows may show it; silences: (source, start, end, fault), the times in which a source was made silent;
    kinds: the kind of each fault.
    """

    events: EventBatch
    bag: list[int] = field(default_factory=list)
    entities: dict[str, tuple[int, float]] = field(default_factory=dict)
    silences: list[tuple[str, float, float, int]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Event:
    time: float
    row: int  # the event it is, or was copied from
    bag: int = -1
    severity: int | None = None
    message: str | None = None
    numbers: Mapping[str, float] | None = None
    same_template: bool = True  # whether a template that came with the event still stands for it


class _Injector:
    def __init__(self, events: EventBatch, seed: int) -> None:
        self.events = events
        self.random = random.Random(seed)
        self.faulty = Faulty(EventBatch())
        self.changed: dict[int, list[_Event]] = {}  # what stands in place of an event; [] drops it
        self.by_entity: dict[str, list[int]] = {}
        self.by_source: dict[str, list[int]] = {}
        for row, (entity, source) in enumerate(zip(events.entity, events.source, strict=True)):
            if entity:
                self.by_entity.setdefault(entity, []).append(row)
            self.by_source.setdefault(source, []).append(row)
        self.span = max(events.time) - min(events.time) if len(events) else 0.0

    def event(self, row: int, bag: int = -1) -> _Event:
        return _Event(self.events.time[row], row, bag)

    def pick(self) -> int:
        """A random event that no fault has touched."""
        for _ in range(20):
            row = self.random.randrange(len(self.events))
            if row not in self.changed and self.events.entity[row] not in self.faulty.entities:
                return row
        return -1

    def session(self, row: int) -> tuple[list[int], int]:
        """Events of the entity of an event, and the event's place among them."""
        rows = self.by_entity.get(self.events.entity[row], [row])
        return rows, bisect_left(rows, row)

    def mark_entity(self, row: int, bag: int) -> None:
        if self.events.entity[row]:
            self.faulty.entities[self.events.entity[row]] = (bag, self.events.time[row])

    def words(self) -> str:
        word = ["".join(self.random.choices(_SYLLABLES, k=self.random.randint(2, 3))) for _ in range(4)]
        return self.random.choice(_PATTERNS).format(*word)


def _drop(to: _Injector, row: int, bag: int) -> bool:
    _, place = to.session(row)
    if place == 0:
        return False
    to.changed[row] = []
    to.mark_entity(row, bag)
    return True


def _truncate(to: _Injector, row: int, bag: int) -> bool:
    rows, place = to.session(row)
    if place == 0:
        return False
    for later in rows[place:]:
        to.changed[later] = []
    to.mark_entity(row, bag)
    return True


def _repeat(to: _Injector, row: int, bag: int) -> bool:
    copies = [to.event(row, bag) for _ in range(to.random.randint(1, 4))]
    to.changed[row] = [to.event(row), *copies]
    to.mark_entity(row, bag)
    return bool(to.events.entity[row])


def _reorder(to: _Injector, row: int, bag: int) -> bool:
    rows, place = to.session(row)
    later = [
        r for r in rows[place + 1 : place + 6] if to.events.message[r][:12] != to.events.message[row][:12]
    ]
    if not later or later[-1] in to.changed:
        return False
    other = later[-1]
    first, second = to.event(row, bag), to.event(other, bag)
    first.time, second.time = second.time, first.time
    to.changed[row], to.changed[other] = [second], [first]
    to.mark_entity(row, bag)
    return True


def _delay(to: _Injector, row: int, bag: int) -> bool:
    rows, place = to.session(row)
    if place == 0:
        return False
    before = to.events.time[row] - to.events.time[rows[place - 1]]
    shift = (before + 0.05) * to.random.uniform(10, 200)
    if shift > to.span / 20:
        return False
    for later in rows[place:]:
        moved = to.event(later, bag if later == row else -1)
        moved.time += shift
        to.changed[later] = [moved]
    to.mark_entity(row, bag)
    return True


def _rename(to: _Injector, row: int, bag: int) -> bool:
    message = to.events.message[row]
    words = _WORD.findall(message[:500])
    if not words:
        return False
    changed = to.event(row, bag)
    changed.message = message.replace(to.random.choice(words), to.words().split()[0], 1)
    changed.same_template = False
    to.changed[row] = [changed]
    return True


def _novel(to: _Injector, row: int, bag: int) -> bool:
    new = to.event(row, bag)
    new.message = to.words()
    new.same_template = False
    new.severity = to.random.choice((to.events.severity[row], 13, 17, 17))
    to.changed[row] = [to.event(row), new]
    return True


def _parameter(to: _Injector, row: int, bag: int) -> bool:
    changed = to.event(row, bag)
    factor = to.random.choice((20.0, 100.0, 1000.0))
    found = list(_NUMBER.finditer(to.events.message[row][:500]))
    numbers = to.events.numbers[row]
    if numbers and to.random.random() < 0.7:
        name = to.random.choice(sorted(numbers))
        changed.numbers = {**numbers, name: (numbers[name] + 1.0) * factor}
    elif found:
        match = to.random.choice(found)
        message = to.events.message[row]
        changed.message = (
            f"{message[: match.start()]}{(float(match[0]) + 1.0) * factor:.0f}{message[match.end() :]}"
        )
    else:
        return False
    to.changed[row] = [changed]
    return True


def _burst(to: _Injector, row: int, bag: int) -> bool:
    copies = [to.event(row, bag) for _ in range(to.random.randint(30, 120))]
    for copy in copies:
        copy.time += to.random.uniform(0.0, 20.0)
    to.changed[row] = [to.event(row), *copies]
    return True


def _silence(to: _Injector, row: int, bag: int) -> bool:
    source, start = to.events.source[row], to.events.time[row]
    rows = to.by_source[source]
    rate = len(rows) / max(to.span, 1.0)
    end = start + to.random.uniform(50.0, 300.0) / rate
    if end - start > to.span / 20 or len(to.by_source) < 2:
        return False
    for later in rows:
        if start <= to.events.time[later] <= end:
            to.changed[later] = []
    to.faulty.silences.append((source, start, end, bag))
    return True


def _severity(to: _Injector, row: int, bag: int) -> bool:
    if to.events.severity[row] >= 17:
        return False
    changed = to.event(row, bag)
    changed.severity = 17
    to.changed[row] = [changed]
    return True


_KINDS: Final[dict[str, tuple[float, Callable[[_Injector, int, int], bool]]]] = {
    "dropped": (1.0, _drop), "truncated": (1.5, _truncate), "repeated": (1.0, _repeat),
    "reordered": (0.5, _reorder), "delayed": (1.0, _delay), "renamed": (1.0, _rename), "novel": (2.0, _novel),
    "parameter": (1.5, _parameter), "burst": (0.3, _burst), "silence": (0.3, _silence),
    "severity": (0.5, _severity),
}  # fmt: skip


def inject(events: EventBatch, seed: int) -> Faulty:
    """The events with about one fault in SHARE of them, in time order; a pure function of events and seed."""
    to = _Injector(events, seed)
    names = list(_KINDS)
    weights = [_KINDS[name][0] for name in names]
    for _ in range(min(LIMIT, len(events) // SHARE)):
        row = to.pick()
        if row < 0:
            continue
        kind = to.random.choices(names, weights)[0]
        if _KINDS[kind][1](to, row, len(to.faulty.kinds)):
            to.faulty.kinds.append(kind)
    _assemble(to)
    return to.faulty


def _assemble(to: _Injector) -> None:
    events, out = to.events, to.faulty.events
    stream = [item for row in range(len(events)) for item in to.changed.get(row, [to.event(row)])]
    stream.sort(key=lambda item: item.time)  # stable: events of one second keep their order
    for item in stream:
        row = item.row
        out.time.append(item.time)
        out.severity.append(events.severity[row] if item.severity is None else item.severity)
        out.source.append(events.source[row])
        out.entity.append(events.entity[row])
        out.message.append(events.message[row] if item.message is None else item.message)
        out.numbers.append(events.numbers[row] if item.numbers is None else dict(item.numbers))
        out.offset.append(events.offset[row])
        out.record.append(events.record[row])
        out.template.append(events.template[row] if item.same_template else "")
        to.faulty.bag.append(item.bag)
