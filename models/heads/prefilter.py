"""The prefilter: how suspicious a row makes its unit, in nats; it drops the boring majority."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.context.features import EVIDENCE_COLUMNS, WIDTH
from models.context.line import Line
from schemas.salient import Trigger

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "prefilter.weight": (WIDTH,), "prefilter.bias": (len(Trigger),), "prefilter.usual": (2, 2),
}  # fmt: skip


def logit(x: NDArray[np.float32], line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prefilter score (n,) of rows x (n, d): the evidence they show, and line (n,), what each says by itself.

    In nats. Summed feature by feature and not by a matrix product, whose last bit depends on how
    many rows it is given.
    """
    total = line.copy()
    for column in range(*EVIDENCE_COLUMNS.indices(WIDTH)):
        total += x[:, column]
    return total


def arrays(line: Line) -> dict[str, NDArray[Any]]:
    """How rows are weighed, as a bundle holds it."""
    return {
        "prefilter.weight": line.weight, "prefilter.bias": line.bias, "prefilter.usual": line.usual,
    }  # fmt: skip


def from_arrays(weights: Mapping[str, NDArray[np.generic]]) -> Line:
    """From the weights of a bundle. Raises ValueError for a spread that is not positive."""
    weight, bias, usual = (np.ascontiguousarray(weights[name], np.float64) for name in SHAPES)
    if not (usual[:, 1] > 0.0).all():
        raise ValueError("a spread of the prefilter is not above 0")
    return Line(weight, bias, usual, True)
