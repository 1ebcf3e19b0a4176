"""Where to cut bytes into blocks so that what stays the same stays the same block.

A cut follows wherever a hash of the last 64 bytes says so, whatever comes before: an insertion changes the
blocks that it is in and moves all others, where blocks of fixed size would all change behind it. The hash is
a gear hash (Xia et al., FastCDC, USENIX ATC 2016).
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.jit import jit_in_place

__all__ = ["MOST", "blocks"]

LEAST: Final = 4 * 1024  # bytes of a block but the last
USUAL_BITS: Final = 14  # a cut every 16 KiB or so, beyond the least
MOST: Final = 64 * 1024


def _gear() -> NDArray[np.uint64]:
    """A random number for each byte (256,): splitmix64 (Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, 257, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


_GEAR: Final = _gear()


def blocks(data: bytes) -> Iterator[memoryview]:
    """The blocks of some bytes in order, each of at most MOST bytes; none of no bytes."""
    ends = np.empty(len(data) // LEAST + 1, np.int64)
    count = _cut(np.frombuffer(data, np.uint8), _GEAR, ends)
    view, start = memoryview(data), 0
    for end in ends[:count].tolist():
        yield view[start:end]
        start = end


@jit_in_place
def _cut(data: NDArray[np.uint8], gear: NDArray[np.uint64], ends: NDArray[np.int64]) -> int:
    """Write where blocks end; returns how many there are."""
    count = start = 0
    rolling = np.uint64(0)
    for position in range(len(data)):
        rolling = (rolling << np.uint64(1)) + gear[data[position]]
        length = position + 1 - start
        if (length >= LEAST and rolling >> np.uint64(64 - USUAL_BITS) == 0) or length == MOST:
            ends[count] = start = position + 1
            count += 1
    if start < len(data):
        ends[count] = len(data)
        count += 1
    return count
