"""What a replay shows in the terminal: its counts, the ablation and the first incidents."""

from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.printable import printable
from models.circuits.devices import COMPILED
from schemas.alert import Alert, rfc3339

SHOWN: Final = 10  # incidents


def show(metrics: dict[str, Any], alerts: list[Alert]) -> None:
    """The figures of a replay and the first alerts of its first incidents."""
    console = Console(highlight=False)
    gate = metrics["gate"]
    console.print(
        f"{metrics['events']:,} events of {metrics['entities']:,} entities in {metrics['seconds']:.1f} s "
        f"({metrics['events_per_second'] or 0:,.0f}/s),\n"
        f"{gate['circuits']:,} circuits on {metrics['device']}, "
        f"{metrics['incidents']['n']:,} incidents, {metrics['pages']:,} pages"
    )
    if metrics["device"] != COMPILED:
        console.print(Text(printable(f"{metrics['device']}: {metrics['device_reason']}", 500), "dim"))
    for reason, count in metrics["dead_letters"].items():
        console.print(Text(f"{count:,} records not used: {printable(reason, 100)}", "yellow"))
    if metrics["entity"]["n"]:
        console.print(_ablation(metrics))
    shown = alerts[:SHOWN]
    if shown:
        console.print(Text(f"\nThe first {len(shown)} of {metrics['incidents']['n']:,} incidents", "bold"))
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
