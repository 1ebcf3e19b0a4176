"""The salience budget is held on any stream, however it is cut, and what could alert always passes."""

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.heads.calibration import Calibration, UnitCalibration
from models.heads.salience import STEP, SalienceThreshold, could_alert

FIXED = settings(derandomize=True, deadline=None, max_examples=60, database=None)
BLOCK = 20_000
ALL = 300.0  # nats that the threshold does not go beyond


def taken(
    logit: NDArray[np.float64],
    budget: float = 0.02,
    has_wire: NDArray[np.bool_] | None = None,
    always: NDArray[np.bool_] | None = None,
    start: float = 3.9,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """What a threshold that begins at start makes of rows; each has a wire, none could alert."""
    is_open = np.outer(np.ones(len(logit), bool) if has_wire is None else has_wire, [False, True])
    none = np.zeros(len(logit), bool)
    return SalienceThreshold(start, budget).take(logit, is_open, none if always is None else always)


def naive(
    logit: list[float], has_wire: list[bool], always: list[bool], budget: float, start: float
) -> tuple[list[bool], list[float]]:
    """The definition: log(1 + nats) moves by STEP (salient - budget), from 0 to what there can be."""
    moves, salient, thresholds = log(1.0 + start), [], []
    for score, wire, sure in zip(logit, has_wire, always, strict=True):
        thresholds.append(min(exp(moves) - 1.0, score if sure else ALL))
        salient.append(wire and (sure or score >= thresholds[-1]))
        moves = min(max(moves + STEP * (salient[-1] - budget), 0.0), log(1.0 + ALL))
    return salient, thresholds


@FIXED
@given(
    st.lists(st.tuples(st.floats(0.0, 20.0), st.booleans(), st.booleans()), max_size=200),
    st.sampled_from([0.001, 0.02, 0.5, 1.0]),
    st.floats(0.0, 9.0),
    st.lists(st.integers(0, 200), max_size=5),
)
def test_each_row_is_judged_by_the_rows_before_it(
    rows: list[tuple[float, bool, bool]], budget: float, start: float, cuts: list[int]
) -> None:
    """By definition, in batches of any size, with a snapshot between them."""
    logit, has_wire, always = (list(each) for each in zip(*rows, strict=True)) if rows else ([], [], [])
    salient, thresholds = naive(logit, has_wire, always, budget, start)
    columns = zip(logit, thresholds, always, strict=True)
    gaps = [abs(score - least) for score, least, sure in columns if not sure]
    assume(min(gaps, default=1.0) > 1e-9)  # rounding decides between equals; the streams below have many
    threshold = SalienceThreshold(start, budget)
    found: list[tuple[bool, float]] = []
    bounds = [0, *sorted(cuts), len(rows)]
    for first, last in pairwise(bounds):
        part = slice(first, max(first, last))
        is_open = np.array(has_wire[part], bool)[:, None]
        one = threshold.take(np.array(logit[part], float), is_open, np.array(always[part], bool))
        found += zip(*(each.tolist() for each in one), strict=True)
        resumed = SalienceThreshold(0.0, budget)
        resumed.resume(threshold.snapshot())
        threshold = resumed
    assert [nats for _, nats in found] == pytest.approx(thresholds, abs=1e-9)
    assert [passed for passed, _ in found] == salient


def streams() -> dict[str, NDArray[np.float64]]:
    """200,000 scores each of systems that show much, little, ever more, the same, or storms."""
    rng, n = np.random.default_rng(4), 200_000
    calm = rng.exponential(0.5, n)
    drift = rng.exponential(1.0, n) * np.linspace(0.1, 2.0, n)
    storms = calm + np.where(np.arange(n) // 5_000 % 4 == 3, 3.0, 0.0)
    return {
        "independent": calm,
        "loud": rng.exponential(1.3, n),
        "drifting": drift,
        "nearly all equal": np.where(rng.random(n) < 0.001, 5.0, 1.0),
        "nothing is said": np.zeros(n),
        "few values": rng.choice([0.0, 0.7, 2.1], n, p=[0.9, 0.07, 0.03]),
        "storms": storms,
    }


@pytest.mark.parametrize("name", streams())
@pytest.mark.parametrize("budget", [0.01, 0.02, 0.1])
def test_the_share_is_within_a_fifth_of_the_budget(name: str, budget: float) -> None:
    """In each BLOCK of rows, the first too, for 400 events each; in twice as many for half the budget."""
    salient, _ = taken(streams()[name], budget)
    block = int(BLOCK * max(1.0, 0.02 / budget))
    share = salient.reshape(-1, block).mean(axis=1)
    assert (np.abs(share / budget - 1.0) < 0.2).all(), share


def test_without_wires_there_is_nothing_to_send_and_then_the_next_is_sent() -> None:
    """Half as many rows as the budget have a wire: all pass. Nothing is made up for later."""
    has_wire = np.arange(100_000) % 100 == 0
    salient, thresholds = taken(np.full(100_000, 0.3), has_wire=has_wire)
    assert salient[20_000:].sum() == has_wire[20_000:].sum()
    assert thresholds[-1] == 0.0
    after, _ = taken(np.full(20_000, 0.3), start=0.0)
    assert abs(after.mean() / 0.02 - 1.0) < 0.2


def test_what_could_alert_passes_in_a_storm_and_hardly_anything_else_does() -> None:
    """50,000 rows of which a half could alert, among others that could not quite."""
    rng = np.random.default_rng(5)
    could = rng.random(50_000) < 0.5
    logit = 9.0 + np.where(could, rng.exponential(3.0, 50_000), -0.1 - rng.random(50_000))
    salient, thresholds = taken(logit, always=could)
    assert salient[could].all()
    assert salient[~could].mean() < 0.002
    assert (thresholds[could] <= logit[could]).all()
    both = np.concatenate([logit, rng.exponential(0.5, 60_000)])
    calm, _ = taken(both, always=np.concatenate([could, np.zeros(60_000, bool)]))
    assert abs(calm[-BLOCK:].mean() / 0.02 - 1.0) < 0.2  # soon after, it is held again


def test_what_could_alert_is_what_few_normal_units_reach_by_the_prefilter() -> None:
    """A tenth of normal entities reach 5 nats, and a tenth of that for each 2.3 more; of sources 8."""
    entity = Calibration(np.linspace(0.0, 5.0, 1000), 1000, (5.0, 1.0))
    source = Calibration(np.linspace(0.0, 8.0, 1000), 1000, (8.0, 1.0))
    units = UnitCalibration(entity, source)
    five = 5.0 + log(0.1 / 0.05)  # 0.05 is five times a limit of 0.01
    few = 5.0 + log(10.0)  # 0.01, which is unusual for a unit of an incident, whatever alerts
    logit = np.array([five - 0.01, five + 0.01, few - 0.01, few + 0.01, few + 2.9, few + 3.1, 5.0])
    limits = np.array([0.01, 0.01, 1e-6, 1e-6, 1e-6, 1e-6, 0.9])
    of_entity = np.array([True, True, True, True, False, False, True])
    found = could_alert(logit, of_entity, limits, units, 3.9).tolist()
    assert found == [False, True, False, True, False, True, True]
    assert not could_alert(np.array([3.8]), of_entity[:1], np.array([0.9]), units, 3.9).any()


def test_a_snapshot_of_something_else_is_refused() -> None:
    threshold = SalienceThreshold(3.9, 0.02)
    for bad in ([], [0.5], [np.nan], [1e6], [2.0, 2.0]):
        with pytest.raises(ValueError, match="snapshot"):
            threshold.resume(np.array(bad))
