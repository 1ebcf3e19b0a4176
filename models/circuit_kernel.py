"""The inner loops of the compiled circuit: a tile of events at a time, in real float32 arithmetic.

Amplitudes are laid out basis state by basis state with the events of the tile side by side, so every loop
runs over neighbouring numbers and no event's arithmetic depends on its neighbours: results are the same to
the last bit however events are batched.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.jit import jit

Floats = NDArray[np.float32]
_TILE_AMPLITUDES: Final = 8192  # of one tile, 64 KB in all: about what stays in the nearest caches
_TILE_EVENTS: Final = 16  # at least; one vector register


@jit
def evaluate(
    cosine: Floats,
    sine: Floats,
    rows: NDArray[np.int64],
    wires: NDArray[np.int64],
    phases: Floats,
    turns: Floats,
    out: Floats,
) -> None:
    """Run the events `rows`, whose open wires are `wires` (k,), and write their <Z> into out (B, n).

    cosine, sine (B, n) of half the encoding angles; phases (layers, 2, 2^k): cosine and sine of each layer's
    diagonal; turns (layers, k, 2): cosine and sine of half the RY angles that follow it.
    """
    k = len(wires)
    tile = max(_TILE_EVENTS, _TILE_AMPLITUDES >> k)
    buffer = np.empty((2, (1 << k) * min(tile, len(rows))), np.float32)
    for start in range(0, len(rows), tile):
        batch = rows[start : start + tile]
        size = len(batch)
        real, imaginary = buffer[0, : size << k], buffer[1, : size << k]
        _encode(cosine, sine, batch, wires, real)
        imaginary[:] = np.float32(0.0)
        for layer in range(len(phases)):
            _turn_phase(real, imaginary, phases[layer], size)
            for index in range(k):
                c, s = turns[layer, index, 0], turns[layer, index, 1]
                half = size << (k - 1 - index)
                _rotate(real, half, c, s)
                _rotate(imaginary, half, c, s)
        for i in range(len(real)):
            real[i] = real[i] * real[i] + imaginary[i] * imaginary[i]
        _measure(real, imaginary, batch, wires, out)


# The helpers cut arrays into the stretches that belong together before they loop: numba turns a loop from 0
# to the length of an array into vector instructions, and not one with an offset.


@jit
def _encode(
    cosine: Floats, sine: Floats, batch: NDArray[np.int64], wires: NDArray[np.int64], real: Floats
) -> None:
    """Product state of RY on every wire; the first wire is the highest bit of the basis state."""
    size = len(batch)
    real[:size] = np.float32(1.0)
    c, s = np.empty(size, np.float32), np.empty(size, np.float32)
    filled = size
    for index in range(len(wires) - 1, -1, -1):
        for t in range(size):
            c[t], s[t] = cosine[batch[t], wires[index]], sine[batch[t], wires[index]]
        for start in range(0, filled, size):
            low, high = real[start : start + size], real[start + filled : start + filled + size]
            for t in range(len(low)):
                amplitude = low[t]
                high[t] = amplitude * s[t]
                low[t] = amplitude * c[t]
        filled *= 2


@jit
def _turn_phase(real: Floats, imaginary: Floats, phase: Floats, size: int) -> None:
    for state in range(phase.shape[1]):
        c, s = phase[0, state], phase[1, state]
        x, y = real[state * size : (state + 1) * size], imaginary[state * size : (state + 1) * size]
        for t in range(len(x)):
            re, im = x[t], y[t]
            x[t] = re * c - im * s
            y[t] = re * s + im * c


@jit
def _rotate(part: Floats, half: int, c: np.float32, s: np.float32) -> None:
    """RY on the wire whose two values lie `half` numbers apart; real and imaginary part alike."""
    for start in range(0, len(part), 2 * half):
        low, high = part[start : start + half], part[start + half : start + 2 * half]
        for i in range(len(low)):
            x, y = low[i], high[i]
            low[i] = c * x - s * y
            high[i] = s * x + c * y


@jit
def _measure(
    probability: Floats, scratch: Floats, batch: NDArray[np.int64], wires: NDArray[np.int64], out: Floats
) -> None:
    """<Z> wire by wire: each step sums out the highest bit left, so rounding grows with k, not 2^k."""
    size = len(batch)
    for index in range(len(wires)):
        half = size << (len(wires) - 1 - index)
        difference = scratch[:half]
        low, high = probability[:half], probability[half : 2 * half]
        for i in range(len(low)):
            x, y = low[i], high[i]
            difference[i] = x - y
            low[i] = x + y
        while half > size:
            half //= 2
            first, second = scratch[:half], scratch[half : 2 * half]
            for i in range(len(first)):
                first[i] += second[i]
        for t in range(size):
            out[batch[t], wires[index]] = scratch[t]
