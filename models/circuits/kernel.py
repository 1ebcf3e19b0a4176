"""The inner loops of the compiled circuit: a tile of events at a time, in real float32 arithmetic.

A tile holds events with equally many open wires. Its amplitudes lie basis state by basis state with the
events side by side, so every loop runs over neighbouring numbers. An event is added to, multiplied and summed
in one fixed order, without fused operations, whether its tile has one set of open wires or many: results are
the same to the last bit however events are batched.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.jit import jit

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
_TILE_AMPLITUDES: Final = 8192  # of one tile; 128 KB with its scratch, which the second-level caches hold
_TILE_EVENTS: Final = 16  # at least; one vector register
_OWN_TILE: Final = 32  # events of one pattern that get a tile of their own, which is faster than a mixed one
# Taylor series of cos and sin of pi x / 2 in x^2; on [-1, 1] what is left out is below 1e-16. The platform's
# functions differ from each other in the last bit.
_COS: Final = np.array([(-1) ** i * (math.pi / 2) ** (2 * i) / math.factorial(2 * i) for i in range(11)])
_SIN: Final = np.array(
    [(-1) ** i * (math.pi / 2) ** (2 * i + 1) / math.factorial(2 * i + 1) for i in range(11)]
)


class Tables(NamedTuple):
    """What is fixed when the weights are; N = 2^n patterns, each named by the bits of its open wires.

    width (N,): number k of open wires; position (N, n): their indices, ascending; rank (N,): place of a
    pattern when they are sorted by width; ready (N,): whether cells hold it yet; cells: cosines (2^k) and
    sines (2^k) of each diagonal of each pattern, from offset (N,) on; turns (layers, n, 2): cosine and sine
    of half the RY angle of each layer, and of the whole angle of the last one, which is not applied but
    measured; again: whether inputs are encoded before every layer.
    """

    width: Integers
    position: Integers
    rank: Integers
    ready: NDArray[np.bool_]
    offset: Integers
    cells: Floats
    turns: Floats
    again: bool


@jit
def plan(a: Floats, is_open: NDArray[np.bool_], tables: Tables) -> tuple[Integers, Integers, bool, bool]:
    """Wires a (B, n) and open wires (B, n) to patterns (B,), the events in order of rank (B,), whether every
    open wire is in [-1, 1], and whether every pattern is ready.
    """
    size, n = a.shape
    codes, valid, known = np.zeros(size, np.int64), True, True
    places = np.zeros(len(tables.rank) + 1, np.int64)
    for event in range(size):
        code = 0
        for wire in range(n):
            if is_open[event, wire]:
                code |= 1 << wire
                valid = valid and abs(a[event, wire]) <= 1.0  # false for what is no number
        codes[event] = code
        known = known and tables.ready[code]
        places[tables.rank[code] + 1] += 1
    for place in range(1, len(places)):
        places[place] += places[place - 1]
    order = np.empty(size, np.int64)
    for event in range(size):
        place = tables.rank[codes[event]]
        order[places[place]] = event
        places[place] += 1
    return codes, order, valid, known


@jit
def evaluate(a: Floats, codes: Integers, order: Integers, tables: Tables, out: Floats) -> None:
    """Run the events `order` and write <Z> of their open wires into out (B, n)."""
    buffer = _buffer(a.shape[1])
    angles = np.empty((2, a.shape[1], _TILE_AMPLITUDES), np.float32)
    start = 0
    while start < len(order):
        stop, uniform = _cut(codes, order, start, tables.width)
        batch = order[start:stop]
        if tables.width[codes[batch[0]]] > 0:
            _evolve(a, codes, batch, uniform, tables, buffer, angles)
            _measure(codes, batch, tables, buffer, angles, out)
        start = stop


@jit
def evolve(a: Floats, codes: Integers, batch: Integers, tables: Tables, states: Floats, out: Floats) -> None:
    """State vectors of events with one pattern into states (2, 2^k, events), real and imaginary part, and <Z>
    of their open wires into out (B, n).

    States are those before the last layer's rotations, which are the same for all events of the pattern. At
    most max(16, 8192 / 2^k) events.
    """
    buffer = _buffer(a.shape[1])
    angles = np.empty((2, a.shape[1], _TILE_AMPLITUDES), np.float32)
    _evolve(a, codes, batch, True, tables, buffer, angles)
    cells = len(batch) << tables.width[codes[batch[0]]]
    states[0] = buffer[0, :cells].reshape(-1, len(batch))
    states[1] = buffer[1, :cells].reshape(-1, len(batch))
    _measure(codes, batch, tables, buffer, angles, out)


@jit
def tile_events(width: int) -> int:
    """Most events of a tile."""
    return max(_TILE_EVENTS, _TILE_AMPLITUDES >> width)


@jit
def _buffer(n: int) -> Floats:
    return np.empty((4, max(_TILE_EVENTS << n, _TILE_AMPLITUDES)), np.float32)


@jit
def _cut(codes: Integers, order: Integers, start: int, width: Integers) -> tuple[int, bool]:
    """End of the tile that begins at start, and whether it has one pattern: the events of one pattern, or if
    they are few, those of the next patterns of the same width that are few, too.
    """
    code = codes[order[start]]
    most = min(len(order), start + tile_events(width[code]))
    stop = start + 1
    while stop < most and codes[order[stop]] == code:
        stop += 1
    if stop - start >= _OWN_TILE:
        return stop, True
    same = stop
    while stop < most and width[codes[order[stop]]] == width[code]:
        last = stop + _OWN_TILE - 1
        if last < len(order) and codes[order[last]] == codes[order[stop]] != codes[order[stop - 1]]:
            break
        stop += 1
    return stop, stop == same


@jit
def _evolve(
    a: Floats, codes: Integers, batch: Integers, uniform: bool, tables: Tables, buffer: Floats, angles: Floats
) -> None:
    """Amplitudes of a tile before the last rotations into buffer[0] (real) and buffer[1] (imaginary)."""
    size, code = len(batch), codes[batch[0]]
    k = tables.width[code]
    layers, states, cells = len(tables.turns), 1 << k, size << k
    real, imaginary, c, s = (
        buffer[0, :cells], buffer[1, :cells], buffer[2, :cells], buffer[3, :cells],
    )  # fmt: skip
    for j in range(k):
        _encoding(a, codes, batch, tables.position, j, angles[0, j, :size], angles[1, j, :size])
    _encode(angles, k, size, real)
    imaginary[:] = np.float32(0.0)
    diagonal = 0
    for layer in range(layers):
        if layer > 0 and tables.again:
            _load(tables, codes, batch, diagonal * 2 * states, uniform, c, s)
            _turn_phase(real, imaginary, c, s)
            diagonal += 1
            for j in range(k):
                _rotate_each(real, imaginary, size << (k - 1 - j), angles[0, j, :size], angles[1, j, :size])
        _load(tables, codes, batch, diagonal * 2 * states, uniform, c, s)
        _turn_phase(real, imaginary, c, s)
        diagonal += 1
        if layer + 1 < layers:
            _turn(tables, codes, batch, layer, uniform, buffer)


# The helpers cut arrays into the stretches that belong together before they loop: numba turns a loop from 0
# to the length of an array into vector instructions, and not one with an offset.


@jit
def _encoding(
    a: Floats, codes: Integers, batch: Integers, position: Integers, j: int, c: Floats, s: Floats
) -> None:
    """Cosine and sine of half the encoding angle pi a of each event's j-th open wire."""
    for t in range(len(batch)):
        c[t] = a[batch[t], position[codes[batch[t]], j]]
    for t in range(len(c)):
        x = np.float64(c[t])
        square = x * x
        cosine, sine = _COS[10], _SIN[10]
        for i in range(9, -1, -1):
            cosine = cosine * square + _COS[i]
            sine = sine * square + _SIN[i]
        c[t], s[t] = np.float32(cosine), np.float32(sine * x)


