"""The compiled context against its naive twin: the same rows with the same features, on any stream."""

import math
import random
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.context.context import Context
from models.context.features import EVIDENCE_COLUMNS
from models.context.features import NAMES as FEATURES
from models.context.kernel import OVERDUE
from models.context.tables import WAYS
from models.context.templates import TemplateMiner
from schemas.events import EventBatch
from schemas.events import Row as Event
from tests.models.context import naive

START = 1.7e9
TRIGGERS = ("event", "end", "silence", "overdue", "source")
# what a row says by itself, and what it says of its source
NAMES = (*FEATURES[: EVIDENCE_COLUMNS.start], "source_rates", "source_shifts", "severe", "source_silence")
COLUMNS = [FEATURES.index(name) for name in NAMES]


def compiled_rows(events: list[Event], timeout: float, batch: int) -> list[naive.Row]:
    """Rows of the compiled context, fed in batches, as the naive one gives them."""
    # nothing is learnt of units: whether one is under suspicion, the twin does not know
    context = Context(TemplateMiner(), timeout, mode=0)
    found = []
    for first in range(0, len(events), batch):
        part = EventBatch.of(events[first : first + batch])
        rows = context.update(part)
        columns = (rows.trigger, rows.event, rows.time, rows.watermark, rows.template, rows.severity, rows.x)
        for (source, entity), *row in zip(
            context.names(part, rows), *(column.tolist() for column in columns), strict=True
        ):
            trigger, event, time, watermark, template, severity, x = row
            if trigger == OVERDUE:  # a row of evidence alone
                continue
            said = {name: x[column] for name, column in zip(NAMES, COLUMNS, strict=True)}
            found.append(
                naive.Row(
                    TRIGGERS[trigger], first + event, time, watermark, context.miner.text(template),
                    source, severity, entity, said,
                )
            )  # fmt: skip
    state = context.state
    for table in (state.counts, state.moments, state.templates, state.sources, state.rates, state.entities):
        # the twin forgets nothing: no bucket may have pushed anything out
        assert (table["key"].reshape(-1, WAYS) != 0).sum(1).max() < WAYS
    return found


def in_one_order(rows: Iterable[naive.Row]) -> Iterator[naive.Row]:
    """Sources that fall silent at one moment do so in no order that means anything: here, by name."""
    for _, moment in groupby(rows, lambda row: (row.event, row.trigger)):
        yield from sorted(moment, key=lambda row: row.source if row.trigger == "silence" else "")


def header(row: naive.Row) -> tuple[object, ...]:
    return (
        row.trigger, row.event, row.time, row.watermark, row.template, row.source, row.severity, row.entity,
    )  # fmt: skip


def dense(rows: list[naive.Row]) -> np.ndarray:
    assert {name for row in rows for name in row.x} <= set(NAMES)
    return np.array([[row.x.get(name, 0.0) for name in NAMES] for row in rows])


def assert_equal(events: list[Event], timeout: float, batch: int = 10_000) -> list[naive.Row]:
    """Both definitions give the same rows for the events. Returns the naive ones."""
    expected = list(in_one_order(naive.Context(timeout).rows(events, TemplateMiner())))
    actual = list(in_one_order(compiled_rows(events, timeout, batch)))
    for one, other in zip(actual, expected, strict=False):
        assert header(one) == header(other)
    assert len(actual) == len(expected)
    wrong = np.argwhere(np.abs(dense(actual) - dense(expected)) > 1e-3)
    assert not len(wrong), [
        (NAMES[column], actual[row].x[NAMES[column]], expected[row]) for row, column in wrong[:3]
    ]
    return expected


