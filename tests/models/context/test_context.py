"""Surprise features: what each is for, and that neither batches nor hostile input can bend them."""

import itertools
import math
from collections.abc import Sequence
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.context import context as context_module
from models.context.context import ENTITIES, SOURCES, Context, Rows
from models.context.features import CAP, CAP_EVIDENCE, EVIDENCE_COLUMNS, NAMES, WIDTH
from models.context.kernel import ENTITY_END, EVENT, OVERDUE, SILENCE, SOURCE
from models.context.line import Line
from models.context.sources import suspicion
from models.context.templates import TemplateMiner
from schemas.events import EventBatch, Row
from schemas.salient import Trigger

FIXED = settings(derandomize=True, deadline=None, max_examples=30, database=None)
START = 1.7e9


def event(
    time: float,
    message: str = "all is well",
    source: str = "s",
    entity: str = "",
    severity: int = 9,
    numbers: dict[str, float] | None = None,
) -> Row:
    return (time, severity, source, entity, message, numbers, 0, 0, "")


def fresh(timeout: float = 60.0) -> Context:
    return Context(TemplateMiner(), timeout)


def run(rows: Sequence[Row], context: Context | None = None) -> Rows:
    return (context or fresh()).update(EventBatch.of(list(rows)))


def values(rows: Rows, feature: str, trigger: int | None = None) -> np.ndarray:
    column = rows.x[:, NAMES.index(feature)]
    return column if trigger is None else column[rows.trigger == trigger]


times = st.one_of(
    st.just(math.nan),
    st.floats(START, START + 5000.0),
    st.sampled_from([0.0, START, START + 86_400.0 * 400, START - 86_400.0 * 9000, 4e10, -1e9]),
)
words = st.sampled_from(
    ["open 1", "close 2", "read 3.5 ms", "failed", "", "é 1", "\x00", "a b c d e f", "1 1e9 99999ms"]
)
numbers = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(["n", "size"]), st.floats(allow_nan=False, allow_infinity=False), max_size=2
    ),
)
events = st.lists(
    st.tuples(
        times,
        st.integers(0, 24),
        st.sampled_from(["s", "t", "ü"]),
        st.sampled_from(["", "e1", "e2", "x" * 200, "ß"]),
        words,
        numbers,
        st.just(0),
        st.just(0),
        st.sampled_from(["", "", "open <*>", "user {name} came in"]),
    ),
    min_size=1,
    max_size=60,
)


def joined(context: Context, rows: list[Row], cuts: Sequence[int]) -> list[np.ndarray]:
    """All columns of the rows of the events, cut into batches, with event counted from the first of all."""
    edges = [0, *sorted(cuts), len(rows)]
    parts = [(low, run(rows[low:high], context)) for low, high in itertools.pairwise(edges)]
    names = ("x", "trigger", "time", "watermark", "template", "source", "severity")
    whole = [np.concatenate([getattr(part, name) for _, part in parts]) for name in names]
    ends = [part.names[part.trigger != EVENT] for _, part in parts]
    return [*whole, np.concatenate([part.event + low for low, part in parts]), np.concatenate(ends)]


@FIXED
@given(events, st.data())
def test_rows_do_not_depend_on_batches_and_stay_in_range(rows: list[Row], data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    whole, cut = joined(fresh(), rows, []), joined(fresh(), rows, cuts)
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one, other)
    x, watermark = whole[0], whole[3]
    assert np.isfinite(x).all()
    assert (x >= 0.0).all()
    assert (x[:, : EVIDENCE_COLUMNS.start] <= CAP).all()
    assert (x <= CAP_EVIDENCE).all()
    assert np.isfinite(whole[2]).all()
    assert np.isfinite(watermark).all()


@settings(FIXED, max_examples=10)
@given(events, events, st.data())
def test_neither_does_a_restored_context(before: list[Row], rows: list[Row], data: st.DataObject) -> None:
    learnt = fresh()
    run([event(START), *before], learnt)
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=6))
    contexts = [fresh(), fresh()]
    for context in contexts:
        context.restore(learnt.dump())
    for one, other in zip(joined(contexts[0], rows, []), joined(contexts[1], rows, cuts), strict=True):
        np.testing.assert_array_equal(one, other)


