"""`python -m benchmarks.detection`: splits, labels, delays and tables, on a handful of lines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import detection
from benchmarks.detection import methods, run, training
from benchmarks.detection_data import (
    Truth,
    Unit,
    Units,
    by_field,
    by_pattern,
    load_split,
    split_earlier,
    truth_of,
)
from benchmarks.detection_figures import cells, delays, figures_of, show
from benchmarks.detection_methods import Verdict
from benchmarks.detection_qualm import row_of
from models.scores import ALERTS_BY


def line(second: int, block: str, text: str = "served", level: str = "INFO") -> dict[str, Any]:
    time = f"2008-11-09T20:00:{second:02d}Z"
    return {"timestamp": time, "level": level, "service": "dn", "message": f"{text} {block}"}


def write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sessions 1 to 5 by first line; the lines of 2, and those of 3, lie among those of others."""
    train = [line(0, "blk_1"), line(1, "blk_2"), line(2, "blk_3"), line(9, "blk_2"), line(11, "blk_3")]
    test = [line(5, "blk_-4"), line(6, "blk_5"), line(10, "blk_-4", "lost", "ERROR")]
    write(tmp_path / "hdfs-train.jsonl", train)
    write(tmp_path / "hdfs-test.jsonl", test)
    (tmp_path / "hdfs-train.csv").write_text("entity,label\nblk_1,Normal\nblk_2,Anomaly\nblk_3,Normal\n")
    (tmp_path / "hdfs-test.csv").write_text("entity,label\nblk_-4,Anomaly\nblk_5,Normal\n")
    return tmp_path