# A stretch of a stream: so many events alike, with so many seconds from one to the next.
STRETCH = st.fixed_dictionaries({
    "times": st.integers(1, 60),
    "step": st.sampled_from([0.0, 0.02, 1.0, 5.0, 7.0, 45.0, 70.0, 2000.0]),
    "off": st.sampled_from([0.0, 100.0, 4000.0, 200_000.0, -30.0, math.nan]),  # of the times of some events
    "share": st.sampled_from([0.0, 0.1, 1.0]),
    "source": st.sampled_from(["api", "db", "bücher"]),
    "entity": st.sampled_from(["", "one", "ß{n}", "of three {m}", "two in a row {h}"]),
    "message": st.sampled_from([
        "open", "close", "read {k}", "took {m}.5 ms", "took {k}.25s", "zone eu{m} up", "step {m} of {k}", "",
        "a b c", "say say", "é -{k}, 2, 3", "{word} it",
    ]),
    "severity": st.sampled_from([0, 9, 9, 12, 13, 16, 17, 20, 21, 24]),
    "attributes": st.sampled_from([(), ("heap",), ("heap", "load")]),
})  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """A few stretches one after the other, maybe several times."""
    rng = random.Random(draw(st.integers(0, 2**16)))
    now = START
    events: list[Event] = []
    for stretch in draw(st.lists(STRETCH, min_size=1, max_size=8)) * draw(st.integers(1, 4)):
        for i in range(stretch["times"]):
            now += stretch["step"]
            time = now + stretch["off"] if rng.random() < stretch["share"] else now
            varied = {"k": rng.randrange(1000), "m": rng.randrange(3), "n": len(events), "h": i // 2}
            word = rng.choice("pqrst") + rng.choice("abcdefgh")
            message = stretch["message"].format(word=word, **varied)
            numbers = {name: rng.gauss(10.0, 20.0) for name in stretch["attributes"]} or None
            entity = stretch["entity"].format(**varied)
            events.append((time, stretch["severity"], stretch["source"], entity, message, numbers, 0, 0, ""))
    return events


@settings(derandomize=True, deadline=None, max_examples=150, database=None, phases=(Phase.generate,))
@given(streams(), st.sampled_from([5.0, 60.0, 1000.0]), st.sampled_from([7, 10_000]))
def test_stretches(events: list[Event], timeout: float, batch: int) -> None:
    assert_equal(events, timeout, batch)


def stamp(rng: random.Random, now: float) -> float:
    """The time that an event bears: mostly its own."""
    return rng.choices(
        [now, now - rng.uniform(0.0, 90.0), math.nan, now + 400 * 86_400.0], [0.9, 0.06, 0.02, 0.02]
    )[0]


def request(rng: random.Random) -> Iterator[str]:
    """Messages of one request: some steps come twice, some lack, some requests never commit."""
    yield rng.choice(["begin order", "begin order", "begin refund"])
    for step in ("check stock", "reserve item 7", "charge card", "send mail"):
        if rng.random() < 0.9:
            yield from [step] * rng.choices([1, 2, 3, 9, 70], [80, 10, 5, 4, 1])[0]
    if rng.random() < 0.1:
        yield from (f"odd step {a}{b}" for a in "abcd" for b in rng.sample("stuvwxyz", 5))
    if rng.random() < 0.9:
        yield "commit order"


def requests(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Entity and message of requests, a few at a time; some go on after their end."""
    count = 0
    live: list[tuple[str, Iterator[str]]] = []
    ended: list[str] = []
    while True:
        if len(live) < 5:
            count += 1
            name = rng.choice(ended) if ended and rng.random() < 0.3 else f"request {count}"
            live.append((name, request(rng)))
        name, messages = rng.choice(live)
        message = next(messages, "")
        if message:
            yield name, message
        else:
            live.remove((name, messages))
            ended.append(name)


def chatter(rng: random.Random, slow: bool) -> tuple[str, dict[str, float] | None]:
    """A message without an entity, and its attributes."""
    took = rng.gauss(60.0 if slow else 30.0, 4.0) * rng.choices([1.0, 50.0], [99, 1])[0]
    attributes = {"heap": rng.gauss(9.0, 1.0), "load": rng.choices([0.5, -80.0], [99, 1])[0]}
    return rng.choices(
        [
            (f"query took {took:.1f}ms", None),
            (f"zone eu{rng.choices([1, 2, 3, rng.randrange(99)], [40, 30, 29, 1])[0]} is up", None),
            (f"peers 10.0.0.{rng.randrange(9)}, 10.0.0.{rng.randrange(9)}: job j{rng.random():.9f}", None),
            ("all is well", attributes),
            (f"shard s{rng.randrange(7)} moved", None),  # 7 values in 32: just about identifiers
            ("cache hit", None),
            ("".join(rng.choices("abcdefgh", k=2)) + " is a word", None),
        ],
        [30, 20, 10, 20, 10, 20, 1],
    )[0]


def eventful(seed: int, size: int) -> list[Event]:
    """A stream in which all happens: bursts, errors, outages, slowness, pauses, restarts, and wrong times."""
    rng = random.Random(seed)
    entities = requests(rng)
    sources = ["api", "db", "queue", "bücher", "auth"]
    now, events, kind = START, [], ""
    while len(events) < size:
        if kind == "pause":
            kind = "burst"  # two minutes after: rates may just speak again
        else:
            kind = rng.choices(["usual", "burst", "errors", "outage", "slow", "pause"], [10, 2, 2, 4, 2, 2])[
                0
            ]
        up = rng.sample(sources, 2) if kind == "outage" else sources
        loud = rng.choice(up)
        if kind == "pause":
            now += rng.choice([70.0, 300.0, 2500.0, 200_000.0])
        burst = kind in ("burst", "errors")
        count = 200 if kind == "pause" else rng.randrange(50, 250) * (4 if kind == "outage" else 1)
        for _ in range(count):
            now += rng.expovariate(20.0 if burst else 1.5)
            source = loud if burst else rng.choice(up)
            error = rng.random() < (0.9 if kind == "errors" else 0.03)
            severity = rng.choice([17, 17, 21]) if error else rng.choice([0, 5, 9, 9, 9, 13])
            entity, attributes = "", None
            if kind == "burst" and rng.random() < 0.8:
                message = "cache hit"
            elif rng.random() < 0.5:
                entity, message = next(entities)
            else:
                message, attributes = chatter(rng, kind == "slow")
            events.append((stamp(rng, now), severity, source, entity, message, attributes, 0, 0))
    return events


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_long_streams_on_which_every_feature_speaks(seed: int) -> None:
    rows = assert_equal(eventful(seed, 12_000), timeout=40.0, batch=999)
    triggers = [row.trigger for row in rows]
    assert triggers.count("end") > 100
    assert triggers.count("silence") >= 10
    spoke = dict(zip(NAMES, (dense(rows) > 0.01).sum(0).tolist(), strict=True))
    assert min(spoke.values()) >= 10, spoke


def test_seasons() -> None:
    """Jobs and silences that come again at their hours, over three weeks, and one that does not."""
    rng = random.Random(5)
    events: list[Event] = []
    for day in range(22):
        hours = (2, 14) if day == 21 else (2,) if day % 7 == 6 or day < 5 else ()
        for hour in hours:
            start = START + day * 86_400.0 + hour * 3600.0 + rng.uniform(0.0, 1200.0)
            at = [(start + 12.0 * i, "other", "here") for i in range(150)]
            at += [(start + 9.0 * i, "api", "all is well") for i in range(30)]
            at += [(start + 200.0 + rng.expovariate(0.1), "api", f"chunk {i} copied") for i in range(30)]
            at += [(start + 1790.0, "api", "all is well")]
            events += [(time, 9, source, "", text, None, 0, 0) for time, source, text in sorted(at)]
    rows = assert_equal(events, timeout=40.0, batch=77)
    silent = [(row.time - START) // 86_400.0 for row in rows if row.trigger == "silence"]
    assert {0.0, 1.0} <= set(silent)
    assert max(row.x.get("source_rates", 0.0) for row in rows) > 4.0
