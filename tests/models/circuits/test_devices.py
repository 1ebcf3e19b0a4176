"""Which devices there are, and what is said of one that is missing."""

import importlib.util

import pytest

from models.circuits.devices import DEVICES, device_problems, problem


def test_installed_devices_are_found_by_making_them() -> None:
    found = device_problems()
    assert set(found) == {"compiled", *DEVICES}
    assert found["compiled"] == found["default.qubit"] == found["lightning.qubit"] == ""
    assert (found["qiskit.aer"] == "") == (importlib.util.find_spec("pennylane_qiskit") is not None)
    assert (found["default.tensor"] == "") == (importlib.util.find_spec("quimb") is not None)


def test_a_missing_device_says_what_to_install() -> None:
    if not device_problems()["lightning.gpu"]:
        pytest.skip("lightning.gpu works here, so nothing is missing")
    assert "pip install 'qualm[gpu]'" in problem("lightning.gpu")
