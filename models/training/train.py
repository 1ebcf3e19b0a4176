"""Training: from rows of features, with labels or without, to a bundle.

Without labels, the synthetic faults written into the events are what is to be found; with labels, the
labelled entities are, and the faults count a little. Either way a positive is a bag of rows of which the
highest counts. The first part of the rows by time (rows.FIT_SHARE) fits the weights, the rest calibrates the
p-values.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from models.bundle import FORMAT, Arrays, Bundle, Manifest
from models.circuits.compiled import CompiledCircuit, not_compiled
from models.circuits.spec import CircuitSpec
from models.context.features import NAMES, WIDTH
from models.context.line import of_rows
from models.detector import Evaluator, InferenceGate
from models.false_alarms import FalseAlarms
from models.heads import prefilter
from models.heads.calibration import Calibration, UnitCalibration
from models.heads.density import DensityMatrices
from models.heads.gate import OpenWiresTarget
from models.heads.readout_input import readout_prior, unscored
from models.heads.tail_fit import tail_fit
from models.options import FALSE_ALARMS, TrainingOptions
from models.scores import ALERTS_BY, ScoreName
from models.training.bags import Bags
from models.training.choices import best_rate, highest_of, highest_rows
from models.training.network import Network
from models.training.prefilter import bag_loss, fit_prefilter
from models.training.rows import TrainingRows

HARDEST: Final = 100  # normal rows that teach the network at least, where hardly any passes the prefilter
NEGATIVE_BATCH, BAG_BATCH = 192, 96  # rows, bags of one step of the network
# Weight of the mean square of what the heads add to the prefilter's logit: large where only synthetic faults
# teach them, since what is learnt from those is believed less than the prefilter's own sum of surprises.
CORRECTION_BY_FAULTS, CORRECTION_BY_LABELS = 1.0, 0.3
LEAST_SLOPE: Final = 1.0  # of the tail of calibration: a nat of evidence is a nat
FREEZE_ALPHA: Final = 0.5  # share of the steps after which alpha is frozen
Progress = Callable[[str, int, int], None]


def train(rows: TrainingRows, options: TrainingOptions, progress: Progress) -> Bundle:
    """Fit prefilter, network and calibration on the rows of features. Same rows and options, same bundle."""
    rng = np.random.default_rng(options.seed)
    line, believed = fit_prefilter(rows, rng, progress)
    said = of_rows(line, rows.x, rows.trigger, rows.of_entity[rows.unit])
    logit = prefilter.logit(rows.x, said)
    # however little normal rows say: what says less than this does not make a unit one of so few
    least = -float(np.log(options.salience_budget))
    threshold = max(least, float(np.quantile(logit[rows.normal_fit], 1.0 - options.salience_budget)))
    bags = rows.bags_fit
    said = of_rows(line, bags.x, bags.trigger, bags.of_entity)
    positives = highest_rows(bags, prefilter.logit(bags.x, said) - threshold)
    if not len(positives[0]):
        positives = highest_rows(bags, prefilter.logit(bags.x, said))
    normal = np.flatnonzero(rows.normal_fit & believed[rows.unit])
    hard = normal[np.argsort(-logit[normal], kind="stable")[:HARDEST]]
    hard = np.union1d(hard, normal[logit[normal] >= threshold])
    passed = _Passed(rows.x[hard], logit[hard] - threshold, *positives)
    price = CORRECTION_BY_LABELS if len(rows.truth) else CORRECTION_BY_FAULTS
    network = _fit_network(passed, price, options, rng, progress)
    weights: Arrays = {
        **prefilter.arrays(line),
        "typical": np.quantile(rows.x[rows.normal_fit], 0.95, axis=0).astype(np.float64),
        **network.arrays(),
    }
    models = network.models()
    wires, is_open = InferenceGate(models, weights)(rows.x[hard])
    weights |= _density(_spec(options), weights["circuit.weights"], wires, is_open)
    reached = {"open_wires_reached": round(float(is_open.sum(axis=1).mean()), 2)}
    manifest = Manifest(
        format=FORMAT, qualm="", features=list(NAMES), wires=options.wires, layers=options.layers,
        preset=options.preset, entity_timeout=rows.entity_timeout, salience_budget=options.salience_budget,
        prefilter_threshold=threshold, false_alarms=options.false_alarms or FALSE_ALARMS,
        merges=rows.merges, texts={} if options.cold else rows.texts, reading=rows.reading.remembered(),
        training={**asdict(options), **rows.summary, **reached},
        calibrated_on={},
    )  # fmt: skip
    bundle = Bundle(manifest, weights, {} if options.cold else rows.learnt, models)
    return _calibrated(bundle, rows, logit, options.false_alarms)


def _spec(options: TrainingOptions) -> CircuitSpec:
    return CircuitSpec(options.wires, options.layers, options.preset)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one step of the network sees: x (B, d), first NEGATIVE_BATCH normal rows and then those of
    BAG_BATCH bags; above (B,): the prefilter's logit less its threshold; bag (B - NEGATIVE_BATCH,) of each
    row of a bag, weight (BAG_BATCH,) of each bag.
    """

    x: Tensor
    above: NDArray[np.float64]
    bag: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True)
