"""Whether the tail of calibration holds for later units: on scores that have such a tail, and others."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.heads.tail_fit import tail_fit


def scores(n: int, seed: int) -> NDArray[np.float64]:
    """Scores that fall off exponentially, by 1/e in each 2 nats."""
    return np.random.default_rng(seed).exponential(2.0, n)


@pytest.mark.parametrize("seed", range(5))
def test_units_of_one_distribution_fit(seed: int) -> None:
    fit = tail_fit(scores(5000, seed), scores(2000, seed + 100), 0.0, 1.0)
    assert fit.expected == pytest.approx(200.0)
    assert 150 < fit.exceedances < 250
    assert fit.excess == pytest.approx(1.0, abs=0.25)
    assert fit.fits is True
    assert not fit.too_light


def test_units_that_go_further_do_not() -> None:
    """As many are in the tail, three times as deep."""
    later = scores(2000, 1)
    level = np.quantile(later, 0.9)
    later = np.where(later > level, level + 3.0 * (later - level), later)
    fit = tail_fit(scores(5000, 2), later, 0.0, 1.0)
    assert fit.exceedances == pytest.approx(200, abs=30)
    assert fit.excess == pytest.approx(3.0, abs=0.6)
    assert fit.fits is False
    assert fit.too_light


def test_neither_do_more_units_than_the_tail_says() -> None:
    """A third of the later units are 2 nats higher: the tail is as steep, and too many reach it."""
    later = scores(2000, 3)
    later[::3] += 2.0
    fit = tail_fit(scores(5000, 4), later, 0.0, 1.0)
    assert fit.exceedances > 300
    assert fit.excess == pytest.approx(1.0, abs=0.25)
    assert fit.fits is False
    assert fit.too_light


def test_units_that_stay_behind_the_tail_do_not_fit_and_are_no_danger() -> None:
    """No tail is drawn steeper than evidence itself says, however alike units are."""
    fit = tail_fit(0.1 * scores(5000, 5), 0.1 * scores(2000, 6), 0.0, 1.0)
    assert fit.fits is False
    assert not fit.too_light


def test_a_later_part_without_any_in_the_tail_is_told() -> None:
    fit = tail_fit(scores(5000, 7), np.zeros(2000), 0.0, 1.0)
    assert (fit.exceedances, fit.excess, fit.fits, fit.too_light) == (0, None, False, False)


@pytest.mark.parametrize(("earlier", "later"), [(0, 500), (49, 500), (5000, 0), (5000, 40)])
def test_of_too_few_units_nothing_is_said(earlier: int, later: int) -> None:
    fit = tail_fit(scores(earlier, 8), scores(later, 9), 0.0, 1.0)
    assert fit.p_value is None
    assert fit.fits is None
    assert not fit.too_light


def test_figures_are_json() -> None:
    figures = tail_fit(scores(500, 10), scores(200, 11), 0.0, 1.0).figures()
    assert figures.keys() == {
        "units", "exceedances", "expected", "excess", "p_value", "fits", "too_light",
    }  # fmt: skip
    assert figures["units"] == 200
    assert type(figures["p_value"]) is float
    assert type(figures["fits"]) is bool
