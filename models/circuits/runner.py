"""Circuits of salient events on a device, and on the next one when that fails."""

import logging
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.circuits.choice import Evaluate, choose, first_line, on_device
from models.circuits.compiled import CompiledCircuit, not_compiled
from models.circuits.devices import COMPILED, DeviceError, problem
from models.circuits.spec import CircuitSpec, check_range, check_shape, checked_weights
from models.options import EvaluateOptions

log = logging.getLogger("qualm.circuits")
# By speed: Aer takes tens of milliseconds a circuit, and tensor networks seconds where many wires are open.
ORDER: Final = (
    COMPILED, "lightning.gpu", "lightning.qubit", "default.qubit", "qiskit.aer", "default.tensor",
)  # fmt: skip


class CircuitRunner:
    """The circuit with its weights on a device; `device` and `reason` say on which and why.

    A device that cannot be made, raises, or gives a number outside [-1, 1] is left for good, for the next of
    ORDER; a warning says so and `on_failure` is told its name. Raises DeviceError for an unknown device, and
    once none is left; ValueError for weights that do not fit.
    """

    def __init__(
        self,
        spec: CircuitSpec,
        weights: NDArray[np.generic],
        options: EvaluateOptions = EvaluateOptions(),
        on_failure: Callable[[str], None] = lambda device: None,
    ) -> None:
        self._spec, self._weights, self._shots = spec, checked_weights(spec, weights), options.shots
        self._on_failure = on_failure
        choice = choose(spec, self._weights, options)
        self.device, self.reason = choice.name, choice.reason
        self._next = [name for name in ORDER if name != choice.name]
        self._evaluate = self._opened()

    def __call__(self, a: NDArray[np.float32], is_open: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Wires a (B, n) in [-1, 1] and open wires (B, n) to <Z> (B, n); 1 for a closed wire.

        Raises ValueError for shapes that do not fit, and for an open wire outside [-1, 1] or no number.
        """
        check_shape(self._spec, a, is_open)
        check_range(bool((np.abs(a[is_open]) <= 1.0).all()))
        while True:
            try:
                found = self._evaluate(a, is_open)
                if found.shape == a.shape and (np.abs(found) <= 1.0 + 1e-5).all():
                    return found
                self._fail("gave an expectation outside [-1, 1], or none")
            except Exception as error:  # the input is sound, so it is the device; each fails in its own way
                self._fail(first_line(error))
            self._evaluate = self._opened()

    @property
    def compiled(self) -> CompiledCircuit | None:
        """The compiled circuit while that is the device, for whoever needs its states; else None."""
        return self._evaluate if isinstance(self._evaluate, CompiledCircuit) else None

    def _opened(self) -> Evaluate:
        """The first device, from the present one on, that can be made."""
        while True:
            name = self.device
            if reason := not_compiled(self._spec) if name == COMPILED else problem(name):
                self._fail(reason)
                continue
            try:
                return on_device(name, self._spec, self._weights, self._shots)
            except Exception as error:  # as above
                self._fail(first_line(error))

    def _fail(self, reason: str) -> None:
        self._on_failure(self.device)
        if not self._next:
            raise DeviceError(f"no device is left to evaluate circuits; {self.device}: {reason}")
        failed, self.device = self.device, self._next.pop(0)
        self.reason = f"{failed} cannot be used: {reason}"
        log.warning("Circuits go from %s to %s. %s", failed, self.device, self.reason)