class _Passed:
    """What passes the prefilter: normal rows (m, d) and bags, each row with its logit less the threshold."""

    normal: NDArray[np.float32]
    normal_above: NDArray[np.float64]
    bags: Bags
    bags_above: NDArray[np.float64]

    def draw(self, rng: np.random.Generator) -> _Batch:
        """Normal rows and bags, drawn with replacement."""
        first = np.searchsorted(self.bags.bag, np.arange(len(self.bags) + 1))
        rows = rng.integers(0, len(self.normal), NEGATIVE_BATCH)
        drawn = rng.integers(0, len(self.bags), BAG_BATCH)
        members = np.concatenate([np.arange(first[b], first[b + 1]) for b in drawn])
        bag = np.repeat(np.arange(len(drawn)), first[drawn + 1] - first[drawn])
        return _Batch(
            torch.from_numpy(np.concatenate([self.normal[rows], self.bags.x[members]])),
            np.concatenate([self.normal_above[rows], self.bags_above[members]]),
            torch.from_numpy(bag),
            torch.from_numpy(self.bags.weight[drawn].astype(np.float32)),
        )


def _fit_network(
    passed: _Passed, price: float, options: TrainingOptions, rng: np.random.Generator, progress: Progress
) -> Network:
    """Adam on both heads at once; normal rows and bags are drawn afresh for each step."""
    if not len(passed.normal) or not len(passed.bags):
        raise ValueError("nothing passes the prefilter: give more events, or a larger salience budget")
    network = Network(_spec(options), WIDTH, options.seed)
    target = OpenWiresTarget(network.quantum.gate, min(options.open_wires, options.wires))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    for step in range(options.steps):
        if step == int(FREEZE_ALPHA * options.steps):
            network.quantum.gate.freeze_alpha()
        loss = _loss(network, passed.draw(rng), price, target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        optimiser.step()
        target.adjust()
        schedule.step()
        progress("circuit", step + 1, options.steps)
    network.eval()
    return network


def _loss(network: Network, batch: _Batch, price: float, target: OpenWiresTarget) -> Tensor:
    """Both heads alike, their corrections of the prefilter at a price, and the price of open wires.

    The target for open wires is for the normal rows: as nearly all that reach a circuit are.
    """
    out = network(batch.x, torch.from_numpy(readout_prior(batch.above)))
    loss = torch.zeros(())
    for correction in (out.hybrid, out.twin):
        logit = correction + torch.from_numpy(batch.above.astype(np.float32))
        negative, positive = logit[:NEGATIVE_BATCH], logit[NEGATIVE_BATCH:]
        loss = loss + price * correction.square().mean()
        loss = loss + softplus(negative).mean() + bag_loss(positive, batch.bag, batch.weight)
    return loss + target.penalty(out.expected_open[:NEGATIVE_BATCH], out.is_open[:NEGATIVE_BATCH])


def _density(
    spec: CircuitSpec, weights: NDArray[Any], wires: NDArray[np.float32], is_open: NDArray[np.bool_]
) -> Arrays:
    """Density matrices of normal salient rows (m, n) in their order; none where nothing is compiled."""
    head = DensityMatrices()
    if not not_compiled(spec):
        for part in CompiledCircuit(spec, weights).evolved(wires, is_open):
            head.update(part.pattern, part.states)
    return head.arrays()


def _calibrated(
    bundle: Bundle, rows: TrainingRows, logit: NDArray[np.float64], false_alarms: str | None
) -> Bundle:
    """The bundle with p-values from the normal units, by the code of production.

    All normal units but those of the young context count: each is judged by what others say is usual.
    """
    kept = np.flatnonzero(logit >= bundle.manifest.prefilter_threshold)
    wires, is_open = InferenceGate(bundle.models, bundle.weights)(rows.x[kept])
    passed = is_open.any(axis=1)
    kept, wires, is_open = kept[passed], wires[passed], is_open[passed]
    found = Evaluator(bundle).score_arrays(wires, is_open, logit[kept], list(ScoreName))
    units = _normal_units(rows)
    calibrations: dict[ScoreName, UnitCalibration] = {}
    tails: dict[str, dict[str, Any]] = {}
    for name, values in found.items():
        scores = unscored(logit, bundle.manifest.prefilter_threshold)
        if name == ScoreName.PREFILTER:
            scores = logit.copy()
        scores[kept] = values
        worst = {of: row[highest_of(rows.unit[row], scores[row])] for of, row in units.items()}
        fitted = {of: Calibration.fit(scores[row], rows.tail, LEAST_SLOPE) for of, row in worst.items()}
        calibrations[name] = UnitCalibration(**fitted)
        if name == ALERTS_BY:
            tails = {
                of: _tail_fit(scores[row], rows.calibration[row], rows.tail) for of, row in worst.items()
            }
    sizes = {of: len(np.unique(rows.unit[row])) for of, row in units.items()}
    training = {**bundle.manifest.training, "tail": tails}
    manifest = bundle.manifest.model_copy(update={"calibrated_on": sizes, "training": training})
    if false_alarms is None and len(rows.truth):
        scores = unscored(logit, bundle.manifest.prefilter_threshold)
        scores[kept] = found[ALERTS_BY]
        p = calibrations[ALERTS_BY].p_values(scores, rows.of_entity[rows.unit])
        known = np.flatnonzero(rows.labelled >= 0)
        lowest = known[highest_of(rows.labelled[known], -p[known])]
        rate = best_rate(p[lowest], rows.truth[rows.labelled[lowest]])
        manifest = manifest.model_copy(update={"false_alarms": str(FalseAlarms(rate, "unit"))})
    return replace(bundle, manifest=manifest, calibrations=calibrations)


def _tail_fit(scores: NDArray[np.float64], later: NDArray[np.bool_], suspected: float) -> dict[str, Any]:
    """Whether the tail of the units (n,) of the first part holds for those of the calibration part."""
    return tail_fit(scores[~later], scores[later], suspected, LEAST_SLOPE).figures()


def _normal_units(rows: TrainingRows) -> dict[Literal["entity", "source"], NDArray[np.int64]]:
    """Rows of the normal units of each class; where there are none, those of the other stand in."""
    of_entity = rows.of_entity[rows.unit]
    entity, source = np.flatnonzero(rows.normal & of_entity), np.flatnonzero(rows.normal & ~of_entity)
    return {"entity": entity if len(entity) else source, "source": source if len(source) else entity}
