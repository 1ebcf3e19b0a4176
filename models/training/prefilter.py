"""Fitting the prefilter: what a row says by itself, and what of that is usual in a normal unit."""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from models.context.features import WIDTH
from models.context.kernel import ENTITY_END, EVENT
from models.context.line import LEAST_SPREAD, LINE_COLUMNS, Line, of_rows
from models.context.usual import cover
from models.heads import prefilter
from models.training.bags import Bags
from models.training.choices import highest_of, trusted
from models.training.rows import TrainingRows
from schemas.salient import Trigger

NEGATIVES: Final = 20_000  # normal units that fit the weights, at most
STEPS: Final = 400
FITS: Final = 2  # the first on all units taken as normal, the second without those that then look like faults
TAIL: Final = 0.999  # quantile of a feature on normal rows that all features are brought towards,
SOFTNESS: Final = 10.0  # nats or z, and how little: a feature that is never high by chance counts more for it
EQUALITY: Final = 1.0  # how strongly the weights are drawn to each other: one nat counts like another
# mean weight of a nat at least: where faults surprise no more than the highest row of a normal unit, the fit
# says nothing, and one nat counts like another; what is usual settles the scale
LEAST_WEIGHT: Final = 0.05
_IS_LINE: Final = np.arange(WIDTH) < LINE_COLUMNS.stop
Progress = Callable[[str, int, int], None]


def fit_prefilter(
    rows: TrainingRows, rng: np.random.Generator, progress: Progress
) -> tuple[Line, NDArray[np.bool_]]:
    """How rows are weighed, and which units (units,) are believed to be normal, of those taken as normal.

    A normal unit is held against synthetic faults by its most suspicious row, as the fit before saw it.
    """
    fit = np.flatnonzero(rows.normal_fit)
    of_entity = rows.of_entity[rows.unit]
    believed = np.ones(len(rows.of_entity), bool)
    said = rows.x[:, LINE_COLUMNS].astype(np.float64).sum(axis=1)
    for _ in range(FITS):
        chosen = fit[highest_of(rows.unit[fit], said[fit])]
        chosen = chosen[believed[rows.unit[chosen]]]
        weight, bias = _fit_line(rows.x[chosen], rows.trigger[chosen], rows.bags_fit, rng, progress)
        said = rows.x.astype(np.float64) @ np.where(_IS_LINE, weight, 0.0) + bias[rows.trigger]
        chosen = fit[highest_of(rows.unit[fit], said[fit])]
        line = Line(weight, bias, _usual(said[chosen], of_entity[chosen], rows.tail), True)
        if rows.tail > 0.0:
            logit = prefilter.logit(rows.x, of_rows(line, rows.x, rows.trigger, of_entity))
            chosen = fit[highest_of(rows.unit[fit], logit[fit])]
            believed[rows.unit[chosen]] = trusted(logit[chosen])
    return line, believed


def _usual(highest: NDArray[np.float64], of_entity: NDArray[np.bool_], tail: float) -> NDArray[np.float64]:
    """Centre and spread (2, 2) of the highest rows (m,) of normal sources and entities; of_entity (m,).

    tail: share of the units that may be faults.
    """
    found = np.empty((2, 2))
    for which in (False, True):
        values = highest[of_entity == which]
        found[int(which)] = cover(np.sort(values if len(values) else highest), tail, LEAST_SPREAD)
    return found


def bag_loss(logit: Tensor, bag: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over bags of the logistic loss of their highest row."""
    highest = torch.full((len(weight),), -torch.inf, dtype=logit.dtype).scatter_reduce(0, bag, logit, "amax")
    return (weight * softplus(-highest)).sum() / weight.sum()


def _fit_line(
    normal: NDArray[np.float32],
    trigger: NDArray[np.int8],
    bags: Bags,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (d,) and biases (triggers,): logistic regression with weights that are not negative, as more
    surprise is never less suspicious.

    What holds in every system holds in one not seen yet, and a weight that says why can be shown to people.
    Features count from what is usual for the row's trigger; of silences, which are rare, nothing is usual.
    normal (m, d), trigger (m,): the most suspicious row of each normal unit.
    """
    centre = np.zeros((len(Trigger), WIDTH), np.float32)
    for kind in (EVENT, ENTITY_END):
        if (trigger == kind).any():
            centre[kind] = np.median(normal[trigger == kind], axis=0)
    if len(normal) > NEGATIVES:
        chosen = rng.choice(len(normal), NEGATIVES, replace=False)
        normal, trigger = normal[chosen], trigger[chosen]
    scale = (np.quantile(normal - centre[trigger], TAIL, axis=0).astype(np.float32) + SOFTNESS) / 4.0
    negative = torch.from_numpy(((normal - centre[trigger]) / scale)[:, LINE_COLUMNS])
    positive = torch.from_numpy(((bags.x - centre[bags.trigger]) / scale)[:, LINE_COLUMNS])
    bag, importance = torch.from_numpy(bags.bag), torch.from_numpy(bags.weight.astype(np.float32))
    raw = torch.full((negative.shape[1],), -1.0, requires_grad=True)
    bias = torch.tensor(-3.0, requires_grad=True)
    optimiser = torch.optim.Adam([raw, bias], lr=0.05)
    for step in range(STEPS):
        weight = softplus(raw)
        loss = softplus(negative @ weight + bias).mean() + bag_loss(positive @ weight + bias, bag, importance)
        optimiser.zero_grad()
        (loss + EQUALITY * ((raw - raw.mean()) ** 2).mean()).backward()  # type: ignore[no-untyped-call]  # torch's stub
        optimiser.step()
        progress("prefilter", step + 1, STEPS)
    fitted = softplus(raw).detach().numpy().astype(np.float64) / scale[LINE_COLUMNS]
    offset = float(bias.detach()) - centre[:, LINE_COLUMNS].astype(np.float64) @ fitted
    grown = max(1.0, LEAST_WEIGHT / fitted.mean())
    weights = np.ones(WIDTH)  # a nat of evidence is a nat
    weights[LINE_COLUMNS] = fitted * grown
    return weights, offset * grown
