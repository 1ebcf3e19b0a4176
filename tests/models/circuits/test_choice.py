"""The device that is taken, and why."""

import subprocess
import sys

import numpy as np
import pytest

from models.circuits import choice as device_choice
from models.circuits.choice import DeviceChoice, choose, time_devices
from models.circuits.devices import DEVICES, DeviceError, device_problems
from models.circuits.qnode import _exact_node
from models.circuits.spec import PRESETS, CircuitSpec, initial_weights
from models.options import EvaluateOptions


def chosen(name: str, spec: CircuitSpec, batch: int = 64, shots: int | None = None) -> DeviceChoice:
    return choose(spec, initial_weights(spec, 0), EvaluateOptions(name, shots, batch))


def test_auto_takes_the_compiled_circuit_where_no_device_can_be_faster() -> None:
    choice = chosen("auto", CircuitSpec(8, 2))
    assert choice.name == "compiled"
    assert "64 events of 8 wires in" in choice.reason
    # Four of eight wires open: 4 encodings, then twice 6 entanglers and 4 rotations, 10 us each.
    assert "0.2 ms at least" in choice.reason


@pytest.mark.parametrize("preset", PRESETS)
def test_auto_times_what_is_installed_and_takes_the_fastest(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_choice, "GATE_SECONDS", 0.0)  # so that every device may be faster
    spec = CircuitSpec(3, 1, preset)
    timings = {timing.name: timing for timing in time_devices(spec, initial_weights(spec, 0), 64)}
    assert set(timings) == {"compiled", *DEVICES}
    for name, missing in device_problems().items():
        assert (timings[name].rate is None) == bool(missing)
        assert timings[name].problem == missing
    choice = chosen("auto", spec)
    assert choice.name == "compiled"  # by orders of magnitude
    assert all(f"{name} " in choice.reason or f"{name}: " in choice.reason for name in timings)


def test_auto_leaves_out_what_is_too_large_to_compile() -> None:
    choice = chosen("auto", CircuitSpec(13, 1), batch=4)
    assert choice.name in ("lightning.gpu", "lightning.qubit", "default.qubit")
    assert "compiled: circuits are compiled up to 12 wires, this one has 13" in choice.reason


def test_the_time_of_a_qnode_is_never_below_what_auto_takes_for_granted() -> None:
    for wires in (2, 8):
        spec = CircuitSpec(wires, 2)
        gates = device_choice._gates(spec, device_choice._open(spec))
        for timing in time_devices(spec, initial_weights(spec, 0), 1):
            if timing.rate and timing.name != "compiled":
                assert 1.0 / timing.rate > gates * device_choice.GATE_SECONDS


def test_what_is_unknown_or_does_not_fit_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"no device 'ibm'.*auto, compiled, lightning\.gpu"):
        chosen("ibm", CircuitSpec(3))
    for name in ("auto", "compiled", "default.tensor"):
        with pytest.raises(DeviceError, match=r"draws no shots; name one of .*qiskit\.aer"):
            chosen(name, CircuitSpec(3), shots=100)
    assert chosen("qiskit.aer", CircuitSpec(3), shots=100).name == "qiskit.aer"


def test_choosing_the_compiled_circuit_loads_neither_torch_nor_pennylane() -> None:
    code = (
        "import sys, numpy as np; from models.circuits.spec import *; from models.detector import *;"
        "from models.circuits.runner import CircuitRunner;"
        "spec = CircuitSpec(8); circuit = CircuitRunner(spec, initial_weights(spec, 0));"
        "circuit(np.ones((1, 8), np.float32), np.ones((1, 8), bool));"
        "print(circuit.device, {'torch', 'pennylane', 'qiskit'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "compiled set()"


def test_timings_do_not_touch_the_global_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_choice, "GATE_SECONDS", 0.0)  # every device is timed,
    _exact_node.cache_clear()  # and made anew
    np.random.seed(1)
    want = np.random.random()
    np.random.seed(1)
    chosen("auto", CircuitSpec(2, 1))
    assert np.random.random() == want
