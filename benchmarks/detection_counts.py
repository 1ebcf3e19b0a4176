"""Baselines that look at an entity's vector of counts: how often each template came, once it is over."""

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeClassifier

from benchmarks.detection_data import Event, Unit
from benchmarks.detection_methods import (
    SHARE,
    WHOLE,
    Floats,
    Verdict,
    at_end,
    entities_with,
    limit_of,
    normal,
)

SEED: Final = 0
TREES: Final = 25  # half-space trees: as in the paper
WINDOW: Final = 250  # entities: as in the paper
HEIGHT: Final = 8  # of the paper's 15, which here is 64k nodes a tree for some hundred entities
RIVER: Final = "river"


class Counts:
    """Turns entities into vectors: a column per template of `least` training entities or more, one for all
    others.

    A threshold set on scores of training entities needs at least 2: a template of one of them is then unseen,
    which it is to every other entity. With a column of its own it would make that entity look odder than any
    new one can, and the column of the others would be 0 throughout training, where no tree can split it.
    """

    def __init__(self, units: Sequence[Unit], least: int) -> None:
        shared = entities_with(unit.events for unit in units)
        events = dict.fromkeys(event for unit in units for event in unit.events if shared[event] >= least)
        self._column: dict[Event, int] = {event: column for column, event in enumerate(events)}

    def __call__(self, units: Sequence[Unit]) -> Floats:
        """Counts (n, columns) of n entities; the last column is that of all other templates."""
        counts = np.zeros((len(units), len(self._column) + 1))
        for row, unit in enumerate(units):
            for event, count in Counter(unit.events).items():
                counts[row, self._column.get(event, -1)] += count
        return counts


class UnseenCounts:
    """Whether no training entity has the same counts (Landauer et al., A Critical Review of Common Log Data
    Sets Used for Evaluation of Sequence-Based Anomaly Detection Techniques, 2024).
    """

    name = "counts unseen"
    sees = WHOLE
    rule = "no training entity has the same counts"

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Remember the counts."""
        self._seen = {frozenset(Counter(unit.events).items()) for unit in normal(units, truth)}

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: 1 unseen, 0 seen."""
        unseen = [frozenset(Counter(unit.events).items()) not in self._seen for unit in units]
        return [at_end(unit, float(new), new) for unit, new in zip(units, unseen, strict=True)]


class Forest:
    """Isolation forest (Liu et al., ICDM 2008), 100 trees.

    auto: alarm where the paper's score passes 0.5, scikit-learn's contamination="auto", in place of the
    quantile. The score is the paper's, in (0, 1).
    """

    sees = WHOLE

    def __init__(self, auto: bool = False) -> None:
        self._auto = auto
        self.name = "isolation forest, auto" if auto else "isolation forest"
        quantile = f"above the {1 - SHARE:.1%} quantile of training scores"
        self.rule = 'a score above 0.5 (contamination="auto")' if auto else quantile

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Grow the trees and score the training entities."""
        usual = normal(units, truth)
        self._counts = Counts(usual, least=2)
        x = self._counts(usual)
        self._model = IsolationForest(n_estimators=100, random_state=SEED).fit(x)
        self.limit = 0.5 if self._auto else limit_of(-self._model.score_samples(x))

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: the forest's."""
        scores = (-self._model.score_samples(self._counts(units))).tolist()
        return [at_end(unit, score, score > self.limit) for unit, score in zip(units, scores, strict=True)]


class HalfSpaceTrees:
    """Half-space trees (Tan et al., Fast Anomaly Detection for Streaming Data, IJCAI 2011) over entities as
    they come, by the library river: each one judged is learnt afterwards.

    A column is log(1 + count) as a share of its highest in training. The window is at most half of the
    training entities, since a tree knows nothing before its first window is full.
    """

    name = "half-space trees"
    sees = WHOLE
    rule = f"above the {1 - SHARE:.1%} quantile of training entities, scored once all are learnt"

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Learn the training entities in their order. Raises ImportError without river."""
        usual = normal(units, truth)
        self._counts = Counts(usual, least=2)
        logs = np.log1p(self._counts(usual))
        highest = logs.max(axis=0)
        self._scale = np.where(highest > 0.0, highest, np.log(2.0))
        window = max(1, min(WINDOW, len(usual) // 2))
        trees: Any = import_module(f"{RIVER}.anomaly").HalfSpaceTrees
        self._model = trees(n_trees=TREES, height=HEIGHT, window_size=window, seed=SEED)
        rows = [self._features(row) for row in logs]
        for row in rows:
            self._model.learn_one(row)
        self.limit = limit_of([float(self._model.score_one(row)) for row in rows])

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: that of the trees, in [0, 1]."""
        verdicts = []
        for unit, row in zip(units, np.log1p(self._counts(units)), strict=True):
            features = self._features(row)
            score = float(self._model.score_one(features))
            self._model.learn_one(features)
            verdicts.append(at_end(unit, score, score > self.limit))
        return verdicts

    def _features(self, logs: Floats) -> dict[int, float]:
        return dict(enumerate((logs / self._scale).clip(0.0, 1.0).tolist()))


class Tree:
    """Decision tree on labelled counts (CART, Breiman et al. 1984; on logs: Chen et al., Failure Diagnosis
    Using Decision Trees, ICAC 2004).
    """

    name = "decision tree"
    sees = WHOLE
    rule = "most of a leaf's training entities are anomalies"

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Grow the tree. Raises ValueError without labels."""
        self._counts = Counts(units, least=1)
        self._model = DecisionTreeClassifier(random_state=SEED).fit(self._counts(units), _known(truth))

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: the leaf's share of anomalies."""
        share = self._model.predict_proba(self._counts(units))[:, list(self._model.classes_).index(True)]
        return [at_end(unit, score, score > 0.5) for unit, score in zip(units, share.tolist(), strict=True)]


class Nearest:
    """1-NN on labelled counts (Cover & Hart 1967), Euclidean."""

    name = "1-NN"
    sees = WHOLE
    rule = "nearer to an anomaly than to any normal training entity"

    def fit(self, units: Sequence[Unit], truth: NDArray[np.bool_] | None) -> None:
        """Keep the training entities. Raises ValueError without labels, or of one kind alone."""
        self._counts, known = Counts(units, least=1), _known(truth)
        x = self._counts(units)
        self._by_kind = [NearestNeighbors(n_neighbors=1).fit(x[known == kind]) for kind in (False, True)]

    def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """Score: a / (a + b) of the distances to the nearest normal and the nearest anomaly; 0.5 for 0/0."""
        x = self._counts(units)
        normal_at, anomaly_at = (kind.kneighbors(x)[0][:, 0] for kind in self._by_kind)
        both = normal_at + anomaly_at
        scores = np.divide(normal_at, both, out=np.full(len(x), 0.5), where=both > 0.0).tolist()
        return [at_end(unit, score, score > 0.5) for unit, score in zip(units, scores, strict=True)]


def has_river() -> bool:
    """Whether half-space trees can be had: pip install 'qualm[bench]'."""
    return find_spec(RIVER) is not None


def _known(truth: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    if truth is None or truth.all() or not truth.any():
        raise ValueError("labels of normal and of anomalous training entities are needed")
    return truth
