"""PennyLane's default.tensor as a matrix product state (MPS) that says when it is not good enough.

Cost grows with entanglement instead of wires. An MPS keeps the largest Schmidt coefficients between two
halves of the wires and drops the rest without a word, so the answer can be wrong by any amount; its norm
tells what was dropped (Zhou, Stoudenmire & Waintal, Phys. Rev. X 10, 041038, 2020), and a circuit that lost
too much is refused here.
"""

from typing import Any, Final

import pennylane as qml
from pennylane.devices.default_tensor import DefaultTensor

MAX_BOND: Final = 128  # Schmidt coefficients kept at a cut, 2^7: all that a state of 14 wires can have
MAX_LOSS: Final = 1e-2  # of fidelity F; bounds an error by 2 sqrt(1 - F), and measured ones were below 1 - F
_EXACT_WIRES: Final = 14
_CUTOFF: Final = 1e-8  # weight of coefficients that are dropped beyond: some 1e-6 of an expectation


def tensor_device(wires: int) -> Any:
    """The device for `wires` wires; it has no shots. Running it raises ArithmeticError where a circuit is
    too entangled for it. Raises ImportError without quimb.
    """
    cutoff = 1e-15 if wires <= _EXACT_WIRES else _CUTOFF
    return _CheckedTensor(wires=wires, method="mps", max_bond_dim=MAX_BOND, cutoff=cutoff)


class _CheckedTensor(DefaultTensor):  # type: ignore[misc]  # PennyLane ships no types
    def simulate(self, circuit: qml.tape.QuantumScript) -> Any:
        result = super().simulate(circuit)
        loss = 1.0 - self._quimb_circuit.fidelity_estimate()
        if loss > MAX_LOSS:
            raise ArithmeticError(
                f"a circuit of {len(self.wires)} open wires is too entangled for {self.name}: "
                f"it lost {loss:.2g} of its fidelity, {MAX_LOSS:g} is allowed"
            )
        return result
