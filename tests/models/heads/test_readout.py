"""Readout and encoder: quantisation-aware training and dynamic quantisation, ONNX in INT8 and float, and
hostile models."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import spearmanr

from benchmarks.agreement import agreement
from models.heads.gate import Encoder
from models.heads.readout import Readout, export_encoder_float, export_encoder_int8, export_float, export_int8
from models.int8.dynamic import quantized_dynamically
from models.int8.onnx_model import OnnxModel
from models.int8.quantization import QuantLinear

WIRES = 8


def rows(n: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.cat([torch.rand(n, 2 * WIRES) * 2 - 1, torch.rand(n, 1) * 1.5], dim=1)


def forward(readout: Readout, x: torch.Tensor) -> torch.Tensor:
    logit: torch.Tensor = readout(x[:, :WIRES], x[:, WIRES : 2 * WIRES], x[:, -1])
    return logit


@pytest.fixture(scope="module")
def readout() -> Readout:
    """Trained on a made-up target."""
    torch.manual_seed(0)
    module = Readout(WIRES)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for step in range(150):
        x = rows(128, step)
        loss = (forward(module, x) - 3 * x[:, 0] * x[:, 9] - 2 * x[:, -1]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.eval()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(1)
    module = Encoder(21, WIRES)
    module(torch.rand(500, 21) * 30)
    return module.eval()


def features(n: int, seed: int = 0) -> NDArray[np.float32]:
    """Like what the fixture encoder saw in training."""
    return np.random.default_rng(seed).uniform(0.0, 30.0, (n, 21)).astype(np.float32)


def parity(quantized: bytes, reference: bytes, x: NDArray[np.float32]) -> dict[str, float]:
    return agreement(OnnxModel(quantized)(x), OnnxModel(reference)(x))


def test_int8_stands_for_float(readout: Readout, encoder: Encoder) -> None:
    report = parity(export_int8(readout), export_float(readout), rows(500, 999).numpy())
    assert 0 < report["max_difference"] < 0.3  # of logits that span about 10
    assert report["rank_agreement"] > 0.99
    report = parity(export_encoder_int8(encoder), export_encoder_float(encoder), features(500))
    assert 0 < report["max_difference"] < 0.1  # of wires in (-1, 1)
    assert report["rank_agreement"] > 0.99


def test_dynamic_int8_stands_for_float(readout: Readout, encoder: Encoder) -> None:
    for model, x, most in (
        (export_float(readout), rows(500, 999).numpy(), 0.3),
        (export_encoder_float(encoder), features(500), 0.1),
    ):
        report = parity(quantized_dynamically(model), model, x)
        assert 0 < report["max_difference"] < most
        assert report["rank_agreement"] > 0.99


def test_int8_is_smaller_where_weights_and_not_the_graph_are_large(readout: Readout) -> None:
    wide = Readout(64)
    for module in (readout, wide):
        model = export_float(module)
        for quantized in (export_int8(module), quantized_dynamically(model)):
            assert (len(quantized) < 0.6 * len(model)) == (module is wide)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30))
def test_rank_agreement_is_spearmans_rho_also_under_ties(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, np.float32).T
    rho = agreement(a[:, None], b[:, None])["rank_agreement"]
    constant = [len(set(values.tolist())) == 1 for values in (a, b)]
    want = float(all(constant)) if any(constant) else spearmanr(a, b).statistic
    assert rho == pytest.approx(want, abs=1e-12)


def test_agreement_is_that_of_the_worst_output() -> None:
    want = np.arange(8, dtype=np.float32).reshape(4, 2)
    got = want.copy()
    got[:, 1] = got[::-1, 1]
    assert agreement(got, want) == {"max_difference": 6.0, "rank_agreement": pytest.approx(-1.0)}


def test_training_computes_what_int8_computes(readout: Readout, encoder: Encoder) -> None:
    x = rows(300, 5)
    with torch.no_grad():
        want = forward(readout, x).numpy()
    # At the edge between two integers the two may round apart.
    assert np.mean(np.abs(OnnxModel(export_int8(readout))(x.numpy())[:, 0] - want) < 1e-5) > 0.98
    features = torch.rand(300, 21) * 40  # beyond the range of training: both clip
    with torch.no_grad():
        wires = encoder(features).numpy()
    got = OnnxModel(export_encoder_int8(encoder))(features.numpy())
    assert np.mean(np.abs(got - wires) < 1e-5) > 0.98


def test_float_export_is_the_module_without_quantisation(readout: Readout, encoder: Encoder) -> None:
    x = rows(50, 6)
    layers = (readout.hidden, readout.out, encoder.linear)
    for linear in layers:
        linear.quantized = False
    try:
        with torch.no_grad():
            want, wires = forward(readout, x).numpy(), encoder(torch.ones(1, 21)).numpy()
    finally:
        for linear in layers:
            linear.quantized = True
    np.testing.assert_allclose(OnnxModel(export_float(readout))(x.numpy())[:, 0], want, atol=1e-5)
    np.testing.assert_allclose(
        OnnxModel(export_encoder_float(encoder))(np.ones((1, 21), np.float32)), wires, atol=1e-5
    )


def test_int8_scores_do_not_depend_on_the_batch(readout: Readout, encoder: Encoder) -> None:
    x = rows(70, 8).numpy()
    x[3] *= 100.0  # an outlier, which a scale taken from the batch would follow
    features = np.abs(np.random.default_rng(0).normal(0, 10, (70, 21))).astype(np.float32)
    for model, batch in (
        (OnnxModel(export_int8(readout)), x),
        (OnnxModel(export_encoder_int8(encoder)), features),
    ):
        together = model(batch)
        assert (together == np.concatenate([model(batch[i : i + 1]) for i in range(len(batch))])).all()


def test_dynamic_int8_scores_depend_on_the_batch(readout: Readout, encoder: Encoder) -> None:
    for model, batch in (
        (export_float(readout), rows(70, 8).numpy()),
        (export_encoder_float(encoder), features(70)),
    ):
        dynamic, plain = OnnxModel(quantized_dynamically(model)), OnnxModel(model)
        batch[3] *= 100.0
        changes = [np.abs(m(batch)[:1] - m(batch[:1])).max() for m in (dynamic, plain)]
        assert changes[0] > 1e-3  # the outlier takes steps of the scale from the others
        assert changes[1] < 1e-5


def test_dynamic_int8_uses_integers_that_leave_room_too(readout: Readout) -> None:
    graph = onnx.load_from_string(quantized_dynamically(export_float(readout))).graph
    assert [node.op_type for node in graph.node].count("MatMulInteger") == 2
    weights = [numpy_helper.to_array(t) for t in graph.initializer if t.name.endswith("_quantized")]
    assert [(w.dtype, w.shape) for w in weights] == [(np.int8, (17, 16)), (np.int8, (16, 1))]
    assert all(2 * 255 * np.abs(w.astype(int)).max() < 2**15 for w in weights)


def test_dynamic_quantisation_leaves_no_files_and_says_nothing(
    readout: Readout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = export_float(readout)
    assert quantized_dynamically(model) == quantized_dynamically(model)
    assert not list(tmp_path.iterdir())
    assert not caplog.records


def test_who_runs_models_does_not_load_what_quantises_them() -> None:
    code = (
        "import sys, models.detector, models.int8.dynamic;"
        "print({'torch', 'onnxruntime.quantization'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_products_run_in_integers(readout: Readout, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("onnx") / "optimised.onnx"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(export_int8(readout), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators == ["Mul", "QuantizeLinear", "QGemm", "QGemm"]


def test_weights_leave_room_for_processors_that_add_pairs_in_16_bits(readout: Readout) -> None:
    for linear in (readout.hidden, readout.out):
        integers, _ = linear.integer_weight()
        assert 2 * 255 * integers.abs().max() < 2**15


@given(st.integers(0, 1000), st.booleans())
def test_fake_quantisation_is_near_and_differentiable(seed: int, signed: bool) -> None:
    torch.manual_seed(seed)
    linear = QuantLinear(5, 3, signed)
    x = torch.rand(20, 5) * 4 - (2 if signed else 0)
    x.requires_grad_()
    quantized = linear(x)
    linear.quantized = False
    exact = linear(x)
    assert (quantized - exact).abs().max() < 0.2
    quantized.sum().backward()
    for tensor in (x, linear.weight, linear.bias):
        assert tensor.grad is not None
        assert (tensor.grad != 0).any()


def test_ranges_are_learnt_in_training_only() -> None:
    linear = QuantLinear(2, 1)
    linear(torch.tensor([[1.0, -2.0], [0.5, 1.0]]))
    linear.eval()
    linear(torch.tensor([[9.0, 9.0]]))
    assert linear.limit.tolist() == [1.0, 2.0]


def model_of(node: onnx.NodeProto, shape: list[int]) -> bytes:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("input", "output")]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    return bytes(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ).SerializeToString()
    )


def outside_weights(data: bytes) -> bytes:
    model = onnx.load_from_string(data)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return bytes(model.SerializeToString())


def hostile() -> dict[str, bytes]:
    good = export_int8(Readout(WIRES))
    return {
        "empty": b"",
        "noise": bytes(range(256)) * 20,
        "cut": good[: len(good) // 2],
        "large": good + b"\0" * 2**24,
        "foreign operator": model_of(helper.make_node("Loop", ["input"], ["output"]), [1, 1]),
        "other rank": model_of(helper.make_node("Relu", ["input"], ["output"]), [1, 1, 1]),
        "other files": outside_weights(good),
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_hostile_models_are_refused(name: str) -> None:
    data = hostile()[name]
    for reader in (OnnxModel, quantized_dynamically):
        with pytest.raises(ValueError, match="ONNX"):
            reader(data)


def test_input_of_another_width_is_refused(readout: Readout) -> None:
    with pytest.raises(ValueError, match="want"):
        OnnxModel(export_float(readout))(np.zeros((2, 5), np.float32))
