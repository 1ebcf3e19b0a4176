"""Circuits go on when a device does not: on the next one, with the same numbers, and it is said."""

import logging
from typing import Any

import numpy as np
import pennylane as qml
import pytest
from numpy.typing import NDArray

from models.circuits.compiled import CompiledCircuit
from models.circuits.devices import DEVICES, DeviceError, device_problems
from models.circuits.runner import ORDER, CircuitRunner
from models.circuits.spec import CircuitSpec, initial_weights
from models.options import EvaluateOptions

SPEC = CircuitSpec(3, 1)
WEIGHTS = initial_weights(SPEC, 0)


def inputs(spec: CircuitSpec, count: int = 4) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (count, spec.wires)).astype(np.float32), rng.random((count, spec.wires)) < 0.6


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", ["sparse", "reuploading", "threshold"])
def test_every_device_gives_what_the_compiled_circuit_gives(device: str, preset: str) -> None:
    if device_problems()[device]:
        pytest.skip(device_problems()[device])
    spec = CircuitSpec(3, 2, preset)
    weights, (a, mask) = initial_weights(spec, 0), inputs(spec)
    circuit = CircuitRunner(spec, weights, EvaluateOptions(device))
    assert (circuit.device, circuit.reason) == (device, "named in the settings")
    result = circuit(a, mask)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, CompiledCircuit(spec, weights)(a, mask), atol=1e-6)


def test_a_device_that_fails_mid_run_is_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed: list[str] = []
    a, mask = inputs(SPEC)
    circuit = CircuitRunner(SPEC, WEIGHTS, EvaluateOptions("default.qubit"), on_failure=failed.append)
    want = circuit(a, mask)

    def unplugged(*_: Any, **__: Any) -> None:
        raise RuntimeError("the cable is out")

    monkeypatch.setattr(qml.devices.DefaultQubit, "execute", unplugged)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            np.testing.assert_allclose(circuit(a, mask), want, atol=1e-6)
    assert failed == ["default.qubit"]
    assert circuit.device == "compiled"
    assert circuit.reason == "default.qubit cannot be used: the cable is out"
    assert [record.getMessage() for record in caplog.records] == [
        "Circuits go from default.qubit to compiled. default.qubit cannot be used: the cable is out"
    ]


@pytest.mark.parametrize("wrong", [np.nan, 1.5])
def test_a_device_that_gives_impossible_numbers_is_left(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, mask = inputs(SPEC)
    circuit = CircuitRunner(SPEC, WEIGHTS, EvaluateOptions("default.qubit"))
    execute = qml.devices.DefaultQubit.execute

    def spoilt(self: Any, circuits: Any, execution_config: Any = None) -> Any:
        results = execute(self, circuits, execution_config)
        return tuple(tuple(np.asarray(value) * 0 + wrong for value in result) for result in results)

    monkeypatch.setattr(qml.devices.DefaultQubit, "execute", spoilt)
    np.testing.assert_allclose(circuit(a, mask), CompiledCircuit(SPEC, WEIGHTS)(a, mask), atol=1e-6)
    assert circuit.device == "compiled"


def test_a_missing_device_is_replaced_and_named() -> None:
    if not device_problems()["lightning.gpu"]:
        pytest.skip("lightning.gpu works here, so nothing is missing")
    failed: list[str] = []
    circuit = CircuitRunner(SPEC, WEIGHTS, EvaluateOptions("lightning.gpu"), on_failure=failed.append)
    assert failed == ["lightning.gpu"]
    assert circuit.device == "compiled"
    assert "pip install 'qualm[gpu]'" in circuit.reason


def test_more_wires_than_can_be_compiled_fall_back_to_a_device() -> None:
    spec = CircuitSpec(14, 1)
    a, mask = inputs(spec, 3)
    failed: list[str] = []
    circuit = CircuitRunner(
        spec, initial_weights(spec, 0), EvaluateOptions("compiled"), on_failure=failed.append
    )
    result = circuit(a, mask)
    assert failed[0] == "compiled"
    assert circuit.device in ("lightning.gpu", "lightning.qubit")
    assert (result[~mask] == 1.0).all()
    same = CircuitRunner(spec, initial_weights(spec, 0), EvaluateOptions("default.qubit"))(a, mask)
    np.testing.assert_allclose(result, same, atol=1e-6)


def test_when_no_device_is_left_that_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise RuntimeError("no simulators today")

    monkeypatch.setattr(qml, "QNode", gone)
    spec = CircuitSpec(15, 1)
    circuit = CircuitRunner(spec, initial_weights(spec, 0), EvaluateOptions("default.qubit"))
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"no device is left.*no simulators today"):
            circuit(*inputs(spec))


def test_bad_input_is_refused_and_blames_no_device() -> None:
    failed: list[str] = []
    circuit = CircuitRunner(SPEC, WEIGHTS, EvaluateOptions("default.qubit"), on_failure=failed.append)
    a, mask = inputs(SPEC)
    for value in (np.nan, np.inf, 1.5):
        wrong = a.copy()
        wrong[1, 1], mask[1, 1] = value, True
        with pytest.raises(ValueError, match="finite"):
            circuit(wrong, mask)
    with pytest.raises(ValueError, match="want"):
        circuit(a[:, :2], mask)
    assert not failed
    assert circuit(a[:0], mask[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match="do not fit"):
        CircuitRunner(SPEC, np.zeros((2, 5)))


def test_shots_are_drawn_alike_and_only_where_asked_for() -> None:
    a, mask = inputs(SPEC)
    first, second = (
        CircuitRunner(SPEC, WEIGHTS, EvaluateOptions("lightning.qubit", shots=500)) for _ in range(2)
    )
    exact = CircuitRunner(SPEC, WEIGHTS, EvaluateOptions("lightning.qubit"))(a, mask)
    estimate = first(a, mask)
    assert (estimate == second(a, mask)).all()
    assert 0 < np.abs(estimate - exact).max() < 0.3


def test_every_device_has_a_place_in_the_order() -> None:
    assert set(ORDER) == {"compiled", *DEVICES}
