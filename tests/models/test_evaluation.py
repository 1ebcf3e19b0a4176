"""Figures of merit, against scikit-learn and by hand."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from models import evaluation as evaluation_module
from models.context import tables
from models.context.context import Rows
from models.evaluation import Evaluation, figures, interval
from models.evidence_history import POINTS, EvidencePoints, Point, UnitHistory
from models.labels import Labels
from models.scores import EventScores, ScoreName
from schemas.salient import Reason, SalientEvent, Trigger

TEXTS = {7: "disk <*> is slow", 8: "disk <*> fails", 9: "done"}


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


Why = list[tuple[int, int, float, float, float]]  # kind, template, nats, share, age


def some_rows(times: list[float], whys: list[Why]) -> Rows:
    """Rows of events of template 9 with these reasons."""
    n = len(times)
    why = np.zeros((n, tables.REASONS), tables.REASON)
    why["kind"] = -1
    for row, reasons in enumerate(whys):
        why[row, : len(reasons)] = reasons
    columns: dict[str, Any] = {field.name: np.zeros(n, np.int64) for field in fields(Rows)}
    return Rows(**columns | {"time": np.array(times), "template": np.full(n, 9, np.uint64), "why": why})


def seen(
    evaluation: Evaluation,
    *lines: tuple[str, float, float],
    sources: str = "s",
    salient: list[bool] | None = None,
    whys: list[Why] | None = None,
    unseen: list[float] | None = None,
) -> None:
    """The prefilter has seen an event of each (entity, time, logit); sources: of all, or of each; unseen:
    scores of those that are not salient, low unless given.
    """
    entities, times, logits = (list(column) for column in zip(*lines, strict=True))
    n = len(lines)
    evaluation.prefiltered(
        list(sources.ljust(n, sources[-1])), entities, times, logits, [False] * n, salient or [True] * n,
        unseen or [logit - 100.0 for logit in logits],
        some_rows(times, whys or [[]] * n), TEXTS.__getitem__,
    )  # fmt: skip


def all_seen(evaluation: Evaluation, *entities: str, time: float = 1.0) -> None:
    """The prefilter has let an event of each entity through."""
    seen(evaluation, *((entity, time, 0.0) for entity in entities))


def scored(
    evaluation: Evaluation, source: str, entity: str, time: float, score: float, p: float = 0.01
) -> None:
    event = SalientEvent(
        id="0" * 32, topic="t", partition=0, offset=0, record=0, bundle="ab", trigger=Trigger.EVENT,
        time=time, watermark=time, source=source, entity=entity,
    )  # fmt: skip
    one = {name: np.array([score]) for name in ScoreName}
    p_values = {name: np.array([p]) for name in ScoreName}
    evaluation.scored([event], EventScores(one, p_values), np.array([0.01]))


def test_entities_by_hand() -> None:
    labels = Labels({"bad": True, "late": True, "missed": True, "good": False, "calm": False}, {"bad": 90.0})
    evaluation = Evaluation(labels)
    entities = ["bad", "late", "missed", "good", "calm", "nobody"]
    seen(evaluation, *zip(entities, [100.0] * 6, [5.0, 4.0, 1.0, 3.0, 0.0, 9.0], strict=True))
    scored(evaluation, "s", "bad", 110.0, 7.0, 0.001)
    scored(evaluation, "s", "bad", 95.0, 6.0, 0.002)
    scored(evaluation, "s", "late", 140.0, 6.0)
    scored(evaluation, "s", "good", 100.0, 5.0)
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
    evaluation = Evaluation(labels)
    all_seen(evaluation, "a", "b", "c", time=70.0)
    for entity, time in (("a", 80.0), ("a", 120.0), ("a", 150.0), ("b", 89.9), ("c", 70.0)):
        scored(evaluation, "s", entity, time, 1.0, 0.001)
    # a after 30 s, c when it is first seen; b was never alerted on while it was at fault.
    assert evaluation.report(10)["delay_seconds"] == {"p50": 15.0, "p90": pytest.approx(27.0)}
    only_early = Evaluation(labels)
    all_seen(only_early, "b", time=70.0)
    scored(only_early, "s", "b", 89.9, 1.0, 0.001)
    assert only_early.report(10)["delay_seconds"] == {"p50": None, "p90": None}


def test_what_no_circuit_saw_ranks_by_the_score_that_the_prefilter_gives_it() -> None:
    """A fault and a normal entity no circuit saw, and below another normal one the worst scored fault."""
    labels = Labels({"unseen": True, "usual": False, "low": True, "high": False})
    evaluation = Evaluation(labels)
    entities, logits = ["unseen", "usual", "low", "high"], [9.0, 8.0, 1.0, 2.0]
    lines = zip(entities, [1.0] * 4, logits, strict=True)
    seen(evaluation, *lines, salient=[False, False, True, True], unseen=[-5.0, -8.0, 0.0, 0.0])
    scored(evaluation, "s", "low", 1.0, -7.0, 0.5)
    scored(evaluation, "s", "high", 1.0, -6.0, 0.5)
    ablation = evaluation.report(4)["ablation"]
    assert ablation["prefilter"]["average_precision"] == pytest.approx((1 / 1 + 2 / 4) / 2)
    for name in ScoreName:  # unseen, high, low, usual
        if name == ScoreName.PREFILTER:
            continue
        assert ablation[name]["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
        assert ablation[name]["roc_auc"] == pytest.approx(3 / 4)


def test_every_alert_of_a_normal_entity_is_a_false_alarm() -> None:
    evaluation = Evaluation(Labels({"good": False, "bad": True}))
    all_seen(evaluation, "good", "bad", "nobody")
    for entity, p in (("good", 0.01), ("good", 0.001), ("good", 0.011), ("bad", 0.001), ("nobody", 0.001)):
        scored(evaluation, "s", entity, 1.0, 1.0, p)
    assert evaluation.report(5000)["false_alarms_per_10k_events"] == 4.0


def test_intervals_by_hand() -> None:
    evaluation = Evaluation(Labels(intervals={"s": [(100.0, 200.0)]}))
    lines = ("", 50.0, 0.0), ("", 150.0, 3.0), ("", 160.0, 1.0), ("", 150.0, 2.0)
    seen(evaluation, *lines, sources="ssst", salient=[False, True, False, True])
    scored(evaluation, "s", "", 150.0, 4.0, 0.001)
    scored(evaluation, "t", "", 150.0, 3.0, 0.001)
    report = evaluation.report(4)
    assert (report["entity"]["n"], report["entity"]["n_positive"]) == (3, 1)
    assert (report["event"]["n"], report["event"]["n_positive"]) == (4, 2)
    assert (report["event"]["precision"], report["event"]["recall"]) == (0.5, 0.5)
    assert report["delay_seconds"]["p50"] == 50.0
    assert report["false_alarms_per_10k_events"] == 2500.0


def test_nothing_at_all() -> None:
    report = Evaluation(Labels()).report(0)
    assert report["entity"]["n"] == 0
    assert report["false_alarms_per_10k_events"] is None
    assert report["delay_seconds"] == {"p50": None, "p90": None}
    assert report["worst"] == {"misses": [], "false_alarms": []}


def a_reason(template: int, nats: float, share: float, age: float) -> Reason:
    return Reason(kind="new", template=TEXTS[template], nats=nats, share=share, age=age)


def test_the_worst_misses_scored_lowest_and_the_worst_false_alarms_highest() -> None:
    faulty = dict.fromkeys(("quiet", "low", "high", "found", "m1", "m2", "m3"), True)
    evaluation = Evaluation(Labels(faulty | {"loud": False, "odd": False, "calm": False}))
    all_seen(evaluation, *faulty, "loud", "odd", "calm", "nobody")
    scores = [("low", 1.0), ("high", 5.0), ("m1", 2.0), ("m2", 3.0), ("m3", 4.0), ("calm", 9.0)]
    for name, score in scores:
        scored(evaluation, "s", name, 1.0, score, 0.02)
    for name, score in (("found", 0.5), ("odd", 6.0), ("loud", 7.0), ("nobody", 8.0)):
        scored(evaluation, "s", name, 1.0, score)
    assert evaluation.report(9)["worst"] == {
        "misses": ["quiet", "low", "m1", "m2", "m3"],
        "false_alarms": ["loud", "odd"],
    }
    worst = evaluation.worst_units()
    assert [unit.name for unit in worst.misses] == ["quiet", "low", "m1", "m2", "m3"]
    assert [unit.name for unit in worst.false_alarms] == ["loud", "odd"]
    assert (worst.all_misses, worst.all_false_alarms) == (6, 2)


def test_a_unit_tells_which_rows_raised_its_evidence_and_what_each_added() -> None:
    evaluation = Evaluation(Labels({"good": False}, {"good": 25.0}))
    slow, slower, fails = (0, 7, 2.0, 0.25, 3.0), (0, 7, 2.5, 0.2, 9.0), (0, 8, 9.0, 0.0, 9.0)
    seen(evaluation, ("good", 10.0, 0.0), ("good", 13.0, 1.5), whys=[[], [slow]])
    lines = ("good", 16.0, 1.0), ("good", 19.0, 4.0), ("good", 18.0, 5.0), ("good", 30.0, 0.0)
    seen(evaluation, *lines, whys=[[fails], [slower, fails], [slower, fails], []])
    scored(evaluation, "s", "good", 19.0, 3.0, 0.001)
    scored(evaluation, "s", "good", 18.0, 4.0, 0.001)
    assert evaluation.worst_units().false_alarms == [
        UnitHistory(
            "good", False, began=10.0, last=30.0, fault=25.0, alert=18.0, nats=5.0,
            points=[
                Point(13.0, 1.5, Trigger.EVENT, "done", [a_reason(7, 2.0, 0.25, 3.0)]),
                Point(19.0, 4.0, Trigger.EVENT, "done",
                    [a_reason(8, 9.0, 0.0, 9.0), a_reason(7, 2.5, 0.2, 9.0)]),
                Point(19.0, 5.0, Trigger.EVENT, "done", []),  # late, and told when it was read
            ],
        )
    ]  # fmt: skip


def test_an_interval_tells_its_source_and_when_the_fault_began() -> None:
    evaluation = Evaluation(Labels(intervals={"s": [(100.0, 200.0), (300.0, 400.0)]}))
    seen(evaluation, ("", 50.0, 0.0), ("", 150.0, 3.0), ("a", 310.0, 1.0), ("", 350.0, 2.0), ("", 450.0, 1.0))
    scored(evaluation, "s", "", 450.0, 4.0, 0.001)
    assert evaluation.report(9)["worst"] == {"misses": ["s 300.0", "s 100.0"], "false_alarms": ["s"]}
    worst = evaluation.worst_units()
    told = [(unit.name, unit.fault, unit.began, unit.last, unit.alert) for unit in worst.misses]
    assert told == [("s", 300.0, 310.0, 350.0, None), ("s", 100.0, 150.0, 150.0, None)]
    assert [(unit.name, unit.fault, unit.alert) for unit in worst.false_alarms] == [("s", None, 450.0)]


def test_of_many_points_the_smallest_steps_are_left_out() -> None:
    points = EvidencePoints()
    steps = [1.0, 0.5, 3.0, 2.0, 0.25, 1.5, 2.5, 4.0, 1.75, 0.125]
    nats = np.cumsum(steps).tolist()
    rows = some_rows([float(i) for i in range(10)], [[]] * 10)
    points.add([(1, row, nats[row]) for row in range(10)], rows, TEXTS.__getitem__)
    kept = [point.time for point in points.of(1)]
    # 0.25 goes when the ninth comes; what it told is then part of the next step. The highest always stays.
    assert kept == [0.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert len(kept) == POINTS
    assert points.of(1)[-1].nats == nats[-1]


def test_points_of_many_units_are_bounded_and_the_worst_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_module, "UNITS", 16)
    names = [f"calm{i}" for i in range(100)]
    evaluation = Evaluation(Labels(dict.fromkeys(names, False) | {"alarm": False, "miss": True}))
    seen(evaluation, ("alarm", 1.0, 5.0), ("miss", 2.0, 1.5))
    scored(evaluation, "s", "alarm", 1.0, 3.0, 0.001)
    for name in names:
        seen(evaluation, (name, 3.0, 1.0))
        assert len(evaluation.points) <= 16
    worst = evaluation.worst_units()
    assert [point.nats for point in worst.false_alarms[0].points] == [5.0]
    assert [point.nats for point in worst.misses[0].points] == [1.5]


def test_a_fault_that_was_found_is_forgotten() -> None:
    evaluation = Evaluation(Labels({"bad": True}))
    seen(evaluation, ("bad", 1.0, 5.0))
    assert len(evaluation.points) == 1
    scored(evaluation, "s", "bad", 1.0, 3.0, 0.001)
    seen(evaluation, ("bad", 2.0, 6.0))
    assert len(evaluation.points) == 0