def steady(n: int, gap: float = 1.0, **kwargs: object) -> list[Row]:
    return [event(START + i * gap, **kwargs) for i in range(n)]  # type: ignore[arg-type]  # same keywords


def requests(n: int, steps: Sequence[str] = ("begin", "work", "commit"), start: float = START) -> list[Row]:
    """Requests one after the other, 20 s apart, each with a step every second."""
    return [
        event(start + 20.0 * i + j, f"{step} it", entity=f"r{start:.0f}-{i}")
        for i in range(n)
        for j, step in enumerate(steps)
    ]


def odd_one(usual: list[Row], odd: Row, feature: str) -> tuple[float, float]:
    """The feature of the last usual event and of an odd one after it."""
    column = values(run([*usual, odd]), feature, EVENT)
    return float(column[-2]), float(column[-1])


@pytest.mark.parametrize("feature", ["template_in_source", "template_overall", "template_age", "rarest_word"])
def test_a_new_message_is_new(feature: str) -> None:
    usual, odd = odd_one(steady(2000), event(START + 2000.0, "disk corrupted"), feature)
    assert usual < 1.2  # one of three words is not rarer than that
    assert odd > 3.0


def test_a_source_that_says_something_new_after_something() -> None:
    usual = [event(START + i, ("ping sent", "pong came")[i % 2]) for i in range(400)]
    low, high = odd_one(usual, event(START + 400.0, "pong came"), "source_transition")
    assert low < 0.5 < 4.0 < high


def test_an_entity_that_goes_another_way() -> None:
    usual = requests(200)
    at = START + 4000.0
    odd = [event(at, "begin it", entity="odd"), event(at + 1.0, "commit it", entity="odd")]
    column = values(run([*usual, *odd]), "entity_transition", EVENT)
    assert column[-4] < 0.1
    assert column[-1] > 4.0


def test_an_entity_that_repeats_itself() -> None:
    at = START + 4000.0
    odd = [event(at + i, "begin it", entity="odd") for i in range(2)]
    assert values(run([*requests(200), *odd]), "unit_repeats", EVENT)[-1] > 4.0


def test_an_entity_that_pauses() -> None:
    at = START + 4000.0
    odd = [event(at, "begin it", entity="odd"), event(at + 40.0, "work it", entity="odd")]
    column = values(run([*requests(200), *odd]), "entity_gap", EVENT)
    assert column[-4] < 1.0
    assert column[-1] > 4.0


def test_an_entity_that_ends_early_shows_it_when_it_ends() -> None:
    at = START + 4000.0
    odd = [event(at, "begin it", entity="odd"), event(at + 1.0, "work it", entity="odd")]
    rows = run([*requests(200), *odd, *requests(2, start=at + 100.0)])
    ends = np.flatnonzero(rows.trigger == ENTITY_END)
    (last,) = [row for row in ends if rows.name(int(row)) == "odd"]
    usual = ends[100]
    for feature in ("unit_ending", "entity_path"):
        assert values(rows, feature)[usual] < 0.2, feature
        assert values(rows, feature)[last] > 4.0, feature
    assert rows.time[last] == at + 1.0 + 60.0
    # That it lacks its commit is noticed before it ends, when no request is as quiet as that.
    (quiet,) = np.flatnonzero(rows.trigger == OVERDUE)
    assert at + 2.0 < rows.time[quiet] < at + 20.0
    assert values(rows, "unit_overdue")[quiet] > 4.0
    assert rows.name(int(quiet)) == "odd"


def test_an_entity_that_takes_long() -> None:
    at = START + 4000.0
    odd = [
        event(at + gap, f"{step} it", entity="odd")
        for gap, step in ((0, "begin"), (50, "work"), (100, "commit"))
    ]
    rows = run([*requests(200), *odd, *requests(2, start=at + 300.0)])
    (last,) = [row for row in np.flatnonzero(rows.trigger == ENTITY_END) if rows.name(int(row)) == "odd"]
    assert values(rows, "entity_duration")[last] > 2.0