@jit
def _encode(angles: Floats, k: int, size: int, real: Floats) -> None:
    """Product state of RY on every wire; the first wire is the highest bit of the basis state."""
    real[:size] = np.float32(1.0)
    filled = size
    for j in range(k - 1, -1, -1):
        c, s = angles[0, j, :size], angles[1, j, :size]
        for start in range(0, filled, size):
            low, high = real[start : start + size], real[start + filled : start + filled + size]
            for t in range(len(low)):
                amplitude = low[t]
                high[t] = amplitude * s[t]
                low[t] = amplitude * c[t]
        filled *= 2


@jit
def _load(
    tables: Tables, codes: Integers, batch: Integers, at: int, uniform: bool, c: Floats, s: Floats
) -> None:
    """One diagonal of each event's pattern, laid out like the amplitudes."""
    size = len(batch)
    states = len(c) // size
    if uniform:
        first = tables.offset[codes[batch[0]]] + at
        for state in range(states):
            c[state * size : (state + 1) * size] = tables.cells[first + state]
            s[state * size : (state + 1) * size] = tables.cells[first + states + state]
        return
    first_of = np.empty(size, np.int64)
    for t in range(size):
        first_of[t] = tables.offset[codes[batch[t]]] + at
    for state in range(states):
        cosine, sine = c[state * size : (state + 1) * size], s[state * size : (state + 1) * size]
        for t in range(len(cosine)):
            cosine[t] = tables.cells[first_of[t] + state]
            sine[t] = tables.cells[first_of[t] + states + state]


