"""How well verdicts agree with labels, and the tables that say so."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.detection_data import Truth
from benchmarks.detection_methods import Verdict
from models.evaluation import figures, interval

INTERVALS: Final = ("f1", "average_precision", "roc_auc")
COLUMNS: Final = ("method", "sees", "F1", "prec.", "recall", "AP", "AUC", "delay s")
WIDTH: Final = 110  # columns of the terminal
Row = dict[str, Any]


def figures_of(verdicts: Sequence[Verdict], truth: Truth) -> Row:
    """{precision, recall, f1, average_precision, roc_auc, n_positive, n, interval95, delay_seconds}.

    interval95: of f1, average_precision and roc_auc, [low, high], over the labelled units. delay_seconds:
    median of `delays`. None for what the labels cannot give.
    """
    chosen = [verdicts[row] for row in truth.rows]
    score = np.array([verdict.score for verdict in chosen])
    flagged = np.array([bool(verdict.alarms) for verdict in chosen])
    found = figures(truth.truth, flagged, score)
    bounds = interval(truth.truth, flagged, score)
    late = delays([verdict.alarms for verdict in chosen], truth)
    return found | {
        "interval95": {name: bounds.get(name) for name in INTERVALS},
        "delay_seconds": float(np.median(late)) if late else None,
    }


def delays(alarms: Sequence[Sequence[float]], truth: Truth) -> list[float]:
    """Seconds from an anomaly's start to its first alarm from then on, for those that have one.

    As in a replay of qualm, an alarm before the fault is no early detection of it.
    """
    labelled = zip(alarms, truth.truth, truth.starts, strict=True)
    after = [[t - start for t in times if t >= start] for times, positive, start in labelled if positive]
    return [min(times) for times in after if times]


def show(rows: Sequence[Row], markdown: bool) -> None:
    """One table per protocol, in the terminal or as Markdown, and below them how thresholds are set."""
    console = Console(width=WIDTH)
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        those = [row for row in rows if row["protocol"] == protocol]
        title = f"{protocol}: {those[0]['n']:,} units, {those[0]['n_positive']:,} anomalies"
        lines = [cells(row) for row in those]
        if markdown:
            print("\n".join(as_markdown(title, lines)), end="\n\n")
        else:
            console.print(_table(title, lines))
    rules = dict.fromkeys((row["method"], row["rule"]) for row in rows if row["rule"])
    for method, rule in rules:
        print(f"- {method}: {rule}")


def cells(row: Row) -> list[str]:
    """The texts of a row, in the order of COLUMNS."""
    bounds = row["interval95"]
    f1, ap, auc = (_with_bounds(row[name], bounds.get(name)) for name in INTERVALS)
    delay = row["delay_seconds"]
    return [
        row["method"], row["sees"], f1, _share(row["precision"]), _share(row["recall"]), ap, auc,
        "-" if delay is None else f"{delay:,.0f}" if delay >= 10 else f"{delay:.1f}",
    ]  # fmt: skip


def as_markdown(title: str, lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """A heading, an empty line and a table of the rows."""
    yield from (f"### {title}", "")
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|---|---|" + "---:|" * (len(COLUMNS) - 2)
    yield from ("| " + " | ".join(line) + " |" for line in lines)


def _table(title: str, lines: Sequence[Sequence[str]]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", collapse_padding=True, pad_edge=False
    )
    for at, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if at < 2 else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_bounds(value: float | None, bounds: Sequence[float] | None) -> str:
    if bounds is None or value is None:
        return _share(value)
    return f"{value:.3f} {bounds[0]:.2f}-{bounds[1]:.2f}"
