"""`qualm replay`: a replay with progress, its files, and its figures in the terminal."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.inputs.inputs import InputError, Inputs, labels_from, writable
from agents.progress import progress_bars
from agents.replay import Replay, is_new
from agents.report import ALERTS, printable, render
from models.bundle import Bundle
from models.circuits.devices import COMPILED
from models.options import EvaluateOptions
from schemas.alert import Alert, rfc3339
from schemas.formats.options import ReadOptions

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
    options: EvaluateOptions,
    outputs: ReplayOutputs,
) -> None:
    """Replay, write the files, print the figures.

    Raises InputError when nothing could be read as a log event, and what the parts raise; all say what to do.
    """
    known = labels_from(labels)
    for path in (outputs.metrics, outputs.alerts, outputs.report):
        if path:
            writable(path)
    replay = Replay(bundle, reading, known, options)
    first = _run(replay, inputs, outputs)
    if not replay.totals.events:
        raise InputError(_nothing(inputs.records, replay.totals.dead_letters))
    metrics = replay.metrics()
    text = json.dumps(metrics, indent=1, allow_nan=False)
    if outputs.metrics:
        outputs.metrics.write_text(text + "\n", encoding="utf-8")
    if outputs.report:
        outputs.report.write_text(render(metrics, first, "qualm replay"), encoding="utf-8", errors="replace")
    if known is not None and not metrics["entity"]["n"]:
        advice = "no label names an entity or source of these events, so no figures; check --entity-field"
        click.secho(f"qualm: {advice}", fg="yellow", err=True)
    if outputs.as_json:
        click.echo(text)
    else:
        _show(metrics, first)


def _run(replay: Replay, inputs: Inputs, outputs: ReplayOutputs) -> list[Alert]:
    """Write every alert, and return the first of each of the first incidents."""
    first: list[Alert] = []
    with ExitStack() as stack:
        file = stack.enter_context(outputs.alerts.open("wb")) if outputs.alerts else None
        progress = stack.enter_context(progress_bars(quiet=outputs.as_json))

        def take(alert: Alert) -> None:
            if file:
                file.write(alert.encode() + b"\n")
            if is_new(alert) and len(first) < ALERTS:
                first.append(alert)

        replay.run(inputs, take, lambda read: progress("replay", read.done, read.total))
    return first


def _nothing(records: int, unused: dict[str, int]) -> str:
    """Why a replay had no event."""
    if not records:
        return "the input holds no records; is it the right file or topic?"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in unused.items())
    return (
        f"none of the {records:,} records could be read as a log event ({reasons}); check --format and --line"
    )


def _show(metrics: dict[str, Any], alerts: list[Alert]) -> None:
    console = Console(highlight=False)
    gate = metrics["gate"]
    console.print(
        f"{metrics['events']:,} events of {metrics['entities']:,} entities in {metrics['seconds']:.1f} s "
        f"({metrics['events_per_second'] or 0:,.0f}/s),\n"
        f"{gate['circuits']:,} circuits on {metrics['device']}, "
        f"{metrics['incidents']:,} incidents in {metrics['alerts']:,} alerts"
    )
    if metrics["device"] != COMPILED:
        console.print(Text(printable(f"{metrics['device']}: {metrics['device_reason']}", 500), "dim"))
    for reason, count in metrics["dead_letters"].items():
        console.print(Text(f"{count:,} records not used: {printable(reason, 100)}", "yellow"))
    if metrics["entity"]["n"]:
        console.print(_ablation(metrics))
    shown = alerts[:SHOWN]
    if shown:
        console.print(Text(f"\nThe first {len(shown)} of {metrics['incidents']:,} incidents", "bold"))
    for alert in shown:
        _show_alert(console, alert)


def _show_alert(console: Console, alert: Alert) -> None:
    """When, what kind, where and how sure; and under it the line."""
    about = f" {printable(alert.entity, 24)}" if alert.entity else ""
    head = Text.assemble(
        rfc3339(alert.time)[:19].replace("T", " "),
        (f"  {alert.kind:11}", "cyan"),
        f"  {printable(alert.source, 20)}{about}  p {alert.p_value:.1g}",
    )
    line = Text("    " + printable(alert.example, 300), "dim")
    for text in (head, line):
        console.print(text, no_wrap=True, overflow="ellipsis", crop=True)


def _ablation(metrics: dict[str, Any]) -> Table:
    names = ("precision", "recall", "F1", "95% of F1", "AP", "ROC AUC")
    table = Table(
        "score", box=box.SIMPLE_HEAD, title="Per entity, at the calibrated threshold", title_justify="left"
    )
    for name in names:
        table.add_column(name, justify="right")
    for name, figures in metrics["ablation"].items():
        cells = [figures[key] for key in ("precision", "recall", "f1", "average_precision", "roc_auc")]
        shown = ["-" if cell is None else f"{cell:.3f}" for cell in cells]
        interval = figures["interval95"].get("f1")
        between = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "-"
        table.add_row(name, *shown[:3], between, *shown[3:])
    return table
