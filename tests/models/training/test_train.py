"""The choices that training makes, by hand; the whole of it is in test_detector.py."""

import math

import numpy as np
import pytest
import torch

from models.training.bags import Bags
from models.training.choices import DEFAULT_RATE, _f1, best_rate, highest_rows, trusted_rows
from models.training.train import _bag_loss


def test_the_rate_is_the_one_with_the_best_f1() -> None:
    unit = np.array([0, 0, 1, 2, 3, -1])
    p = np.array([0.5, 0.01, 0.03, 0.02, 0.2, 0.001])  # the last of no labelled unit
    truth = np.array([True, True, False, False])
    # F1 at 0.01 is 2/3, at 0.02 1/2, at 0.03 4/5 and at 0.2 2/3.
    assert best_rate(p, unit, truth, np.array([-1, 0, 1, 2, 3])) == 0.03
    # Without the second unit: 1 at 0.01, then less.
    assert best_rate(p, unit, truth, np.array([0, 2, 3])) == 0.01
    # A third positive that no circuit saw is missed at any rate: 2/4, 2/5, 4/6 and 4/7.
    assert best_rate(p, unit, np.append(truth, True), np.arange(5)) == 0.03


def test_without_a_fault_to_find_the_rate_is_the_usual_one() -> None:
    unit, p, truth = np.array([0, 1]), np.array([0.5, 0.2]), np.array([True, False])
    assert best_rate(p, unit, truth, np.array([1])) == DEFAULT_RATE
    assert best_rate(p, np.array([-1, 1]), truth, np.array([0])) == DEFAULT_RATE


def test_what_looks_like_an_unreported_fault_teaches_nothing() -> None:
    # 0 to 999, one far above, and one as far that is not taken as normal anyway. The tail falls by a tenth
    # every 90: 1,050 is reached by 1 in 460 normal events and stays, 1,150 by 1 in 6,000.
    logit = np.array([*range(1000), 1050.0, 1150.0, 5000.0])
    normal = np.array([True] * 1002 + [False])
    assert np.flatnonzero(~trusted_rows(normal, logit, labelled=False)).tolist() == [1001, 1002]


def test_with_labels_all_normal_rows_are_trusted() -> None:
    logit = np.array([*range(1000), 1050.0, 1150.0, 5000.0])
    normal = np.array([True] * 1002 + [False])
    assert np.flatnonzero(~trusted_rows(normal, logit, labelled=True)).tolist() == [1002]


def test_the_highest_rows_of_each_bag_reach_the_circuit() -> None:
    above = np.array([1.0, 5.0, 3.0, -1.0, 4.0, 2.0, -2.0, -1.0, 0.0])
    x = np.arange(9, dtype=np.float32)[:, None]
    bags = Bags(x, np.arange(9, dtype=np.int8), np.array([0] * 6 + [1] * 2 + [2]), np.array([1.0, 0.5, 0.25]))
    kept, by = highest_rows(bags, above)
    assert kept.x[:, 0].tolist() == kept.trigger.tolist() == [1, 4, 2, 5, 8]  # four of six, none, the one
    assert kept.bag.tolist() == [0, 0, 0, 0, 1]
    assert kept.weight.tolist() == [1.0, 0.25]
    assert by.tolist() == [5.0, 4.0, 3.0, 2.0, 0.0]


def test_a_bag_costs_what_its_highest_row_does() -> None:
    logit, bag = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([0, 0, 1])
    loss = _bag_loss(logit, bag, torch.tensor([3.0, 1.0])).item()
    assert loss == pytest.approx((3 * math.log1p(math.exp(-2)) + math.log1p(math.e)) / 4)


def test_f1_by_hand() -> None:
    truth = np.array([True, True, False, False])
    assert _f1(truth, np.array([True, False, True, False])) == 2 / 4  # one hit, two positives, two flagged
    assert _f1(truth, truth) == 1.0
    assert _f1(np.array([True]), np.array([False])) == 0.0
    assert _f1(np.zeros(2, bool), np.zeros(2, bool)) == 0.0