def steadily(seconds: float, **of: int) -> list[Row]:
    """One event in five seconds, about."""
    rng = np.random.default_rng(0)
    return [event(float(START + 5.0 * i + rng.random()), **of) for i in range(int(seconds / 5.0))]


@pytest.mark.parametrize("severity", [9, 17])
def test_a_burst(severity: int) -> None:
    burst = [event(START + 4000.0 + 0.05 * i, severity=severity) for i in range(200)]
    rows = run([*steadily(4000.0, severity=severity), *burst])
    rates = values(rows, "source_rates")
    assert not rates[rows.trigger != SOURCE].any()
    assert rates[rows.time < START + 4000.0].max() < 4.0
    assert rates.max() > 10.0
    first = rows.time[np.argmax(rates > 7.0)]
    assert START + 4000.0 < first < START + 4005.0


def test_a_burst_of_errors_counts_beside_the_rate_of_all_events() -> None:
    """As many events as ever, and ten of them are errors."""
    usual = steadily(4000.0)
    odd = [event(START + 4000.0 + 5.0 * i, severity=17 if i < 10 else 9) for i in range(20)]
    rows = run([*usual, *odd])
    assert values(rows, "source_rates")[rows.time < START + 4000.0].max() < 4.0
    assert values(rows, "source_rates").max() > 10.0


def test_a_service_that_hangs_shows_in_where_its_requests_end() -> None:
    usual = requests(400)
    at = START + 8000.0
    hung = [event(at + 0.5 * i, "begin it", entity=f"hung{i}") for i in range(20)]
    rows = run([*usual, *hung, event(at + 100.0)])
    ends = (rows.trigger == SOURCE) & (rows.time >= at + 60.0)
    assert values(rows, "source_rates")[ends].max() > 7.0
    assert rows.time[ends].min() <= at + 75.0


@pytest.mark.parametrize(("known", "hours", "is_suspicious"), [(2, 1, True), (11, 20, True), (2, 20, False)])
def test_a_flood_is_unusual_until_it_lasts_twice_as_long_as_all_before(
    known: int, hours: int, is_suspicious: bool
) -> None:
    """What is counted while the source is suspicious does not say what is usual."""
    flood_from = START + known * 3600.0
    usual = [event(START + 5.0 * i) for i in range(known * 720)]
    flood = [event(flood_from + i, "flooded") for i in range(hours * 3600)]
    context = fresh()
    run([*usual, *flood], context)
    (source,) = context.state.sources[context.state.sources["key"] != 0]
    assert (suspicion(source) > 20.0) == is_suspicious


