"""From what events hold to columns that the kernel reads."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from models.context.tables import NAME_BYTES
from models.context.templates import template_id


def short_name(entity: str) -> bytes:
    """At most NAME_BYTES bytes that tell entities apart."""
    encoded = entity.encode("utf-8", "replace")
    if len(encoded) <= NAME_BYTES:
        return encoded
    return encoded[: NAME_BYTES - 16] + blake2b(encoded, digest_size=8).hexdigest().encode()


def attributes(
    numbers: Sequence[dict[str, float] | None],
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.float64]]:
    """Numeric attributes of all events as three parallel arrays: event index, hash of the name, value."""
    flat = [(row, name, value) for row, held in enumerate(numbers) if held for name, value in held.items()]
    if not flat:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0)
    rows, names, values = zip(*flat, strict=True)
    keys = {name: template_id(name) for name in set(names)}
    return (
        np.array(rows, np.int64),
        np.fromiter((keys[name] for name in names), np.uint64, len(names)),
        np.array(values, np.float64),
    )