@jit
def _turn_phase(real: Floats, imaginary: Floats, c: Floats, s: Floats) -> None:
    for i in range(len(real)):
        x, y = real[i], imaginary[i]
        real[i] = x * c[i] - y * s[i]
        imaginary[i] = x * s[i] + y * c[i]


@jit
def _turn(
    tables: Tables, codes: Integers, batch: Integers, layer: int, uniform: bool, buffer: Floats
) -> None:
    """The RY of one layer on every open wire, two wires at a time where the tile has one pattern."""
    size, code = len(batch), codes[batch[0]]
    k = tables.width[code]
    real, imaginary = buffer[0, : size << k], buffer[1, : size << k]
    c, s = buffer[2, :size], buffer[3, :size]
    j = 0
    while uniform and j + 1 < k:
        first = tables.turns[layer, tables.position[code, j]]
        second = tables.turns[layer, tables.position[code, j + 1]]
        _rotate_two(real, size << (k - 2 - j), first[0], first[1], second[0], second[1])
        _rotate_two(imaginary, size << (k - 2 - j), first[0], first[1], second[0], second[1])
        j += 2
    for wire in range(j, k):
        for t in range(size):
            turn = tables.turns[layer, tables.position[codes[batch[t]], wire]]
            c[t], s[t] = turn[0], turn[1]
        _rotate_each(real, imaginary, size << (k - 1 - wire), c, s)


@jit
def _rotate_two(
    part: Floats, quarter: int, c: np.float32, s: np.float32, d: np.float32, r: np.float32
) -> None:
    """RY with cosine and sine c, s on one wire, then d, r on the next; basis states lie `quarter` apart."""
    for start in range(0, len(part), 4 * quarter):
        p00, p01 = part[start : start + quarter], part[start + quarter : start + 2 * quarter]
        p10, p11 = part[start + 2 * quarter : start + 3 * quarter], part[start + 3 * quarter :][:quarter]
        for i in range(len(p00)):
            x00, x01, x10, x11 = p00[i], p01[i], p10[i], p11[i]
            y00, y01, y10, y11 = c * x00 - s * x10, c * x01 - s * x11, s * x00 + c * x10, s * x01 + c * x11
            p00[i], p01[i] = d * y00 - r * y01, r * y00 + d * y01
            p10[i], p11[i] = d * y10 - r * y11, r * y10 + d * y11


@jit
def _rotate_each(real: Floats, imaginary: Floats, half: int, c: Floats, s: Floats) -> None:
    """RY with each event's own cosine and sine on the wire whose two values lie `half` numbers apart."""
    size = len(c)
    for part in (real, imaginary):
        for start in range(0, len(part), 2 * half):
            for at in range(start, start + half, size):
                low, high = part[at : at + size], part[at + half : at + half + size]
                for t in range(len(low)):
                    x, y = low[t], high[t]
                    low[t] = c[t] * x - s[t] * y
                    high[t] = s[t] * x + c[t] * y


