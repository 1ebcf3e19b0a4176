"""The audit: a small, pseudo-random share of what triage rejects is evaluated, too.

It says what prefilter and gate miss, without bias, as each rejected row has the same chance: a row is chosen
by a hash of where it came from, which knows nothing of what it says, and is the same in every replay.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

SHARE: Final = 0.001  # of the rejected rows


def sampled(
    topic: str,
    partition: NDArray[np.int64],
    offset: NDArray[np.int64],
    record: NDArray[np.int64],
    trigger: NDArray[np.int8],
    nth: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which rows (n,) are in the sample: by partition, record, trigger, and how many rows its event brought
    before it.

    The hash is splitmix64 (Steele, Lea & Flood, Fast splittable pseudorandom number generators, OOPSLA 2014),
    over one field after the other.
    """
    key = np.zeros(len(offset), np.uint64)
    for each in np.unique(partition).tolist():
        seed = hashlib.blake2b(f"{topic}\0{each}".encode("utf-8", "replace"), digest_size=8).digest()
        key[partition == each] = int.from_bytes(seed, "big")
    for column in (offset, record, trigger, nth):
        key = _mixed(key ^ column.astype(np.uint64))
    return key < np.uint64(SHARE * 2.0**64)


def _mixed(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    key = key + np.uint64(0x9E3779B97F4A7C15)  # wraps, as it should
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
