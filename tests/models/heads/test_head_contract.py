"""What every head promises alike, through the evaluator that a worker has: one suite over all scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.bundle import Bundle, BundleError
from models.detector import Evaluator
from models.heads.calibration import Calibration
from models.options import EvaluateOptions
from models.scores import ScoreName
from tests.story.bundle import CALIBRATION, NORMAL, THRESHOLD, make_bundle

FIXED = settings(derandomize=True, deadline=None, max_examples=20, database=None)
BUNDLE = Bundle.default()  # trained, with all of its heads different
EVALUATOR = Evaluator(BUNDLE, EvaluateOptions("compiled"))
Columns = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]
heads = pytest.mark.parametrize("name", list(ScoreName))


def some(count: int, seed: int) -> Columns:
    """Wires, open wires and logits; some events with none open, and what closed wires hold is no number."""
    rng = np.random.default_rng(seed)
    is_open = rng.random((count, 8)) < rng.choice([0.0, 0.5, 1.0], (count, 1))
    wires = np.where(is_open, rng.uniform(-1.0, 1.0, (count, 8)), np.nan).astype(np.float32)
    return wires, is_open, BUNDLE.manifest.prefilter_threshold + rng.normal(0.0, 3.0, count)


def scored(name: ScoreName, columns: Columns) -> NDArray[np.float64]:
    return EVALUATOR.score_arrays(*columns, [name])[name]


@heads
@FIXED
@given(count=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_score_is_a_number_and_none_depends_on_its_neighbours(
    name: ScoreName, count: int, seed: int
) -> None:
    columns = some(count, seed)
    whole = scored(name, columns)
    assert whole.shape == (count,)
    assert np.isfinite(whole).all()
    order = np.random.default_rng(seed).permutation(count)
    assert scored(name, tuple(column[order] for column in columns)).tolist() == whole[order].tolist()  # type: ignore[arg-type]
    alone = [scored(name, tuple(column[row : row + 1] for column in columns))[0] for row in range(count)]  # type: ignore[arg-type]
    assert alone == whole.tolist()


@heads
def test_without_an_open_wire_it_is_what_the_prefilter_makes_of_the_event(name: ScoreName) -> None:
    threshold = BUNDLE.manifest.prefilter_threshold
    logit = threshold + np.array([-2.0, 0.0, 3.0])
    found = scored(name, (np.full((3, 8), np.nan, np.float32), np.zeros((3, 8), bool), logit))
    expected = logit if name == ScoreName.PREFILTER else np.array([-2.0, 0.0, 0.0])
    np.testing.assert_allclose(found, expected, atol=1e-12)


@heads
def test_what_closed_wires_hold_changes_nothing(name: ScoreName) -> None:
    wires, is_open, logit = some(30, 4)
    other = np.where(is_open, wires, np.float32(0.7))
    assert scored(name, (wires, is_open, logit)).tolist() == scored(name, (other, is_open, logit)).tolist()


@heads
def test_numbers_that_are_none_are_refused(name: ScoreName) -> None:
    wires, is_open, _ = some(3, 1)
    with pytest.raises(ValueError, match="finite"):
        scored(name, (wires, is_open, np.array([0.0, np.nan, 0.0])))


@heads
def test_shapes_that_do_not_fit_are_refused(name: ScoreName) -> None:
    wires, is_open, logit = some(4, 2)
    none = np.zeros_like(is_open)
    for wrong in (
        (wires[:, :7], none[:, :7], logit),
        (wires[:3], none, logit),
        (wires, none[:3], logit),
        (wires, none, logit[:3]),
        (wires, none, logit[:, None]),
    ):
        with pytest.raises(ValueError, match="want"):
            scored(name, wrong)


@heads
def test_p_values_are_shares_of_normal_events_and_fall_as_the_score_rises(name: ScoreName) -> None:
    for of_entity in (False, True):
        p = BUNDLE.calibrations[name].p_values(np.linspace(-50.0, 50.0, 500), np.full(500, of_entity))
        assert ((p > 0.0) & (p <= 1.0)).all()
        assert (np.diff(p) <= 0.0).all()
    by_hand = Calibration(np.array(CALIBRATION[name]), NORMAL)
    for score in (*CALIBRATION[name], min(CALIBRATION[name]) + 0.01, 99.0):
        reached = sum(normal >= score for normal in CALIBRATION[name])
        assert by_hand.p_values([score])[0] == pytest.approx((reached + 1) / (NORMAL + 1))


def test_the_readouts_in_int8_and_float_are_near_each_other() -> None:
    columns = some(500, 9)
    both = EVALUATOR.score_arrays(*columns, [ScoreName.HYBRID, ScoreName.HYBRID_INT8])
    assert np.abs(both[ScoreName.HYBRID] - both[ScoreName.HYBRID_INT8]).max() < 0.1


def test_scores_by_hand(tmp_path: Path) -> None:
    """The bundle of the story, wires at 0.5 and 1 with both open: <Z> is 0 and -1."""
    evaluator = Evaluator(make_bundle(tmp_path), EvaluateOptions("compiled"))
    wires, is_open = np.array([[0.5, 1.0]], np.float32), np.ones((1, 2), bool)
    found = evaluator.score_arrays(wires, is_open, np.array([THRESHOLD + 0.25]), list(ScoreName))
    by_name = {name: float(scores[0]) for name, scores in found.items()}
    assert by_name == pytest.approx({
        "prefilter": THRESHOLD + 0.25,
        "twin": 0.25 - 1.0,
        "hybrid": 0.25 - 2.0,
        "hybrid_int8": 0.25 + 3.0 - 2.0 * 0.0 - 1.0 * -1.0,
        "density": 0.25 + np.log(4.0),  # of two wires nothing is known: the identity over four states
    }, abs=1e-6)  # fmt: skip


@heads
def test_a_bundle_without_a_head_is_refused(name: ScoreName, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "whole")
    calibrations = {each: bundle.calibrations[each] for each in ScoreName if each != name}
    weights = {key: array for key, array in bundle.weights.items() if key != f"calibration.entity.{name}"}
    with pytest.raises(BundleError, match=f"calibration.entity.{name}"):
        replace(bundle, calibrations=calibrations, weights=weights).save(tmp_path / "less")
