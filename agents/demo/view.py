"""What the demo prints: alerts as they come, the tables at the end, the JSON result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.demo.scoring import DemoResult
from schemas.alert import Alert

__all__ = ["alert_lines", "result_json", "tables"]

_TITLES = {
    "error_burst": "error burst",
    "new_message": "new failure message",
    "unfinished": "requests never end",
    "latency": "latency jump",
    "silence": "service falls silent",
}


def clock(time: float) -> str:
    """Unix seconds as ``HH:MM:SS`` in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def alert_lines(alert: Alert) -> Text:
    """An alert as a person on call wants it: what and where, since when, an example, why."""
    text = Text()
    text.append(f"{clock(alert.time)}  ", "dim")
    text.append(alert.source or "(no source)", "bold red")
    text.append(f"  {alert.kind}  {alert.severity}\n", "bold")
    times = "once" if alert.count == 1 else f"{alert.count} times"
    about = f", {alert.entity}" if alert.entity else ""
    text.append(f"    since {clock(alert.first_seen)}, {times}, p = {alert.p_value:.1g}{about}\n")
    text.append(f"    {alert.example[:160]}\n", "italic")
    why = "; ".join(f"{d.name} {d.value:.1f} (expected {d.expected:.1f})" for d in alert.features[:3])
    text.append(f"    why: {why}\n", "cyan")
    return text


def tables(console: Console, result: DemoResult) -> None:
    """Print the totals, the incidents and the false alarms."""
    console.print(_totals(result))
    console.print(_incidents(result))
    for alert in result.score.false_alarms[:20]:
        line = f"false alarm: {clock(alert.time)} {alert.source}, {alert.kind}: {alert.example[:100]}"
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
        ("alerts", f"{incidents} for incidents, {len(result.score.false_alarms)} false"),
        ("time", f"{result.seconds:.0f} s"),
    ]
    for name, value in rows:
        table.add_row(Text(name, "bold"), value)
    return table


def _incidents(result: DemoResult) -> Table:
    table = Table("incident", "service", "since", "found after", "alerts", "as", title_justify="left")
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
                "alerts": len(finding.alerts),
                "kinds": sorted({alert.kind for alert in finding.alerts}),
            }
            for finding in result.score.findings
        ],
        "false_alarms": [
            {"time": alert.time, "source": alert.source, "kind": alert.kind, "template": alert.template}
            for alert in result.score.false_alarms
        ],
    }
