"""What it costs that few events reach a circuit:
`python -m benchmarks.sparsity INPUT... --bundle DIR --labels CSV`.

The input is triaged once, by the worker's code. Then all of its rows are scored, once as triage sends them on
and once as if all of them reached the circuit, with all wires open where the gate opens none. A unit is as
suspicious as its highest row, and average precision over the labelled units tells the two apart.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from agents.inputs.inputs import InputError, Inputs
from agents.progress import progress_bars
from agents.replay import Replay
from agents.settings import load_settings
from agents.triage import TriageOutput
from models.bundle import Bundle, BundleError
from models.detector import Evaluator, InferenceGate
from models.evaluation import figures, interval
from models.heads.readout_input import unscored
from models.labels import Labels, read_labels
from models.scores import ALERTS_BY
from models.training.choices import highest_of


class LabelledRows(Replay):
    """A replay that keeps the rows of labelled entities."""

    def __init__(self, bundle: Bundle, labels: Labels) -> None:
        super().__init__(bundle, bundle.manifest.read_options(), labels)
        self._verdicts = labels.entities
        self.truth: list[bool] = []
        self._index: dict[str, int] = {}
        self._x: list[NDArray[np.float32]] = []
        self._logits: list[NDArray[np.float64]] = []
        self._units: list[int] = []
        self._passed: list[NDArray[np.bool_]] = []
        self._unscored: list[NDArray[np.float64]] = []

    def _score_rows(self, output: TriageOutput) -> None:
        for result in output.results:
            kept = []
            for row, (_, entity) in enumerate(result.names()):
                if (verdict := self._verdicts.get(entity)) is not None:
                    kept.append(row)
                    self._units.append(self._index.setdefault(entity, len(self._index)))
                    if len(self._index) > len(self.truth):
                        self.truth.append(verdict)
            self._x.append(result.rows.x[kept])
            self._logits.append(result.logits[kept])
            threshold = self.bundle.manifest.prefilter_threshold
            self._unscored.append(unscored(result.logits, threshold, result.thresholds)[kept])
            self._passed.append(np.isin(kept, result.salient_rows))

    def rows(self) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
        """x (n, d), logits (n,) and unit (n,), an index into truth."""
        return np.concatenate(self._x), np.concatenate(self._logits), np.array(self._units, np.int64)

    def triaged(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which rows are salient (n,), and the scores (n,) that they have if they are not."""
        return np.concatenate(self._passed), np.concatenate(self._unscored)


def run(replay: LabelledRows) -> dict[str, Any]:
    """{events, salient, circuits: share of the events, sparse, all, lost: average precision, ap_low, ap_high:
    of sparse, bounds of 95%}.
    """
    x, logit, unit = replay.rows()
    passed, unseen = replay.triaged()
    bundle, truth = replay.bundle, np.array(replay.truth)
    wires, is_open = InferenceGate(bundle.models, bundle.weights)(x)
    evaluator = Evaluator(bundle)
    opened = is_open | ~is_open.any(axis=1, keepdims=True)
    precision, bounds = [], [np.nan, np.nan]
    for wanted in (is_open & passed[:, None], opened):
        scores = evaluator.score_arrays(wires, wanted, logit, [ALERTS_BY])[ALERTS_BY]
        scores = np.where(wanted.any(axis=1), scores, unseen)
        best = scores[highest_of(unit, scores)]
        flagged = np.zeros(len(truth), bool)
        precision.append(figures(truth, flagged, best)["average_precision"])
        bounds = bounds if len(precision) > 1 else interval(truth, flagged, best)["average_precision"]
    totals = replay.totals
    return {
        "events": totals.events, "salient": totals.salient / totals.events,
        "circuits": totals.circuits / totals.events, "sparse": precision[0], "all": precision[1],
        "lost": precision[1] - precision[0], "ap_low": bounds[0], "ap_high": bounds[1],
    }  # fmt: skip


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sparsity", description=__doc__)
    parser.add_argument("inputs", nargs="+", metavar="INPUT")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    given = parser.parse_args()
    try:
        labels = read_labels(given.labels)
        if not labels.entities:
            sys.exit(f"{given.labels}: labels of entities are needed: entity,label")
        replay = LabelledRows(Bundle.load(given.bundle), labels)
        with progress_bars() as progress:
            replay.run(
                Inputs(given.inputs, load_settings()),
                lambda alert: None,
                lambda read: progress("replay", read.done, read.total),
            )
    except (BundleError, InputError, ValueError, OSError) as error:
        sys.exit(str(error))
    if not any(replay.truth):
        sys.exit("no labelled fault is among these events")
    found = run(replay)
    Console().print(
        f"{found['salient']:.2%} of {found['events']:,} events are salient, {found['circuits']:.2%} reach a "
        f"circuit: average precision {found['sparse']:.4f} "
        f"({found['ap_low']:.3f} to {found['ap_high']:.3f}), "
        f"{found['all']:.4f} if all did, so {found['lost']:+.4f} is lost"
    )


if __name__ == "__main__":
    _main()
