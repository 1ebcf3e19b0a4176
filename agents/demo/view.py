"""What the demo prints at the end: its tables, or the JSON result."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.demo.scoring import DemoResult
from agents.incident_lines import clock

__all__ = ["result_json", "tables"]

_TITLES = {
    "error_burst": "error burst",
    "new_message": "new failure message",
    "unfinished": "requests never end",
    "latency": "latency jump",
    "silence": "service falls silent",
}


def tables(console: Console, result: DemoResult) -> None:
    """Print the totals, the incidents and the false alarms."""
    console.print(_totals(result))
    console.print(_incidents(result))
    for alert in result.score.false_alarms[:20]:
        line = f"false page: {clock(alert.time)} {alert.source}, {alert.kind}: {alert.example[:100]}"
        console.print(Text(line, "dim"))
    if result.ok:
        console.print(Text("Every event is accounted for and every incident was found.", "bold green"))
    elif result.accounted:
        console.print(Text("Not every incident was found.", "bold red"))
    else:
        lost = result.produced - result.processed - result.dead_letters
        console.print(Text(f"{lost} events are not accounted for.", "bold red"))


def _totals(result: DemoResult) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    share = result.salient / max(result.processed, 1)
    circuits = ", ".join(f"{count:,} on {device}" for device, count in result.circuits.items()) or "none"
    incidents = sum(len(finding.alerts) for finding in result.score.findings)
    rows = [
        (
            "events",
            f"{result.produced:,} written, {result.processed:,} processed, {result.dead_letters} dead",
        ),
        ("salient", f"{result.salient:,} ({share:.2%})"),
        ("circuits", circuits),
        ("pages", f"{incidents} for incidents, {len(result.score.false_alarms)} false"),
        ("time", f"{result.seconds:.0f} s"),
    ]
    for name, value in rows:
        table.add_row(Text(name, "bold"), value)
    return table


def _incidents(result: DemoResult) -> Table:
    table = Table("incident", "service", "since", "found after", "pages", "as", title_justify="left")
    for finding in result.score.findings:
        truth = finding.truth
        delay = "missed" if finding.delay is None else f"{finding.delay:.0f} s"
        kinds = ", ".join(dict.fromkeys(alert.kind for alert in finding.alerts))
        row = (_TITLES[truth.kind], truth.service, clock(truth.start), delay, str(len(finding.alerts)), kinds)
        table.add_row(*row, style="red" if finding.delay is None else None)
    return table


def result_json(result: DemoResult) -> dict[str, Any]:
    """The result for machines; times are seconds, rates are shares in [0, 1]."""
    return {
        "ok": result.ok,
        "events": result.produced,
        "processed": result.processed,
        "dead_letters": result.dead_letters,
        "accounted": result.accounted,
        "salient": result.salient,
        "salient_rate": result.salient / max(result.processed, 1),
        "circuits": result.circuits,
        "seconds": round(result.seconds, 1),
        "incidents": [
            {
                "kind": finding.truth.kind,
                "service": finding.truth.service,
                "start": finding.truth.start,
                "end": finding.truth.end,
                "found": bool(finding.alerts),
                "delay_seconds": finding.delay,
                "pages": len(finding.alerts),
                "kinds": sorted({alert.kind for alert in finding.alerts}),
            }
            for finding in result.score.findings
        ],
        "false_alarms": [
            {"time": alert.time, "source": alert.source, "kind": alert.kind, "template": alert.template}
            for alert in result.score.false_alarms
        ],
    }
