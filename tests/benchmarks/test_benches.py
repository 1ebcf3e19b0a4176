"""The rows of `qualm bench circuits` and `readout`, and what they do where torch cannot quantise."""

import json

import pytest
from torch import nn

from benchmarks import circuits, readout
from benchmarks.readout_torch import dynamic_module
from benchmarks.salient import of_simulation
from models.bundle import ENCODER, ENCODER_FLOAT, READOUT, READOUT_FLOAT, Bundle

OURS, ORT, TORCH = "qualm int8 (quantisation-aware, onnxruntime)", "onnxruntime float32", "torch float32"
DYNAMIC = "onnxruntime int8 dynamic"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.default()


def test_readout_rows(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readout, "_CALLS", 2)
    monkeypatch.setattr(readout, "RANDOM", ((20, 30, 1),))
    rows = readout.run(bundle, of_simulation(bundle))
    json.dumps(rows, allow_nan=False)
    sizes = {
        "readout 17x16x1": (len(bundle.models[READOUT]), len(bundle.models[READOUT_FLOAT])),
        "encoder 22x8": (len(bundle.models[ENCODER]), len(bundle.models[ENCODER_FLOAT])),
    }
    table = {(row["shape"], row["batch"], row["method"]): row for row in rows}
    assert len(table) == len(rows)
    for shape in ("readout 17x16x1", "encoder 22x8", "random 20x30x1"):
        for batch in readout.BATCHES:
            ours, ort, plain = (table.pop((shape, batch, method)) for method in (OURS, ORT, TORCH))
            assert 0.0 < ours["max_difference"] < 0.3
            assert ours["rank_agreement"] > 0.99
            assert ours["batch_change"] == 0.0
            if shape in sizes:
                assert (ours["bytes"], ort["bytes"]) == sizes[shape]
            assert max(ort["max_difference"], plain["max_difference"]) < 1e-5  # one function
            dynamic = table.pop((shape, batch, DYNAMIC))
            assert (dynamic["batch_change"] > 0.0) == (batch > 1)
    assert {method for _, _, method in table} <= {"torch int8 dynamic"}  # not on every processor


def test_torch_without_dynamic_quantisation_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch.ao.quantization.quantize_dynamic")
    with pytest.warns(UserWarning, match="no rows"):
        assert dynamic_module(nn.Sequential(nn.Linear(2, 1))) is None


def test_circuit_rows(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WIRES": (4,), "BATCHES": (1, 32), "_SECONDS": 0.0, "_LOOPED": 2}.items():
        monkeypatch.setattr(circuits, name, value)
    rows = circuits.run(bundle, of_simulation(bundle), lambda *_: None)
    json.dumps(rows, allow_nan=False)
    assert all(row["circuits_per_second"] > 0 for row in rows)
    cases = {(row["masks"], row["batch"]) for row in rows if row["wires"] == 4}
    assert cases == {(masks, batch) for masks in ("dense", "replay") for batch in (1, 32)}
    methods = {row["method"] for row in rows}
    assert {"qualm compiled", "torch cpu", "default.qubit broadcast", "lightning.qubit loop"} <= methods
    assert {"seed-style loop (default.qubit)", "lightning.qubit broadcast"} <= methods
    assert {"qualm compiled + int8 readout", "qualm published scores"} <= methods
    for row in rows:
        if row["max_deviation"] is not None:
            limit = 1e-6 if "qualm" in row["method"] or "torch" in row["method"] else 1e-9
            assert row["max_deviation"] <= limit, row
    curve = [row for row in rows if row["masks"].startswith("open")]
    assert [row["mean_open_wires"] for row in curve] == list(range(9))
    replayed = {row["mean_open_wires"] for row in rows if row["masks"] == "replay"}
    assert all(0 < mean < 8 for mean in replayed)
