"""How much detection quality is left of a trained bundle when only the evaluation of its circuits changes:
`python -m benchmarks.quality INPUT... --bundle DIR --labels CSV`.

The input is triaged once, by the worker's code; then every method scores the same salient events: prefilter,
classical twin, the density matrices as trained and learning on, and the circuits exact, with shots, and with
shots and the errors of a device of IBM. P-values are always those that the bundle was calibrated with, on
exact expectations. "hybrid_int8, all <Z> 0" is for comparison: circuits of which noise has left nothing.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from agents.inputs.inputs import InputError, Inputs
from agents.progress import progress_bars
from agents.settings import load_settings
from benchmarks.agreement import agreement
from benchmarks.quality_events import QualityReplay, most_suspect
from benchmarks.quality_methods import Methods, Outcome, Progress
from models.bundle import Bundle, BundleError
from models.circuits.devices import problem
from models.circuits.qnode import AER
from models.labels import Labels, read_labels
from schemas.salient import SalientEvent

MOST_NOISY: Final = 1500  # ten minutes or more, with five open wires
_KEPT: Final = (
    "precision", "recall", "f1", "average_precision", "roc_auc", "f1_low", "f1_high", "ap_low", "ap_high",
)  # fmt: skip


def run(
    inputs: Inputs, bundle: Bundle, labels: Labels, false_alarms: str | None, most: int, progress: Progress
) -> list[dict[str, Any]]:
    """Rows {method, shots, noise, salient, circuits, precision, recall, f1, average_precision, roc_auc,
    f1_low, f1_high, ap_low, ap_high, mean_error, rank_agreement, correction_ap, correction_ranks,
    microseconds_per_circuit}; None where one does not apply.

    circuits: how many of the salient events were scored, the same ones by all methods. Where there are more
    than `most`, they are those that the prefilter suspects most, and the others raise no alert: figures then
    compare the methods with each other, but not with a replay. mean_error: of <Z> over open wires,
    from the exact ones. rank_agreement: Spearman's, with the scores of "hybrid_int8". correction_ap and
    correction_ranks: average precision and rank agreement of what the readout adds to the prefilter's logit,
    taken alone, in which the circuit weighs more. Intervals are over entities alone: shots are drawn once,
    from fixed seeds. Times include what a device loads.

    Raises ValueError where nothing is salient or labelled, and what Replay and Methods raise.
    """
    replay = QualityReplay(bundle, labels, false_alarms)
    replay.run(inputs, lambda alert: None, lambda read: progress("replay", read.done, read.total))
    by_prefilter = replay.prefilter_quality()
    if not by_prefilter["n"]:
        raise ValueError("no label names an entity or source of these events; is it the right file?")
    if not replay.salient:
        raise ValueError("no event of the input is salient, so there is nothing to score")
    events = most_suspect(replay.salient, most)
    methods = Methods(bundle, events, replay.evaluation.limits(events), progress)
    outcomes = list(methods)
    (want,) = (each.scores for each in outcomes if each.method == "hybrid_int8")
    rows = []
    for outcome in outcomes:
        found = by_prefilter
        if outcome.method != "prefilter":
            as_logits = len(events) == len(replay.salient)
            found = replay.quality(events, outcome.scores, outcome.p_values, as_logits)
        row = {"salient": len(replay.salient), **_row(outcome, found, methods, want)}
        rows.append(row | _correction(outcome, replay, events, methods, want))
    return rows


def _correction(
    outcome: Outcome,
    replay: QualityReplay,
    events: Sequence[SalientEvent],
    methods: Methods,
    want: NDArray[np.float64],
) -> dict[str, Any]:
    """Figures of what a readout adds to the prefilter; None for methods without one."""
    if outcome.expectations is None and outcome.method != "twin":
        return {"correction_ap": None, "correction_ranks": None}
    added = outcome.scores - methods.above
    found = replay.quality(events, added, np.ones(len(added)), as_logits=False)
    got, reference = (scores.astype(np.float32)[:, None] for scores in (added, want - methods.above))
    ranks = agreement(got, reference)["rank_agreement"]
    return {"correction_ap": found["average_precision"], "correction_ranks": ranks}


def _row(
    outcome: Outcome, found: dict[str, Any], methods: Methods, want: NDArray[np.float64]
) -> dict[str, Any]:
    z, circuits = outcome.expectations, len(want)
    got, reference = (scores.astype(np.float32)[:, None] for scores in (outcome.scores, want))
    return {
        "method": outcome.method,
        "shots": outcome.shots,
        "noise": outcome.noise,
        "circuits": circuits,
        **{name: found[name] for name in _KEPT},
        "mean_error": None if z is None else float(np.abs(z - methods.exact)[methods.is_open].mean()),
        "rank_agreement": agreement(got, reference)["rank_agreement"],
        "microseconds_per_circuit": None if outcome.seconds is None else 1e6 * outcome.seconds / circuits,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """The rows as a table of 110 columns; "c" is the correction alone."""
    circuits, salient = rows[0]["circuits"], rows[0]["salient"]
    title = f"{circuits:,} of {salient:,} salient events"
    if circuits < salient:
        title += ", the most suspect; the others raise no alert, so compare the rows with each other alone"
    table = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", collapse_padding=True, pad_edge=False
    )
    table.add_column("method", no_wrap=True)
    for name in ("shots", "prec", "recall", "F1", "95%", "AP", "error", "AP c", "ranks c", "us"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        name = " ".join(filter(None, (row["method"], row["noise"])))
        table.add_row(
            name, f"{row['shots']:,}" if row["shots"] else "", _number(row["precision"]),
            _number(row["recall"]), _number(row["f1"]), _between(row["f1_low"], row["f1_high"]),
            _number(row["average_precision"]), _number(row["mean_error"]),
            _number(row["correction_ap"]), _number(row["correction_ranks"]),
            _number(row["microseconds_per_circuit"], ",.1f"),
        )  # fmt: skip
    Console(width=110).print(table)


def _number(value: float | None, how: str = ".3f") -> str:
    return "-" if value is None else format(value, how)


def _between(low: float | None, high: float | None) -> str:
    return "-" if low is None else f"{low:.2f}-{high:.2f}"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", nargs="+", metavar="INPUT")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--false-alarms")
    parser.add_argument("--most-noisy", type=int, default=MOST_NOISY)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.most_noisy < 1:
        parser.error("--most-noisy: at least 1 event is needed")
    try:
        if reason := problem(AER):
            raise ValueError(reason)
        bundle, labels = Bundle.load(given.bundle), read_labels(given.labels)
        with progress_bars(quiet=given.json) as progress:
            inputs = Inputs(given.inputs, load_settings())
            rows = run(inputs, bundle, labels, given.false_alarms, given.most_noisy, progress)
    except (InputError, BundleError, ImportError, ValueError, OSError) as error:
        sys.exit(f"quality: {error}")
    if given.json:
        print(json.dumps(rows, allow_nan=False))
    else:
        show(rows)


if __name__ == "__main__":
    _main()
