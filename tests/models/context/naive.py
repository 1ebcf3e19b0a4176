"""What every surprise feature is, in plain Python: the definition that the compiled context has to meet.

Nothing here is bounded or fast: all that was ever seen stays in dictionaries, under its own name. Figures are
written out rather than taken from models/, so that a change of one there shows. Times are seconds of event
time, surprises are nats, -log p. Only what a message consists of is left to the template miner.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, isnan, log, log1p, nan

from models.context.templates import TemplateMiner
from schemas.events import Row as Event

CAP = 30.0  # no feature says more than this
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
        return min(CAP, ((self.recent - self.centre) / spread) ** 2 / 2.0)


class Rate:
    """How often something happens: counts that fade over a minute and over an hour."""

    def __init__(self) -> None:
        self.minute = self.hour = self.time = self.since = 0.0
        self.usual = Usual()

    def burst(self, now: float, rates_since: float) -> float:
        """Robust z of log(events of the last minute / those of a minute of the last hour), if above 0.

        Rates start afresh at a restart of the stream, and then have to settle for two minutes.
        """
        if self.since < rates_since or self.time == 0.0:
            self.minute = self.hour = 0.0
            self.time = self.since = max(now, rates_since)
        passed = max(0.0, now - self.time)
        self.time = max(now, self.time)
        self.minute = self.minute * exp(-passed / MINUTE)
        self.hour = self.hour * exp(-passed / HOUR)
        age = max(MINUTE, now - rates_since)
        usual = 0.5 + self.hour * MINUTE / (HOUR * (1.0 - exp(-age / HOUR)))  # of as much as passed of it
        self.minute += 1.0
        self.hour += 1.0
        ratio = log((self.minute + 1.0) / (usual + 1.0))
        z = self.usual.z(ratio, floor=0.3)
        return z if ratio > 0.0 and age > 2.0 * MINUTE else 0.0


@dataclass
class Template:
    first_seen: float
    shown: int = 0  # how often an entity showed it
    ends: int = 0  # how often it was the last one of an entity
    reached: Counter[int] = field(default_factory=Counter)  # how many entities have shown it so often


@dataclass
class Source:
    last: float  # time of its last event
    previous: str = ""  # template of that
    events: int = 0
    longest_gap: float = 0.0
    silent: bool = False


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
    counts: Counter[str] = field(default_factory=Counter)  # of its first 16 templates


@dataclass
class Kind:
    """Entities that began alike and have ended as often: they should go alike."""

    ended: int = 0
    # for its first 24 templates, how many entities showed each 1, 2, 3, 4, and 5 times or more
    counts: dict[str, Counter[int]] = field(default_factory=dict)


@dataclass
class Row:
    """Features of an event, or of an entity that ended or a source that fell silent; others are 0."""

    trigger: str  # "event", "end" or "silence"
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
        self.rates: defaultdict[Hashable, Rate] = defaultdict(Rate)
        self.kinds: defaultdict[Hashable, Kind] = defaultdict(Kind)
        self.templates: dict[str, Template] = {}
        self.sources: dict[str, Source] = {}
        self.entities: dict[str, Entity] = {}
        self.waiting: dict[str, Entity] = {}  # those that have not ended, in the order of their last events
        self.watermark = nan  # the highest time believed
        self.start = self.rates_since = self.silences_due = 0.0
        self.doubted = 0  # times in a row that were too far ahead to be believed

    def rows(self, events: Sequence[Event], miner: TemplateMiner) -> Iterator[Row]:
        """Rows of the events in order, before each those that its time brings."""
        ids, shapes = miner.mine([message for _, _, _, _, message, *_ in events])
        for i, (time, severity, source, entity, _, attributes, *_) in enumerate(events):
            before, now = self.watermark, self.advance(time)
            yield from self.ends(i)
            yield from self.silences(i, self.watermark - before)
            template = miner.text(int(ids[i]))
            parameters = zip(shapes.values[i].tolist(), shapes.numbers[i], shapes.measured[i], strict=True)
            x = self.template_features(template, [word for word in shapes.words[i].tolist() if word], now)
            x |= self.source_features(source, template, severity, now)
            x |= self.parameter_features(template, [p for p in parameters if p[0]], attributes or {})
            x |= self.entity_features(entity, source, template, severity, now) if entity else {}
            watermark = now if isnan(self.watermark) else self.watermark
            yield Row("event", i, now, watermark, template, source, severity, entity, x)

    def advance(self, time: float) -> float:
        """Time to take for an event, which the watermark follows.

        It is the watermark for an event without a time, and for one a day ahead unless five in a row were.
        """
        if isnan(time):
            return 0.0 if isnan(self.watermark) else self.watermark
        if isnan(self.watermark):
            self.watermark = self.start = self.rates_since = time
        if time > self.watermark + DAY and self.doubted < 5:
            self.doubted += 1
            return self.watermark
        self.doubted = 0
        if time > self.watermark + HOUR / 2.0:  # a restart: how busy all is, it has yet to show
            self.rates_since = time
        self.watermark = max(time, self.watermark)
        return time

    def template_features(self, template: str, words: list[int], now: float) -> dict[str, float]:
        known = self.templates.setdefault(template, Template(now))
        age, stream_age = max(0.0, now - known.first_seen), max(0.0, now - self.start)
        return {
            "template_overall": self.surprise["template"](template),
            "template_age": nats((age + MINUTE) / (stream_age + MINUTE)),
            "rarest_word": max([self.surprise["word"](word) for word in words], default=0.0),
            "template_burst": self.rates["template", template].burst(now, self.rates_since),
        }

    def source_features(self, name: str, template: str, severity: int, now: float) -> dict[str, float]:
        source = self.sources.setdefault(name, Source(now))
        rank = (severity >= 13) + (severity >= 17) + (severity >= 21)  # INFO or less, WARN, ERROR, FATAL
        x = {
            "template_in_source": self.surprise["source", name](template),
            "source_burst": self.rates["source", name].burst(now, self.rates_since),
            "severity_rank": 3.0 * rank,
            "severity_in_source": self.surprise["severity", name](rank),
        }
        if source.events:
            x["source_transition"] = self.surprise["source after", name, source.previous](template)
        if rank >= 2:
            x["error_burst"] = self.rates["errors", name].burst(now, self.rates_since)
        if not source.silent:  # else the gap was no usual one
            source.longest_gap = max(now - source.last, 0.9995 * source.longest_gap)
        source.silent, source.previous = False, template
        source.events += 1
        source.last = max(now, source.last)
        return x

    def parameter_features(
        self, template: str, parameters: list[tuple[int, float, bool]], attributes: dict[str, float]
    ) -> dict[str, float]:
        """Parameters are values, numbers (NaN for none), and whether these measure; attributes always do."""
        outlier, shift, new = [0.0], [0.0], [0.0]
        slots = [(place, number, measured) for place, (_, number, measured) in enumerate(parameters)]
        for slot, number, measured in [*slots, *((name, value, True) for name, value in attributes.items())]:
            if not isnan(number):
                usual = self.usual["number", template, slot]
                outlier.append(usual.z(log1p(number) if number >= 0.0 else -log1p(-number), floor=0.1))
                shift.append(usual.shift(floor=0.1) if measured else 0.0)
        for slot, (value, _, _) in enumerate(parameters):
            surprise = self.surprise["value", template, slot]
            total, distinct = surprise.seen.total(), len(surprise.seen)
            if total < 32 or distinct < 0.2 * total:  # else an identifier, of which none is news
                new.append(surprise(value))
        return {"parameter_outlier": max(outlier), "parameter_shift": max(shift), "parameter_new": max(new)}

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
        known = self.templates[template]
        known.shown += 1
        if template in entity.counts or len(entity.counts) < 16:
            entity.counts[template] += 1
            count = entity.counts[template]
            if count in (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128):
                if count > 1 and known.reached[1]:
                    x["entity_repeats"] = nats((known.reached[count] + 0.5) / (known.reached[1] + 1.0))
                known.reached[count] += 1
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

    def end_features(self, entity: Entity) -> dict[str, float]:
        template = self.templates[entity.previous]
        name = (entity.first_template, min(entity.episode, 3))
        kind = self.kinds[name]
        missing = surprise = 0.0  # sums of -log p over the templates, as if each came by itself
        for known, counts in kind.counts.items():
            count, absent = min(5, entity.counts[known]), max(0, kind.ended - counts.total())
            surprise -= log(((counts[count] if count else absent) + 0.5) / (kind.ended + 3.0))
            missing += 0.0 if count else nats((absent + 0.5) / (kind.ended + 1.0))
        for shown, count in entity.counts.items():
            if shown not in kind.counts and len(kind.counts) < 24:
                kind.counts[shown] = Counter()
                surprise += log(kind.ended + 3.0)
            if shown in kind.counts:
                kind.counts[shown][min(5, count)] += 1
        x = {
            "unexpected_end": nats((template.ends + 0.5) / (template.shown + 1.0)),
            "missing_templates": min(CAP, missing),
            "entity_counts": self.usual["counts", name].z(surprise, floor=1.0),
            "entity_path": self.surprise["path", name](frozenset(entity.counts)),
        }
        duration = log(entity.last - entity.first + 0.1)
        x["entity_duration"] = self.usual["duration", name].z(duration, floor=0.5)
        template.ends += 1
        kind.ended += 1
        entity.episode += 1
        return x

    def silences(self, event: int, step: float) -> Iterator[Row]:
        """Sources of 50 events or more whose gap is four times as long as any before, give or take a second.

        When nobody spoke for a minute, nobody was silent. Gaps are looked at when the first one may be long
        enough, and within a minute.
        """
        if step > MINUTE:
            for source in self.sources.values():
                source.last += step
        elif self.watermark >= self.silences_due:
            due = self.watermark + MINUTE
            for name, source in self.sources.items():
                gap, usual = self.watermark - source.last, source.longest_gap + 1.0
                if source.silent or source.events < 50:
                    continue
                if gap < 4.0 * usual:
                    due = min(due, source.last + 4.0 * usual)
                    continue
                source.silent = True
                x = {"source_silence": min(CAP, gap * log(min(source.events, 1000)) / usual)}
                yield Row("silence", event, self.watermark, self.watermark, source.previous, name, 0, "", x)
            self.silences_due = max(due, self.watermark + 1.0)
