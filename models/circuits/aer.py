"""Qiskit Aer as a PennyLane device: exact, with shots, or as a real device of IBM with its errors, offline.

The plugin of PennyLane 0.45 transpiles with routing turned off, and asks Aer for its gate set 140 times a
circuit, which takes ten times as long as the circuit. So circuits are compiled here, by passes that are made
once.

The snapshots of real devices come with qiskit-ibm-runtime: gates, couplings and published error rates. Every
two open wires interact and a qubit has two or three neighbours, so circuits are routed with SWAPs, and what
these cost is part of the picture.
"""

from functools import lru_cache
from typing import Any

from pennylane_qiskit import AerDevice
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer import AerSimulator

_STATE = "statevector"  # the method of exact expectations


def aer_device(wires: int, exact: bool, seed: int | None = None, noise: str | None = None) -> Any:
    """The device for `wires` wires; one that is not exact needs shots, which follow the seed.

    noise names a snapshot of qiskit_ibm_runtime.fake_provider, such as FakeHanoiV2 (Falcon, 27 qubits,
    2025-02-26; median errors: CX 0.6%, SX 0.02%, a reading 1.0%). Its errors are each gate's depolarisation
    and thermal relaxation, and wrong readings. Raises ValueError for an unknown name, for more wires than it
    has qubits, and for noise on an exact device.
    """
    if noise is not None and exact:
        raise ValueError(f"noise of {noise} needs shots")
    backend, passes = _compiler(_STATE if exact else "automatic", noise)
    return _Aer(wires, backend, passes, seed)


@lru_cache(maxsize=4)  # reading a snapshot and making its noise model takes a second
def _compiler(method: str, noise: str | None) -> tuple[Any, Any]:
    """The simulator and the passes that make circuits its own: the same routes every time."""
    if noise is None:
        backend, level = AerSimulator(method=method), 0
    else:
        backend, level = AerSimulator.from_backend(_snapshot(noise)), 3
    return backend, generate_preset_pass_manager(level, target=backend.target, seed_transpiler=0)


def _snapshot(name: str) -> Any:
    from qiskit_ibm_runtime import fake_provider  # takes a second, and only noise needs it

    snapshot = getattr(fake_provider, name, None) if name.startswith("Fake") else None
    if snapshot is None:
        raise ValueError(f"no device {name!r} in qiskit_ibm_runtime.fake_provider; FakeHanoiV2 is one")
    return snapshot()


class _Aer(AerDevice):  # type: ignore[misc]  # the plugin ships no types
    def __init__(self, wires: int, backend: Any, passes: Any, seed: int | None) -> None:
        self._passes = passes
        super().__init__(
            wires=wires,
            backend=backend,
            seed_simulator=seed,
            max_parallel_experiments=0,  # as many circuits of a batch at once as there are cores
        )

    def compile(self) -> Any:
        return self._passes.run(self._circuit)
