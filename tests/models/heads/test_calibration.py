"""p-values: monotone, conformal where labels vouch for the normal events, with a tail where nothing does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads import calibration
from models.heads.calibration import Calibration
from models.heads.prefilter import prefilter_logit

FIXED = settings(derandomize=True, deadline=None, max_examples=100, database=None)
scores = st.floats(-50, 50, allow_nan=False)


@FIXED
@given(st.lists(scores, min_size=1, max_size=60), st.lists(scores, min_size=2, max_size=30), st.booleans())
def test_a_higher_score_is_never_more_usual(
    normal: list[float], asked: list[float], unlabelled: bool
) -> None:
    fitted = Calibration.fit(normal, unlabelled)
    p = fitted.p_values(np.sort(asked))
    assert (np.diff(p) <= 1e-12).all()
    assert (p > 0).all()
    assert (p <= 1).all()
    assert (p >= fitted.smallest).all()


def test_with_labels_it_is_the_share_of_normal_events() -> None:
    fitted = Calibration.fit(np.arange(99.0), unlabelled=False)
    assert fitted.tail is None
    assert fitted.p_values([1e9, 98.0, 89.0, 0.0, -5.0]).tolist() == [0.01, 0.02, 0.11, 1.0, 1.0]
    assert fitted.smallest == 0.01


def test_equal_scores_count_as_high() -> None:
    fitted = Calibration.fit([3.0, 2.0, 1.0, 2.0], unlabelled=False)
    assert fitted.p_values([0.5, 1.0, 2.0, 2.5, 3.0, 3.5]).tolist() == [1.0, 1.0, 0.8, 0.4, 0.4, 0.2]


def test_without_labels_the_tail_goes_on_as_the_body_falls() -> None:
    """A tenth at 900, a hundredth at 990: a tenth of that for every 90 more, however few events there are."""
    fitted = Calibration.fit(np.arange(1001.0), unlabelled=True)
    assert fitted.tail == (990.0, pytest.approx(90.0 / np.log(10.0)))
    p = fitted.p_values([899.5, 990.0, 995.0, 1080.0, 1260.0, 1e9])
    want = [102 / 1002, 12 / 1002, 10 ** (-2 - 5 / 90), 1e-3, 1e-5, 1e-12]
    np.testing.assert_allclose(p, want, rtol=1e-9)
    assert fitted.smallest == 1e-12


def test_no_more_than_some_are_suspected_of_being_faults() -> None:
    """Ten of 1,001 far above: 0.5% may be faults that nobody reported, the others count as a heavy tail."""
    fitted = Calibration.fit([*range(991), *[1e6] * 10], unlabelled=True)
    np.testing.assert_allclose(fitted.p_values([1e5, 1e6, 2e6]), [11 / 1002 - 0.005] * 2 + [1e-12])


def test_normal_events_alert_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    for unlabelled in (False, True):
        fitted = Calibration.fit(rng.exponential(1.0, 20_000), unlabelled)
        p = fitted.p_values(rng.exponential(1.0, 50_000))
        for rate in (0.05, 0.01, 0.001):
            assert rate / 1.6 < (p <= rate).mean() < rate * 1.6, (unlabelled, rate)


def test_without_labels_unreported_faults_do_not_set_the_threshold() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.exponential(1.0, 10_000), rng.uniform(40.0, 60.0, 30)])
    faults = np.linspace(41.0, 59.0, 10)
    assert (Calibration.fit(values, unlabelled=True).p_values(faults) < 1e-4).all()
    assert (Calibration.fit(values, unlabelled=False).p_values(faults) > 1e-4).all()


def test_scores_all_alike_have_no_tail() -> None:
    fitted = Calibration.fit(np.zeros(100), unlabelled=True)
    assert fitted.tail is None
    assert fitted.p_values([0.0, 1.0]).tolist() == [1.0, pytest.approx(1 / 101)]


@pytest.mark.parametrize("unlabelled", [False, True])
def test_what_is_not_kept_does_not_alert(unlabelled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "KEPT", 50)
    values = np.random.default_rng(0).normal(size=10_000)
    fitted = Calibration.fit(values, unlabelled)
    assert len(fitted.scores) == 200
    p = fitted.p_values(np.sort(values))
    assert (np.diff(p) <= 0).all()
    assert (p[:-200] == 1.0).all()
    assert p[-200] <= 0.021


@FIXED
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_prefilter_does_not_depend_on_batches(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.exponential(3.0, (n, 22)).astype(np.float32)
    trigger = rng.integers(0, 3, n).astype(np.int8)
    weight, bias = rng.exponential(1.0, 22), rng.normal(size=3)
    weight[::5] = 0.0
    whole = prefilter_logit(x, trigger, weight, bias)
    alone = [prefilter_logit(x[i : i + 1], trigger[i : i + 1], weight, bias)[0] for i in range(n)]
    assert whole.tolist() == alone
    np.testing.assert_allclose(whole, x.astype(float) @ weight + bias[trigger], rtol=1e-9)
