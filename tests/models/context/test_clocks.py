"""Clocks of sources: what is doubted, what is set right, what is told."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.context import clocks
from models.context.clocks import Readings
from models.context.templates import template_id
from tests.models.context.naive_clocks import NaiveClocks

START = 1_700_000_000.0
Stamped = list[tuple[float, str]]
SERVICES = [f"service{i}" for i in range(6)]


def read(stamped: Stamped, known: clocks.Clocks | None = None) -> Readings:
    return clocks.read(
        known or clocks.unknown_clocks(),
        np.array([time for time, _ in stamped]),
        np.array([template_id(source) for _, source in stamped], np.uint64),
    )


def busy(n: int, seconds: float = 0.05, start: float = START) -> Stamped:
    """n events of six services, one each so many seconds, whose clocks agree."""
    draw = random.Random(5)
    return [(start + i * seconds, draw.choice(SERVICES)) for i in range(n)]


def shifted(stamped: Stamped, source: str, seconds: float, after: int = 0) -> Stamped:
    """The same, the clock of a source so far ahead."""
    return [
        (time + seconds if who == source and i >= after else time, who)
        for i, (time, who) in enumerate(stamped)
    ]


def told(readings: Readings) -> list[tuple[int, str, int]]:
    """Of whom, what, and by how many seconds."""
    return [
        (int(key), clocks.HOW[how], round(ahead))
        for key, how, ahead in zip(readings.told, readings.how, readings.ahead, strict=True)
        if key
    ]


def test_a_stream_whose_clocks_agree_is_left_alone() -> None:
    stamped = busy(20_000)
    readings = read(stamped)
    assert readings.time.tolist() == [time for time, _ in stamped]
    assert not readings.doubted.any()
    assert told(readings) == []


def test_one_event_hours_ahead_is_doubted_and_named_once() -> None:
    stamped = busy(20_000)
    time, source = stamped[10_000]
    stamped[10_000] = time + 23 * 3600.0, source
    readings = read(stamped)
    assert np.flatnonzero(readings.doubted).tolist() == [10_000]
    assert told(readings) == [(template_id(source), "once", 23 * 3600)]


@pytest.mark.parametrize("seconds", [120.0, 7_200.0, -300.0, -7_200.0])
@pytest.mark.parametrize("after", [0, 10_000])
def test_a_service_beside_the_others_is_set_right_and_named_once(seconds: float, after: int) -> None:
    stamped = busy(30_000)
    readings = read(shifted(stamped, "service3", seconds, after))
    assert told(readings) == [(template_id("service3"), "wrong", seconds)]
    late = np.abs(readings.time - [time for time, _ in stamped])[after + 8_000 :]
    assert late.max() < 1.0


def test_a_clock_that_is_right_again_is_taken_as_it_is() -> None:
    stamped = busy(30_000)
    wrong = shifted(stamped, "service3", 120.0, 10_000)[:20_000] + stamped[20_000:]
    readings = read(wrong)
    assert np.abs(readings.time - [time for time, _ in stamped])[21_000:].max() < 1.0
    assert [what for _, what, _ in told(readings)] == ["wrong", "right"]


def test_a_pause_of_all_is_followed_by_the_eighth_event() -> None:
    stamped = busy(10_000)
    stamped += [(time + 8 * 3600.0, source) for time, source in busy(10_000, start=stamped[-1][0])]
    readings = read(stamped)
    assert np.flatnonzero(readings.doubted).tolist() == list(range(10_000, 10_007))
    assert told(readings) == []
    assert readings.time.tolist() == [time for time, _ in stamped]


def test_a_stream_of_one_source_follows_its_eighth_event() -> None:
    stamped = [(START + i, "only") for i in range(5_000)]
    stamped += [(time + 8 * 3600.0, "only") for time, _ in stamped]
    assert np.flatnonzero(read(stamped).doubted).tolist() == list(range(5_000, 5_007))


def test_pauses_that_the_stream_makes_anyway_are_not_doubted() -> None:
    every_ten_minutes = [(START + 600.0 * (i // 20) + i % 20, SERVICES[i % 6]) for i in range(4_000)]
    assert not read(every_ten_minutes).doubted.any()


def test_batches_change_nothing() -> None:
    stamped = shifted(busy(9_000), "service1", 200.0, 5_000)
    whole, known = read(stamped), clocks.unknown_clocks()
    parts = [read(stamped[i : i + 7], known) for i in range(0, len(stamped), 7)]
    for name in Readings._fields:
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(joined, getattr(whole, name)), name


@settings(derandomize=True, deadline=None, max_examples=60, database=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_equal_to_the_plain_definition(seed: int, services: int) -> None:
    draw = random.Random(seed)
    names = SERVICES[:services]
    lead = {name: draw.choice([0.0, 0.0, 0.0, 130.0, -400.0, 7_200.0]) for name in names}
    now, stamped = START, Stamped()
    pause = draw.choice([0.01, 1.0])
    for i in range(3_600):
        now += draw.expovariate(1.0 / pause) + (draw.random() < 0.001) * draw.choice([100.0, 30_000.0])
        name = names[0] if draw.random() < 0.5 else draw.choice(names)
        wild = (draw.random() < 0.002) * draw.choice([500.0, 5_000.0, 80_000.0])
        late = lead[name] if i > 2_600 else 0.0
        stamped.append((float("nan") if draw.random() < 0.01 else now + late + wild, name))
    readings, naive = read(stamped), NaiveClocks()
    for i, (time, source) in enumerate(stamped):
        own, doubted, what, ahead = naive.read(time, source)
        assert readings.time[i] == pytest.approx(own, abs=1e-6, nan_ok=True), i
        assert readings.doubted[i] == doubted, i
        assert int(readings.told[i]) == (template_id(source) if what else 0), i
        assert clocks.HOW.get(int(readings.how[i]), "") == what, i
        assert readings.ahead[i] == pytest.approx(ahead, abs=1e-6), i
