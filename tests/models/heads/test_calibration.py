"""p-values: monotone, conformal where labels vouch for the normal events, with a tail where nothing does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.context.features import WIDTH
from models.context.line import Line, of_rows
from models.heads import calibration, prefilter
from models.heads.calibration import MOST_SUSPECTED, Calibration, UnitCalibration

FIXED = settings(derandomize=True, deadline=None, max_examples=100, database=None)
scores = st.floats(-50, 50, allow_nan=False)


@FIXED
@given(
    st.lists(scores, min_size=1, max_size=60),
    st.lists(scores, min_size=2, max_size=30),
    st.sampled_from([0.0, MOST_SUSPECTED]),
)
def test_a_higher_score_is_never_more_usual(
    normal: list[float], asked: list[float], suspected: float
) -> None:
    fitted = Calibration.fit(normal, suspected)
    p = fitted.p_values(np.sort(asked))
    assert (np.diff(p) <= 1e-12).all()
    assert (p > 0).all()
    assert (p <= 1).all()
    assert (p > 0.0).all()


def test_with_labels_it_is_the_share_of_normal_units_and_beyond_them_the_tail() -> None:
    """A half at 49, a tenth at 88.2: a fifth of that for every 39.2 more."""
    fitted = Calibration.fit(np.arange(99.0), 0.0)
    assert fitted.tail == (pytest.approx(88.2), pytest.approx(39.2 / np.log(5.0)))
    assert fitted.p_values([88.0, 0.0, -5.0]).tolist() == [0.12, 1.0, 1.0]
    p = fitted.p_values([88.2 + 39.2, 88.2 + 10 * 39.2, 1e9])
    np.testing.assert_allclose(p, [0.02, 0.1 * 5.0**-10, 1e-12])


def test_with_labels_what_normal_units_have_shown_is_believed() -> None:
    """Ten of 1,001 far above: no p-value below their share."""
    fitted = Calibration.fit([*range(991), *[1e6] * 10], 0.0)
    np.testing.assert_allclose(fitted.p_values([1e5, 1e6, 2e6]), [10 / 1002] * 2 + [1e-12])


def test_equal_scores_count_as_high() -> None:
    fitted = Calibration(np.array([1.0, 2.0, 2.0, 3.0]), 4)
    assert fitted.p_values([0.5, 1.0, 2.0, 2.5, 3.0, 3.5]).tolist() == [1.0, 1.0, 0.8, 0.4, 0.4, 0.2]


def test_without_labels_the_tail_goes_on_as_the_body_falls() -> None:
    """A half at 500, a tenth at 900: a fifth of that for every 400 more, however few units there are."""
    fitted = Calibration.fit(np.arange(1001.0), MOST_SUSPECTED)
    assert fitted.tail == (900.0, pytest.approx(400.0 / np.log(5.0)))
    p = fitted.p_values([499.5, 900.0, 1300.0, 2100.0, 1e9])
    np.testing.assert_allclose(p, [502 / 1002, 102 / 1002, 0.02, 0.1 / 125.0, 1e-12], rtol=1e-9)


def test_the_tail_falls_no_faster_than_evidence() -> None:
    fitted = Calibration.fit(np.zeros(100), MOST_SUSPECTED, least_slope=2.0)
    assert fitted.tail == (0.0, 2.0)
    np.testing.assert_allclose(fitted.p_values([2.0, 4.0]), [0.1 / np.e, 0.1 / np.e**2])


def test_no_more_than_some_are_suspected_of_being_faults() -> None:
    """200 of 1,100 far above: a tenth may be faults that nobody reported, the others are a heavy tail."""
    fitted = Calibration.fit([*np.linspace(0.0, 1.0, 900), *[1e6] * 109, *[2e6] * 91], MOST_SUSPECTED)
    p = fitted.p_values([3e6, 1e9])
    assert p[0] > p[1]
    assert Calibration(np.array([1.0] * 200), 1099, (0.0, 0.1), 0.1).p_values([1.0])[0] == pytest.approx(
        200 / 1100 - 0.1
    )


def test_entities_and_sources_have_their_own() -> None:
    both = UnitCalibration(Calibration(np.array([5.0]), 1), Calibration(np.array([1.0, 2.0, 3.0]), 3))
    assert both.p_values([4.0, 4.0], np.array([True, False])).tolist() == [1.0, 0.25]


def test_normal_events_alert_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    for suspected in (0.0, MOST_SUSPECTED):
        fitted = Calibration.fit(rng.exponential(1.0, 20_000), suspected)
        p = fitted.p_values(rng.exponential(1.0, 50_000))
        for rate in (0.05, 0.01, 0.001):
            assert rate / 1.6 < (p <= rate).mean() < rate * 1.6, (suspected, rate)


def test_without_labels_unreported_faults_do_not_set_the_threshold() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.exponential(1.0, 10_000), rng.uniform(40.0, 60.0, 500)])
    faults = np.linspace(41.0, 59.0, 10)
    assert (Calibration.fit(values, MOST_SUSPECTED).p_values(faults) < 1e-4).all()
    assert (Calibration.fit(values, 0.0).p_values(faults) > 1e-4).all()


def test_scores_all_alike_have_no_tail() -> None:
    fitted = Calibration.fit(np.zeros(100), MOST_SUSPECTED)
    assert fitted.tail is None
    assert fitted.p_values([0.0, 1.0]).tolist() == [1.0, pytest.approx(1 / 101)]


@pytest.mark.parametrize("suspected", [0.0, MOST_SUSPECTED])
def test_what_is_not_kept_does_not_alert(suspected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "KEPT", 2000)
    values = np.random.default_rng(0).normal(size=10_000)
    fitted = Calibration.fit(values, suspected)
    assert len(fitted.scores) == 2000
    p = fitted.p_values(np.sort(values))
    assert (np.diff(p) <= 0).all()
    assert (p[:-2000] == 1.0).all()
    assert p[-2000] <= 0.21


@FIXED
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_prefilter_does_not_depend_on_batches(n: int, seed: int) -> None:
    """And is, feature by feature: evidence as it is, and beyond the usual what the row says by itself."""
    rng = np.random.default_rng(seed)
    x = rng.exponential(3.0, (n, WIDTH)).astype(np.float32)
    trigger, of_entity = rng.integers(0, 5, n).astype(np.int8), rng.integers(0, 2, n).astype(bool)
    weight, bias = rng.exponential(1.0, WIDTH), rng.normal(size=5)
    weight[::5] = 0.0
    usual = np.array([[20.0, 2.0], [40.0, 5.0]])
    line = Line(weight, bias, usual, True)
    said = of_rows(line, x, trigger, of_entity)
    whole = prefilter.logit(x, said)
    alone = [prefilter.logit(x[i : i + 1], said[i : i + 1])[0] for i in range(n)]
    assert whole.tolist() == alone
    for i in range(n):
        centre, spread = usual[int(of_entity[i])]
        own = max(0.0, (x[i, :13].astype(float) @ weight[:13] + bias[trigger[i]] - centre) / spread)
        own = own if own <= 5.0 else 5.0 + 2.0 * np.log(1.0 + (own - 5.0) / 2.0)
        if trigger[i] >= 2:  # a silence, what is overdue, a source: evidence alone
            own = 0.0
        assert whole[i] == pytest.approx(own + x[i, 13:].astype(float).sum(), rel=1e-6)
