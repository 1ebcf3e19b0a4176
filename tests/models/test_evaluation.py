"""Figures of merit, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from models.evaluation import Evaluation, figures, interval
from models.labels import Labels
from models.scores import EventScores, ScoreName
from schemas.salient import SalientEvent, Trigger


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(500) < 0.2
    score = rng.normal(size=500) + truth
    flagged = score > 1.0
    got = figures(truth, flagged, score)
    assert got == {
        "precision": pytest.approx(precision_score(truth, flagged)),
        "recall": pytest.approx(recall_score(truth, flagged)),
        "f1": pytest.approx(f1_score(truth, flagged)),
        "average_precision": pytest.approx(average_precision_score(truth, score)),
        "roc_auc": pytest.approx(roc_auc_score(truth, score)),
        "n_positive": int(truth.sum()),
        "n": 500,
    }
    bounds = interval(truth, flagged, score)
    assert bounds == interval(truth, flagged, score)
    for name in ("f1", "average_precision", "roc_auc"):
        low, high = bounds[name]
        assert low < got[name] < high
        assert high - low < 0.3


def test_figures_by_hand() -> None:
    truth = np.array([True, False, False, True, False])
    flagged = np.array([True, True, True, False, False])
    got = figures(truth, flagged, np.array([5.0, 4.0, 3.0, 2.0, 1.0]))
    assert (got["precision"], got["recall"], got["f1"]) == (1 / 3, 1 / 2, pytest.approx(2 / 5))
    assert got["average_precision"] == pytest.approx((1 / 1 + 2 / 4) / 2)  # precision at each of the two hits
    assert got["roc_auc"] == pytest.approx((3 + 1) / 6)  # pairs of a fault and a normal one in their order


def test_what_labels_cannot_give_is_none() -> None:
    nothing = np.zeros(3, bool)
    got = figures(nothing, nothing, np.zeros(3))
    assert [got[key] for key in ("precision", "recall", "f1", "average_precision", "roc_auc")] == [None] * 5
    assert interval(nothing, nothing, np.zeros(3)) == {}
    # Where all are positive there is no ROC AUC; where scores tell all apart it is 1 in every drawing.
    assert interval(~nothing, nothing, np.zeros(3)).keys() == {"f1", "average_precision"}
    assert interval(np.arange(9) > 4, nothing[:1].repeat(9), np.arange(9.0))["roc_auc"] == [1.0, 1.0]
    everything = figures(~nothing, nothing, np.zeros(3))
    assert everything["recall"] == everything["f1"] == 0.0
    assert everything["precision"] is everything["roc_auc"] is None


def all_seen(evaluation: Evaluation, *entities: str, time: float = 1.0) -> None:
    """The prefilter has let an event of each entity through."""
    n = len(entities)
    evaluation.prefiltered(["s"] * n, entities, [time] * n, [0.0] * n, [0.5] * n, [True] * n)


def scored(evaluation: Evaluation, source: str, entity: str, time: float, score: float, p: float) -> None:
    event = SalientEvent(
        id="0" * 32, topic="t", partition=0, offset=0, record=0, bundle="ab", trigger=Trigger.EVENT,
        time=time, watermark=time, source=source, entity=entity,
    )  # fmt: skip
    one = {name: np.array([score]) for name in ScoreName}
    evaluation.scored([event], EventScores(one, {name: np.array([p]) for name in ScoreName}))


def test_entities_by_hand() -> None:
    labels = Labels({"bad": True, "late": True, "missed": True, "good": False, "calm": False}, {"bad": 90.0})
    evaluation = Evaluation(labels, 0.01)
    entities = ["bad", "late", "missed", "good", "calm", "nobody"]
    times = [100.0, 100.0, 100.0, 100.0, 100.0, 100.0]
    evaluation.prefiltered(["s"] * 6, entities, times, [5.0, 4.0, 1.0, 3.0, 0.0, 9.0], [0.5] * 6, [True] * 6)
    scored(evaluation, "s", "bad", 110.0, 7.0, 0.001)
    scored(evaluation, "s", "bad", 95.0, 6.0, 0.002)
    scored(evaluation, "s", "late", 140.0, 6.0, 0.01)
    scored(evaluation, "s", "good", 100.0, 5.0, 0.01)
    scored(evaluation, "s", "calm", 100.0, 0.0, 0.5)
    scored(evaluation, "s", "nobody", 100.0, 9.0, 0.0001)
    report = evaluation.report(1000)
    entity = report["entity"]
    assert (entity["precision"], entity["recall"], entity["n_positive"], entity["n"]) == (2 / 3, 2 / 3, 3, 5)
    assert report["false_alarms_per_10k_events"] == 10.0
    assert report["delay_seconds"] == {"p50": 22.5, "p90": pytest.approx(36.5)}  # of 5 s and 40 s
    assert set(report["ablation"]) == set(ScoreName)
    assert report["ablation"]["prefilter"]["recall"] == 0.0
    assert report["ablation"]["hybrid"]["interval95"]["f1"][0] <= entity["f1"]
    assert "event" not in report


def test_a_delay_counts_from_the_start_of_the_fault() -> None:
    labels = Labels({"a": True, "b": True, "c": True}, {"a": 90.0, "b": 90.0})
    evaluation = Evaluation(labels, 0.01)
    all_seen(evaluation, "a", "b", "c", time=70.0)
    for entity, time in (("a", 80.0), ("a", 120.0), ("a", 150.0), ("b", 89.9), ("c", 70.0)):
        scored(evaluation, "s", entity, time, 1.0, 0.001)
    # a after 30 s, c when it is first seen; b was never alerted on while it was at fault.
    assert evaluation.report(10)["delay_seconds"] == {"p50": 15.0, "p90": pytest.approx(27.0)}
    only_early = Evaluation(labels, 0.01)
    all_seen(only_early, "b", time=70.0)
    scored(only_early, "s", "b", 89.9, 1.0, 0.001)
    assert only_early.report(10)["delay_seconds"] == {"p50": None, "p90": None}


def test_what_no_circuit_saw_ranks_below_all_that_one_did_and_by_the_prefilter() -> None:
    """A fault and a normal entity no circuit saw, and below another normal one the worst scored fault."""
    labels = Labels({"unseen": True, "usual": False, "low": True, "high": False})
    evaluation = Evaluation(labels, 0.01)
    entities, logits = ["unseen", "usual", "low", "high"], [9.0, 8.0, 1.0, 2.0]
    evaluation.prefiltered(["s"] * 4, entities, [1.0] * 4, logits, [0.5] * 4, [False, False, True, True])
    scored(evaluation, "s", "low", 1.0, -7.0, 0.5)
    scored(evaluation, "s", "high", 1.0, -6.0, 0.5)
    ablation = evaluation.report(4)["ablation"]
    assert ablation["prefilter"]["average_precision"] == pytest.approx((1 / 1 + 2 / 4) / 2)
    for name in list(ScoreName)[1:]:  # in the order high, low, unseen, usual
        assert ablation[name]["average_precision"] == pytest.approx((1 / 2 + 2 / 3) / 2)
        assert ablation[name]["roc_auc"] == pytest.approx(2 / 4)


def test_every_alert_of_a_normal_entity_is_a_false_alarm() -> None:
    evaluation = Evaluation(Labels({"good": False, "bad": True}), 0.01)
    all_seen(evaluation, "good", "bad", "nobody")
    for entity, p in (("good", 0.01), ("good", 0.001), ("good", 0.011), ("bad", 0.001), ("nobody", 0.001)):
        scored(evaluation, "s", entity, 1.0, 1.0, p)
    assert evaluation.report(5000)["false_alarms_per_10k_events"] == 4.0


def test_intervals_by_hand() -> None:
    evaluation = Evaluation(Labels(intervals={"s": [(100.0, 200.0)]}), 0.01)
    sources, times = ["s", "s", "s", "t"], [50.0, 150.0, 160.0, 150.0]
    salient = [False, True, False, True]
    evaluation.prefiltered(sources, [""] * 4, times, [0.0, 3.0, 1.0, 2.0], [0.5] * 4, salient)
    scored(evaluation, "s", "", 150.0, 4.0, 0.001)
    scored(evaluation, "t", "", 150.0, 3.0, 0.001)
    report = evaluation.report(4)
    assert (report["entity"]["n"], report["entity"]["n_positive"]) == (3, 1)
    assert (report["event"]["n"], report["event"]["n_positive"]) == (4, 2)
    assert (report["event"]["precision"], report["event"]["recall"]) == (0.5, 0.5)
    assert report["delay_seconds"]["p50"] == 50.0
    assert report["false_alarms_per_10k_events"] == 2500.0


def test_nothing_at_all() -> None:
    report = Evaluation(Labels(), 0.01).report(0)
    assert report["entity"]["n"] == 0
    assert report["false_alarms_per_10k_events"] is None
    assert report["delay_seconds"] == {"p50": None, "p90": None}
