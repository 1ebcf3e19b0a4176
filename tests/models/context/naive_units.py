"""What is unusual about an entity so far, in plain Python: the definition that compiled evidence has to meet.

A unit is an entity; it ends when it was idle for the timeout, and goes on when it wakes. Rows are those of
units: their events, what becomes overdue in them, and their ends, each with the evidence that it shows, in
nats beyond what is usual. What units of a kind show and what is usual is in naive_kinds.py; all other
features are in naive.py, and so is which times are believed: here, all.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log

from models.context.templates import TemplateMiner
from schemas.events import Row as Event
from tests.models.context.naive import CAP_EVIDENCE
from tests.models.context.naive_kinds import (
    ALL,
    Deadline,
    Kind,
    Order,
    Shown,
    Unit,
    is_milestone,
    milestone_before,
    nats_of_share,
)


@dataclass
class Row:
    trigger: str  # "event", "overdue" or "end"
    event: int  # index of the event, or of the one whose time brought the row
    time: float
    watermark: float
    template: str
    entity: str
    x: dict[str, float]


@dataclass
class Modes:
    """What is learnt of units when they end, and whether each is judged by the others alone."""

    learn: bool = False
    calibrate: bool = False
    pairs: bool = False
    leave_out: bool = False


class Units:
    """All units of a stream, and what is known of their kinds."""

    def __init__(self, timeout: float, modes: Modes, order: Order) -> None:
        self.timeout, self.modes, self.order = timeout, modes, order
        self.but = 1 if modes.leave_out else 0
        self.kinds: dict[str, Kind] = {}
        self.words: dict[str, list[int]] = {}  # of templates
        self.shown: Counter[str] = Counter()  # templates in units
        self.last_shown: Counter[str] = Counter()  # when units ended
        self.units: dict[str, Unit] = {}
        self.serials = 0
        self.waiting: dict[str, Unit] = {}  # those that have not ended, in the order of their last events
        self.watermark = -inf

    def rows(self, events: Sequence[Event], miner: TemplateMiner) -> Iterator[Row]:
        """Rows of the events with an entity, in order, before each those that its time brings."""
        ids, shapes = miner.mine([message for _, _, _, _, message, *_ in events])
        for i, (now, severity, _, name, *_) in enumerate(events):
            self.watermark = max(now, self.watermark)
            yield from self.overdue(i)
            yield from self.ends(i)
            template = miner.text(int(ids[i]))
            self.words[template] = [word for word in shapes.words[i].tolist() if word]
            if name:
                unit = self.observe(name, template, now)
                if severity >= 17:
                    self.count_error(unit, template)
                x = self.show(unit)
                yield Row("event", i, now, self.watermark, template, name, x)

    def units_of(self, kind: str) -> int:
        return self.kinds[kind].units if kind in self.kinds else 0

    def begin(self, name: str, template: str, now: float) -> Unit:
        """A unit is judged by those that began with the same template, if 50 are known, else by all."""
        self.serials += 1
        kind = template if self.units_of(template) >= 50 else ALL
        judged = self.units_of(kind) >= 5
        return Unit(name, self.serials, template, kind, judged, first=now, last=now)

    def observe(self, name: str, template: str, now: float) -> Unit:
        if name not in self.units:
            self.units[name] = self.begin(name, template, now)
        unit = self.units[name]
        if unit.episode == 0:
            unit.longest_pause = max(unit.longest_pause, now - unit.last)
        self.shown[template] += 1
        unit.previous, unit.last = template, max(now, unit.last)
        self.waiting.pop(name, None)
        self.waiting[name] = unit
        if template not in unit.templates:
            self.count_new(unit, template)
        shown = unit.templates.setdefault(template, Shown())
        shown.ages.append(max(0.0, now - unit.first))
        if shown.times > 1 and is_milestone(shown.times):
            self.count_repeats(unit, template, shown.times)
        if unit.episode == 0:
            self.await_next(unit)
        return unit

    def count_new(self, unit: Unit, template: str) -> None:
        """Each word that less than about half of the units show adds what its share says, once."""
        units = max(0, self.units_of(unit.kind) - self.but)
        for word in self.words[template]:
            count = self.kinds[unit.kind].shown_by((word, 0), self.but) if unit.kind in self.kinds else 0.0
            nats = nats_of_share(count, units)
            if nats > 0.7 and word not in unit.words:
                unit.words.add(word)
                unit.evidence["unit_new"] += nats

    def count_error(self, unit: Unit, template: str) -> None:
        """The rarest error of a unit counts, by all units that ever ended."""
        if template not in unit.errors:
            unit.errors[template] = False
            nats = self.kinds[unit.kind].nats_of_error(template, self.but) if unit.kind in self.kinds else 0.0
            unit.evidence["error"] = max(unit.evidence["error"], nats)

    def count_repeats(self, unit: Unit, template: str, times: int) -> None:
        """Of the units that reach the count before, so many reach this one."""
        if unit.kind not in self.kinds:
            return
        kind = self.kinds[unit.kind]
        before = kind.shown_by((template, milestone_before(times)), self.but)
        if before:
            nats = -log((kind.shown_by((template, times), self.but) + 0.5) / (before + 1.0))
            unit.evidence["unit_repeats"] += max(0.0, nats)

    def await_next(self, unit: Unit) -> None:
        """When to look at a unit: when it is too quiet, or at a deadline unless that was set before."""
        if unit.kind not in self.kinds or not self.kinds[unit.kind].deadlines:
            return
        unit.quiet_at = unit.last + self.kinds[unit.kind].quiet
        due = self.time_of(self.next_due(unit), unit) if unit.look_at == inf else inf
        unit.look_at = min(unit.look_at, unit.quiet_at, due)

    def next_due(self, unit: Unit) -> Deadline | None:
        """The next deadline of something that the unit has not shown; those before it have been looked at."""
        for due in self.kinds[unit.kind].deadlines:
            if due.age > unit.passed:
                if unit.lacks(due.what):
                    return due
                unit.passed = due.age
        return None

    def time_of(self, due: Deadline | None, unit: Unit) -> float:
        return unit.first + due.age if due else inf

    def overdue(self, event: int) -> Iterator[Row]:
        """Units that lack something at the new watermark, the first to be looked at first."""
        due = [unit for unit in self.waiting.values() if unit.look_at <= self.watermark]
        for unit in sorted(due, key=lambda unit: (unit.look_at, unit.serial)):
            before = unit.evidence["unit_overdue"]
            looked = self.look(unit)
            if unit.evidence["unit_overdue"] > before and (x := self.show(unit)):
                yield Row("overdue", event, looked, self.watermark, unit.previous, unit.name, x)

    def look(self, unit: Unit) -> float:
        """Count what is overdue by now, and before the unit's end. The last moment that something was."""
        end, looked = unit.last + self.timeout, unit.look_at
        while True:
            due = self.next_due(unit)
            deadline = self.time_of(due, unit)
            at = min(deadline, unit.quiet_at)
            if at > min(self.watermark, end):
                unit.look_at = at if at <= end else inf
                return looked
            looked = at
            if unit.quiet_at <= deadline:
                unit.quiet_at = inf
                self.count_lacking(unit)
            elif due:
                self.count_step(unit, due)

    def count_step(self, unit: Unit, due: Deadline) -> None:
        """A deadline has passed: of those in one step, the one that says most counts."""
        nats = self.kinds[unit.kind].nats_lacking(due, self.but)
        unit.passed = due.age
        if unit.step != due.step:
            unit.step, unit.step_nats = due.step, 0.0
        unit.steps += max(0.0, nats - unit.step_nats)
        unit.step_nats = max(nats, unit.step_nats)
        unit.evidence["unit_overdue"] = max(unit.evidence["unit_overdue"], unit.steps)

    def count_lacking(self, unit: Unit) -> None:
        """All that the unit lacks it lacks for good, each given that what is due before it lacks too."""
        if unit.kind not in self.kinds:
            return
        kind = self.kinds[unit.kind]
        total, lacked_before = 0.0, None
        for due in kind.deadlines:
            if not unit.lacks(due.what):
                lacked_before = None
                continue
            if lacked_before is None:
                total += kind.nats_lacking(due, self.but)
            else:
                total += kind.nats_lacking_too(due, lacked_before, self.but)
            lacked_before = due
        unit.evidence["unit_overdue"] = max(unit.evidence["unit_overdue"], total)

    def ends(self, event: int) -> Iterator[Row]:
        """Units without an event for the timeout, up to the first in line that is still within it."""
        for unit in list(self.waiting.values()):
            if unit.last + self.timeout > self.watermark:
                break
            del self.waiting[unit.name]
            self.count_ending(unit)
            self.end(unit)
            x = self.show(unit, whatever=not unit.shown)
            unit.episode += 1
            time = unit.last + self.timeout
            yield Row("end", event, time, self.watermark, unit.previous, unit.name, x)

    def count_ending(self, unit: Unit) -> None:
        """So many units ended after what this one has shown last, of so often that it was shown."""
        nats = -log((self.last_shown[unit.previous] + 0.5) / (self.shown[unit.previous] + 1.0))
        unit.evidence["unit_ending"] = max(unit.evidence["unit_ending"], nats)
        self.last_shown[unit.previous] += 1

    def end(self, unit: Unit) -> None:
        """A unit has ended: what it lacks when it does so first it lacks for good. Then it is learnt."""
        modes, kind, first = self.modes, self.kinds.get(unit.kind), unit.episode == 0
        unit.look_at = inf
        if first:
            self.count_lacking(unit)
            if modes.learn and kind and kind.settled:
                kind.learn_lacks(unit, self.but)
        suspicious = sum(self.beyond(unit).values()) >= 7.0
        if modes.pairs and kind and first:
            apart = modes.learn and kind.is_apart(unit, suspicious, self.units_of(unit.kind))
            kind.learn_pairs(unit, apart)
        if modes.learn:
            self.learn(unit, suspicious)
        if modes.calibrate and unit.judged:
            for name in {unit.kind, ALL}:
                if name in self.kinds:
                    self.kinds[name].learn_usual(unit.evidence, suspicious)

    def learn(self, unit: Unit, suspicious: bool) -> None:
        """What a unit has shown since it was learnt last, as what all units and those of its kind show."""
        for name in (ALL, unit.first_template):
            kind = self.kinds.setdefault(name, Kind(name, unit.last))
            kind.learn(unit, kind.is_apart(unit, suspicious, self.units_of(unit.kind)), self.words)
            if not kind.settled and kind.units >= 5 and kind.units >= 1.1 * kind.built:
                kind.build(self.order)
                kind.settled = self.modes.calibrate and kind.units >= 1000
        for shown in unit.templates.values():
            shown.learnt = shown.times
        unit.errors = dict.fromkeys(unit.errors, True)

    def beyond(self, unit: Unit) -> dict[str, float]:
        """Evidence beyond what is usual of its kind, or of all: where 5 were judged, 250 in training."""
        for name in (unit.kind, ALL):
            kind = self.kinds.get(name)
            if kind and len(kind.judged) >= (250 if kind.certain and name != ALL else 5):
                return kind.beyond(unit.evidence)
        return {}

    def show(self, unit: Unit, whatever: bool = False) -> dict[str, float]:
        """The evidence, if it has grown by a nat and a tenth since it was shown last, or whatever it is."""
        beyond = self.beyond(unit)
        total = sum(beyond.values())
        if total < unit.shown + max(1.0, 0.1 * unit.shown) and not whatever:
            return {}
        unit.shown = total
        return {kind: min(CAP_EVIDENCE, nats) for kind, nats in beyond.items()}

    def conclude(self) -> None:
        """Training is over: what it has seen is usual, and is settled."""
        if self.modes.learn:
            for unit in self.waiting.values():
                if unit.episode:
                    self.learn(unit, False)
            for kind in self.kinds.values():
                if kind.units >= 5:
                    kind.build(self.order)
                    kind.settled = True
        for kind in self.kinds.values():
            if self.modes.calibrate and len(kind.judged) >= 5:
                kind.settle(0.1)
                kind.certain = True

    def refer_to(self, other: "Units") -> None:
        """Judge units by what another stream's units have shown."""
        other.conclude()
        self.kinds = other.kinds

    def go_on(self, other: "Units", start: float) -> None:
        """Start in a stream of another time where training has stopped, but without its units."""
        self.kinds, self.shown, self.last_shown = other.kinds, other.shown, other.last_shown
        self.words, self.serials, self.watermark = other.words, other.serials, start
        for kind in self.kinds.values():
            kind.shift(start - other.watermark)
