"""How few pages a year of logs makes, and how true they are: `python -m benchmarks.year`.

A simulated year of nine services with seasons, drift, jobs, deployments and some forty faults, all from a
seed, goes through triage and evaluation as in a worker, as one partition. docs/operations.md says what is
in it. Training, if asked for, is on its first two weeks, in which nothing fails.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.evaluate import SalientEvaluation
from agents.group import Grouping
from agents.progress import progress_bars
from benchmarks.table import show
from benchmarks.year_calendar import QUIET_DAYS
from benchmarks.year_score import Score
from benchmarks.year_simulation import Year
from models.bundle import Bundle
from models.detector import Triage
from models.options import TrainingOptions
from models.training.rows import build
from models.training.train import train
from models.warm_up import warm_up
from schemas.events import EventBatch
from schemas.formats.options import ReadOptions

Progress = Callable[[str, int, int], None]
TOPIC = "year"


def run(
    bundle: Bundle, seed: int, days: int, load: float, progress: Progress, skip: int = 0
) -> tuple[dict[str, Any], Score]:
    """The figures of a year, and the score that they are from; skip: days at the start that are left out,
    as the bundle was trained on them.
    """
    warm_up()
    year = Year(seed, days, load)
    score = Score(year.calendar, year.versions.renewed, bundle.manifest.entity_timeout)
    triage, evaluation, grouping = Triage(bundle, TOPIC, 0), SalientEvaluation(bundle), Grouping()
    events = rows = salient = 0
    start = time.perf_counter()
    for day, batch in enumerate(year.batches()):
        progress("year", min(day + 1, days), days)
        if day < skip:
            continue
        result = triage.process(batch)
        events, rows = events + len(batch), rows + len(result.rows)
        salient += len(result.salient_rows)
        for alert in grouping.process(evaluation.process(result.messages)):
            score.add(alert)
    seconds = time.perf_counter() - start
    measured = {"seed": seed, "days": days, "events": events, "seconds": round(seconds, 1)}
    measured |= {"events_per_second": round(events / seconds), "salient_share": salient / max(1, rows)}
    return measured | score.figures(), score


def trained(seed: int, load: float, progress: Progress) -> Bundle:
    """A bundle trained on the first two weeks."""
    columns: list[list[Any]] = [[] for _ in EventBatch.__slots__]
    for batch in Year(seed, QUIET_DAYS, load).batches():
        for column, name in zip(columns, EventBatch.__slots__, strict=True):
            column += getattr(batch, name)
    options = TrainingOptions(seed=seed)
    rows = build(EventBatch(*columns), None, ReadOptions(), options, progress)
    with tempfile.TemporaryDirectory() as folder:
        return train(rows, options, progress).save(Path(folder))


def table(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures as rows {figure, value} to be read."""
    found = {kind: f"{each['found']} of {each['n']}" for kind, each in figures["by_kind"].items()}
    apart = ("by_kind", "false_by_cause", "examples", "deployments", "repeated_found", "found", "faults")
    rows = [(name, value) for name, value in figures.items() if name not in apart]
    rows += [("faults found", f"{figures['found']} of {figures['faults']}")]
    rows += [(f"- {kind}", value) for kind, value in found.items()]
    rows += [(f"false pages by {cause}", count) for cause, count in figures["false_by_cause"].items()]
    rows += [(f"deployments, {name}", value) for name, value in figures["deployments"].items()]
    return [{"figure": name, "value": value} for name, value in rows]


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--days", type=int, default=365, help="of the year, from its beginning")
    parser.add_argument("--load", type=float, default=1.0, help="requests in relation to 2,500 a day")
    parser.add_argument("--train", action="store_true", help="train on the first two weeks before")
    parser.add_argument("--bundle", type=Path, help="instead of the default bundle")
    parser.add_argument("--json", metavar="OUT", type=Path, help="also write the figures to a file")
    parser.add_argument("--alerts", metavar="OUT", type=Path, help="also write false pages as JSON lines")
    return parser


def _main() -> None:
    given = _arguments().parse_args()
    try:
        with progress_bars() as progress:
            if given.train:
                bundle = trained(given.seed, given.load, progress)
            else:
                bundle = Bundle.load(given.bundle) if given.bundle else Bundle.default()
            skip = QUIET_DAYS if given.train else 0
            figures, score = run(bundle, given.seed, given.days, given.load, progress, skip)
    except (ValueError, OSError) as error:
        sys.exit(f"year: {error}")
    show(table(figures))
    for cause, examples in figures["examples"].items():
        print(f"false by {cause}: " + "; ".join(examples))
    if given.json:
        given.json.write_text(json.dumps(figures, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    if given.alerts:
        lines = (json.dumps({"cause": cause, **each.alert.to_json()}) for cause, each in score.false_pages)
        given.alerts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    _main()
