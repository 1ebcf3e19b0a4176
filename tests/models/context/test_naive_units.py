"""The compiled evidence of units against its naive twin: the same rows and evidence, on any stream.

A course is what training and production do: units are learnt, then what they lack together, then what
evidence is usual; each is judged by the others, and production goes on from there. Beside it a stream is
judged untrained.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.context.context import PRODUCTION, Context
from models.context.features import NAMES as FEATURES
from models.context.kernel import ENTITY_END, EVENT, OVERDUE
from models.context.reference import CALIBRATE, LEARN, LEAVE_OUT, PAIRS
from models.context.tables import TAG_ALL, TAG_KIND, WAYS, mix
from models.context.templates import TemplateMiner, template_id
from schemas.events import EventBatch
from schemas.events import Row as Event
from tests.models.context.naive_kinds import ALL, KINDS_OF_EVIDENCE, Order, What
from tests.models.context.naive_units import Modes, Row, Units

START, DAY = 1.7e9, 86_400.0
NAMES = tuple(name for name in KINDS_OF_EVIDENCE if name != "error")  # which counts as new, if it says more
COLUMNS = [FEATURES.index(name) for name in NAMES]
TRIGGERS = {EVENT: "event", OVERDUE: "overdue", ENTITY_END: "end"}
BEGINS = ("begin order", "begin refund", "open session")
# states that take more units than the others
LONG = (
    "settled without training", "calibrated by 250 of a kind", "judged more than are remembered",
    "what is usual is settled",
)  # fmt: skip
STEPS = ("check stock", "reserve item", "charge card", "send mail", "commit order")


@dataclass(frozen=True)
class Habits:
    """How the units of a stream behave."""

    seed: int
    units: int
    spacing: float  # s from one unit to the next
    pace: float  # s from one event of a unit to the next
    timeout: float
    odd: float  # share of units that do something odd
    late: float  # share of events that come late
    wake: float  # share of units that go on after their end
    change: str  # what half of them do differently


def unit(rng: random.Random, habits: Habits, changed: bool) -> Iterator[tuple[float, str]]:
    """Pauses and messages of one unit."""
    begin = rng.choices(BEGINS, [70, 25, 5])[0]
    dropped = STEPS[3] if changed and habits.change == "dropped" else ""
    yield 0.0, begin
    for i, step in enumerate(STEPS):
        if step != dropped and rng.random() < (0.97 if (i + len(begin)) % 3 else 0.6):
            for _ in range(rng.choices([1, 2, 3, 9, 20], [80, 10, 5, 4, 1])[0]):
                yield habits.pace * rng.expovariate(1.0), step
    if changed and rng.random() < {"all": 1.0, "some": 0.4}.get(habits.change, 0.0):
        yield habits.pace, f"{habits.change} audited order"


def odd(rng: random.Random, habits: Habits, messages: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """A unit that lacks something, stops, repeats, says something new, or is slow."""
    at = rng.randrange(1, len(messages) + 1)
    what = rng.choice(["lacks", "stops", "repeats", "says", "slow"])
    if what in ("lacks", "stops"):
        return messages[:at] + (messages[at + 2 :] if what == "lacks" else [])
    if what == "repeats":
        return messages[:at] + messages[at - 1 : at] * rng.choice([2, 5, 40]) + messages[at:]
    if what == "slow":
        return [*messages[:at], (0.9 * habits.timeout, "still at work"), *messages[at:]]
    new = [
        (0.0, f"{rng.choice('pqrst')}{rng.choice('abcde')} lost order") for _ in range(rng.randrange(1, 4))
    ]
    return messages[:at] + new + messages[at:]


def stream(habits: Habits, start: float, prefix: str) -> list[Event]:
    """Units one after the other, which may overlap."""
    rng = random.Random(habits.seed)
    happens: list[tuple[float, int, str, str]] = []
    now = start
    for i in range(habits.units):
        now += habits.spacing * rng.expovariate(1.0)
        messages = list(unit(rng, habits, i > habits.units // 2))
        if rng.random() < habits.odd:
            messages = odd(rng, habits, messages)
        if rng.random() < habits.wake:
            again = rng.choices([*STEPS, "woken order"], k=rng.choice([1, 3, 9]))
            pauses = [habits.timeout * rng.uniform(1.1, 4.0), *[habits.pace] * 8]
            messages += zip(pauses, again, strict=False)
        at = now
        for pause, message in messages:
            at += pause
            happens.append((at, len(happens), message, f"{prefix}{i}"))
    events: list[Event] = []
    for at, _, message, entity in sorted(happens):
        stamp = at - rng.uniform(0.0, 2.0 * habits.timeout) if rng.random() < habits.late else at
        severity = 17 if message.endswith("lost order") or message == "woken order" else 9
        events.append((stamp, severity, "s", entity, message, None, 0, 0, ""))
    return events


def order_in(context: Context) -> Order:
    """Which comes first of what is due at one moment: what does in the compiled table."""
    shares = context.state.shares
    used = np.flatnonzero(shares["kind"])
    columns = (shares[name][used].tolist() for name in ("kind", "template", "times"))
    slots = {key: slot for slot, key in enumerate(zip(*columns, strict=True))}

    def order(kind: str, what: What) -> int:
        key = TAG_ALL if kind == ALL else mix(np.uint64(template_id(kind)), TAG_KIND)
        return slots[int(key), template_id(str(what[0])), what[1]]

    return order


def assert_equal(context: Context, twin: Units, events: list[Event]) -> list[Row]:
    """Both say the same of the events. Returns the naive rows."""
    found, triggers, beyond = [], [], []
    for first in range(0, len(events), 999):
        part = EventBatch.of(events[first : first + 999])
        rows = context.update(part)
        of_units = np.flatnonzero(rows.of_entity)
        names = context.names(part, rows)
        found += [
            (
                TRIGGERS[int(rows.trigger[i])], first + int(rows.event[i]), names[i][1],
                context.miner.text(int(rows.template[i])),
            )
            for i in of_units.tolist()
        ]  # fmt: skip
        triggers.append(np.stack([rows.time[of_units], rows.watermark[of_units]], axis=1))
        beyond.append(rows.x[of_units][:, COLUMNS])
    twin.order = order_in(context)
    expected = list(twin.rows(events, TemplateMiner()))
    for one, row in zip(found, expected, strict=False):
        assert one == (row.trigger, row.event, row.entity, row.template)
    assert len(found) == len(expected)
    times = np.array([(row.time, row.watermark) for row in expected])
    np.testing.assert_allclose(np.concatenate(triggers), times, rtol=0.0, atol=1e-5)
    x = np.array([[row.x.get(name, 0.0) for name in NAMES] for row in expected])
    wrong = np.argwhere(np.abs(np.concatenate(beyond) - x) > 1e-3)
    assert not len(wrong), [
        (NAMES[column], np.concatenate(beyond)[row, column], expected[row]) for row, column in wrong[:3]
    ]
    for table in (context.state.templates, context.state.shares, context.state.kinds, context.state.entities):
        # the twin forgets nothing: no bucket may have pushed anything out
        assert (table["key"].reshape(-1, WAYS) != 0).sum(1).max() < WAYS
    return expected


def fresh(habits: Habits, mode: int) -> tuple[Context, Units]:
    modes = Modes(*(bool(mode & bit) for bit in (LEARN, CALIBRATE, PAIRS, LEAVE_OUT)))
    return Context(TemplateMiner(), habits.timeout, mode), Units(habits.timeout, modes, lambda _, __: 0)


def untrained(habits: Habits) -> Iterator[tuple[Units, list[Row]]]:
    context, twin = fresh(habits, PRODUCTION)
    yield twin, assert_equal(context, twin, stream(habits, START, "a"))


def course(habits: Habits, later: Habits) -> Iterator[tuple[Units, list[Row]]]:
    """Training, each time with what was learnt before, and then production in a stream of another time."""
    events = stream(habits, START, "a")
    context, twin = fresh(habits, LEARN)
    yield twin, assert_equal(context, twin, events)
    for mode in (PAIRS, CALIBRATE | LEAVE_OUT, LEAVE_OUT):
        (before, twin_before), (context, twin) = (context, twin), fresh(habits, mode)
        context.refer_to(before.reference())
        twin_before.order = order_in(before)
        twin.refer_to(twin_before)
        yield twin, assert_equal(context, twin, events)
    (before, twin_before), (context, twin) = (context, twin), fresh(habits, PRODUCTION)
    context.restore(before.dump())
    events = stream(later, START + 1e7, "b")
    twin.go_on(twin_before, events[0][0])
    yield twin, assert_equal(context, twin, events)


def reached(twin: Units, rows: list[Row]) -> dict[str, bool]:
    """Which of the states that the code is about a stream has led to."""
    units, kinds = twin.units.values(), twin.kinds.values()
    own = [kind for kind in kinds if kind.name != ALL]
    shares = [(what, share) for kind in kinds for what, share in kind.shares.items()]
    pairs = [pair for kind in kinds for pair in kind.pairs.values()]
    due = [due for kind in kinds for due in kind.deadlines]
    return {
        **{name: any(row.x.get(name, 0.0) > 1.0 for row in rows) for name in NAMES},
        **{trigger: any(row.trigger == trigger for row in rows) for trigger in TRIGGERS.values()},
        "judged by a kind of its own": any(unit.kind != ALL for unit in units),
        "went on after its end": any(unit.episode > 1 for unit in units),
        "several deadlines in one step": any(one.age != one.step for one in due),
        "sometimes lacks one thing as it lacks another": any(0 < pair.both < pair.before for pair in pairs),
        "settled": any(kind.settled for kind in own),
        "learnt apart": any(kind.ended > kind.units for kind in own),
        "believed by now": any(share.believed for _, share in shares),
        "a word believed by now": any(share.believed for (_, times), share in shares if not times),
        "due no more": any(one.lacking == kind.built for kind in own for one in kind.deadlines),
        "older than a week": any(not kind.settled and rows[-1].time - kind.since > 8 * DAY for kind in own),
        **{
            LONG[0]: any(kind.settled and not kind.certain and kind.units >= 1000 for kind in kinds),
            LONG[1]: any(kind.certain and len(kind.judged) >= 250 for kind in own),
            LONG[2]: any(len(kind.judged) > 600 for kind in kinds),
            LONG[3]: any(1000 <= len(kind.judged) < 0.99 * kind.ended for kind in kinds if not kind.certain),
        },
    }


HABITS = st.builds(
    Habits,
    seed=st.integers(0, 2**16),
    units=st.sampled_from([60, 150, 250]),
    spacing=st.sampled_from([0.5, 20.0, 2000.0, 9000.0]),
    pace=st.sampled_from([0.1, 3.0]),
    timeout=st.sampled_from([10.0, 60.0]),
    odd=st.sampled_from([0.0, 0.05, 0.3]),
    late=st.sampled_from([0.0, 0.05]),
    wake=st.sampled_from([0.0, 0.1]),
    change=st.sampled_from(["", "all", "some", "dropped"]),
)


def test_any_streams() -> None:
    seen: Counter[str] = Counter()

    @settings(derandomize=True, deadline=None, max_examples=20, database=None, phases=(Phase.generate,))
    @given(HABITS, HABITS)
    def hold(habits: Habits, later: Habits) -> None:
        for twin, rows in (*untrained(habits), *course(habits, replace(later, timeout=habits.timeout))):
            seen.update(reached(twin, rows))

    hold()
    assert {state for state, times in seen.items() if times < 5} <= {*LONG}, seen


def test_long_streams() -> None:
    seen: Counter[str] = Counter()
    habits = Habits(2, 1500, 5.0, 0.3, 30.0, odd=0.1, late=0.02, wake=0.03, change="some")
    later = replace(habits, units=450, seed=3, spacing=2000.0)
    for twin, rows in (*untrained(habits), *course(replace(habits, units=1100), later)):
        seen.update(reached(twin, rows))
    assert all(seen[state] for state in LONG), seen
