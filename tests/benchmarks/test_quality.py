"""`python -m benchmarks.quality`: what is equal and what differs between the methods of a bundle."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from agents.demo.simulation import DEMO_START, demo_incidents, simulate, truths, write_file, write_labels
from agents.inputs.inputs import Inputs
from agents.replay import Replay
from agents.settings import load_settings
from agents.train import run_training
from benchmarks import quality_methods
from benchmarks.quality import MOST_NOISY, run, show
from models.bundle import Bundle
from models.labels import read_labels
from models.options import TrainingOptions
from models.scores import ScoreName
from schemas.formats.options import ReadOptions

pytestmark = [
    pytest.mark.skipif(find_spec(name) is None, reason="pip install 'qualm[aer]'")
    for name in ("pennylane_qiskit", "qiskit_ibm_runtime")
]
FEW, MANY = 20, 1000  # shots
NOISY = 5  # circuits of a run with noise
NOISE = quality_methods.NOISE
FIGURES = ("precision", "recall", "f1", "average_precision", "roc_auc")
KEYS = {
    "method", "shots", "noise", "salient", "circuits", *FIGURES, "f1_low", "f1_high", "ap_low", "ap_high",
    "mean_error", "rank_agreement", "correction_ap", "correction_ranks",
    "microseconds_per_circuit",
}  # fmt: skip
Rows = dict[tuple[str, int | None, str | None], dict[str, Any]]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated services with incidents, labels beside them, and before them a quiet stretch to train on."""
    folder = tmp_path_factory.mktemp("quality")
    incidents = demo_incidents(400.0)
    write_file(str(folder / "train.jsonl"), simulate(1, 300.0, 10.0, DEMO_START - 300.0))
    write_file(str(folder / "test.jsonl"), simulate(3, 400.0, 10.0, DEMO_START, incidents))
    write_labels(str(folder / "test.csv"), truths(incidents, DEMO_START))
    return folder


@pytest.fixture(scope="module")
def bundle(logs: Path) -> Bundle:
    options = TrainingOptions(wires=3, layers=1, steps=8, open_wires=2.0, false_alarms="0.005/unit")
    read = Inputs([str(logs / "train.jsonl")], load_settings())
    return run_training(read, ReadOptions(), None, options, logs / "bundle", lambda *_: None)


def rows_of(
    bundle: Bundle,
    logs: Path,
    shots: tuple[int, ...],
    most: int = MOST_NOISY,
    false_alarms: str | None = None,
) -> Rows:
    inputs = Inputs([str(logs / "test.jsonl")], load_settings())
    labels = read_labels(logs / "test.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality_methods, "SHOTS", shots)
        rows = run(inputs, bundle, labels, false_alarms, most, lambda *_: None)
    json.dumps(rows, allow_nan=False)
    assert all(row.keys() == KEYS for row in rows)
    found = {(row["method"], row["shots"], row["noise"]): row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def exact(bundle: Bundle, logs: Path) -> Rows:
    """Every salient event, by the methods that draw no shots."""
    return rows_of(bundle, logs, ())


@pytest.fixture(scope="module")
def drawn(bundle: Bundle, logs: Path) -> Rows:
    """The few events that the prefilter suspects most, by every method."""
    return rows_of(bundle, logs, (FEW, MANY), NOISY)


def test_exact_methods_are_what_a_replay_reports(bundle: Bundle, logs: Path, exact: Rows) -> None:
    replay = Replay(bundle, ReadOptions(), read_labels(logs / "test.csv"))
    replay.run(Inputs([str(logs / "test.jsonl")], load_settings()), lambda _: None, lambda _: None)
    metrics = replay.metrics()
    assert len(exact) == 9
    for name in ScoreName:
        row, want = exact[name, None, None], metrics["ablation"][name]
        assert row["salient"] == row["circuits"] == metrics["gate"]["circuits"] > 50
        assert {key: row[key] for key in FIGURES} == pytest.approx({key: want[key] for key in FIGURES})
        assert [row["f1_low"], row["f1_high"]] == pytest.approx(want["interval95"]["f1"])
        assert [row["ap_low"], row["ap_high"]] == pytest.approx(want["interval95"]["average_precision"])


def test_aer_without_shots_is_the_compiled_circuit(exact: Rows) -> None:
    ours, aer = exact["hybrid_int8", None, None], exact["qiskit.aer", None, None]
    assert ours["mean_error"] == 0.0
    assert ours["rank_agreement"] == pytest.approx(1.0)
    assert ours["correction_ranks"] == pytest.approx(1.0)
    assert aer["mean_error"] < 1e-5
    assert aer["rank_agreement"] > 0.999  # an INT8 readout may round the last bits the other way
    for name in ("precision", "recall", "f1", "roc_auc"):
        assert aer[name] == pytest.approx(ours[name], abs=1e-3)


def test_only_circuits_have_an_error(exact: Rows) -> None:
    for name in ("prefilter", "twin", "density", "density online"):
        assert exact[name, None, None]["mean_error"] is None
    assert exact["prefilter", None, None]["microseconds_per_circuit"] is None
    assert exact["hybrid int8 dynamic", None, None]["mean_error"] == 0.0
    assert exact["hybrid int8 dynamic", None, None]["rank_agreement"] > 0.9
    assert exact["hybrid_int8, all <Z> 0", None, None]["mean_error"] > 0.1


def test_density_matrices_learn_on_from_what_does_not_alert(bundle: Bundle, logs: Path, exact: Rows) -> None:
    def agreement(rows: Rows, method: str) -> float:
        return float(rows[method, None, None]["rank_agreement"])

    assert agreement(exact, "density online") != agreement(exact, "density")
    all_alert = rows_of(bundle, logs, (), NOISY, false_alarms="0.999999999/unit")
    assert agreement(all_alert, "density online") == agreement(all_alert, "density")


def test_error_falls_with_shots_and_grows_with_noise(drawn: Rows) -> None:
    error = {key[1:]: row["mean_error"] for key, row in drawn.items() if key[0] == "qiskit.aer"}
    assert all(row["circuits"] == NOISY < row["salient"] for row in drawn.values())
    assert error[None, None] < 1e-5 < error[MANY, None] < error[FEW, None]
    assert error[MANY, None] < error[MANY, NOISE]


def test_seeds_are_fixed(bundle: Bundle, logs: Path, drawn: Rows) -> None:
    def timeless(rows: Rows) -> list[dict[str, Any]]:
        return [row | {"microseconds_per_circuit": 0} for key, row in rows.items() if key[1] != MANY]

    assert timeless(rows_of(bundle, logs, (FEW,), NOISY)) == timeless(drawn)


def test_table_fits_the_terminal(drawn: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    show(list(drawn.values()))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 110
    assert "…" not in printed
    assert f"qiskit.aer {NOISE}" in printed
    assert f"{NOISY} of " in printed


def test_labels_of_something_else_are_refused(bundle: Bundle, logs: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("entity,label\nnobody,1\n")
    inputs, labels = Inputs([str(logs / "test.jsonl")], load_settings()), read_labels(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="no label names an entity"):
        run(inputs, bundle, labels, None, 3, lambda *_: None)
