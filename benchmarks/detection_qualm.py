"""qualm as `benchmarks.detection` compares it: its own commands, each in a process, and what they report."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.detection_data import Protocol, Split
from benchmarks.detection_figures import INTERVALS, Row
from benchmarks.detection_methods import STREAM
from models.scores import ALERTS_BY

_KEPT = ("precision", "recall", "f1", "average_precision", "roc_auc", "n_positive", "n")
_RULE = "p-value at most the false-alarm rate of the bundle, which training set"


class Qualm:
    """Trains and replays in a scratch folder; a bundle that several protocols share is trained once."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._bundles: dict[tuple[Path, Path | None], Path] = {}

    def rows(self, split: Split, protocol: Protocol) -> list[Row]:
        """Rows of the trained bundle, of the other scores in it, and of the default bundle.

        Keys as in detection_figures.figures_of, and method, sees, rule. Raises ValueError where a command
        fails.
        """
        name = "qualm, labelled" if protocol.train_labels else "qualm, label-free"
        trained = self._replay(split, protocol, self._bundle(split, protocol.train_labels))
        default = self._replay(split, protocol, None)
        return [
            row_of(name, trained),
            *(
                row_of(f"- its {score}", trained, score)
                for score in trained["ablation"]
                if score != ALERTS_BY
            ),
            row_of("qualm, default bundle", default),
        ]

    def _bundle(self, split: Split, labels: Path | None) -> Path:
        key = split.train, labels
        if key not in self._bundles:
            out = self._scratch / f"{split.name}-{'labelled' if labels else 'free'}"
            given = ("--labels", str(labels)) if labels else ()
            _qualm(("train", str(split.train), *split.entity, *given, "--out", str(out)))
            self._bundles[key] = out
        return self._bundles[key]

    def _replay(self, split: Split, protocol: Protocol, bundle: Path | None) -> dict[str, Any]:
        out = self._scratch / "metrics.json"
        given = ("--bundle", str(bundle)) if bundle else split.entity
        labels = ("--labels", str(protocol.labels))
        _qualm(("replay", str(split.test), *given, *labels, "--metrics", str(out)))
        metrics: dict[str, Any] = json.loads(out.read_bytes())
        return metrics


def row_of(method: str, metrics: dict[str, Any], score: str = ALERTS_BY) -> Row:
    """A row of what `qualm replay --metrics` wrote; for a score that raises no alerts, one without delay."""
    alerts = score == ALERTS_BY
    found = metrics["entity"] if alerts else metrics["ablation"][score]
    bounds = metrics["ablation"][score].get("interval95", {})
    return {
        "method": method,
        "sees": STREAM,
        "rule": _RULE if alerts else "",
        **{name: found[name] for name in _KEPT},
        "interval95": {name: bounds.get(name) for name in INTERVALS},
        "delay_seconds": metrics["delay_seconds"]["p50"] if alerts else None,
    }


def _qualm(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "agents.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise ValueError(f"qualm {arguments[0]} ended with {done.returncode}: {said[-1]}")
