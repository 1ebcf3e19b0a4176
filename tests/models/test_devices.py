"""Which device is taken, and what is said when one is missing."""

import importlib.util

import numpy as np
import pytest

from models import devices
from models.circuit_spec import CircuitSpec, initial_weights
from models.devices import DEVICES, DeviceError, choose, installed, open_circuit


def test_installed_devices_are_found_by_making_them() -> None:
    found = installed()
    assert set(found) == {"compiled", *DEVICES}
    assert found["compiled"] == found["default.qubit"] == found["lightning.qubit"] == ""
    assert (found["qiskit.aer"] == "") == (importlib.util.find_spec("pennylane_qiskit") is not None)


def test_a_missing_device_says_what_to_install() -> None:
    if not installed()["lightning.gpu"]:
        pytest.skip("lightning.gpu works here, so nothing is missing")
    with pytest.raises(DeviceError, match=r"lightning\.gpu cannot be used: .*qualm\[gpu\]"):
        choose("lightning.gpu", 8)


def test_an_unknown_device_says_which_there_are() -> None:
    with pytest.raises(DeviceError, match=r"no device 'ibm'.*auto, compiled, lightning\.gpu"):
        choose("ibm", 8)


def test_auto_takes_the_compiled_circuit_while_it_fits_and_says_why() -> None:
    assert choose("auto", 12).name == "compiled"
    assert "12 wires" in choose("auto", 12).reason
    large = choose("auto", 13)
    assert large.name in ("lightning.gpu", "lightning.qubit")
    assert "more than 12 wires" in large.reason
    if large.name == "lightning.qubit":
        assert "lightning.gpu: " in large.reason
    with pytest.raises(DeviceError, match="up to 12 wires"):
        choose("compiled", 13)


def test_auto_falls_back_along_the_preference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_problem", lambda name: "" if name == "default.qubit" else "gone")
    choice = choose("auto", 13)
    assert choice.name == "default.qubit"
    assert "lightning.qubit: gone" in choice.reason
    monkeypatch.setattr(devices, "_problem", lambda name: "gone")
    with pytest.raises(DeviceError, match="no device can be used"):
        choose("auto", 13)


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit", "qiskit.aer"])
@pytest.mark.parametrize("preset", ["sparse", "threshold"])
def test_every_device_gives_what_the_compiled_circuit_gives(device: str, preset: str) -> None:
    if installed()[device]:
        pytest.skip(installed()[device])
    spec = CircuitSpec(3, 1, preset)
    rng = np.random.default_rng(0)
    a, mask = rng.uniform(-1, 1, (4, 3)).astype(np.float32), rng.random((4, 3)) < 0.6
    weights = initial_weights(spec, 0)
    circuit = open_circuit(spec, weights, device)
    assert (circuit.device, circuit.reason) == (device, "named in the settings")
    result = circuit(a, mask)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, open_circuit(spec, weights)(a, mask), atol=1e-6)


def test_weights_that_do_not_fit_are_refused() -> None:
    for device in ("auto", "default.qubit"):
        with pytest.raises(ValueError, match="do not fit"):
            open_circuit(CircuitSpec(3), np.zeros((2, 5)), device)
