"""The choices that training makes, by hand; the whole of it is in test_detector.py."""

import math

import numpy as np
import pytest
import torch

from models.options import TrainingOptions
from models.training.bags import Bags
from models.training.choices import DEFAULT_RATE, best_rate, highest_of, highest_rows, trusted
from models.training.prefilter import bag_loss
from models.training.rows import build
from models.training.train import train
from schemas.events import EventBatch
from schemas.formats.options import ReadOptions


def test_the_rate_is_the_one_with_the_best_f1_in_the_middle_of_the_gap_beyond_it() -> None:
    p = np.array([0.01, 0.04, 0.02, 0.09])
    # F1 at 0.01 is 2/3, at 0.02 1/2, at 0.04 4/5 and at 0.09 2/3: between 0.04 and 0.09, as ratios go.
    assert best_rate(p, np.array([True, True, False, False])) == pytest.approx(0.06)
    # Without the second unit: 1 at 0.01, then less.
    assert best_rate(p[[0, 2, 3]], np.array([True, False, False])) == pytest.approx(np.sqrt(0.01 * 0.02))
    # Units alike are flagged together: 2/3 for both of 0.01, 4/5 with the third.
    assert best_rate(np.array([0.01, 0.01, 0.04]), np.array([True, False, True])) == pytest.approx(0.04)


def test_without_a_fault_to_find_the_rate_is_the_usual_one() -> None:
    assert best_rate(np.array([0.5, 0.2]), np.array([False, False])) == DEFAULT_RATE
    assert best_rate(np.zeros(0), np.zeros(0, bool)) == DEFAULT_RATE


def test_the_highest_row_of_each_unit_speaks_for_it() -> None:
    unit, logit = np.array([2, 0, 2, 0, 2, 5]), np.array([1.0, -3.0, 4.0, -2.0, 4.0, 0.0])
    assert highest_of(unit, logit).tolist() == [3, 2, 5]  # of equals the first


def test_what_looks_like_an_unreported_fault_teaches_nothing() -> None:
    # A half at 500, a tenth at 900: a fifth of that for every 400 more. 2,000 is reached by 1 in 833 and
    # stays, 2,200 by 1 in 1,864.
    logit = np.array([*range(1001), 2000.0, 2200.0])
    assert np.flatnonzero(~trusted(logit)).tolist() == [1002]


def test_the_highest_rows_of_each_bag_reach_the_circuit() -> None:
    above = np.array([1.0, 5.0, 3.0, -1.0, 4.0, 2.0, -2.0, -1.0, 0.0])
    x = np.arange(9, dtype=np.float32)[:, None]
    bags = Bags(
        x,
        np.arange(9, dtype=np.int8),
        np.arange(9) > 3,
        np.array([0] * 6 + [1] * 2 + [2]),
        np.array([1.0, 0.5, 0.25]),
    )
    kept, by = highest_rows(bags, above)
    assert kept.x[:, 0].tolist() == kept.trigger.tolist() == [1, 4, 2, 5, 8]  # four of six, none, the one
    assert kept.of_entity.tolist() == [False, True, False, True, True]
    assert kept.bag.tolist() == [0, 0, 0, 0, 1]
    assert kept.weight.tolist() == [1.0, 0.25]
    assert by.tolist() == [5.0, 4.0, 3.0, 2.0, 0.0]


def test_a_bag_costs_what_its_highest_row_does() -> None:
    logit, bag = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([0, 0, 1])
    loss = bag_loss(logit, bag, torch.tensor([3.0, 1.0])).item()
    assert loss == pytest.approx((3 * math.log1p(math.exp(-2)) + math.log1p(math.e)) / 4)


def test_logs_of_sources_alone_give_a_bundle() -> None:
    """Where the highest row of a normal minute is as surprising as any fault, hardly anything passes."""
    rng = np.random.default_rng(5)
    words = [f"w{a}{b}" for a in "abcdefgh" for b in "klmnopqr"]
    messages = [f"{rng.choice(words)} {rng.choice(words)}" for _ in range(3000)]
    events = EventBatch.of(
        [(1.7e9 + 0.2 * i, 9, f"s{i % 3}", "", message, None, 0, 0, "") for i, message in enumerate(messages)]
    )
    options = TrainingOptions(wires=3, steps=20)
    rows = build(events, None, ReadOptions(), options, lambda *_: None)
    bundle = train(rows, options, lambda *_: None)
    assert bundle.manifest.calibrated_on["source"] > 10
    assert bundle.weights["prefilter.weight"][:13].mean() >= 0.05
