"""What units of a kind show, and what evidence is usual of them, in plain Python.

As in tests/models/context/naive.py nothing is bounded or fast, and figures are written out rather than taken
from models/. A kind is that of the units that began with one template, or that of all units. Times are
seconds.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, inf, log
from typing import TypeAlias

import numpy as np

from tests.models.context.naive import DAY, usual_of

KINDS_OF_EVIDENCE = ("unit_new", "unit_overdue", "unit_repeats", "unit_ending", "error")
ALL = ""  # the kind of all units

# What a unit may show: a template so many times, or a word, 0 times, or a template as an error, -1 times.
What: TypeAlias = tuple[str | int, int]
# Which of two things that are due at one moment comes first means nothing, yet it is to be the same in both.
Order: TypeAlias = Callable[[str, What], int]


def nats_of_share(count: float, units: float) -> float:
    return -log((count + 0.5) / (units + 1.0))


def is_milestone(times: int) -> bool:
    """Counts that are kept: 1, 2, ... 8, 16, ... 1024."""
    return times <= 8 or times in (16, 32, 64, 128, 256, 512, 1024)


def milestone_before(times: int) -> int:
    return times - 1 if times <= 8 else times // 2


class Times:
    """Times of which only the bin is known: the first up to 0.25 s, each 1.5 times as far as the last."""

    edges = tuple(0.25 * 1.5**i for i in range(32))

    def __init__(self) -> None:
        self.bins = [0] * 32

    def add(self, time: float) -> None:
        self.bins[min(31, bisect_left(self.edges, time))] += 1

    def quantile(self, share: float) -> float:
        """The time that a share of them did not exceed, as if they were spread evenly in each bin."""
        rest = share * sum(self.bins)
        for lower, upper, n in zip([0.0, *self.edges], self.edges, self.bins, strict=False):
            if rest <= n:
                return lower + (upper - lower) * rest / max(1, n)
            rest -= n
        raise AssertionError("a share of them is not more than all")

    def deadline(self) -> float:
        """As far, as a ratio, beyond the 99% quantile as that is beyond the 90% one; both a second later."""
        return (self.quantile(0.99) + 1.0) ** 2 / (self.quantile(0.9) + 1.0)


@dataclass
class Shown:
    """A template in a unit: when it was shown (age of the unit), and how many of those times are learnt."""

    ages: list[float] = field(default_factory=list)
    learnt: int = 0

    @property
    def times(self) -> int:
        return len(self.ages)


@dataclass(eq=False)
class Unit:
    name: str
    serial: int
    first_template: str
    kind: str  # that it is judged by
    judged: bool  # whether anything was known of that when it began
    first: float
    last: float
    previous: str = ""  # template
    episode: int = 0  # it has ended so often
    longest_pause: float = 0.0  # before it ended first
    templates: dict[str, Shown] = field(default_factory=dict)
    words: set[int] = field(default_factory=set)  # those that have counted as new
    errors: dict[str, bool] = field(default_factory=dict)  # templates at level ERROR, and whether learnt
    evidence: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS_OF_EVIDENCE, 0.0))
    shown: float = 0.0  # evidence when it was shown last
    look_at: float = inf  # when it is looked at next, if it shows nothing until then
    quiet_at: float = inf  # when it is quiet for longer than units of its kind ever are
    passed: float = -1.0  # age up to which deadlines have been looked at
    step: float = -1.0  # that of the last deadline missed, the nats of that step and of all so far
    step_nats: float = 0.0
    steps: float = 0.0

    def lacks(self, what: What) -> bool:
        template, times = what
        return template not in self.templates or self.templates[str(template)].times < times


@dataclass
class Share:
    """In how many units of a kind something was shown."""

    n: float = 0.0
    early: int = 0  # by their first end, at these ages
    ages: Times = field(default_factory=Times)
    last: int = 0  # serial number of the unit counted last
    apart: int = 0  # counted apart, since when, and when so many units of the kind had ended
    since: float = 0.0
    ended: int = 0
    believed: int = 0  # so often what was counted apart became usual


@dataclass
class Deadline:
    """What units of a kind have shown by an age; of how many units it was lacking."""

    what: What
    age: float
    step: float  # age of the first deadline of those that count as one
    lacking: float
    lacking_in_a_row: int = 0
    since: float = 0.0


@dataclass
class Pair:
    """Of so many units that lacked one thing, how many lacked the next one too."""

    before: int = 0
    both: int = 0


class Kind:
    """What units of one kind have shown."""

    def __init__(self, name: str, since: float) -> None:
        self.name, self.since = name, since
        self.ended = self.units = 0  # those learnt are fewer, as some are learnt apart
        self.settled = self.certain = False
        self.errors = 0  # different ones that units have shown
        self.pauses = Times()  # the longest of each unit
        self.shares: dict[What, Share] = {}
        self.pairs: dict[tuple[What, What], Pair] = {}
        self.deadlines: list[Deadline] = []
        self.built = 0  # units that these were made of
        self.quiet = 0.0
        self.judged: list[dict[str, float]] = []  # evidence of units that ended, in single precision
        self.usual: dict[str, tuple[float, float]] = {}  # centre and spread

    def shown_by(self, what: What, but: int) -> float:
        """How many units have shown something; `but` 1 leaves one out."""
        return max(0.0, self.shares[what].n - but) if what in self.shares else 0.0

    def nats_of_error(self, template: str, but: int) -> float:
        """Of all units that ever ended, so many have shown this error, or were the first to show another."""
        share = self.shares.get((template, -1), Share())
        shown = share.apart + share.n * self.ended / max(1, self.units)
        first = self.errors - (but if (template, -1) in self.shares and shown <= but else 0)
        return max(0.0, nats_of_share(max(0.0, shown - but) + first, max(0, self.ended - but)))

    def nats_lacking(self, due: Deadline, but: int) -> float:
        return max(0.0, nats_of_share(max(0.0, due.lacking - but), max(0, self.built - but)))

    def nats_lacking_too(self, due: Deadline, before: Deadline, but: int) -> float:
        """That a unit lacks something, as it lacks what is due before; any unit counts as one more."""
        pair = self.pairs.get((before.what, due.what), Pair())
        any_unit = exp(-self.nats_lacking(due, but))
        return -log((max(0, pair.both - but) + any_unit) / (max(0, pair.before - but) + 1.0))

    def is_apart(self, unit: Unit, suspicious: bool, judges: int) -> bool:
        """Whether a unit that ends is learnt apart; its kind is made of so many units."""
        if self.settled:
            return True
        if self.ended >= 20 and unit.last - self.since >= 7 * DAY:
            return False
        return suspicious and judges >= 100

    def learn(self, unit: Unit, apart: bool, words: dict[str, list[int]]) -> None:
        """What a unit that ended has shown since it ended last; its templates consist of words."""
        first = unit.episode == 0
        if first:
            self.ended += 1
            if not apart:
                self.units += 1
                self.pauses.add(unit.longest_pause)
        for template, shown in unit.templates.items():
            if not shown.learnt:
                for word in words[template]:
                    self.count((word, 0), unit, apart)
            for times in filter(is_milestone, range(shown.learnt + 1, shown.times + 1)):
                share = self.count((template, times), unit, apart)
                if first and not apart and times <= 3:
                    share.early += 1
                    share.ages.add(shown.ages[times - 1])
        for template in (template for template, learnt in unit.errors.items() if not learnt):
            self.errors += (template, -1) not in self.shares
            self.count((template, -1), unit, apart)

    def count(self, what: What, unit: Unit, apart: bool) -> Share:
        """One more unit that shows something.

        It counts once; but again for a word of a further template if it wakes after others have shown that.
        """
        share = self.shares.setdefault(what, Share())
        if share.last == unit.serial:
            return share
        share.last = unit.serial
        if not apart:
            share.n += 1.0
            return share
        if not share.apart:
            share.since, share.ended = unit.last, self.ended - 1
        share.apart += 1
        part, days = share.apart / (self.ended - share.ended), (unit.last - share.since) / DAY
        if share.apart >= 20 and (days >= 7.0 or (days >= 1.0 and part >= 0.8)):
            share.n = max(share.n, self.units * part)
            share.apart = 0
            share.believed += 1
        return share

    def build(self, order: Order) -> None:
        """What half of the units have shown by their first end is due. What is due close by is one step."""
        early = [(what, share) for what, share in self.shares.items() if share.early]
        usual = [
            (share.ages.deadline(), order(self.name, what), what, share)
            for what, share in early
            if share.early >= 0.5 * self.units
        ]
        self.deadlines = []
        age = step = -inf
        for deadline, _, what, share in sorted(usual, key=lambda due: due[:2]):
            age = max(deadline, age + 1e-5)
            if age > 1.1 * step + 1.0:
                step = age
            self.deadlines.append(Deadline(what, age, step, max(0.0, self.units - share.early)))
        self.built, self.quiet = self.units, self.pauses.deadline()

    def learn_pairs(self, unit: Unit, apart: bool) -> None:
        for before, due in pairwise(self.deadlines):
            if unit.lacks(before.what) and not apart:
                pair = self.pairs.setdefault((before.what, due.what), Pair())
                pair.before += 1
                pair.both += unit.lacks(due.what)

    def learn_lacks(self, unit: Unit, but: int) -> None:
        """What twenty units in a row lack, over a day, is due no more."""
        for due in self.deadlines:
            if not unit.lacks(due.what) or not self.nats_lacking(due, but):
                due.lacking_in_a_row = 0
                continue
            if not due.lacking_in_a_row:
                due.since = unit.last
            due.lacking_in_a_row += 1
            if due.lacking_in_a_row >= 20 and unit.last - due.since >= DAY:
                due.lacking = self.built

    def learn_usual(self, evidence: dict[str, float], suspicious: bool) -> None:
        if self.certain or (suspicious and len(self.judged) >= 1000):
            return
        self.judged.append({kind: float(np.float32(nats)) for kind, nats in evidence.items()})
        if len(self.judged) >= 5 and (len(self.judged) < 16 or len(self.judged) % 16 == 0):
            self.settle(0.0)

    def settle(self, tail: float) -> None:
        """What is usual of the last 512 units, but for the share of them that has most."""
        last = self.judged[-512:]
        for kind in KINDS_OF_EVIDENCE:
            self.usual[kind] = usual_of([evidence[kind] for evidence in last], tail)

    def beyond(self, evidence: dict[str, float]) -> dict[str, float]:
        """Nats beyond what is usual."""
        beyond = {
            kind: max(0.0, (evidence[kind] - centre) / spread)
            for kind, (centre, spread) in self.usual.items()
        }
        error = beyond.pop("error", 0.0)  # is new, too: what says more counts
        return {kind: max(nats, error) if kind == "unit_new" else nats for kind, nats in beyond.items()}

    def shift(self, by: float) -> None:
        """Go on in a stream of another time."""
        self.since += by
        for share in self.shares.values():
            share.since += by
        for due in self.deadlines:
            due.since += by