@pytest.mark.parametrize("known", [20, 240])
def test_trouble_shows_each_minute_until_it_is_over(known: int) -> None:
    """A service logs normally for so many minutes, then for half an hour ten errors a second as well."""
    first = START - START % 60.0
    begin, end = first + 60.0 * known, first + 60.0 * (known + 30)
    usual = [event(first + 0.5 * i, f"{'abc'[i % 3]} done") for i in range(120 * (known + 60))]
    errors = [event(begin + 0.1 * i, "cannot reach the bank", severity=17) for i in range(30 * 600)]
    rows = run(sorted([*usual, *errors], key=lambda row: row[0]))
    shown = (rows.trigger == SOURCE) & (rows.x.sum(axis=1) >= 7.0)
    minutes = [int(minute) for minute in (rows.time[shown] - first) // 60.0]
    assert set(range(known, known + 30)) <= set(minutes)
    assert len(minutes) < 3 * 30  # and it is no row for each event
    # what is counted over a minute takes two of them to fade
    assert set(minutes) <= set(range(known, known + 32))
    assert not rows.x[(rows.trigger == SOURCE) & (rows.time >= end + 120.0)].any()


def test_few_minutes_of_a_source_are_held_against_those_of_others() -> None:
    """One odd minute of ten does not make the next one usual where no other source shows any such thing."""

    def burst(minute: int, size: int) -> list[Row]:
        return [event(START + 60.0 * minute + 0.1 * i, source="odd") for i in range(size)]

    def highest(others: int) -> float:
        names = ["odd", *(f"s{i}" for i in range(others))]
        usual = [event(START + 5.0 * i, source=name) for i in range(40 * 12) for name in names]
        rows = sorted([*usual, *burst(3, 40), *burst(38, 150)], key=lambda row: row[0])
        context, batch = fresh(), EventBatch.of(rows)
        found = context.update(batch)
        of_odd = np.array([source == "odd" for source, _ in context.names(batch, found)])
        return float(values(found, "source_rates")[of_odd & (found.time > START + 38 * 60.0)].max())

    assert highest(others=9) > 1.2 * highest(others=0)


def test_a_silence_grows_while_others_speak() -> None:
    """Five lines a second, then none for eight minutes."""
    often = [event(START + 0.2 * i) for i in range(5 * 600)]
    others = [event(START + i, source="other", message="other says") for i in range(1080)]
    context = fresh()
    batch = EventBatch.of(sorted([*often, *others], key=lambda row: row[0]))
    rows = context.update(batch)
    silent = np.flatnonzero(rows.trigger == SILENCE)
    assert {context.names(batch, rows)[row] for row in silent} == {("s", "")}
    told, time = values(rows, "source_silence")[silent], rows.time[silent]
    assert told[0] > 7.0
    assert time[0] < START + 610.0
    assert told[time <= START + 780.0].max() > 14.0
    assert (np.diff(told) > 0.0).all()
    assert (np.diff([*time, START + 1080.0]) <= 122.0).all()  # a quarter of the silence, at most
    assert len(told) < 16
    assert not values(rows, "source_silence", EVENT).any()


def test_a_pause_that_came_twice_is_no_news() -> None:
    """A job of a minute each half hour, beside one that never rests."""
    job = [event(START + 1800.0 * turn + i) for turn in range(6) for i in range(60)]
    others = [event(START + 2.0 * i, source="other", message="other says") for i in range(3 * 1800)]
    rows = run(sorted([*job, *others], key=lambda row: row[0]))
    turns = set(((rows.time[rows.trigger == SILENCE] - START) // 1800.0).tolist())
    assert turns == {0.0, 1.0}


def test_however_many_are_silent_the_rows_have_their_place() -> None:
    names = [f"s{i}" for i in range(400)]
    spoke = [
        event(START + 0.5 * i + j / 1000, source=name) for i in range(60) for j, name in enumerate(names)
    ]
    context = fresh()
    run(spoke, context)
    alone = run([event(START + 30.0 + 4.0 * i, source="other") for i in range(500)], context)
    first = np.unique(alone.source[alone.trigger == SILENCE])
    assert len(first) > 350
    assert (np.bincount(alone.event[alone.trigger == SILENCE])[30:] <= 1).all()


def test_when_nobody_speaks_nobody_is_silent() -> None:
    assert (run([*steady(300), event(START + 9000.0)]).trigger == EVENT).all()


def test_levels() -> None:
    rows = run([*steady(500), event(START + 500.0, severity=17), event(START + 501.0, severity=21)])
    assert values(rows, "severity_rank", EVENT).tolist()[-3:] == [0.0, 6.0, 9.0]
    assert values(rows, "severity_in_source", EVENT)[-2] > 4.0
    assert values(rows, "severity_in_source", EVENT)[-3] < 0.1


def test_a_fatal_line_is_severe_in_itself_as_far_as_its_source_logs_few() -> None:
    """By a prior of one line in e^20, worth a thousand lines."""
    first, second = values(run([event(START + i, severity=21) for i in range(2)]), "severe")
    assert first == pytest.approx(20.0)
    assert second == pytest.approx(log(1001.0 / 1.0), rel=1e-5)
    rows = run([*steady(500), event(START + 500.0, severity=21), event(START + 501.0, severity=17)])
    fatal, error = values(rows, "severe", EVENT)[-2:]
    assert fatal == pytest.approx(20.0 + log(1.5), rel=1e-5)
    assert error == 0.0


def test_a_burst_of_errors_needs_no_history() -> None:
    """More than five a minute are unusual of a source that nobody knows; one of other lines is not."""
    burst = [event(START + 0.5 * i, severity=17) for i in range(40)]
    rows = run(burst)
    expected = 40.0 * log(8.0) - 50.0 * log(50.0 / 15.0)  # if none of them faded
    assert 0.6 * expected < values(rows, "source_rates").max() < expected
    assert rows.time[np.argmax(values(rows, "source_rates") > 7.0)] <= START + 15.0
    assert not values(run([(*row[:1], 9, *row[2:]) for row in burst]), "source_rates").any()
    assert not values(run([event(START + 20.0 * i, severity=17) for i in range(12)]), "source_rates").any()


@pytest.mark.parametrize("entity", ["", "r{}"])
def test_what_a_row_says_is_held_against_the_rows_of_this_stream(entity: str) -> None:
    """Every unit warns once: by the bundle's idea of what is usual 3 nats, in this stream none."""
    weight = np.zeros(WIDTH)
    weight[NAMES.index("severity_rank")] = 1.0
    line = Line(weight, np.zeros(len(Trigger)), np.array([[0.0, 1.0], [0.0, 1.0]]), True)
    events = [
        event(START + 60.0 * i + second, entity=entity.format(i), severity=13 if second == 5 else 9)
        for i in range(30)
        for second in range(10)
    ]
    rows = run(events, Context(TemplateMiner(), 30.0, line=line))
    said = rows.line[rows.severity == 13]
    assert said[0] == 3.0
    assert said[-1] == 0.0
    assert not rows.line[rows.severity == 9].any()
    scale = rows.scale[rows.severity == 13]  # the highest row of every unit says 3: a spread of 0.05 at least
    assert scale[0].tolist() == [0.0, 1.0]
    assert scale[-1].tolist() == [3.0, 0.05]


def test_parameters() -> None:
    rng = np.random.default_rng(0)
    took = [event(START + i, f"took {t:.1f}ms") for i, t in enumerate(rng.normal(30.0, 3.0, 400).tolist())]
    low, high = odd_one(took, event(START + 400.0, "took 9000.0ms"), "parameter_outlier")
    assert low < 3.0
    assert high > 4.0
    times = [*rng.normal(30.0, 3.0, 2000).tolist(), *rng.normal(60.0, 3.0, 30).tolist()]
    rows = run([event(START + i, f"took {t:.1f}ms") for i, t in enumerate(times)])
    shift = values(rows, "source_shifts")
    assert shift[rows.time < START + 2000.0].max() < 4.0
    assert shift.max() > 7.0
    attribute = [event(START + i, numbers={"ms": float(i % 7) + 20.0}) for i in range(200)]
    low, high = odd_one(attribute, event(START + 200.0, numbers={"ms": 1e6}), "parameter_outlier")
    assert low < 2.0
    assert high > 4.0
    zones = [event(START + i, f"zone eu{i % 3} ready") for i in range(400)]
    low, high = odd_one(zones, event(START + 400.0, "zone us9 ready"), "parameter_new")
    assert low < 2.0
    assert high > 4.0
    identifiers = [event(START + i, f"job j{i} ready") for i in range(400)]
    assert odd_one(identifiers, event(START + 400.0, "job j999999 ready"), "parameter_new")[1] == 0.0


def test_one_time_decades_ahead_does_not_move_the_watermark_but_eight_do() -> None:
    context = fresh()
    run(steady(40), context)
    far = START + 40 * 365 * 86_400.0
    for _ in range(7):
        run([event(far)], context)
        assert context.watermark == START + 39.0
    run([event(far)], context)
    assert context.watermark == far


def test_an_entity_that_begins_after_a_pause_of_the_stream_is_not_as_old_as_that() -> None:
    context = fresh()
    run([event(START + i, "ping", source=f"s{i % 3}") for i in range(2000)], context)
    later = START + 40 * 3600.0
    rows = run([event(later, "hello", entity="e1")], context)
    assert (rows.time[-1], context.watermark) == (START + 1999.0, START + 1999.0)
    run([event(later + i, "ping", source=f"s{i % 3}") for i in range(8)], context)
    assert context.watermark == later + 7.0
    (entity,) = context.state.entities[context.state.entities["key"] != 0]
    assert (entity["first"], entity["last"]) == (later + 6.0, later + 6.0)  # when that was clear


def test_an_event_far_ahead_does_not_lengthen_an_entity_that_goes_on() -> None:
    context = fresh()
    run([event(START + i, "ping", source=f"s{i % 3}") for i in range(2000)], context)
    run([event(START + 2000.0, "hello", entity="e1")], context)
    run([event(START + 82_800.0, "hello", entity="e1")], context)
    (entity,) = context.state.entities[context.state.entities["key"] != 0]
    assert (entity["first"], entity["last"]) == (START + 2000.0, START + 2000.0)


def test_events_without_a_time_take_that_of_the_stream() -> None:
    context = fresh()
    rows = run([event(math.nan), event(START), event(math.nan), event(START + 5.0)], context)
    assert rows.time.tolist() == [0.0, START, START, START + 5.0]
    assert math.isnan(fresh().watermark)
    assert context.watermark == START + 5.0


def test_memory_is_bounded_whatever_comes() -> None:
    context = fresh(1e9)
    sizes = [table.nbytes for table in context.state]
    words = ["".join(chr(97 + int(digit)) for digit in str(i)) for i in range(40_000)]
    run([event(START + i, word, source=word, entity=word) for i, word in enumerate(words)], context)
    assert [table.nbytes for table in context.state] == sizes
    run(steady(1), context)
    assert len(context._known_sources) <= SOURCES + 1


def test_more_ends_than_events_and_waiting_entities_together() -> None:
    context = fresh(10.0)
    run([event(START, entity=f"first{i}") for i in range(3 * ENTITIES)], context)
    waiting = int((context.state.entities["waiting"] != 0).sum())
    assert waiting > 0.98 * ENTITIES  # names that count up spread over all buckets
    later = [event(START + 50.0 * (i + 1), entity=f"later{i}") for i in range(20_000)]
    rows = run(later, context)  # every event ends the entity of the one before
    assert (rows.trigger == ENTITY_END).sum() == waiting + len(later) - 1
    assert len(rows) > len(later) + ENTITIES + SOURCES


def test_names_of_silent_sources_survive_a_flood_of_new_ones() -> None:
    context = fresh()
    flood = [event(START + i / 100, source=f"new{i}") for i in range(3 * 4 * SOURCES)]
    batch = EventBatch.of([*flood, *(event(START + 200.0 + i, source="steady") for i in range(100))])
    rows = context.update(batch)
    assert all(source for source, _ in context.names(batch, rows))


def test_a_restored_context_goes_on_at_another_time() -> None:
    usual = requests(200)
    learnt = fresh()
    run(usual, learnt)
    resumed = fresh()
    resumed.restore({name: array.copy() for name, array in learnt.dump().items()})
    year = 365 * 86_400.0
    rows = run(requests(5, start=START + year), resumed)
    events_only = rows.x[rows.trigger == EVENT]
    for feature in ("template_in_source", "rarest_word", "entity_transition", "template_age"):
        assert events_only[:, NAMES.index(feature)].max() < 2.0, feature
    assert not (rows.trigger == SILENCE).any()
    odd = run([event(START + year + 100.0, "disk corrupted")], resumed)
    assert values(odd, "template_in_source")[-1] > 3.0


@pytest.mark.parametrize("name", sorted(fresh().dump()))
def test_damaged_arrays_are_refused(name: str) -> None:
    context = fresh()
    run(requests(5), context)
    good = context.dump()
    bad = [np.zeros((2, 3), np.float32), good[name].astype(np.int64), good[name][:-1], None]
    if name.endswith(".slots"):
        bad.append(np.full(len(good[name]), 1 << 30, np.int32))
        bad.append(np.full(len(good[name]), -1, np.int32))
    if name == "clock" or name == "moments.records":
        bad.append(np.full_like(good[name], 255))  # not a number, as floats
    for array in bad:
        arrays = {key: value for key, value in good.items() if key != name}
        if array is not None:
            arrays[name] = array
        with pytest.raises(ValueError, match="context"):
            fresh().restore(arrays)


def test_feature_names_fit_the_kernel() -> None:
    from models.context import kernel as context_kernel

    columns = [name for name in vars(context_kernel) if name.startswith("F_")]
    assert len(columns) == len(NAMES) == context_module.WIDTH