def test_the_first_share_of_sessions_trains_and_no_session_is_cut(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    out.mkdir()
    assert split_earlier(folder, "hdfs", 0.5, out) == out  # 2 of 5 sessions
    assert [record["message"] for record in read(out / "hdfs-train.jsonl")] == [
        "served blk_1", "served blk_2", "served blk_2",
    ]  # fmt: skip
    assert [record["message"] for record in read(out / "hdfs-test.jsonl")] == [
        "served blk_3", "served blk_-4", "served blk_5", "lost blk_-4", "served blk_3",
    ]  # fmt: skip
    assert (out / "hdfs-train.csv").read_text().split() == ["entity,label", "blk_1,Normal", "blk_2,Anomaly"]
    assert (out / "hdfs-test.csv").read_text().split() == [
        "entity,label", "blk_3,Normal", "blk_-4,Anomaly", "blk_5,Normal",
    ]  # fmt: skip


def test_splits_have_their_files_and_protocols(folder: Path, tmp_path: Path) -> None:
    half = load_split("hdfs-50", folder, tmp_path)
    assert (half.train, half.test) == (folder / "hdfs-train.jsonl", folder / "hdfs-test.jsonl")
    assert [bool(protocol.train_labels) for protocol in half.protocols] == [False, True]
    masked = load_split("cinder-masked", folder, tmp_path)
    assert (masked.train.name, masked.test.name) == ("cinder-train.jsonl", "cinder-test-masked.jsonl")
    assert [protocol.labels.name for protocol in masked.protocols] == ["cinder-free.csv", "cinder-active.csv"]
    assert masked.entity_of({"run": "r1", "message": "blk_1"}) == "r1"
    assert half.entity_of({"run": "r1", "message": "of blk_-17."}) == "blk_-17"
    with pytest.raises(ValueError, match="no split 'hdfs'"):
        load_split("hdfs", folder, tmp_path)


def test_lines_become_units_in_the_order_of_their_first_lines() -> None:
    records = [
        line(3, "blk_1"), line(4, "blk_2", "lost", "critical"), line(5, "blk_1", "took 5ms(2) for"),
        line(6, "none"),
    ]  # fmt: skip
    first, second = Units(by_pattern(r"blk_-?\d+")).of_records(records)
    assert (first.name, second.name) == ("blk_1", "blk_2")
    assert (first.times - second.times[0]).tolist() == [-1.0, 1.0]
    assert first.events == (("dn", "served <*>"), ("dn", "took <*>(<*>) for <*>"))
    assert first.plain == (("dn", "served <*>"), ("dn", "took <*> for <*>"))
    assert (first.errors.tolist(), second.errors.tolist()) == ([False, False], [True])


def test_templates_of_a_test_file_are_merged_as_in_training() -> None:
    units = Units(by_field("run"))
    words = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"]
    units.of_records([line(0, f"{word} in") | {"run": "r"} for word in words])
    (tested,) = units.of_records([line(0, "zoe in") | {"run": "r"}])
    assert tested.events == (("dn", "served <*> in"),)
    assert tested.plain == (("dn", "served zoe in"),)


def test_labels_pick_units_and_say_when_delay_begins(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("entity,label,start\nb,1,1970-01-01T00:01:00Z\nc,0,\nd,1,\n")
    at = np.array([7.0, 8.0])
    units = [Unit(name, at, (("s", "t"),) * 2, (("s", "t"),) * 2, at < 0) for name in "abc"]
    truth = truth_of(units, labels)
    assert truth.rows.tolist() == [1, 2]
    assert truth.truth.tolist() == [True, False]
    assert truth.starts.tolist() == [60.0, 7.0]
    used, known = training(units, labels)
    assert [unit.name for unit in used] == ["b", "c"]
    assert known is not None
    assert known.tolist() == [True, False]
    assert training(units, None) == (units, None)
    with pytest.raises(ValueError, match="no label names"):
        truth_of(units[:1], labels)


def truth(positives: list[int], starts: list[float]) -> Truth:
    return Truth(np.arange(len(positives)), np.array(positives, bool), np.array(starts))


def test_delay_is_to_the_first_alarm_from_the_start_on() -> None:
    labelled = truth([1, 1, 1, 1, 0], [10.0, 10.0, 10.0, 10.0, 0.0])
    alarms = [(3.0, 10.0), (4.0, 14.0, 12.0), (9.0,), (), (5.0,)]
    assert delays(alarms, labelled) == [0.0, 2.0]  # the third alarmed too early, the fourth never


def test_figures_of_six_units() -> None:
    labelled = truth([1, 1, 1, 0, 0, 0], [0.0] * 6)
    scores, alarmed = [6.0, 5.0, 2.0, 4.0, 3.0, 1.0], [1, 1, 0, 1, 0, 0]
    verdicts = [Verdict(score, (4.0,) if hit else ()) for score, hit in zip(scores, alarmed, strict=True)]
    found = figures_of(verdicts, labelled)
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert found["average_precision"] == pytest.approx((1 + 1 + 3 / 5) / 3)
    assert found["roc_auc"] == pytest.approx(7 / 9)  # of 9 pairs, the third positive loses two
    assert found["delay_seconds"] == 4.0
    for name, (low, high) in found["interval95"].items():
        assert low < found[name] < high


def test_figures_follow_the_labelled_rows() -> None:
    labelled = Truth(np.array([2, 0]), np.array([True, False]), np.zeros(2))
    found = figures_of([Verdict(1.0), Verdict(9.0, (1.0,)), Verdict(2.0, (3.0,))], labelled)
    assert (found["f1"], found["roc_auc"], found["n"], found["delay_seconds"]) == (1.0, 1.0, 2, 3.0)


def test_methods_that_learn_from_faults_come_with_labels_only() -> None:
    extra = {method.name for method in methods(True)} - {method.name for method in methods(False)}
    assert extra == {"decision tree", "1-NN"}


def test_rows_of_a_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "has_river", lambda: False)
    rows = run(folder, ["hdfs-50"], tmp_path / "scratch", False, lambda *_: None)
    json.dumps(rows, allow_nan=False)
    found = {(row["protocol"], row["method"]): row for row in rows}
    assert len(found) == len(rows) == 7 + 9
    errors = found["hdfs-50, label-free", "ERROR lines"]
    assert (errors["f1"], errors["n"], errors["n_positive"]) == (1.0, 2, 1)
    assert errors["delay_seconds"] == 5.0  # from the first line of its session, at 5 s, to 10 s
    assert ("hdfs-50, labelled", "half-space trees") not in found


METRICS: dict[str, Any] = {
    "entity": {
        "precision": 0.5, "recall": 1.0, "f1": 0.6667, "average_precision": 0.75, "roc_auc": 0.8,
        "n_positive": 2, "n": 5,
    },
    "delay_seconds": {"p50": 12.5, "p90": 20.0},
}  # fmt: skip
METRICS["ablation"] = {
    ALERTS_BY: METRICS["entity"] | {"interval95": {"f1": [0.5, 0.8], "average_precision": [0.6, 0.9]}},
    "twin": METRICS["entity"] | {"f1": 0.25, "interval95": {}},
}


def test_row_of_what_a_replay_wrote() -> None:
    row = row_of("qualm", METRICS)
    assert (row["f1"], row["roc_auc"], row["delay_seconds"], row["sees"]) == (0.6667, 0.8, 12.5, "stream")
    assert row["interval95"] == {"f1": [0.5, 0.8], "average_precision": [0.6, 0.9], "roc_auc": None}
    twin = row_of("- its twin", METRICS, "twin")
    assert (twin["f1"], twin["delay_seconds"], twin["interval95"]["f1"]) == (0.25, None, None)


def test_table_fits_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"protocol": "p", **row_of("qualm, default bundle", METRICS)}
    assert cells(row) == [
        "qualm, default bundle", "stream", "0.667 0.50-0.80", "0.500", "1.000", "0.750 0.60-0.90", "0.800",
        "12",
    ]  # fmt: skip
    show([row | {"method": "isolation forest, auto", "sees": "whole unit", "delay_seconds": 51060.0}], False)
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert "p: 5 units, 2 anomalies" in printed
    assert "51,060" in printed
    show([row, row], True)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "### p: 5 units, 2 anomalies"
    assert printed[4] == printed[5]
    assert {text.count("|") for text in printed[2:6]} == {9}
