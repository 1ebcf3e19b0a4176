"""Replay: the alerts of the worker's code, however the records were cut, with labels or without."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pennylane as qml
import pytest

from agents import replay as replay_module
from agents.demo.simulation import DEMO_START, demo_incidents, simulate, truths, write_file, write_labels
from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.inputs.files import FileReader
from agents.inputs.inputs import Inputs
from agents.replay import EntityCount, Replay
from agents.settings import load_settings
from agents.triage import PartitionTriage
from models.bundle import Bundle
from models.labels import read_labels
from models.options import EvaluateOptions
from models.scores import ScoreName
from schemas.alert import Alert, rfc3339
from schemas.formats.detection import TopicDecoder
from schemas.formats.options import ReadOptions

DURATION = 400.0
KEYS = {
    "events",
    "entities",
    "seconds",
    "events_per_second",
    "entity",
    "false_alarms_per_10k_events",
    "delay_seconds",
    "gate",
    "ablation",
    "worst",
    "bundle",
    "qualm",
}
FIGURES = {"precision", "recall", "f1", "average_precision", "roc_auc", "n_positive", "n"}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.default()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some thousand events with incidents in them, and their labels beside them."""
    path = tmp_path_factory.mktemp("logs") / "logs.jsonl"
    incidents = demo_incidents(DURATION)
    write_file(str(path), simulate(3, DURATION, 20.0, DEMO_START, incidents))
    write_labels(str(path.with_suffix(".csv")), truths(incidents, DEMO_START))
    with path.open("ab") as file:
        file.write(b'\n{"broken": \n')
    return path


MANY = "0.02/unit"  # false alarms


def replayed(
    bundle: Bundle, logs: Path, labels: Path | None, device: str = "auto", **options: Any
) -> tuple[list[bytes], dict[str, Any]]:
    alerts, replay = run(bundle, logs, labels, device, **options)
    return alerts, replay.metrics()


def suspected(bundle: Bundle, logs: Path, device: str = "auto") -> tuple[list[Alert], dict[str, Any]]:
    """Everything suspicious, as alerts; those of one incident are not all published. And the figures."""
    found: list[Alert] = []
    replay = Replay(bundle, ReadOptions(), None, EvaluateOptions(device, false_alarms=MANY))
    replay.grouping.on_suspicious = lambda alert, incident: found.append(alert)
    replay.run(Inputs([str(logs)], load_settings()), lambda _: None, lambda _: None)
    return found, replay.metrics()


def run(
    bundle: Bundle, logs: Path, labels: Path | None, device: str = "auto", **options: Any
) -> tuple[list[bytes], Replay]:
    alerts: list[bytes] = []
    replay = Replay(
        bundle,
        ReadOptions(),
        read_labels(labels) if labels else None,
        EvaluateOptions(device, **options),
    )
    inputs = Inputs([str(logs)], load_settings())
    replay.run(inputs, lambda alert: alerts.append(alert.encode()), lambda _: None)
    return alerts, replay


@pytest.mark.parametrize("batch", [100_000, 997, 64])
def test_alerts_do_not_depend_on_batching(bundle: Bundle, logs: Path, batch: int) -> None:
    """Cut like a worker might: other record batches, and other micro-batches of salient events."""
    expected, _ = replayed(bundle, logs, None)
    assert expected
    triage = PartitionTriage(bundle, TopicDecoder(ReadOptions()), "file", 0)
    evaluation, grouping = SalientEvaluation(bundle), Grouping()
    alerts = []
    for read in FileReader(str(logs)):
        for start in range(0, len(read), batch):
            messages = triage.process(read[start : start + batch]).messages
            for first in range(0, len(messages), 7):
                alerts += grouping.process(evaluation.process(messages[first : first + 7]))
    assert [alert.encode() for alert in alerts] == expected


def test_labels_never_change_an_alert(bundle: Bundle, logs: Path) -> None:
    without, plain = replayed(bundle, logs, None)
    with_labels, labelled = replayed(bundle, logs, logs.with_suffix(".csv"))
    assert without == with_labels
    assert plain["gate"] == labelled["gate"]


def test_metrics_have_the_keys_that_programs_rely_on(bundle: Bundle, logs: Path) -> None:
    _, metrics = replayed(bundle, logs, logs.with_suffix(".csv"))
    json.dumps(metrics, allow_nan=False)
    assert metrics.keys() >= KEYS | {"event"}
    assert metrics["entity"].keys() == metrics["event"].keys() == FIGURES
    assert metrics["delay_seconds"].keys() == {"p50", "p90"}
    assert metrics["gate"].keys() == {
        "prefilter_rate", "salient_rate", "mean_open_wires", "circuits", "threshold", "audited",
        "missed_estimate", "missed_interval95",
    }  # fmt: skip
    assert tuple(metrics["ablation"]) == tuple(ScoreName)
    for figures in metrics["ablation"].values():
        assert figures.keys() == FIGURES | {"interval95"}
        for low, high in figures["interval95"].values():
            assert 0.0 <= low <= high <= 1.0
    assert metrics["bundle"] == bundle.digest
    assert sum(metrics["dead_letters"].values()) == 2
    assert 0 < metrics["incidents"]["n"] <= metrics["alerts"]


