"""What every surprise feature is, in plain Python: the definition that the compiled context has to meet.

But for the evidence of units, which is in tests/models/context/naive_units.py.

Long because it is all definitions, in one place.

Nothing here is bounded or fast: all that was ever seen stays in dictionaries, under its own name. Figures are
written out rather than taken from models/, so that a change of one there shows. Times are seconds of event
time, surprises are nats, -log p. Only what a message consists of is left to the template miner.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, inf, isnan, log, log1p, nan

from models.context.templates import TemplateMiner
from schemas.events import Row as Event
from tests.models.context.naive_clocks import NaiveClocks
from tests.models.context.naive_seasons import DayHours, WeekHours

CAP, CAP_EVIDENCE = 30.0, 300.0  # no feature, and no evidence, says more than this
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def nats(p: float) -> float:
    """How surprising it is that something of this probability, or ratio of two numbers, came true."""
    return min(CAP, max(0.0, -log(p)))


def clip(distance: float, reach: float) -> float:
    return min(max(distance, -reach), reach)


class Surprise:
    """-log p(item) by Witten-Bell: an item seen c times has c/(N+D), a new one D/(N+D). The first is free."""

    def __init__(self) -> None:
        self.seen: Counter[Hashable] = Counter()

    def __call__(self, item: Hashable) -> float:
        """How surprising the item is after those before it, which it then joins."""
        count, total, distinct = self.seen[item], self.seen.total(), len(self.seen)
        self.seen[item] += 1
        return nats((count or distinct) / (total + distinct)) if total else 0.0


class Usual:
    """Running centre and absolute deviation of a number; floor is the least difference that is unusual."""

    def __init__(self) -> None:
        self.n = 0
        self.centre = self.deviation = self.recent = 0.0

    def z(self, value: float, floor: float) -> float:
        """Standard deviations (1.2533 absolute ones) from the centre, less one. Then learns the value.

        From the 20th value on, what is learnt is clipped, so that an outlier does not widen the usual.
        """
        n, distance, z = self.n, value - self.centre, 0.0
        self.n += 1
        if n == 0:
            self.centre = self.recent = value
            return 0.0
        if n >= 20:
            z = max(0.0, abs(distance) / (1.2533 * self.deviation + floor) - 1.0)
            distance = clip(distance, 4.0 * self.deviation + floor)
        weight = max(1.0 / (n + 1), 0.01)
        self.centre += weight * distance
        self.deviation += weight * (abs(distance) - self.deviation)
        self.recent += 0.15 * clip(value - self.recent, 8.0 * self.deviation + floor)
        return min(CAP, z)

    def shift(self, floor: float) -> float:
        """z^2 / 2 of the mean of the last values, whose variance is 0.15 / (2 - 0.15) of that of one."""
        if self.n < 30:
            return 0.0
        spread = (1.2533 * self.deviation + floor) * (0.15 / 1.85) ** 0.5
        return min(CAP_EVIDENCE, ((self.recent - self.centre) / spread) ** 2 / 2.0)


class Rate:
    """How often something happens: counts that fade over a minute and over an hour."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.times: list[float] = []
        self.taught: list[tuple[float, float]] = []  # when, and how much: what is usual

    def expected(self, now: float, since: float) -> float:
        """How many there would be in the last minute, by the hour before it."""
        age = max(MINUTE, now - since)
        seconds = HOUR * (1.0 - exp(-age / HOUR)) - MINUTE * (1.0 - exp(-age / MINUTE))
        before = sum(
            much * (exp(-(now - when) / HOUR) - exp(-(now - when) / MINUTE)) for when, much in self.taught
        )
        return (max(0.0, before) + 0.5) * MINUTE / seconds

    def count(self, now: float) -> float:
        return sum(exp(-(now - time) / MINUTE) for time in self.times)


def surprise_of_count(count: float, expected: float) -> float:
    """Half the deviance of a negative binomial count with a dispersion of 10, if it is above the expected."""
    if count <= expected:
        return 0.0
    return count * log(count / expected) - (count + 10.0) * log((count + 10.0) / (expected + 10.0))