@jit
def _measure(
    codes: Integers, batch: Integers, tables: Tables, buffer: Floats, angles: Floats, out: Floats
) -> None:
    """<Z> after the last RY(theta): cos(theta) <Z> - sin(theta) <X> before it."""
    size = len(batch)
    k, layers = tables.width[codes[batch[0]]], len(tables.turns)
    if layers > 0:
        _measure_x(k, size, buffer, angles)
    real, imaginary, scratch = buffer[0, : size << k], buffer[1, : size << k], buffer[2]
    for i in range(len(real)):
        real[i] = real[i] * real[i] + imaginary[i] * imaginary[i]
    for j in range(k):
        half = size << (k - 1 - j)
        z = scratch[:half]
        low, high = real[:half], real[half : 2 * half]
        for i in range(len(low)):
            p, q = low[i], high[i]
            z[i] = p - q
            low[i] = p + q  # sums out this wire, so that rounding grows with k and not with 2^k
        _fold(z, size)
        for t in range(size):
            wire = tables.position[codes[batch[t]], j]
            out[batch[t], wire] = z[t]
            if layers > 0:
                turn = tables.turns[layers - 1, wire]
                out[batch[t], wire] = turn[0] * z[t] - turn[1] * angles[0, j, t]


@jit
def _measure_x(k: int, size: int, buffer: Floats, angles: Floats) -> None:
    """<X> of every wire into angles[0], two wires at a time."""
    real, imaginary = buffer[0, : size << k], buffer[1, : size << k]
    j = 0
    while j + 1 < k:
        quarter = (size << k) // 4
        _cross_two(real, imaginary, size << (k - 2 - j), buffer[2, :quarter], buffer[3, :quarter])
        _fold(buffer[2, :quarter], size)
        _fold(buffer[3, :quarter], size)
        angles[0, j, :size] = buffer[2, :size]
        angles[0, j + 1, :size] = buffer[3, :size]
        j += 2
    if j < k:
        x = buffer[2, : (size << k) // 2]
        _cross(real, imaginary, size, x)
        _fold(x, size)
        angles[0, j, :size] = x[:size]


@jit
def _cross_two(real: Floats, imaginary: Floats, quarter: int, first: Floats, second: Floats) -> None:
    """Terms of <X> = 2 Re sum(conj(psi_0) psi_1) of a wire and the next; basis states lie `quarter` apart."""
    for block in range(len(real) // (4 * quarter)):
        at = 4 * quarter * block
        r00, r01 = real[at : at + quarter], real[at + quarter : at + 2 * quarter]
        r10, r11 = real[at + 2 * quarter : at + 3 * quarter], real[at + 3 * quarter :][:quarter]
        i00, i01 = imaginary[at : at + quarter], imaginary[at + quarter : at + 2 * quarter]
        i10, i11 = imaginary[at + 2 * quarter : at + 3 * quarter], imaginary[at + 3 * quarter :][:quarter]
        u, v = first[block * quarter :][:quarter], second[block * quarter :][:quarter]
        for t in range(len(u)):
            a00, a01, a10, a11 = r00[t], r01[t], r10[t], r11[t]
            b00, b01, b10, b11 = i00[t], i01[t], i10[t], i11[t]
            u[t] = np.float32(2.0) * ((a00 * a10 + b00 * b10) + (a01 * a11 + b01 * b11))
            v[t] = np.float32(2.0) * ((a00 * a01 + b00 * b01) + (a10 * a11 + b10 * b11))


@jit
def _cross(real: Floats, imaginary: Floats, size: int, x: Floats) -> None:
    """The same for the last wire alone."""
    for block in range(len(x) // size):
        at = 2 * size * block
        r0, r1 = real[at : at + size], real[at + size : at + 2 * size]
        i0, i1 = imaginary[at : at + size], imaginary[at + size : at + 2 * size]
        u = x[block * size : (block + 1) * size]
        for t in range(len(u)):
            u[t] = np.float32(2.0) * (r0[t] * r1[t] + i0[t] * i1[t])


@jit
def _fold(values: Floats, size: int) -> None:
    """Sum stretches of `size` numbers into the first, halves upon halves."""
    half = len(values)
    while half > size:
        half //= 2
        low, high = values[:half], values[half : 2 * half]
        for i in range(len(low)):
            low[i] += high[i]
