"""What an alert says drove it: the features most above what is typical, by the prefilter's weights."""

from dataclasses import replace

import numpy as np
import pytest

from models.bundle import Bundle
from models.detector import Evaluator, Score
from models.features import NAMES, WIDTH

NEW, GAP, SILENT, RANK, OUTLIER = (
    NAMES.index(name)
    for name in ("template_in_source", "entity_gap", "source_silence", "severity_rank", "parameter_outlier")
)


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    """Weight 1 for all features but two; 20 is typical of the first, 0 of the others."""
    bundle = Bundle.default()
    weight, typical = np.ones(WIDTH), np.zeros(WIDTH)
    weight[RANK], weight[OUTLIER], typical[NEW] = 3.0, 0.0, 20.0
    changed = bundle.weights | {"prefilter.weight": weight, "typical": typical}
    return Evaluator(replace(bundle, weights=changed), "compiled")


def explained(evaluator: Evaluator, values: dict[int, float]) -> Score:
    x = np.zeros((1, WIDTH))
    for index, value in values.items():
        x[0, index] = value
    wires = np.zeros((1, 8), np.float32)
    (score,) = evaluator.score_arrays(x, wires, np.zeros((1, 8), bool), np.zeros(1))
    return score


def test_a_driver_is_above_what_is_typical(evaluator: Evaluator) -> None:
    score = explained(evaluator, {NEW: 21.0, GAP: 2.0})
    assert score.drivers == [("entity_gap", 2.0, 0.0), ("template_in_source", 21.0, 20.0)]
    assert score.kind == "sequence"
    assert explained(evaluator, {NEW: 23.0, GAP: 2.0}).kind == "new pattern"
    assert explained(evaluator, {NEW: 19.0, GAP: 2.0}).drivers == [("entity_gap", 2.0, 0.0)]


def test_weights_decide_between_drivers(evaluator: Evaluator) -> None:
    score = explained(evaluator, {GAP: 8.0, RANK: 3.0, OUTLIER: 30.0})
    assert [name for name, *_ in score.drivers] == ["severity_rank", "entity_gap", "parameter_outlier"]
    assert score.kind == "level"


def test_four_are_named_at_most_and_the_first_of_equals_first(evaluator: Evaluator) -> None:
    score = explained(evaluator, {GAP: 1.0, SILENT: 5.0, RANK: 1.0, OUTLIER: 30.0, NEW: 21.0})
    assert [name for name, *_ in score.drivers] == [
        "source_silence", "severity_rank", "template_in_source", "entity_gap",
    ]  # fmt: skip


def test_where_all_is_typical_the_largest_are_named(evaluator: Evaluator) -> None:
    assert explained(evaluator, {NEW: 12.0}).drivers == [("template_in_source", 12.0, 20.0)]
    assert explained(evaluator, {}).drivers == []
