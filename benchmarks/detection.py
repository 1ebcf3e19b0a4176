"""How well qualm finds faults beside simple methods, on the same splits in one run:
`python -m benchmarks.detection FOLDER`.

The folder holds two data sets as JSON lines, split by time, with labels beside them; docs/detection.md has
the names of the files and says what is compared. A unit is an entity: an OpenStack run, an HDFS block. Every
method learns from the training file alone and sets its threshold there; labels of the test file are used for
figures and nowhere before. Intervals are 95% bootstrap intervals over units.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.progress import progress_bars
from benchmarks.detection_counts import Forest, HalfSpaceTrees, Nearest, Tree, UnseenCounts, has_river
from benchmarks.detection_data import SPLITS, Protocol, Split, Unit, Units, load_split, truth_of
from benchmarks.detection_evidence import Evidence
from benchmarks.detection_figures import Row, figures_of, show
from benchmarks.detection_methods import ErrorLines, Method, NewPairs, NewTemplates, Verdict
from benchmarks.detection_qualm import Qualm

Progress = Callable[[str, int, int], None]


def run(
    folder: Path, splits: Sequence[str], scratch: Path, with_qualm: bool, progress: Progress
) -> list[Row]:
    """Rows {protocol, method, sees, rule, precision, recall, f1, average_precision, roc_auc, n_positive, n,
    interval95, delay_seconds}, protocol by protocol; None where one does not apply.

    scratch: where bundles and split files are written. Raises ValueError where a command of qualm fails or
    labels do not fit, OSError for files that are not there.
    """
    qualm, rows = Qualm(scratch), list[Row]()
    for name in splits:
        files = scratch / name
        files.mkdir(parents=True, exist_ok=True)
        split = load_split(name, folder, files)
        rows += _Comparison(split, progress).rows(qualm if with_qualm else None)
    return rows


def methods(labelled: bool) -> list[Method]:
    """All methods that qualm is compared with; those that learn from faults only where there are labels."""
    found: list[Method] = [Evidence(), ErrorLines(), NewTemplates(), NewPairs(), UnseenCounts()]
    found += [Forest(), Forest(auto=True)]
    if has_river():
        found.append(HalfSpaceTrees())
    return [*found, Tree(), Nearest()] if labelled else found


class _Comparison:
    """One split: its units are read once, and verdicts are made once for all labels of the test file."""

    def __init__(self, split: Split, progress: Progress) -> None:
        self._split, self._progress, self._done = split, progress, 0
        self._steps = 2 + sum(1 + len(methods(labels is not None)) for labels in self._trainings())
        units = Units(split.entity_of)
        self._step(0)
        self._train = units.read(split.train)
        self._step()
        self._test = units.read(split.test)
        self._step()
        self._judged: dict[Path | None, list[tuple[Method, list[Verdict]]]] = {}

    def _trainings(self) -> set[Path | None]:
        return {protocol.train_labels for protocol in self._split.protocols}

    def _step(self, by: int = 1) -> None:
        self._done += by
        self._progress(self._split.name, self._done, self._steps)

    def rows(self, qualm: Qualm | None) -> list[Row]:
        """Rows of all protocols; those of qualm come first, where it is given."""
        found: list[Row] = []
        for protocol in self._split.protocols:
            own = qualm.rows(self._split, protocol) if qualm else []
            rows = [*own, *self._compared(protocol)]
            found += [{"protocol": protocol.name, **row} for row in rows]
        return found

    def _compared(self, protocol: Protocol) -> list[Row]:
        truth = truth_of(self._test, protocol.labels)
        labels = protocol.train_labels
        if labels not in self._judged:
            self._judged[labels] = list(map(self._judge, self._fitted(labels)))
            self._step()
        return [
            {"method": method.name, "sees": method.sees, "rule": method.rule, **figures_of(verdicts, truth)}
            for method, verdicts in self._judged[labels]
        ]

    def _fitted(self, labels: Path | None) -> list[Method]:
        units, known = training(self._train, labels)
        fitted = methods(labels is not None)
        for method in fitted:
            method.fit(units, known)
        return fitted

    def _judge(self, method: Method) -> tuple[Method, list[Verdict]]:
        verdicts = method.judge(self._test)
        self._step()
        return method, verdicts


def training(units: list[Unit], labels: Path | None) -> tuple[list[Unit], NDArray[np.bool_] | None]:
    """What methods learn from: all units without labels, else those labelled, and which are anomalies."""
    if labels is None:
        return units, None
    known = truth_of(units, labels)
    return [units[row] for row in known.rows], known.truth


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--json", metavar="OUT", type=Path, help="also write the rows to a file")
    parser.add_argument("--split", action="append", choices=SPLITS, help="only this one; may be repeated")
    parser.add_argument("--skip-qualm", action="store_true", help="compare the simple methods alone")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser


def _main() -> None:
    given = _arguments().parse_args()
    left_out = [] if has_river() else [f"{HalfSpaceTrees.name} left out: pip install 'qualm[bench]'"]
    try:
        with tempfile.TemporaryDirectory() as scratch, progress_bars() as progress:
            rows = run(given.folder, given.split or SPLITS, Path(scratch), not given.skip_qualm, progress)
    except (ImportError, ValueError, OSError) as error:
        sys.exit(f"detection: {error}")
    show(rows, given.markdown)
    for note in left_out:
        print(f"- {note}")
    if given.json:
        content: dict[str, Any] = {"rows": rows, "left_out": left_out}
        given.json.write_text(json.dumps(content, allow_nan=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _main()
