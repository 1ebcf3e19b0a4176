"""The circuit as a PyTorch module: the state vector of models/circuits/qnode.py in real, batched tensors.

A QNode takes about a second to go forward and backward through a batch of 256; this takes milliseconds. The
QNode stays the definition, and tests hold values and gradients of this file against it.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.circuits.spec import THRESHOLD, CircuitSpec, initial_weights, pairs

_GROUP = 4  # wires rotated by one 16 x 16 matrix: fewer and larger products than wire by wire


class CircuitLayer(nn.Module):
    """a (B, n) in (-1, 1) and openness m (B, n) in [0, 1] to <Z_i> (B, n), differentiable in all.

    A drop-in layer for any PyTorch model. Where m is 0 a wire is not part of the circuit and reads 1.
    Computes in the type of a.
    """

    def __init__(self, spec: CircuitSpec, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        self.weights = nn.Parameter(torch.from_numpy(initial_weights(spec, seed)))
        z = _signs(spec.wires)
        ends = np.array(pairs(spec.wires), np.int64).reshape(-1, 2)
        self._first, self._second = ends[:, 0].tolist(), ends[:, 1].tolist()
        self._z: Tensor
        self._zz: Tensor
        self.register_buffer("_z", z, persistent=False)
        self.register_buffer("_zz", z[self._first] * z[self._second], persistent=False)

    def forward(self, a: Tensor, m: Tensor) -> Tensor:
        """Expectations (B, n) of Pauli Z on every wire."""
        if self.spec.preset == "threshold":
            return self._threshold(a, m)
        n, weights, z = self.spec.wires, self.weights.to(a.dtype), self._z.to(a.dtype)
        state = torch.stack(
            [_product_state(math.pi * m * a), a.new_zeros(len(a), 2**n)], dim=1
        )  # (B, re/im, 2^n)
        turn = torch.zeros_like(m)  # RZ angles not applied yet: they merge with the diagonal that follows
        both = m[:, self._first] * m[:, self._second]
        again = self.spec.preset == "reuploading"
        for index, layer in enumerate(weights):
            if again and index > 0:
                state = _rotate_y(_turn_phase(state, -0.5 * (turn @ z)), math.pi * m * a)
                turn = torch.zeros_like(m)
            phi, theta, omega = layer[: 3 * n].reshape(n, 3).unbind(dim=1)
            phase = (both * layer[3 * n :]) @ self._zz.to(a.dtype) + (turn + m * phi) @ z
            state = _rotate_y(_turn_phase(state, -0.5 * phase), m * theta)
            turn = m * omega
        return state.square().sum(dim=1) @ z.T  # a last diagonal would change no probability

    def _threshold(self, a: Tensor, m: Tensor) -> Tensor:
        n, gated = self.spec.wires, m * a
        is_open = gated.detach().abs() > THRESHOLD
        probability = _product_state(math.pi * gated * is_open).square()
        index = torch.arange(2**n, device=a.device)
        for wire in range(n if n > 1 else 0):
            control, target = n - 1 - wire, n - 1 - (wire + 1) % n  # wire 0 is the highest bit
            flipped = probability[:, index ^ ((index >> control & 1) << target)]
            probability = torch.where(is_open[:, wire, None], flipped, probability)
        return probability @ self._z.to(a.dtype).T


def _signs(wires: int) -> Tensor:
    """(n, 2^n): the eigenvalue +1 or -1 of Z on each wire in each basis state; wire 0 is the highest bit."""
    bits = torch.arange(2**wires)[None, :] >> torch.arange(wires - 1, -1, -1)[:, None] & 1
    return (1 - 2 * bits).to(torch.float32)


def _product_state(angle: Tensor) -> Tensor:
    """(B, n) angles of RY on |0...0> to real amplitudes (B, 2^n)."""
    single = torch.stack([torch.cos(0.5 * angle), torch.sin(0.5 * angle)], dim=2)  # (B, n, 2)
    state = angle.new_ones(len(angle), 1)
    for wire in range(angle.shape[1]):
        state = (state[:, :, None] * single[:, wire, None, :]).flatten(1)
    return state


def _turn_phase(state: Tensor, phase: Tensor) -> Tensor:
    """Multiply amplitudes (B, 2, 2^n) by exp(i * phase), phase (B, 2^n)."""
    real, imaginary = state.unbind(dim=1)
    c, s = torch.cos(phase), torch.sin(phase)
    return torch.stack([real * c - imaginary * s, real * s + imaginary * c], dim=1)


def _rotate_y(state: Tensor, angle: Tensor) -> Tensor:
    """RY by angle (B, n) on every wire of amplitudes (B, 2, 2^n)."""
    n = angle.shape[1]
    c, s = torch.cos(0.5 * angle), torch.sin(0.5 * angle)
    single = torch.stack([c, -s, s, c], dim=2).reshape(-1, n, 2, 2)
    shape = state.shape
    for start in range(0, n, _GROUP):
        wires = range(start, min(start + _GROUP, n))
        matrix = _kron(single, wires)  # (B, 16, 16)
        grouped = state.reshape(len(state), 2 * 2**start, matrix.shape[1], -1)
        state = torch.einsum("bij,bpjq->bpiq", matrix, grouped)
    return state.reshape(shape)


def _kron(single: Tensor, wires: Sequence[int]) -> Tensor:
    """Kronecker product of the 2 x 2 matrices (B, n, 2, 2) of some wires."""
    matrix = single[:, wires[0]]
    for wire in wires[1:]:
        side = 2 * matrix.shape[1]
        matrix = torch.einsum("bij,bkl->bikjl", matrix, single[:, wire]).reshape(-1, side, side)
    return matrix
