"""What an alert says drove it: the features most above what is typical, by the prefilter's weights."""

from dataclasses import replace

import numpy as np
import pytest

from models.bundle import Bundle
from models.context.features import NAMES, WIDTH
from models.explanation import Explainer, Explanation

NEW, GAP, SILENT, RANK, OUTLIER = (
    NAMES.index(name)
    for name in ("template_in_source", "entity_gap", "source_silence", "severity_rank", "parameter_outlier")
)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    """Weight 1 for all features but two; 20 is typical of the first, 0 of the others."""
    bundle = Bundle.default()
    weight, typical = np.ones(WIDTH), np.zeros(WIDTH)
    weight[RANK], weight[OUTLIER], typical[NEW] = 3.0, 0.0, 20.0
    changed = bundle.weights | {"prefilter.weight": weight, "typical": typical}
    return Explainer(replace(bundle, weights=changed))


def explained(explainer: Explainer, values: dict[int, float]) -> Explanation:
    return explainer.explain([values.get(index, 0.0) for index in range(WIDTH)])


def test_a_driver_is_above_what_is_typical(explainer: Explainer) -> None:
    why = explained(explainer, {NEW: 21.0, GAP: 2.0})
    assert why.drivers == [("entity_gap", 2.0, 0.0), ("template_in_source", 21.0, 20.0)]
    assert why.kind == "sequence"
    assert explained(explainer, {NEW: 23.0, GAP: 2.0}).kind == "new pattern"
    assert explained(explainer, {NEW: 19.0, GAP: 2.0}).drivers == [("entity_gap", 2.0, 0.0)]


def test_weights_decide_between_drivers(explainer: Explainer) -> None:
    why = explained(explainer, {GAP: 8.0, RANK: 3.0, OUTLIER: 30.0})
    assert [name for name, *_ in why.drivers] == ["severity_rank", "entity_gap", "parameter_outlier"]
    assert why.kind == "level"


def test_four_are_named_at_most_and_the_first_of_equals_first(explainer: Explainer) -> None:
    why = explained(explainer, {GAP: 1.0, SILENT: 5.0, RANK: 1.0, OUTLIER: 30.0, NEW: 21.0})
    assert [name for name, *_ in why.drivers] == [
        "source_silence", "severity_rank", "template_in_source", "entity_gap",
    ]  # fmt: skip


def test_where_all_is_typical_the_largest_are_named(explainer: Explainer) -> None:
    assert explained(explainer, {NEW: 12.0}).drivers == [("template_in_source", 12.0, 20.0)]
    assert explained(explainer, {}).drivers == []