def usual_of(values: list[float], tail: float = 0.0) -> tuple[float, float]:
    """Median, and as much as makes a value rarer by a factor of e, for the furthest quarter of the values.

    It is the least spread, of at least 1, by which no value is rarer than the share of those as high says,
    but for the share `tail` of them that is highest.
    """
    descending = sorted(values, reverse=True)
    centre = sorted(values)[len(values) // 2]
    spread = 1.0
    for higher in range(int(tail * len(values)), len(values) // 4):
        share = (higher + 1.0) / (len(values) + 1.0)
        spread = max(spread, (descending[higher] - centre) / log(0.5 / share))
    return centre, spread


KINDS = ("source_rates", "source_shifts")


class Pool:
    """By how much minutes of all sources, the last 512, are beyond the centres of their sources."""

    def __init__(self) -> None:
        self.beyond: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.spread: dict[str, float] = {}

    def add(self, beyond: dict[str, float]) -> None:
        for kind, value in beyond.items():
            self.beyond[kind].append(value)
            n = len(self.beyond[kind])
            if n >= 60 and n % 16 == 0:
                self.spread[kind] = usual_of(self.beyond[kind][-512:], tail=0.01)[1]


class Evidence:
    """What is unusual about a source over the last minute: rates of its lines, and shifts of its numbers."""

    def __init__(self, now: float, pool: Pool) -> None:
        self.since = self.now = now  # first seen, and up to when it has faded
        self.pool = pool
        self.minute = 0.0
        self.added: dict[Hashable, tuple[str, float, float]] = {}  # kind, nats, when
        self.rates: dict[Hashable, Rate] = {}
        self.seasons: dict[Hashable, DayHours] = {}
        self.peak = dict.fromkeys(KINDS, 0.0)
        self.held: dict[str, float] | None = None  # of the minute before, which the next has yet to confirm
        self.peaks: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.usual: dict[str, tuple[float, float]] = {}
        self.errors = (0.0, now)  # how surprising those of the last minute are if five are usual, when
        self.erred = 0.0  # the minute of the last one
        self.shown = self.told = 0.0  # what was shown last, and the minute of that
        self.suspected = 0.0  # since when
        self.outdated = 0

    def raw(self, kind: str, minute: float | None = None) -> float:
        """All that was added, or what things that were seen in this minute have added."""
        return sum(
            nats * exp(-(self.now - when) / MINUTE)
            for of, nats, when in self.added.values()
            if of == kind and (minute is None or when // MINUTE == minute)
        )

    def beyond(self, kind: str, value: float) -> float:
        """Nats beyond what was usual in the last 64 minutes, of five or more; else of errors alone."""
        if kind not in self.usual:
            nats, when = self.errors
            return nats * exp(-(self.now - when) / MINUTE) if kind == "source_rates" else 0.0
        centre, spread = self.usual[kind]
        return max(0.0, (value - centre) / spread)

    def total(self, values: dict[str, float]) -> float:
        return sum(self.beyond(kind, value) for kind, value in values.items())

    def values(self) -> dict[str, float]:
        return {kind: self.raw(kind) for kind in KINDS}

    def renewed(self) -> float:
        """Nats of what was seen in this minute: the rest is of what is over."""
        if not self.usual and self.erred != self.minute:
            return 0.0
        return self.total({kind: self.raw(kind, self.minute) for kind in KINDS})

    def advance(self, now: float) -> None:
        self.now = max(now, self.now)
        minute = self.now // MINUTE
        if minute == self.minute:
            return
        if self.minute:
            self.close()
        self.minute, self.peak = minute, dict.fromkeys(KINDS, 0.0)
        self.shown = min(self.shown, self.total(self.values()))

    def close(self) -> None:
        """A minute is over, and says whether it and the one before are of trouble."""
        suspicious = self.total(self.peak) >= 7.0
        self.suspected = (self.suspected or self.now) if suspicious else 0.0
        if suspicious and self.is_young_trouble():
            self.held = None
            return
        if self.held is not None:
            self.learn(self.held)
        self.held = self.peak if MINUTE * self.minute >= self.since + MINUTE else None

    def is_young_trouble(self) -> bool:
        """Whether it has not lasted a day, nor twice as long as the source was known before."""
        if not self.usual:
            return False
        known_before = max(0.0, self.suspected - self.since)
        return not self.suspected or self.now - self.suspected < min(DAY, 2.0 * known_before)

    def learn(self, peak: dict[str, float]) -> None:
        if self.usual:
            self.pool.add({kind: value - self.usual[kind][0] for kind, value in peak.items()})
        for kind, value in peak.items():
            self.peaks[kind].append(value)
            n = len(self.peaks[kind])
            if n >= 5:
                centre, spread = usual_of(self.peaks[kind][-64:])
                if len(self.pool.beyond[kind]) >= 76:  # of few minutes, the spread of all sources counts too
                    spread = (n * spread + 60.0 * self.pool.spread[kind]) / (n + 60.0)
                self.usual[kind] = centre, spread

    def count(self, item: Hashable, rates_since: float) -> None:
        rate = self.rates.get(item)
        if rate is None or rate.since < rates_since:
            if item in self.added:  # what it has added goes on to fade
                self.outdated += 1
                self.added["outdated", self.outdated] = self.added.pop(item)
            rate = self.rates[item] = Rate(max(self.now, rates_since))
        season = self.seasons.setdefault(item, DayHours())
        expected = max(rate.expected(self.now, max(rates_since, self.since)), season.usual(self.now))
        rate.times.append(self.now)
        count = rate.count(self.now)
        season.see(self.now, count)
        nats = surprise_of_count(count, expected)
        self.added[item] = ("source_rates", nats, self.now)
        if item == "error":
            self.errors, self.erred = (surprise_of_count(count, 5.0), self.now), self.minute
        trouble = nats >= 1.0 and self.total(self.values()) >= 7.0 and self.is_young_trouble()
        rate.taught.append((self.now, min(1.0, expected / count) if trouble else 1.0))

    def shift(self, slot: Hashable, nats: float) -> None:
        self.added[slot] = ("source_shifts", nats, self.now)

    def grown(self) -> dict[str, float]:
        """Evidence beyond the usual, if it has grown by a nat and by a quarter since it was shown last.

        Once a minute, also if what was seen in that minute is suspicious by itself.
        """
        values = self.values()
        self.peak = {kind: max(peak, values[kind]) for kind, peak in self.peak.items()}
        total = self.total(values)
        again = self.told != self.minute and total >= 7.0 and self.renewed() >= 7.0
        if not again and total < self.shown + max(1.0, 0.25 * self.shown):
            return {}
        self.shown, self.told = total, self.minute
        return {kind: min(CAP_EVIDENCE, self.beyond(kind, value)) for kind, value in values.items()}


class Gaps:
    """Between the events of a source: how long they usually are, and how surprising a longer one is."""

    def __init__(self, now: float) -> None:
        self.last = self.spoke = now  # last: later by as long as nobody spoke
        self.week = WeekHours(now)
        self.events = 0
        self.total = self.longest = 0.0
        self.due = 0.0  # the gap at which a silence is told next, once it was told
        self.pauses: list[tuple[float, float]] = []  # when, and how long: those beyond usual gaps

    def usual(self, now: float) -> float:
        """The longest usual gap, of this hour too, and a second.

        Of pauses, which are known for two days, the longest but one.
        """
        known = sorted(pause for _, pause in self.pauses)
        second = known[-2] if len(known) > 1 and now - self.pauses[-1][0] <= 2 * DAY else 0.0
        return max(self.longest, second, self.week.usual(now)) + 1.0

    def spoken(self, now: float) -> None:
        gap, most = max(0.0, now - self.last), 4.0 * (self.longest + 1.0)
        if self.events >= 50 and gap >= most:
            if self.pauses and now - self.pauses[-1][0] > 2 * DAY:
                self.pauses = []
            self.pauses.append((now, gap))
        self.longest = max(min(gap, most) if self.due else gap, 0.9995 * self.longest)
        self.total += gap
        self.week.spoken(self.spoke, now, gap, bool(self.due))
        self.due = 0.0
        self.events += 1
        self.last = self.spoke = max(now, self.last)

    def next_at(self, now: float) -> float:
        if self.events < 50:
            return inf
        return self.last + (self.due or 4.0 * self.usual(now))

    def silence(self, now: float) -> float:
        """Nats of a gap by a tail that falls off as a power, through the mean gap and the longest of n."""
        gap, usual, mean = now - self.last, self.usual(now), (self.total + 1.0) / self.events
        n = max(2.0, min(self.events, self.total, 1000.0))
        power = min(4.0, max(1.0, log(n) / log(usual / mean))) if usual > mean else 4.0
        nats = log(n) + power * log(gap / usual)
        self.due = min(gap * exp(max(1.0, nats / 4.0) / power), gap + min(240.0, max(15.0, gap / 4.0)))
        if self.due >= min(DAY, self.total):
            self.due = inf
        return nats


@dataclass
class Template:
    first_seen: float


@dataclass
class Source:
    gaps: Gaps
    evidence: Evidence
    previous: str = ""  # template of its last event


@dataclass
class Entity:
    name: str
    first_template: str
    first: float
    last: float
    previous: str = ""
    source: str = ""
    severity: int = 0
    episode: int = 0  # it has ended so often
    templates: set[str] = field(default_factory=set)


@dataclass
class Row:
    """Features of an event, an entity that ended, or a source that fell silent or is unusual; else 0."""

    trigger: str  # "event", "end", "silence" or "source"
    event: int  # index of the event, or of the one whose time brought the row
    time: float
    watermark: float
    template: str
    source: str
    severity: int
    entity: str
    x: dict[str, float]


class Context:
    """All that was ever seen. Features of an event are from what was before it; then it is learnt."""

    def __init__(self, entity_timeout: float) -> None:
        self.entity_timeout = entity_timeout
        self.surprise: defaultdict[Hashable, Surprise] = defaultdict(Surprise)
        self.usual: defaultdict[Hashable, Usual] = defaultdict(Usual)
        self.templates: dict[str, Template] = {}
        self.sources: dict[str, Source] = {}
        self.pool = Pool()
        self.entities: dict[str, Entity] = {}
        self.waiting: dict[str, Entity] = {}  # those that have not ended, in the order of their last events
        self.watermark = nan  # the highest time believed
        self.start = self.rates_since = self.silences_due = 0.0
        self.clocks = NaiveClocks()
        self.begun_in_doubt: list[Entity] = []

    def rows(self, events: Sequence[Event], miner: TemplateMiner) -> Iterator[Row]:
        """Rows of the events in order, before each those that its time brings."""
        ids, shapes = miner.mine([message for _, _, _, _, message, *_ in events])
        for i, (time, severity, source, entity, _, attributes, *_) in enumerate(events):
            time, doubted, *_ = self.clocks.read(time, source)
            before, now = self.watermark, self.advance(nan if doubted else time)
            self.note_pause(doubted, now - before)
            yield from self.ends(i)
            yield from self.silences(i, self.watermark - before)
            template = miner.text(int(ids[i]))
            parameters = zip(shapes.values[i].tolist(), shapes.numbers[i], shapes.measured[i], strict=True)
            known = len(self.entities)
            x = self.template_features(template, [word for word in shapes.words[i].tolist() if word], now)
            x |= self.source_features(source, template, severity, now)
            x |= self.parameter_features(source, template, [p for p in parameters if p[0]], attributes or {})
            x |= self.entity_features(entity, source, template, severity, now) if entity else {}
            if doubted and entity and len(self.entities) > known:
                self.begun_in_doubt.append(self.entities[entity])
            watermark = now if isnan(self.watermark) else self.watermark
            yield Row("event", i, now, watermark, template, source, severity, entity, x)
            if grown := self.sources[source].evidence.grown():
                yield Row("source", i, now, watermark, template, source, severity, "", grown)

    def advance(self, time: float) -> float:
        """Time to take for an event, which the watermark follows; the watermark itself for one without."""
        if isnan(time):
            return 0.0 if isnan(self.watermark) else self.watermark
        if isnan(self.watermark):
            self.watermark = self.start = self.rates_since = time
        if time > self.watermark + HOUR / 2.0:  # a restart: how busy all is, it has yet to show
            self.rates_since = time
        self.watermark = max(time, self.watermark)
        return time

    def note_pause(self, doubted: bool, pause: float) -> None:
        """Entities that began while times were doubted began after the pause that this turns out to be."""
        if doubted:
            return
        for entity in self.begun_in_doubt:
            entity.first += max(0.0, pause)
            entity.last += max(0.0, pause)
        self.begun_in_doubt = []

    def template_features(self, template: str, words: list[int], now: float) -> dict[str, float]:
        known = self.templates.setdefault(template, Template(now))
        age, stream_age = max(0.0, now - known.first_seen), max(0.0, now - self.start)
        return {
            "template_overall": self.surprise["template"](template),
            "template_age": nats((age + MINUTE) / (stream_age + MINUTE)),
            "rarest_word": max([self.surprise["word"](word) for word in words], default=0.0),
        }

    def source_features(self, name: str, template: str, severity: int, now: float) -> dict[str, float]:
        source = self.sources.setdefault(name, Source(Gaps(now), Evidence(now, self.pool)))
        rank = (severity >= 13) + (severity >= 17) + (severity >= 21)  # INFO or less, WARN, ERROR, FATAL
        fatal, lines = self.surprise["severity", name].seen[3], self.surprise["severity", name].seen.total()
        x = {
            "severe": -log((fatal + 1000.0 * exp(-20.0)) / (lines + 1000.0)) if rank == 3 else 0.0,
            "template_in_source": self.surprise["source", name](template),
            "severity_rank": 3.0 * rank,
            "severity_in_source": self.surprise["severity", name](rank),
        }
        if source.gaps.events:
            x["source_transition"] = self.surprise["source after", name, source.previous](template)
        source.evidence.advance(now)
        for item in ("template", template), "event", *(["error"] if rank >= 2 else []):
            source.evidence.count(item, self.rates_since)
        source.gaps.spoken(now)
        source.previous = template
        return x

    def parameter_features(
        self,
        source: str,
        template: str,
        parameters: list[tuple[int, float, bool]],
        attributes: dict[str, float],
    ) -> dict[str, float]:
        """Parameters are values, numbers (NaN for none), and whether these measure; attributes always do."""
        outlier, new = [0.0], [0.0]
        slots = [(place, number, measured) for place, (_, number, measured) in enumerate(parameters)]
        for slot, number, measured in [*slots, *((name, value, True) for name, value in attributes.items())]:
            if not isnan(number):
                usual = self.usual["number", template, slot]
                outlier.append(usual.z(log1p(number) if number >= 0.0 else -log1p(-number), floor=0.1))
                if measured:
                    self.sources[source].evidence.shift((template, slot), usual.shift(floor=0.1))
        for slot, (value, _, _) in enumerate(parameters):
            surprise = self.surprise["value", template, slot]
            total, distinct = surprise.seen.total(), len(surprise.seen)
            if total < 32 or distinct < 0.2 * total:  # else an identifier, of which none is news
                new.append(surprise(value))
        return {"parameter_outlier": max(outlier), "parameter_new": max(new)}

    def entity_features(
        self, name: str, source: str, template: str, severity: int, now: float
    ) -> dict[str, float]:
        x = {}
        is_new = name not in self.entities
        entity = self.entities.setdefault(name, Entity(name, template, now, now))
        if not is_new:
            x["entity_transition"] = self.surprise["entity after", entity.previous](template)
        if name in self.waiting:  # else the pause has counted as an end
            gap = log(max(0.0, now - entity.last) + 0.01)
            x["entity_gap"] = self.usual["gap", entity.previous, template].z(gap, floor=0.5)
        entity.templates.add(template)
        entity.previous, entity.source = template, source
        entity.last, entity.severity = max(now, entity.last), max(severity, entity.severity)
        self.waiting.pop(name, None)
        self.waiting[name] = entity
        return x

    def ends(self, event: int) -> Iterator[Row]:
        """Entities without an event for the timeout, up to the first in line that is still within it."""
        for entity in list(self.waiting.values()):
            time = entity.last + self.entity_timeout
            if not time <= self.watermark:
                break
            del self.waiting[entity.name]
            template, source, severity = entity.previous, entity.source, entity.severity
            x = self.end_features(entity)
            yield Row("end", event, time, self.watermark, template, source, severity, entity.name, x)
            evidence = self.sources[source].evidence
            evidence.advance(time)
            evidence.count(("ends", template), self.rates_since)
            if grown := evidence.grown():
                yield Row("source", event, time, self.watermark, template, source, severity, "", grown)

    def end_features(self, entity: Entity) -> dict[str, float]:
        name = (entity.first_template, min(entity.episode, 3))
        x = {
            "entity_path": self.surprise["path", name](frozenset(entity.templates)),
        }
        duration = log(entity.last - entity.first + 0.1)
        x["entity_duration"] = self.usual["duration", name].z(duration, floor=0.5)
        entity.episode += 1
        return x

    def silences(self, event: int, step: float) -> Iterator[Row]:
        """Sources of 50 events or more whose gap is four times as long as any before, give or take a second.

        It is told again when it says a nat and a quarter more, after a quarter of its time but no sooner than
        after a minute and no later than after four, for a day at most or as long as the source spoke; and
        of several, of the one that is due longest.
        When nobody spoke for a minute, nobody was silent. Gaps are looked at when the first one may be long
        enough, and within a minute.
        """
        if step > MINUTE:
            for source in self.sources.values():
                source.gaps.last += step
        elif self.watermark >= self.silences_due:
            now = self.watermark
            over = {name: source for name, source in self.sources.items() if source.gaps.next_at(now) <= now}
            still = [name for name, source in over.items() if source.gaps.due]
            told = [name for name in over if name not in still]
            told += sorted(still, key=lambda name: over[name].gaps.next_at(now))[:1]
            for name in told:
                x = {"source_silence": over[name].gaps.silence(now)}
                yield Row("silence", event, now, now, over[name].previous, name, 0, "", x)
            due = [source.gaps.next_at(now) for source in self.sources.values()]
            self.silences_due = max(min([now + MINUTE, *due]), now + 1.0)