def test_the_worst_units_say_what_they_showed(bundle: Bundle, logs: Path, tmp_path: Path) -> None:
    """Labels the wrong way round: what was suspicious is normal, and some others are at fault."""
    suspicious, _ = suspected(bundle, logs)
    alarms = {alert.entity for alert in suspicious} - {""}
    lines = [json.loads(line) for line in logs.read_bytes().splitlines()[:-2]]
    quiet = sorted({line["trace_id"] for line in lines if line.get("trace_id")} - alarms)[:3]
    labels = tmp_path / "labels.csv"
    rows = [f"{name},0" for name in alarms] + [f"{name},1" for name in quiet]
    labels.write_text("\n".join(["entity,label", *rows]))
    _, replay = run(bundle, logs, labels, false_alarms=MANY)
    worst, names = replay.worst_units(), replay.metrics()["worst"]
    assert [unit.name for unit in worst.false_alarms] == names["false_alarms"]
    assert {unit.name for unit in worst.misses} == set(names["misses"]) == set(quiet)
    assert worst.false_alarms
    for unit in worst.false_alarms:
        assert unit.name in alarms
        times = [line["timestamp"] for line in lines if line.get("trace_id") == unit.name]
        assert rfc3339(unit.began)[:23] == min(times)[:23]
        assert unit.points[-1].nats == unit.nats >= bundle.manifest.prefilter_threshold
        assert all(point.template not in ("", "…") for point in unit.points)
        assert any(point.reasons for point in unit.points)


def test_without_labels_there_are_no_figures_and_no_invented_ones(bundle: Bundle, logs: Path) -> None:
    _, metrics = replayed(bundle, logs, None)
    assert metrics.keys() >= KEYS
    assert "event" not in metrics
    assert metrics["entity"]["f1"] is None
    assert metrics["entity"]["n"] == 0
    assert metrics["false_alarms_per_10k_events"] is None
    assert metrics["delay_seconds"] == {"p50": None, "p90": None}


def test_entities_are_counted_once_each(bundle: Bundle, logs: Path) -> None:
    _, metrics = replayed(bundle, logs, None)
    lines = [json.loads(line) for line in logs.read_bytes().splitlines()[:-2]]
    assert metrics["events"] == len(lines)
    assert metrics["entities"] == len({line["trace_id"] for line in lines if line.get("trace_id")})
    assert metrics["entities_exact"] is True
    assert metrics["entities_forgotten"] == 0


def test_an_entity_that_is_remembered_in_part_is_counted(bundle: Bundle, tmp_path: Path) -> None:
    """One of 17,576 lines, each a template of its own; 16,384 of them are remembered."""
    path = tmp_path / "long.jsonl"
    words = ("".join(letters) for letters in product(ascii_lowercase, repeat=3))
    path.write_text("\n".join(json.dumps({"time": 1.7e9, "trace_id": "r", "msg": word}) for word in words))
    _, metrics = replayed(bundle, path, None)
    assert metrics["entities_forgotten"] == metrics["entities"] == 1


def test_counting_entities_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "MOST_ENTITIES", 100)
    count = EntityCount()
    count.add(["", "a", "a", "b"])
    assert (len(count), count.exact) == (2, True)
    for start in range(0, 1000, 10):
        count.add([str(number) for number in range(start, start + 10)])
    assert not count.exact
    assert 100 <= len(count) < 110


def test_a_bundle_of_another_rate_gives_other_alerts(bundle: Bundle, logs: Path) -> None:
    others = replace(bundle, manifest=bundle.manifest.model_copy(update={"false_alarms": MANY}))
    assert replayed(others, logs, None)[0] == replayed(bundle, logs, None, false_alarms=MANY)[0]
    assert replayed(others, logs, None)[0] != replayed(bundle, logs, None)[0]


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
def test_the_compiled_circuit_gives_the_alerts_of_the_qnode(bundle: Bundle, logs: Path, device: str) -> None:
    compiled, metrics = suspected(bundle, logs)
    qnode, slow = suspected(bundle, logs, device)
    assert (metrics["device"], slow["device"]) == ("compiled", device)
    assert len(compiled) > 20
    for ours, theirs in zip(compiled, qnode, strict=True):
        assert ours.p_value == pytest.approx(theirs.p_value, rel=0.05)  # INT8 can round to the next integer
        scores = {"p_value": theirs.p_value, "scores": theirs.scores, "annotations": theirs.annotations}
        assert ours.model_copy(update=scores) == theirs


def test_a_device_that_fails_mid_run_costs_no_alert(
    bundle: Bundle, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want, _ = replayed(bundle, logs, None)
    calls = iter(range(1000))
    execute = qml.devices.DefaultQubit.execute

    def unplugged(self: Any, circuits: Any, execution_config: Any = None) -> Any:
        if next(calls) >= 3:
            raise RuntimeError("the cable is out")
        return execute(self, circuits, execution_config)

    monkeypatch.setattr(qml.devices.DefaultQubit, "execute", unplugged)
    got, metrics = replayed(bundle, logs, None, "default.qubit")
    assert [Alert.decode(alert).id for alert in got] == [Alert.decode(alert).id for alert in want]
    assert metrics["device_failures"] == {"default.qubit": 1}
    assert metrics["device"] == "compiled"
    assert "the cable is out" in metrics["device_reason"]


def test_features_that_are_no_numbers_become_dead_letters(bundle: Bundle, logs: Path) -> None:
    weight = bundle.weights["prefilter.weight"] * 1e308  # finite, and what it is multiplied with is not
    spoilt = replace(bundle, weights=bundle.weights | {"prefilter.weight": weight})
    with np.errstate(all="ignore"):
        _, metrics = replayed(spoilt, logs, None)
    assert metrics["dead_letters"]["triage failed"] > 100
