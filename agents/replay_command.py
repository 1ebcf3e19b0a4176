"""`qualm replay`: a replay with progress, its files, and its figures in the terminal."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from agents.inputs import Inputs
from agents.progress import progress_bars
from agents.replay import Replay
from agents.report import ALERTS, render
from models.bundle import Bundle
from models.labels import read_labels
from schemas.alert import Alert, rfc3339
from schemas.decoding import ReadOptions

SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class ReplayOutputs:
    """Files to write, None for those not wanted, and whether to print JSON alone."""

    metrics: Path | None
    alerts: Path | None
    report: Path | None
    as_json: bool


def run_replay(
    inputs: Inputs,
    bundle: Bundle,
    reading: ReadOptions,
    labels: Path | None,
    device: str,
    false_alarm_rate: float | None,
    resolve_after: float,
    outputs: ReplayOutputs,
) -> None:
    """Replay, write the files, print the figures. Raises what the parts raise; each says what to do."""
    known = read_labels(labels) if labels else None
    replay = Replay(bundle, reading, known, device, false_alarm_rate, resolve_after)
    first: list[Alert] = []
    with ExitStack() as stack:
        file = stack.enter_context(outputs.alerts.open("wb")) if outputs.alerts else None
        progress = stack.enter_context(progress_bars(quiet=outputs.as_json))

        def take(alert: Alert) -> None:
            if file:
                file.write(alert.encode() + b"\n")
            if alert.status == "firing" and alert.count == 1 and len(first) < ALERTS:
                first.append(alert)

        replay.run(inputs, take, lambda read: progress("replay", read.done, read.total))
    metrics = replay.metrics()
    text = json.dumps(metrics, indent=1, allow_nan=False)
    if outputs.metrics:
        outputs.metrics.write_text(text + "\n", encoding="utf-8")
    if outputs.report:
        outputs.report.write_text(render(metrics, first, "qualm replay"), encoding="utf-8")
    if outputs.as_json:
        click.echo(text)
    else:
        _show(metrics, first)


def _show(metrics: dict[str, Any], alerts: list[Alert]) -> None:
    console = Console()
    gate = metrics["gate"]
    console.print(
        f"{metrics['events']:,} events in {metrics['seconds']:.1f} s ({metrics['events_per_second'] or 0:,.0f}/s), "
        f"{gate['circuits']:,} circuits on {metrics['device']}, {metrics['alerts']:,} alerts"
    )
    for reason, count in metrics["dead_letters"].items():
        console.print(f"[yellow]{count:,} records not used: {reason}")
    if metrics["entity"]["n"]:
        console.print(_ablation(metrics))
    table = Table("time", "kind", "source", "entity", "example", "p", title=f"First {min(SHOWN, len(alerts))} incidents")
    for alert in alerts[:SHOWN]:
        table.add_row(
            rfc3339(alert.time)[:19], alert.kind, alert.source, alert.entity, alert.example[:60], f"{alert.p_value:.1g}"
        )
    if alerts:
        console.print(table)


def _ablation(metrics: dict[str, Any]) -> Table:
    table = Table("score", "precision", "recall", "F1", "95%", "AP", "ROC AUC", title="Per entity, at the calibrated threshold")
    for name, figures in metrics["ablation"].items():
        low, high = figures["interval95"].get("f1", (float("nan"),) * 2)
        cells = [figures[key] for key in ("precision", "recall", "f1", "average_precision", "roc_auc")]
        shown = ["–" if cell is None else f"{cell:.3f}" for cell in cells]
        table.add_row(name, *shown[:3], f"{low:.2f}–{high:.2f}", *shown[3:])
    return table
