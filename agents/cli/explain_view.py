"""What `qualm explain` says of an alert, in the terminal and as JSON."""

import math
from dataclasses import asdict
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.explain import Explained, Found
from agents.line_history import Line
from agents.printable import printable
from models.attribution import Part
from schemas.alert import rfc3339
from schemas.salient import Trigger

LEAST: Final = 0.005  # of the score: what adds less is in the JSON alone


def as_object(explained: Explained, found: Found) -> dict[str, Any]:
    """All of it, as JSON types."""
    alert, given, attribution = explained.alert, explained.given, explained.attribution
    return {
        "reproduced": explained.reproduced,
        "p_value": alert.p_value,
        "p_value_given": given.p_value if given else None,
        "p_limit": explained.limit,
        "trigger": explained.event.trigger,
        "alert": (given or alert).to_json(),
        "evidence": [reason.sentence() for reason in alert.evidence],
        "score": attribution.score,
        "prefilter": attribution.prefilter,
        "features": [asdict(part) for part in attribution.features],
        "wires": [asdict(part) for part in attribution.wires],
        "before": [_line_object(line) for line in found.before],
        "line": _line_object(found.line) if found.line else None,
    }


def show(explained: Explained, found: Found) -> None:
    """For people."""
    console = Console(highlight=False)
    _show_verdict(console, explained)
    if explained.alert.evidence:
        console.print(Text("\nWhy its entity is suspicious", "bold"))
    for reason in explained.alert.evidence:
        console.print(Text(f"{reason.nats:6.1f} nats: it {printable(reason.sentence(), 400)}"))
    _show_attribution(console, explained)
    _show_lines(console, explained, found)


def _show_verdict(console: Console, explained: Explained) -> None:
    alert, given = explained.alert, explained.given
    if not explained.reproduced and given:
        say = f"Not reproduced: p is {alert.p_value:.3g} here and {given.p_value:.3g} in the alert"
        console.print(Text(say, "red"))
    else:
        console.print(Text("Reproduced: the same id" + (" and p-value" if given else ""), "green"))
    verdict = "an alert" if alert.p_value <= explained.limit else "an alert only if more is accepted"
    for text in (
        f"{printable(alert.source, 256)} {printable(alert.entity, 256)}".rstrip(),
        f"{_time(alert.time)} UTC, {alert.severity}, {alert.kind}, trigger {explained.event.trigger}",
        printable(alert.template, 300),
        f"p {alert.p_value:.3g}, and up to {explained.limit:.3g} alerts: {verdict}",
        f"topic {printable(alert.topic, 249)}, partition {alert.partition}, offset {alert.offset}",
    ):
        console.print(Text("  " + text))


def _show_attribution(console: Console, explained: Explained) -> None:
    found, limit = explained.attribution, explained.limit
    by_heads = found.score - found.prefilter
    console.print(Text(f"\nWhat its score of {found.score:.2f} rests on, each left out alone", "bold"))
    console.print(
        f"  {found.prefilter:.2f} is the prefilter's beyond its threshold, "
        f"{by_heads:+.2f} what circuit and readout add"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True)
    for name in ("left out", "value", "usual", "adds", "p without", ""):
        table.add_column(name, justify="left" if name in ("left out", "") else "right")
    named = [(part.name, f"{part.usual:.2f}", part) for part in found.features]
    named += [(f"wire {part.name}", "closed", part) for part in found.wires]
    for name, usual, part in named:
        if abs(part.adds) >= LEAST:
            table.add_row(name, f"{part.value:.2f}", usual, *_effect(part, limit))
    console.print(table)


def _effect(part: Part, limit: float) -> tuple[str, str, str]:
    return f"{part.adds:+.2f}", f"{part.p_value:.2g}", "" if part.p_value <= limit else "no alert"


def _show_lines(console: Console, explained: Explained, found: Found) -> None:
    of = "entity" if explained.alert.entity else "source"
    trigger, source = explained.event.trigger, found.line.source if found.line else ""
    own = trigger == Trigger.EVENT or (trigger == Trigger.SOURCE and source == explained.alert.source)
    what = "its own" if own else "the one by whose time it showed"
    console.print(Text(f"The last lines of this {of} before, and {what}", "bold"))
    for mark, line in [*((" ", line) for line in found.before), (">", found.line)]:
        if line is not None:
            head = f"{mark} {_time(line.time)[11:]} {line.severity:5} "
            text = Text(head + printable(line.message, 300), "" if mark == ">" else "dim")
            console.print(text, no_wrap=True, overflow="ellipsis", crop=True)


def _time(time: float) -> str:
    return "1970-01-01 -" if math.isnan(time) else rfc3339(time)[:23].replace("T", " ")


def _line_object(line: Line) -> dict[str, Any]:
    known = not math.isnan(line.time)
    return line._asdict() | {"time": rfc3339(line.time) if known else None}
